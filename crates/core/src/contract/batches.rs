//! Batch rows, which gather renders.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::fixtures::{
    batch_id, batch_key, online_render, order, render, render_id, start, unlimited,
};
use crate::{
    batch::{Batch, BatchPolicy, BatchStatus, SealReason, Tick},
    catalogue::BatchKey,
    chain::Step,
    ids::{JobName, RenderId},
    messages::RenderOrder,
    ports::{Batches, Inserted, Random, Renders},
    render::RenderStatus,
};

/// The two ports of one store, and what new ids are made of.
#[derive(Clone, Copy, Debug)]
pub struct Store<'a> {
    pub renders: &'a dyn Renders,
    pub batches: &'a dyn Batches,
    pub random: &'a dyn Random,
}

/// Everything below, on one empty store.
pub async fn suite(store: Store<'_>) {
    ten_renders_share_a_batch(store).await;
    the_fiftieth_seals(store).await;
    bytes_seal(store).await;
    what_was_gathered_is_not_gathered_again(store).await;
    what_does_not_wait_is_left_out(store).await;
    keys_do_not_mix(store).await;
    batches_whose_job_is_not_done_are_counted(store).await;
    a_sealed_batch_takes_no_more(store).await;
    an_update_needs_the_version_it_read(store).await;
    many_clients_lose_and_overfill_nothing(store).await;
    due_rows_come_longest_due_first(store).await;
    a_batch_is_found_by_its_renders_and_while_it_goes_on(store).await;
}

/// A key of a test's own.
fn key(name: &str) -> BatchKey {
    BatchKey { model: name.to_owned(), ..batch_key() }
}

impl Store<'_> {
    /// Inserts renders and gives their orders.
    async fn accept(self, numbers: impl IntoIterator<Item = u64>) -> Vec<RenderOrder> {
        let mut orders = Vec::new();
        for n in numbers {
            let render = render(n);
            orders.push(order(&render));
            assert_eq!(self.renders.insert(render, unlimited()).await, Ok(Inserted::New));
        }
        orders
    }

    async fn append(self, key: &BatchKey, orders: Vec<RenderOrder>) -> Vec<Batch> {
        let policy = BatchPolicy::default();
        self.batches.append(key, orders, start(), &policy, self.random).await.unwrap()
    }

    async fn stored(self, batch: &Batch) -> Batch {
        self.batches.get(&batch.id).await.unwrap().unwrap()
    }
}

fn members(batch: &Batch) -> Vec<RenderId> {
    batch.orders.iter().map(|order| order.render_id.clone()).collect()
}

pub async fn ten_renders_share_a_batch(store: Store<'_>) {
    let orders = store.accept(2_000..2_010).await;
    let key = key("ten");
    let open_before = store.batches.open().await.unwrap();
    let opened = store.append(&key, orders[..4].to_vec()).await;
    assert_eq!(store.batches.open().await, Ok(open_before + 1));
    let [batch] = opened.as_slice() else { unreachable!("one batch opens") };
    assert_eq!((batch.version, &batch.status), (1, &BatchStatus::Open));
    assert_eq!(batch.seal_at, start() + TimeDelta::seconds(45));
    assert!(batch.owes_send, "its seal tick");
    let grown = store.append(&key, orders[4..].to_vec()).await;
    assert_eq!(grown.len(), 1);
    assert_eq!((&grown[0].id, grown[0].version), (&batch.id, 2));
    assert_eq!(grown[0].seal_at, batch.seal_at, "fixed at the opening");
    assert_eq!(grown[0].orders, orders);
    assert_eq!(grown[0].input_bytes, 20_000);
    assert_eq!(store.stored(batch).await, grown[0]);
    let ids: Vec<_> = (2_000..2_010).map(render_id).collect();
    for render in store.renders.get(&ids).await.unwrap() {
        assert_eq!(render.version, 2);
        assert_eq!(render.status, RenderStatus::Queued);
        assert_eq!(render.open_attempts, [batch.attempt()].into());
        assert!(!render.to_join && !render.owed.contains(&render.hand_on()));
    }
}

pub async fn the_fiftieth_seals(store: Store<'_>) {
    let orders = store.accept(2_020..2_140).await;
    let key = key("fifty");
    assert_eq!(store.append(&key, orders[..49].to_vec()).await[0].status, BatchStatus::Open);
    let changed = store.append(&key, orders[49..].to_vec()).await;
    let sizes: Vec<_> = changed.iter().map(|batch| batch.orders.len()).collect();
    assert_eq!(sizes, [50, 50, 20]);
    for sealed in &changed[..2] {
        assert_eq!(sealed.status, BatchStatus::Sealed);
        assert_eq!(sealed.sealed.map(|seal| seal.reason), Some(SealReason::Count));
        assert!(sealed.owes_send, "its hand-on");
        assert_eq!(store.stored(sealed).await, *sealed);
    }
    assert_eq!(changed[2].status, BatchStatus::Open);
}

