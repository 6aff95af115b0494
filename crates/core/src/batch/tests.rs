use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::contract::fixtures::{self, batch_key, start};

const POLICY: BatchPolicy =
    BatchPolicy { max_renders: 3, timeout: TimeDelta::seconds(45), max_input_bytes: 10_000 };

fn at(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

/// The order of render `n` with `bytes` of pictures, of which the shirt is 1,000.
fn order(n: u64, bytes: u64) -> RenderOrder {
    let mut order = fixtures::order(&fixtures::render(n));
    order.request.person.photo.bytes = bytes - 1_000;
    assert_eq!(order.input_bytes(), bytes);
    order
}

fn append(open: Option<Batch>, orders: Vec<RenderOrder>, now: DateTime<Utc>) -> Vec<Batch> {
    let mut ids = 100..;
    let new_id = || fixtures::batch_id(ids.next().unwrap());
    plan_append(&batch_key(), open, orders, now, &POLICY, new_id)
}

fn opened() -> Batch {
    append(None, vec![order(1, 2_000)], at(0)).remove(0)
}

fn reasons(batches: &[Batch]) -> Vec<Option<SealReason>> {
    batches.iter().map(|batch| batch.sealed.map(|seal| seal.reason)).collect()
}

#[test]
fn a_new_batch_fixes_its_seal_time_and_owes_its_tick() {
    let batch = opened();
    assert_eq!((batch.version, &batch.status), (0, &BatchStatus::Open));
    assert_eq!((batch.opened_at, batch.seal_at), (at(0), at(45)));
    assert_eq!((batch.owes_send, batch.due_at), (true, Some(at(60))));

    let joined = append(Some(batch.clone()), vec![order(2, 2_000)], at(30)).remove(0);
    assert_eq!((joined.id, joined.seal_at), (batch.id, at(45)));
}

#[test]
fn the_last_place_seals_at_once() {
    let batches = append(None, (0..7).map(|n| order(n, 2_000)).collect(), at(0));
    let fill: Vec<usize> = batches.iter().map(|batch| batch.orders.len()).collect();
    assert_eq!(fill, [3, 3, 1]);
    assert_eq!(reasons(&batches), [Some(SealReason::Count), Some(SealReason::Count), None]);
}

#[test]
fn pictures_that_do_not_fit_seal_the_batch_before_them() {
    let batches = append(Some(opened()), vec![order(2, 8_000), order(3, 1_001)], at(9));
    assert_eq!(reasons(&batches), [Some(SealReason::Bytes), None]);
    assert_eq!(batches[0].input_bytes, 10_000, "to the byte");
    assert_eq!(batches[0].sealed.unwrap().at, at(9));
}

#[test]
fn an_order_too_large_for_any_batch_rides_alone() {
    let batches = append(None, vec![order(1, 20_000), order(2, 1_001)], at(0));
    assert_eq!(reasons(&batches), [Some(SealReason::Bytes), None]);
    assert_eq!((batches[0].orders.len(), batches[1].orders.len()), (1, 1));
}

#[test]
fn a_lowered_size_holds_for_the_batch_that_is_open() {
    let open = append(None, vec![order(1, 2_000), order(2, 2_000)], at(0)).remove(0);
    let lower = BatchPolicy { max_renders: 1, ..POLICY };
    let new_id = || fixtures::batch_id(7);
    let batches = plan_append(&batch_key(), Some(open), [order(3, 2_000)], at(9), &lower, new_id);
    let fill: Vec<usize> = batches.iter().map(|batch| batch.orders.len()).collect();
    assert_eq!(fill, [2, 1]);
    assert_eq!(reasons(&batches), [Some(SealReason::Count); 2]);
}

#[test]
fn nothing_to_add_changes_nothing() {
    assert_eq!(append(Some(opened()), Vec::new(), at(9)), []);
    assert_eq!(append(None, Vec::new(), at(9)), []);
}

#[test]
fn a_tick_seals_on_time_and_only_what_is_open() {
    let mut batch = opened();
    assert_eq!((batch.tick(at(44), 0), batch.clone()), (Tick::Early, opened()));
    assert_eq!(batch.tick(at(45), 0), Tick::Sealed);
    assert_eq!(batch.sealed, Some(Seal { at: at(45), reason: SealReason::Time }));
    assert_eq!((batch.owes_send, batch.due_at), (true, Some(at(105))));
    let sealed = batch.clone();
    assert_eq!((batch.tick(at(46), 0), batch), (Tick::Closed, sealed));
}

#[test]
fn near_googles_limit_only_count_bytes_or_the_first_deadline_seal() {
    let mut batch = opened();
    let wait_until = batch.orders[0].wait_until;
    assert_eq!(batch.tick(at(45), MANY_JOBS), Tick::Early);
    assert_eq!(batch.next_tick(at(45)), at(60), "looked at again");
    batch.sent(at(45));
    assert_eq!(batch.due_at, Some(at(120)), "nobody else need look after it");
    assert_eq!(batch.clone().tick(at(60), MANY_JOBS - 1), Tick::Sealed);
    let last = wait_until - TimeDelta::minutes(30);
    assert_eq!(batch.clone().tick(last - TimeDelta::seconds(1), MANY_JOBS), Tick::Early);
    assert_eq!(batch.tick(last, MANY_JOBS), Tick::Sealed);
}

#[test]
fn a_batch_is_looked_after_until_it_is_heard_of() {
    let mut batch = opened();
    batch.sent(at(1));
    assert_eq!((batch.owes_send, batch.due_at), (false, Some(at(105))), "after its seal time");
    assert_eq!((batch.nudge(at(105)), batch.due_at), (Nudge::Tick, Some(at(165))));
    batch.seal(SealReason::Time, at(110));
    batch.sent(at(110));
    assert_eq!((batch.owes_send, batch.due_at), (false, Some(at(710))));
    assert_eq!(batch.nudge(at(710)), Nudge::Tick);
    assert_eq!((batch.owes_send, batch.due_at), (true, Some(at(770))));
    let job = JobName::from("batches/1");
    assert!(batch.advance(BatchStatus::Submitted { job, at: at(800) }, at(801)));
    assert_eq!((batch.owes_send, batch.due_at), (false, Some(at(801 + 3_600))));
    assert_eq!((batch.nudge(at(5_000)), batch.due_at), (Nudge::Republish, Some(at(8_600))));
    assert!(batch.advance(BatchStatus::Failed { at: at(8_700) }, at(8_701)));
    assert_eq!((batch.owes_send, batch.due_at), (false, None));
    assert_eq!((batch.nudge(at(9_000)), batch.due_at), (Nudge::Nothing, None));
}

#[test]
fn rows_survive_their_store() {
    let mut batch = opened();
    batch.seal(SealReason::Count, at(3));
    let json = serde_json::to_string(&batch).unwrap();
    assert_eq!(serde_json::from_str::<Batch>(&json).unwrap(), batch);
}

fn any_status() -> impl Strategy<Value = BatchStatus> {
    let job = || JobName::from("batches/1");
    prop_oneof![
        Just(BatchStatus::Open),
        Just(BatchStatus::Sealed),
        (0..900i64).prop_map(move |s| BatchStatus::Submitted { job: job(), at: at(s) }),
        (0..900i64).prop_map(move |s| BatchStatus::Processing { job: job(), at: at(s) }),
        (0..900i64).prop_map(|s| BatchStatus::Completed { at: at(s) }),
        (0..900i64).prop_map(|s| BatchStatus::Failed { at: at(s) }),
    ]
}

/// What comes in one delivery: how much later, under which size, and how many bytes each order has.
type Arrival = (i64, usize, Vec<u64>);

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let sizes = prop::collection::vec(1_001..12_000u64, 0..12);
    prop::collection::vec((0..30i64, 1..6usize, sizes), 1..6)
}

