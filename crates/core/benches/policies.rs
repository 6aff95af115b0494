//! What one decision costs: routing a user, adding a render to its batch. Aim: below 1 us each.

use std::hint::black_box;

use chrono::TimeDelta;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tryon_core::{
    batch::{Batch, BatchPolicy, plan_append},
    contract::fixtures,
    ids::UserId,
    routing::{Percent, Split, assign},
};

fn routing(c: &mut Criterion) {
    let user = UserId::from("0190a5f2-7c3e-7d4b-8f21-3b5c6d7e8f90");
    let percent = Percent::from_basis_points(1_000).unwrap_or_default();
    let split = Split { enabled: true, percent, ceiling: Percent::FULL, salt: "rollout" };
    c.bench_function("routing decision", |b| {
        b.iter(|| assign(black_box(&user), black_box(&split)));
    });
}

/// A batch of `n` renders, opened just now.
fn open_batch(n: u64) -> Option<Batch> {
    let orders = (0..n).map(|n| fixtures::order(&fixtures::render(n)));
    plan_append(
        &fixtures::batch_key(),
        None,
        orders,
        fixtures::start(),
        &BatchPolicy::default(),
        || fixtures::batch_id(1),
    )
    .pop()
}

fn batching(c: &mut Criterion) {
    let (key, policy) = (fixtures::batch_key(), BatchPolicy::default());
    let now = fixtures::start() + TimeDelta::seconds(1);
    let order = fixtures::order(&fixtures::render(99));
    for (name, full) in [("batch decision, room left", 25), ("batch decision, seals", 49)] {
        let open = open_batch(full);
        c.bench_function(name, |b| {
            b.iter_batched(
                || {
                    let mut open = open.clone();
                    if let Some(batch) = &mut open {
                        // As read from a store; growing the list is not the decision.
                        batch.orders.reserve(1);
                    }
                    (open, [order.clone()])
                },
                |(open, orders)| {
                    plan_append(&key, open, orders, now, &policy, || fixtures::batch_id(2))
                },
                BatchSize::SmallInput,
            );
        });
    }
    let open = open_batch(25);
    c.bench_function("batch decision, tick", |b| {
        b.iter_batched_ref(
            || open.clone(),
            |open| open.as_mut().map(|batch| batch.tick(black_box(now), 0)),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, routing, batching);
criterion_main!(benches);
