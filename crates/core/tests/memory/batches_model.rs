//! Batches against a model that knows only who joined what, in which order.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use tryon_core::{
    batch::{Batch, BatchPolicy, BatchStatus, SealReason},
    catalogue::BatchKey,
    contract::fixtures::{batch_key, order, render, render_id, rules, start, unlimited},
    ids::BatchId,
    memory::{MemoryDatabase, SeededRandom},
    messages::RenderOrder,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    ports::{Batches, Inserted, Renders},
};

use crate::{chaos, run};

const RENDERS: u64 = 40;
const POLICY: BatchPolicy =
    BatchPolicy { max_renders: 5, timeout: TimeDelta::seconds(45), max_input_bytes: 9_000 };

#[derive(Clone, Debug)]
enum Op {
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
    Wait {
        seconds: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let orders = prop::collection::vec((0..RENDERS, 1..4_u32), 1..9);
    prop_oneof![
        6 => (0..2_u8, orders).prop_map(|(key, orders)| Op::Append { key, orders }),
        1 => (0..2_u8).prop_map(|key| Op::Seal { key }),
        2 => (0..RENDERS).prop_map(|render| Op::Fail { render }),
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

struct World {
    store: MemoryDatabase,
    random: SeededRandom,
    model: Model,
    /// The ids of the model's batches, in its order.
    ids: Vec<BatchId>,
    now: DateTime<Utc>,
}

impl World {
    async fn new() -> Self {
        let store = MemoryDatabase::new(chaos());
        for n in 0..RENDERS {
            assert_eq!(store.insert(render(n), unlimited()).await, Ok(Inserted::New));
        }
        let waits = (0..RENDERS).map(|n| (n, (1, true))).collect();
        let model = Model { waits, batches: vec![] };
        Self { store, random: SeededRandom::new(5), model, ids: vec![], now: start() }
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Append { key: k, orders } => {
                let sent = orders.iter().map(|(n, attempt)| order_of(*n, *attempt)).collect();
                let (store, now) = (&self.store, self.now);
                let changed = store.append(&key(k), sent, now, &POLICY, &self.random).await;
                self.model.append(k, &orders, now);
                for batch in changed.unwrap() {
                    assert_eq!(Batches::get(store, &batch.id).await, Ok(Some(batch.clone())));
                    if !self.ids.contains(&batch.id) {
                        self.ids.push(batch.id);
                    }
                }
            }
            Op::Seal { key: k } => {
                let Some(open) = self.model.open(k) else { return };
                open.seal = Some(SealReason::Time);
                let mut all = self.store.batches().into_iter();
                let is_open = |b: &Batch| b.key == key(k) && b.status == BatchStatus::Open;
                let mut row = all.find(is_open).unwrap();
                row.seal(SealReason::Time, self.now);
                assert_eq!(Batches::update(&self.store, &row).await, Ok(true));
            }
            Op::Fail { render: n } => {
                let (attempt, waits) = self.model.waits[&n];
                if waits || attempt == 3 {
                    return;
                }
                self.model.waits.insert(n, (attempt + 1, true));
                let mut row = Renders::get(&self.store, &[render_id(n)]).await.unwrap().remove(0);
                let failed = row.open_attempts.first().cloned().unwrap();
                let outcome = Outcome::Failed { class: FailClass::Provider };
                let outcome =
                    RenderOutcome { render_id: row.id.clone(), outcome, cost: Micros::ZERO };
                row.apply(&failed, &outcome, self.now, &rules());
                assert_eq!(Renders::update(&self.store, &[row]).await, Ok(vec![true]));
            }
            Op::Wait { seconds } => self.now += TimeDelta::seconds(seconds),
        }
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let mut stored = BTreeMap::new();
        for batch in self.store.batches() {
            stored.insert(batch.id.clone(), batch);
        }
        prop_assert_eq!(stored.len(), self.model.batches.len());
        for (id, expected) in self.ids.iter().zip(&self.model.batches) {
            let row = &stored[id];
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
        for (n, (attempt, waits)) in &self.model.waits {
            let row = Renders::get(&self.store, &[render_id(*n)]).await.unwrap().remove(0);
            prop_assert_eq!((row.n, row.to_join), (*attempt, *waits));
            prop_assert_eq!(row.open_attempts.is_empty(), *waits);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn each_try_joins_one_batch(ops in prop::collection::vec(op(), 1..40)) {
        run(async {
            let mut world = World::new().await;
            for op in ops {
                world.apply(op).await;
                world.check().await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}