pub async fn bytes_seal(store: Store<'_>) {
    let mut orders = store.accept(2_150..2_152).await;
    for order in &mut orders {
        order.request.person.photo.bytes = 200_000_000;
    }
    let changed = store.append(&key("bytes"), orders).await;
    let reasons: Vec<_> = changed.iter().map(|b| b.sealed.map(|seal| seal.reason)).collect();
    assert_eq!(reasons, [Some(SealReason::Bytes), None]);
}

pub async fn what_was_gathered_is_not_gathered_again(store: Store<'_>) {
    let orders = store.accept(2_160..2_163).await;
    let key = key("again");
    let twice = [orders.clone(), orders.clone()].concat();
    let changed = store.append(&key, twice).await;
    assert_eq!(members(&changed[0]).len(), 3, "an order that came twice at once counts once");
    assert_eq!(store.append(&key, orders.clone()).await, [], "and nothing changes later on");
    assert_eq!(store.stored(&changed[0]).await, changed[0]);
    let more = store.accept([2_163]).await;
    let changed = store.append(&key, [orders, more].concat()).await;
    assert_eq!(members(&changed[0]).len(), 4);
}

pub async fn what_does_not_wait_is_left_out(store: Store<'_>) {
    let online = online_render(2_171);
    assert_eq!(store.renders.insert(online.clone(), unlimited()).await, Ok(Inserted::New));
    let mut orders = store.accept(2_172..2_176).await;
    let mut ended = store.renders.get(&[render_id(2_172)]).await.unwrap().remove(0);
    ended.overdue(ended.give_up_at);
    assert_eq!(store.renders.update(&[ended]).await, Ok(vec![true]));
    orders[1].n = 2;
    orders[2].step = Step::PhotoMaker;
    orders.extend([order(&render(2_170)), order(&online)]);
    let changed = store.append(&key("waits not"), orders).await;
    assert_eq!(changed.iter().flat_map(members).collect::<Vec<_>>(), [render_id(2_175)]);
}

pub async fn keys_do_not_mix(store: Store<'_>) {
    let orders = store.accept(2_180..2_183).await;
    let one = store.append(&key("mix"), orders[..1].to_vec()).await.remove(0);
    let other = store.append(&key("mix not"), orders[1..2].to_vec()).await.remove(0);
    let again = store.append(&key("mix"), orders[2..].to_vec()).await.remove(0);
    assert!(one.id == again.id && one.id != other.id);
}

pub async fn batches_whose_job_is_not_done_are_counted(store: Store<'_>) {
    let orders = store.accept(2_195..2_196).await;
    let mut batch = store.append(&key("jobs"), orders).await.remove(0);
    let before = store.batches.jobs().await.unwrap();
    batch.seal(SealReason::Time, batch.seal_at);
    let job = || JobName::from("batches/k3v8");
    let steps = [
        (None, 0),
        (Some(BatchStatus::Submitted { job: job(), at: start() }), 1),
        (Some(BatchStatus::Processing { job: job(), at: start() }), 1),
        (Some(BatchStatus::Completed { at: start() }), 0),
    ];
    for (status, more) in steps {
        assert!(status.is_none_or(|status| batch.advance(status, start())));
        assert_eq!(store.batches.update(&batch).await, Ok(true));
        batch = store.stored(&batch).await;
        assert_eq!(store.batches.jobs().await, Ok(before + more), "{:?}", batch.status);
    }
}

pub async fn a_sealed_batch_takes_no_more(store: Store<'_>) {
    let orders = store.accept(2_190..2_193).await;
    let key = key("sealed");
    let mut batch = store.append(&key, orders[..1].to_vec()).await.remove(0);
    assert_eq!(batch.tick(batch.seal_at, 0), Tick::Sealed);
    assert_eq!(store.batches.update(&batch).await, Ok(true));
    let next = store.append(&key, orders[1..2].to_vec()).await.remove(0);
    assert_ne!(next.id, batch.id);
    let mut sealed = store.stored(&batch).await;
    assert_eq!(sealed, Batch { version: 2, ..batch });
    // News of the old batch does not touch which one is open.
    assert!(sealed.advance(BatchStatus::Failed { at: start() }, start()));
    assert_eq!(store.batches.update(&sealed).await, Ok(true));
    assert_eq!(store.append(&key, orders[2..].to_vec()).await[0].id, next.id);
}

pub async fn an_update_needs_the_version_it_read(store: Store<'_>) {
    let orders = store.accept(2_200..2_202).await;
    let key = key("versions");
    let mut read = store.append(&key, orders[..1].to_vec()).await.remove(0);
    let grown = store.append(&key, orders[1..].to_vec()).await.remove(0);
    read.seal(SealReason::Time, read.seal_at);
    assert_eq!(store.batches.update(&read).await, Ok(false), "it grew since");
    assert_eq!(store.stored(&read).await, grown);
    let racers = (0..10).map(|_| async { store.batches.update(&grown).await });
    assert_eq!(join_all(racers).await.into_iter().filter(|won| *won == Ok(true)).count(), 1);
    assert_eq!(store.batches.get(&batch_id(2_200)).await, Ok(None));
    let unknown = Batch { id: batch_id(2_200), ..grown };
    assert_eq!(store.batches.update(&unknown).await, Ok(false), "an update inserts nothing");
}

