//! Batches against a model that knows only who joined what, in which order; and stores against each
//! other, by what they answer to the same calls.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{
    batches::Store,
    fixtures::{batch_key, order, render, render_id, rules, start, unlimited},
};
use crate::{
    batch::{Batch, BatchPolicy, BatchStatus, SealReason},
    catalogue::BatchKey,
    ids::BatchId,
    messages::RenderOrder,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    ports::Inserted,
    render::Render,
};

const RENDERS: u64 = 40;
const POLICY: BatchPolicy =
    BatchPolicy { max_renders: 5, timeout: TimeDelta::seconds(45), max_input_bytes: 9_000 };

/// One thing that happens to a store.
#[derive(Clone, Debug)]
pub enum Op {
    /// Orders of these renders for their first, second or third try, to one of two keys.
    Append {
        key: u8,
        orders: Vec<(u64, u32)>,
    },
    /// The open batch of the key comes to its time.
    Seal {
        key: u8,
    },
    /// The batch of this render failed; the render opens its next try.
    Fail {
        render: u64,
    },
    /// The render is asked for again, with the same key.
    Repeat {
        render: u64,
    },
    /// Somebody writes the render as it was when it was new.
    Late {
        render: u64,
    },
    /// Somebody writes the open batch of the key as it was before its last change.
    LateBatch {
        key: u8,
    },
    Wait {
        seconds: i64,
    },
}

/// Lists of them.
pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..40)
}

fn op() -> impl Strategy<Value = Op> {
    let orders = prop::collection::vec((0..RENDERS, 1..4_u32), 1..9);
    prop_oneof![
        6 => (0..2_u8, orders).prop_map(|(key, orders)| Op::Append { key, orders }),
        1 => (0..2_u8).prop_map(|key| Op::Seal { key }),
        2 => (0..RENDERS).prop_map(|render| Op::Fail { render }),
        1 => (0..RENDERS).prop_map(|render| Op::Repeat { render }),
        1 => (0..RENDERS).prop_map(|render| Op::Late { render }),
        1 => (0..2_u8).prop_map(|key| Op::LateBatch { key }),
        1 => (0..100_i64).prop_map(|seconds| Op::Wait { seconds }),
    ]
}

fn key(n: u8) -> BatchKey {
    BatchKey { model: format!("model-{n}"), ..batch_key() }
}

/// A render's pictures, some so large that few fit.
fn bytes(n: u64) -> u64 {
    [100, 900, 4_000, 9_500][usize::try_from(n % 4).unwrap()]
}

fn order_of(n: u64, attempt: u32) -> RenderOrder {
    let mut row = render(n);
    row.request.person.photo.bytes = bytes(n);
    row.request.garments.clear();
    RenderOrder { n: attempt, ..order(&row) }
}

#[derive(Debug, PartialEq)]
struct Gathered {
    key: u8,
    members: Vec<(u64, u32)>,
    seal: Option<SealReason>,
    opened_at: DateTime<Utc>,
}

/// Each render's try and whether it still waits to join; batches in the order of their opening.
struct Model {
    waits: BTreeMap<u64, (u32, bool)>,
    batches: Vec<Gathered>,
}

impl Model {
    fn open(&mut self, key: u8) -> Option<&mut Gathered> {
        self.batches.iter_mut().find(|batch| batch.key == key && batch.seal.is_none())
    }

    fn append(&mut self, key: u8, orders: &[(u64, u32)], now: DateTime<Utc>) {
        for &(n, attempt) in orders {
            if self.waits[&n] != (attempt, true) {
                continue;
            }
            self.waits.insert(n, (attempt, false));
            if let Some(open) = self.open(key) {
                let full: u64 = open.members.iter().map(|(n, _)| bytes(*n)).sum();
                if full + bytes(n) > POLICY.max_input_bytes {
                    open.seal = Some(SealReason::Bytes);
                }
            }
            if self.open(key).is_none() {
                let new = Gathered { key, members: vec![], seal: None, opened_at: now };
                self.batches.push(new);
            }
            let Some(open) = self.open(key) else { continue };
            open.members.push((n, attempt));
            if open.members.len() == POLICY.max_renders {
                open.seal = Some(SealReason::Count);
            }
        }
    }
}

/// What a store answered, and what was in it in the end.
#[derive(Debug, Default, PartialEq)]
pub struct Trace {
    inserted: Vec<Inserted>,
    appended: Vec<Vec<Batch>>,
    written: Vec<bool>,
    renders: Vec<Render>,
    batches: Vec<Batch>,
    renders_due: Vec<Render>,
    batches_due: Vec<Batch>,
}

/// Makes the calls on an empty store, whose new ids must follow from the same seed each time, and
/// compares it with the model after each. Two stores that agree give equal traces.
pub async fn follow(store: Store<'_>, ops: &[Op]) -> Result<Trace, TestCaseError> {
    let mut world = World::new(store).await;
    for op in ops {
        world.apply(op).await;
        world.check().await?;
    }
    Ok(world.end().await)
}

struct World<'a> {
    store: Store<'a>,
    model: Model,
    /// The ids of the model's batches, in its order.
    ids: Vec<BatchId>,
    now: DateTime<Utc>,
    trace: Trace,
}

impl<'a> World<'a> {
    async fn new(store: Store<'a>) -> Self {
        for n in 0..RENDERS {
            let inserted = store.renders.insert(render(n), unlimited()).await;
            assert_eq!(inserted, Ok(Inserted::New));
        }
        let waits = (0..RENDERS).map(|n| (n, (1, true))).collect();
        let model = Model { waits, batches: vec![] };
        Self { store, model, ids: vec![], now: start(), trace: Trace::default() }
    }