/// A batch that came out of an append, by itself.
fn check(batch: &Batch, before: Option<&Batch>, policy: &BatchPolicy) -> Result<(), TestCaseError> {
    let bytes = batch.orders.iter().map(RenderOrder::input_bytes).sum::<u64>();
    prop_assert_eq!(batch.input_bytes, bytes);
    prop_assert!(bytes <= policy.max_input_bytes || batch.orders.len() == 1);
    prop_assert!(batch.owes_send && batch.due_at.is_some());
    prop_assert_eq!(batch.seal_at, batch.opened_at + policy.timeout);
    if let Some(before) = before {
        // The open batch comes first, with what it had in front.
        prop_assert_eq!((&batch.id, batch.opened_at), (&before.id, before.opened_at));
        prop_assert!(batch.orders.starts_with(&before.orders));
    }
    let grew = before.is_none_or(|before| before.orders.len() < batch.orders.len());
    prop_assert!(!grew || batch.orders.len() <= policy.max_renders);
    Ok(())
}

/// Why a sealed batch could take no more, judged by what came after it.
fn reason(batch: &Batch, next: Option<&Batch>, policy: &BatchPolicy) -> Option<SealReason> {
    let following = next.and_then(|next| next.orders.first()).map(RenderOrder::input_bytes);
    match following {
        _ if batch.orders.len() >= policy.max_renders => Some(SealReason::Count),
        Some(bytes) if batch.input_bytes + bytes > policy.max_input_bytes => {
            Some(SealReason::Bytes)
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn every_order_is_in_one_batch_and_no_batch_is_too_full(arrivals in arrivals()) {
        let (mut now, mut batch_ids, mut render_ids) = (at(0), 0.., 0..);
        let (mut open, mut sent, mut gathered) = (None::<Batch>, Vec::new(), Vec::new());
        for (after, max_renders, sizes) in arrivals {
            now += TimeDelta::seconds(after);
            let policy = BatchPolicy { max_renders, ..POLICY };
            let orders: Vec<_> =
                sizes.iter().zip(&mut render_ids).map(|(&bytes, n)| order(n, bytes)).collect();
            sent.extend(orders.iter().cloned());
            let before = open.take();
            let new_id = || fixtures::batch_id(batch_ids.next().unwrap());
            let nothing = orders.is_empty();
            let after = plan_append(&batch_key(), before.clone(), orders, now, &policy, new_id);
            prop_assert_eq!(after.is_empty(), nothing);

            for (i, batch) in after.iter().enumerate() {
                check(batch, before.as_ref().filter(|_| i == 0), &policy)?;
                let expected = reason(batch, after.get(i + 1), &policy);
                prop_assert_eq!(batch.sealed, expected.map(|reason| Seal { at: now, reason }));
                prop_assert_eq!(batch.status == BatchStatus::Open, expected.is_none());
                prop_assert!(expected.is_some() || i + 1 == after.len());
            }
            if nothing {
                open = before;
            }
            for batch in after {
                match batch.status {
                    BatchStatus::Open => open = Some(batch),
                    _ => gathered.extend(batch.orders),
                }
            }
        }
        gathered.extend(open.into_iter().flat_map(|batch| batch.orders));
        prop_assert_eq!(gathered, sent);
    }

    #[test]
    fn a_status_never_goes_back(statuses in prop::collection::vec(any_status(), 0..12)) {
        let mut batch = opened();
        for status in statuses {
            let before = batch.clone();
            let moved = batch.advance(status.clone(), at(900));
            prop_assert_eq!(moved, status.rank() > before.status.rank());
            prop_assert_eq!(&batch.status, if moved { &status } else { &before.status });
            prop_assert!(moved || batch == before);
        }
    }
}