pub async fn many_clients_lose_and_overfill_nothing(store: Store<'_>) {
    let orders = store.accept(2_300..2_540).await;
    let key = key("many");
    // Each of the eight clients is told of its share, and half of them of another's too.
    let clients = (0..8).map(|client| {
        let all: Vec<_> = orders.chunks(30).cycle().skip(client).take(1 + client % 2).collect();
        let (orders, key) = (all.concat(), &key);
        async move {
            let mut seen = BTreeSet::new();
            for chunk in orders.chunks(7) {
                let changed = store.append(key, chunk.to_vec()).await;
                seen.extend(changed.into_iter().map(|batch| batch.id));
            }
            seen
        }
    });
    let ids: BTreeSet<_> = join_all(clients).await.into_iter().flatten().collect();
    let mut gathered = Vec::new();
    let mut open = 0;
    for id in &ids {
        let batch = store.batches.get(id).await.unwrap().unwrap();
        assert!(batch.orders.len() <= 50);
        open += usize::from(batch.status == BatchStatus::Open);
        for render in store.renders.get(&members(&batch)).await.unwrap() {
            assert_eq!(render.open_attempts, [batch.attempt()].into());
        }
        gathered.extend(members(&batch));
    }
    assert!(open <= 1);
    gathered.sort();
    let mut sent: Vec<_> = orders.into_iter().map(|order| order.render_id).collect();
    sent.sort();
    assert_eq!(gathered, sent, "every render in one batch");
    assert_eq!(ids.len(), 5, "240 renders fill four and open a fifth");
}

pub async fn due_rows_come_longest_due_first(store: Store<'_>) {
    // Before every other fixture, so that these are the first.
    let at = |minute| start() - TimeDelta::days(10) + TimeDelta::minutes(minute);
    let mut ids = Vec::new();
    for (n, minute) in [(2_600, 1), (2_601, 3), (2_602, 2)] {
        let orders = store.accept([n]).await;
        let mut batch = store.append(&key(&format!("due {n}")), orders).await.remove(0);
        batch.due_at = Some(at(minute));
        assert_eq!(store.batches.update(&batch).await, Ok(true));
        ids.push(batch.id);
    }
    let due = |now, most| async move {
        let due = store.batches.due(now, most).await.unwrap();
        due.into_iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    let [first, third, second] = ids.try_into().unwrap();
    assert_eq!(due(at(0), 10).await, []);
    assert_eq!(due(at(5), 2).await, [first.clone(), second.clone()]);
    let mut batch = store.batches.get(&first).await.unwrap().unwrap();
    batch.due_at = None;
    assert_eq!(store.batches.update(&batch).await, Ok(true));
    assert_eq!(due(at(5), 10).await, [second, third]);
}

pub async fn a_batch_is_found_by_its_renders_and_while_it_goes_on(store: Store<'_>) {
    let orders = store.accept(2_900..2_902).await;
    let mut batch = store.append(&key("found"), orders[..1].to_vec()).await.remove(0);
    let millis = |n| start() + TimeDelta::milliseconds(n);
    let found = async |order: &RenderOrder, from, to| {
        let found = store.batches.of_render(&order.render_id, from, to).await.unwrap();
        found.iter().map(|batch| batch.id.clone()).collect::<Vec<_>>()
    };
    let id = [batch.id.clone()];
    assert_eq!(found(&orders[0], start(), start()).await, id);
    assert_eq!(found(&orders[0], millis(-5), millis(5)).await, id);
    assert_eq!(found(&orders[0], millis(1), millis(5)).await, []);
    assert_eq!(found(&orders[0], millis(-5), millis(-1)).await, []);
    assert_eq!(found(&orders[1], millis(-5), millis(5)).await, []);
    let goes_on = async || {
        let all = store.batches.under_way(10_000).await.unwrap();
        assert!(all.is_sorted_by_key(|batch| batch.id.clone()));
        all.contains(&store.stored(&store.batches.get(&id[0]).await.unwrap().unwrap()).await)
    };
    assert!(goes_on().await);
    assert_eq!(store.batches.under_way(0).await, Ok(vec![]));
    batch.seal(SealReason::Time, batch.seal_at);
    assert!(batch.advance(BatchStatus::Failed { at: start() }, start()));
    assert_eq!(store.batches.update(&batch).await, Ok(true));
    assert!(!goes_on().await);
    assert_eq!(found(&orders[0], start(), start()).await, id);
}