    async fn apply(&mut self, op: &Op) {
        match *op {
            Op::Append { key: k, ref orders } => self.append(k, orders).await,
            Op::Seal { key: k } => {
                let Some(mut row) = self.open_batch(k).await else { return };
                row.seal(SealReason::Time, self.now);
                self.write_batch(&row, true).await;
                self.model.open(k).unwrap().seal = Some(SealReason::Time);
            }
            Op::Fail { render: n } => self.fail(n).await,
            Op::Repeat { render: n } => {
                let again = self.store.renders.insert(render(n), unlimited()).await.unwrap();
                assert_eq!(again, Inserted::Existing(Box::new(self.render(n).await)));
                self.trace.inserted.push(again);
            }
            Op::Late { render: n } => {
                let first = self.render(n).await.version == 1;
                self.write(Render { version: 1, ..render(n) }, first).await;
            }
            Op::LateBatch { key: k } => {
                let Some(row) = self.open_batch(k).await else { return };
                self.write_batch(&Batch { version: row.version - 1, ..row }, false).await;
            }
            Op::Wait { seconds } => self.now += TimeDelta::seconds(seconds),
        }
    }

    async fn append(&mut self, k: u8, orders: &[(u64, u32)]) {
        let sent = orders.iter().map(|(n, attempt)| order_of(*n, *attempt)).collect();
        let Store { batches, random, .. } = self.store;
        let changed = batches.append(&key(k), sent, self.now, &POLICY, random).await.unwrap();
        self.model.append(k, orders, self.now);
        for batch in &changed {
            assert_eq!(batches.get(&batch.id).await, Ok(Some(batch.clone())));
            if !self.ids.contains(&batch.id) {
                self.ids.push(batch.id.clone());
            }
        }
        self.trace.appended.push(changed);
    }

    async fn fail(&mut self, n: u64) {
        let (attempt, waits) = self.model.waits[&n];
        if waits || attempt == 3 {
            return;
        }
        self.model.waits.insert(n, (attempt + 1, true));
        let mut row = self.render(n).await;
        let failed = row.open_attempts.first().cloned().unwrap();
        let outcome = Outcome::Failed { class: FailClass::Provider };
        let outcome = RenderOutcome { render_id: row.id.clone(), outcome, cost: Micros::ZERO };
        row.apply(&failed, &outcome, self.now, &rules());
        self.write(row, true).await;
    }

    async fn render(&self, n: u64) -> Render {
        self.store.renders.get(&[render_id(n)]).await.unwrap().remove(0)
    }

    async fn renders(&self) -> Vec<Render> {
        let ids: Vec<_> = (0..RENDERS).map(render_id).collect();
        let mut rows = self.store.renders.get(&ids).await.unwrap();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        rows
    }

    async fn batches(&self) -> Vec<Batch> {
        let mut rows = Vec::new();
        for id in &self.ids {
            rows.extend(self.store.batches.get(id).await.unwrap());
        }
        rows
    }

    async fn open_batch(&self, k: u8) -> Option<Batch> {
        let is_open = |batch: &Batch| batch.key == key(k) && batch.status == BatchStatus::Open;
        self.batches().await.into_iter().find(is_open)
    }

    async fn write(&mut self, row: Render, expected: bool) {
        let written = self.store.renders.update(&[row]).await;
        assert_eq!(written, Ok(vec![expected]));
        self.trace.written.push(expected);
    }

    async fn write_batch(&mut self, row: &Batch, expected: bool) {
        assert_eq!(self.store.batches.update(row).await, Ok(expected));
        self.trace.written.push(expected);
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let rows = self.batches().await;
        prop_assert_eq!(rows.len(), self.model.batches.len());
        let open = self.model.batches.iter().filter(|batch| batch.seal.is_none()).count();
        prop_assert_eq!(self.store.batches.open().await, Ok(open as u64));
        for (row, expected) in rows.iter().zip(&self.model.batches) {
            let member = |order: &RenderOrder| (order.render_id.clone(), order.n);
            let members: Vec<_> = row.orders.iter().map(member).collect();
            let wanted: Vec<_> =
                expected.members.iter().map(|(n, attempt)| (render_id(*n), *attempt)).collect();
            prop_assert_eq!(members, wanted);
            prop_assert_eq!(&row.key, &key(expected.key));
            prop_assert_eq!(row.sealed.map(|seal| seal.reason), expected.seal);
            prop_assert_eq!(row.status == BatchStatus::Open, expected.seal.is_none());
            prop_assert_eq!(row.seal_at, expected.opened_at + POLICY.timeout);
            let sum = expected.members.iter().map(|(n, _)| bytes(*n)).sum::<u64>();
            prop_assert_eq!(row.input_bytes, sum);
        }
        let rows: BTreeMap<_, _> =
            self.renders().await.into_iter().map(|row| (row.id.clone(), row)).collect();
        for (n, (attempt, waits)) in &self.model.waits {
            let row = &rows[&render_id(*n)];
            prop_assert_eq!((row.n, row.to_join), (*attempt, *waits));
            prop_assert_eq!(row.open_attempts.is_empty(), *waits);
        }
        Ok(())
    }

    async fn end(mut self) -> Trace {
        let late = start() + TimeDelta::days(10);
        self.trace.renders = self.renders().await;
        self.trace.batches = self.batches().await;
        self.trace.renders_due = self.store.renders.due(late, 1_000).await.unwrap();
        self.trace.batches_due = self.store.batches.due(late, 1_000).await.unwrap();
        self.trace
    }
}
