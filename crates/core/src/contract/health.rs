//! The health of backends. Each test has a backend of its own.

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::fixtures::{render_id, start};
use crate::{
    catalogue::Backend,
    chain::Step,
    ports::ProviderHealth,
    vitals::{Breaker, MINUTES, Minute, Probe, Subject, Tally, Vitals},
};

/// Everything below, on one empty store.
pub async fn suite(health: &dyn ProviderHealth) {
    calls_are_counted_by_the_minute(health).await;
    calls_counted_at_once_are_all_there(health).await;
    the_first_change_wins(health).await;
    a_model_is_counted_beside_its_backend(health).await;
}

pub async fn calls_are_counted_by_the_minute(health: &dyn ProviderHealth) {
    let backend = Backend::GeminiOnline;
    let (now, first) = (start(), Minute::number_of(start()));
    assert_eq!(health.read(backend.into(), now).await, Ok(Vitals::default()));
    let minutes = async |now| {
        let vitals = health.read(backend.into(), now).await.unwrap();
        assert_eq!((vitals.version, vitals.breaker), (0, Breaker::default()));
        let part = |Minute { number, tally }: Minute| {
            assert_eq!(tally, self::tally(tally.calls, tally.failures));
            (number - first, tally.calls, tally.failures)
        };
        vitals.minutes.into_iter().map(part).collect::<Vec<_>>()
    };
    for (seconds, calls, failures) in [(0, 1, 0), (59, 2, 1), (60, 3, 3)] {
        let at = now + TimeDelta::seconds(seconds);
        health.record(backend.into(), at, tally(calls, failures)).await.unwrap();
    }
    assert_eq!(minutes(now + TimeDelta::minutes(1)).await, [(0, 3, 1), (1, 3, 3)]);
    let last = now + TimeDelta::minutes(i64::try_from(MINUTES).unwrap());
    assert_eq!(minutes(last).await, [(1, 3, 3)], "the oldest is forgotten");
    health.record(backend.into(), last, tally(5, 4)).await.unwrap();
    assert_eq!(minutes(last).await, [(1, 3, 3), (MINUTES, 5, 4)]);
    // By somebody whose call took long.
    health.record(backend.into(), now, tally(9, 9)).await.unwrap();
    assert_eq!(minutes(last).await, [(1, 3, 3), (MINUTES, 5, 4)]);
}

pub async fn calls_counted_at_once_are_all_there(health: &dyn ProviderHealth) {
    let (backend, now) = (Backend::GeminiBatch, start());
    let racers = (0..40).map(|i| health.record(backend.into(), now, tally(1, i % 2)));
    assert!(join_all(racers).await.into_iter().all(|met| met.is_ok()));
    let vitals = health.read(backend.into(), now).await.unwrap();
    let number = Minute::number_of(now);
    assert_eq!(vitals.minutes, [Minute { number, tally: tally(40, 20) }]);
}

pub async fn the_first_change_wins(health: &dyn ProviderHealth) {
    let (backend, now) = (Backend::Replicate, start());
    let breaker = Breaker::Open { since: now, until: now + TimeDelta::minutes(1), times: 3 };
    let probe = Some(Probe { render_id: render_id(1), until: now });
    let opened = Vitals { breaker, probe, ..Vitals::default() };
    let racers = (0..10).map(|_| health.change(backend, &opened));
    let met = join_all(racers).await;
    assert_eq!(met.iter().filter(|met| **met == Ok(true)).count(), 1);
    assert_eq!(met.iter().filter(|met| **met == Ok(false)).count(), 9);
    let stored = health.read(backend.into(), now).await.unwrap();
    assert_eq!(stored, Vitals { version: 1, ..opened.clone() });
    // Counting is no change, and a change counts nothing.
    health.record(backend.into(), now, tally(2, 1)).await.unwrap();
    let closed = Vitals { breaker: Breaker::Closed { since: Some(now) }, probe: None, ..stored };
    assert_eq!(health.change(backend, &closed).await, Ok(true));
    assert_eq!(health.change(backend, &closed).await, Ok(false));
    let stored = health.read(backend.into(), now).await.unwrap();
    assert_eq!((stored.version, stored.breaker, &stored.probe), (2, closed.breaker, &None));
    assert_eq!(stored.minutes.len(), 1);
}

pub async fn a_model_is_counted_beside_its_backend(health: &dyn ProviderHealth) {
    let now = start();
    let before = health.read(Backend::Replicate.into(), now).await;
    for step in Step::ALL {
        let subject = Subject::Step(step);
        assert_eq!(health.read(subject, now).await, Ok(Vitals::default()), "{step}");
        health.record(subject, now, tally(3, 1)).await.unwrap();
        let minutes = health.read(subject, now).await.unwrap().minutes;
        assert_eq!(minutes, [Minute { number: Minute::number_of(now), tally: tally(3, 1) }]);
    }
    assert_eq!(health.read(Backend::Replicate.into(), now).await, before);
}

/// With parts that can be told apart.
const fn tally(calls: u64, failures: u64) -> Tally {
    let (timed, millis) = (calls * 1_000, calls * 10_000);
    Tally { calls, failures, throttled: calls * 10, retries: calls * 100, timed, millis }
}
