use proptest::prelude::*;

use super::*;
use crate::contract::fixtures::{render_id, start};

fn counted(now: DateTime<Utc>, calls: u64, failures: u64) -> Vitals {
    let tally = Tally { calls, failures, ..Tally::default() };
    let minutes = vec![Minute { number: Minute::number_of(now), tally }];
    Vitals { minutes, ..Vitals::default() }
}

fn after(vitals: &Vitals, n: u64, sign: Sign, now: DateTime<Utc>) -> Option<Vitals> {
    vitals.after([render_id(n)].iter(), sign, now, &BreakerRules::default())
}

fn admission(vitals: &Vitals, n: u64, now: DateTime<Utc>) -> Admission {
    vitals.admission([render_id(n)].iter(), now)
}

fn lease(vitals: &Vitals, n: u64, now: DateTime<Utc>) -> Option<Vitals> {
    vitals.leased(&render_id(n), now, &BreakerRules::default())
}

fn open_time(vitals: &Vitals) -> TimeDelta {
    match vitals.breaker {
        Breaker::Open { since, until, .. } => until - since,
        Breaker::Closed { .. } => TimeDelta::zero(),
    }
}

#[test]
fn it_opens_by_the_share_of_failures_among_enough_calls() {
    let opens =
        |calls, failures| after(&counted(start(), calls, failures), 1, Sign::Failed, start());
    assert_eq!(opens(4, 4), None, "too few to tell");
    assert_eq!(opens(20, 9), None, "less than half");
    let opened = opens(20, 10).unwrap();
    assert_eq!(open_time(&opened), TimeDelta::seconds(60));
    assert_eq!(
        admission(&opened, 1, start()),
        Admission::Barred { until: start() + TimeDelta::seconds(60) }
    );
}

#[test]
fn only_a_failure_opens_it_and_an_account_error_at_once() {
    let bad = counted(start(), 20, 20);
    for sign in [Sign::Good, Sign::Busy, Sign::Gone] {
        assert_eq!(after(&bad, 1, sign, start()), None, "{sign:?}");
    }
    let fine = counted(start(), 1_000, 0);
    assert_eq!(after(&fine, 1, Sign::Failed, start()), None);
    assert!(after(&fine, 1, Sign::Account, start()).is_some());
}

#[test]
fn a_model_that_is_gone_leaves_the_try_to_its_successor() {
    let opened = after(&Vitals::default(), 1, Sign::Account, start()).unwrap();
    let later = start() + TimeDelta::seconds(60);
    let trying = lease(&opened, 2, later).unwrap();
    assert_eq!(after(&trying, 2, Sign::Gone, later), None);
    assert_eq!(admission(&trying, 2, later), Admission::Go, "the same render's next try");
    assert_eq!(after(&trying, 2, Sign::Good, later).unwrap().gate(later), Gate::Closed);
}

#[test]
fn what_lies_before_the_window_is_over() {
    let now = start() + TimeDelta::minutes(5);
    assert_eq!(after(&counted(start(), 20, 20), 1, Sign::Failed, now), None);
}

#[test]
fn calls_that_were_repeated_count_once() {
    // Four wishes, five calls each, all in vain: too few wishes to tell.
    let mut vitals = counted(start(), 20, 4);
    vitals.minutes[0].tally.retries = 16;
    assert_eq!(after(&vitals, 1, Sign::Failed, start()), None);
    vitals.minutes[0].tally.failures = 5;
    assert!(after(&vitals, 1, Sign::Failed, start()).is_some());
}

#[test]
fn one_alone_tries_and_its_success_lets_everybody_back() {
    let opened = after(&counted(start(), 10, 10), 1, Sign::Failed, start()).unwrap();
    let half = start() + TimeDelta::seconds(60);
    assert_eq!(lease(&opened, 1, start()), None, "too early to try");
    assert_eq!(admission(&opened, 1, half), Admission::Probe);
    let trying = lease(&opened, 1, half).unwrap();
    assert_eq!(lease(&trying, 2, half), None, "somebody tries");
    assert_eq!(admission(&trying, 1, half), Admission::Go);
    assert!(matches!(admission(&trying, 2, half), Admission::Barred { .. }));
    assert_eq!(after(&trying, 2, Sign::Good, half), None, "a call from before it opened");
    let closed = after(&trying, 1, Sign::Good, half).unwrap();
    assert_eq!((closed.gate(half), &closed.probe), (Gate::Closed, &None));
    // What failed before is forgiven.
    assert_eq!(after(&closed, 3, Sign::Failed, half), None);
    // A lease that was never used runs out.
    let later = half + BreakerRules::default().lease;
    assert!(lease(&trying, 2, later).is_some());
}

#[test]
fn a_lease_outlasts_the_longest_call_and_may_be_given_back() {
    let rules = BreakerRules::default();
    let catalogue = crate::catalogue::Catalogue::built_in().unwrap();
    let longest = catalogue.entries().map(|(_, entry)| entry.call_timeout_seconds).max().unwrap();
    let (call, pause) = (TimeDelta::seconds(longest.into()), TimeDelta::seconds(20));
    assert!(rules.lease >= call + pause, "{}", rules.lease);
    let opened = after(&Vitals::default(), 1, Sign::Account, start()).unwrap();
    let half = start() + rules.first;
    let trying = lease(&opened, 1, half).unwrap();
    assert!(trying.gate(half).is_shut() && !opened.gate(half).is_shut());
    assert_eq!(trying.given_back(&render_id(2)), None, "not its to give");
    assert!(lease(&trying.given_back(&render_id(1)).unwrap(), 2, half).is_some());
}

#[test]
fn each_failed_try_doubles_the_wait_up_to_a_bound() {
    let mut vitals = after(&counted(start(), 10, 10), 1, Sign::Failed, start()).unwrap();
    let (mut now, mut waits) = (start(), Vec::new());
    for sign in [Sign::Failed, Sign::Busy, Sign::Account, Sign::Failed, Sign::Failed] {
        now += open_time(&vitals);
        vitals = after(&lease(&vitals, 1, now).unwrap(), 1, sign, now).unwrap();
        waits.push(open_time(&vitals).num_seconds());
    }
    assert_eq!(waits, [120, 240, 480, 900, 900]);
}

/// What may happen to a breaker, each after so many seconds.
#[derive(Clone, Copy, Debug)]
enum Event {
    Call { render: u64, sign: Sign },
    Lease { render: u64 },
}

fn events() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let sign = prop_oneof![
        4 => Just(Sign::Good), 2 => Just(Sign::Busy), 6 => Just(Sign::Failed), 1 => Just(Sign::Account),
    ];
    let event = prop_oneof![
        4 => (0..4u64, sign).prop_map(|(render, sign)| Event::Call { render, sign }),
        1 => (0..4u64).prop_map(|render| Event::Lease { render }),
    ];
    prop::collection::vec((0..120i64, event), 0..200)
}

proptest! {
    #[test]
    fn whatever_happens_it_keeps_its_word(events in events()) {
        let rules = BreakerRules::default();
        let (mut vitals, mut now) = (Vitals::default(), start());
        for (seconds, event) in events {
            now += TimeDelta::seconds(seconds);
            let before = vitals.gate(now);
            let probing = vitals.probe.as_ref().map(|probe| probe.render_id.clone());
            match event {
                Event::Lease { render } => {
                    if let Some(next) = lease(&vitals, render, now) {
                        prop_assert_eq!(before, Gate::HalfOpen);
                        vitals = next;
                    }
                }
                Event::Call { render, sign } => {
                    let failures = u64::from(matches!(sign, Sign::Failed | Sign::Account));
                    let tally = Tally { calls: 1, failures, ..Tally::default() };
                    vitals.minutes.push(Minute { number: Minute::number_of(now), tally });
                    let next = after(&vitals, render, sign, now);
                    let Some(next) = next else { continue };
                    match next.breaker {
                        // Only its probe closes it.
                        Breaker::Closed { .. } => {
                            prop_assert_eq!(sign, Sign::Good);
                            prop_assert_eq!(probing, Some(render_id(render)));
                        }
                        Breaker::Open { until, .. } => {
                            prop_assert!(sign != Sign::Good);
                            prop_assert!(until > now && until <= now + rules.longest);
                            let judged = vitals.judged_by(now, &rules);
                            prop_assert!(
                                before != Gate::Closed
                                    || sign == Sign::Account
                                    || judged.begun() >= rules.least_calls
                            );
                        }
                    }
                    prop_assert_eq!(&next.probe, &None);
                    vitals = next;
                }
            }
            // It never stays shut for good.
            let later = now + rules.longest + rules.lease;
            prop_assert!(matches!(vitals.gate(later), Gate::Closed | Gate::HalfOpen));
        }
    }
}

/// An account pays for models each of which fails for reasons of its own.
#[test]
fn an_account_is_shut_for_what_befalls_the_account_alone() {
    let rules = BreakerRules::of(Backend::Replicate);
    let after =
        |vitals: &Vitals, n, sign, now| vitals.after([render_id(n)].iter(), sign, now, &rules);
    let bad = counted(start(), 100, 100);
    for sign in [Sign::Good, Sign::Busy, Sign::Gone, Sign::Failed] {
        assert_eq!(after(&bad, 1, sign, start()), None, "{sign:?}");
    }
    let opened = after(&counted(start(), 100, 0), 1, Sign::Account, start()).unwrap();
    let half = start() + rules.first;
    let trying = opened.leased(&render_id(1), half, &rules).unwrap();
    // Nothing was learnt: another may try.
    for sign in [Sign::Busy, Sign::Failed] {
        let left = after(&trying, 1, sign, half).unwrap();
        assert_eq!((left.gate(half), left.breaker), (Gate::HalfOpen, trying.breaker), "{sign:?}");
    }
    assert_eq!(after(&trying, 1, Sign::Good, half).unwrap().gate(half), Gate::Closed);
    let again = after(&trying, 1, Sign::Account, half).unwrap();
    assert_eq!(open_time(&again), TimeDelta::minutes(2));
    let half = half + TimeDelta::minutes(2);
    let trying = again.leased(&render_id(2), half, &rules).unwrap();
    let again = after(&trying, 2, Sign::Account, half).unwrap();
    assert_eq!(open_time(&again), TimeDelta::minutes(2), "no longer than this");
}

#[test]
fn a_prediction_has_all_its_time_to_try() {
    let catalogue = crate::catalogue::Catalogue::built_in().unwrap();
    let longest = catalogue.predictions().map(|(_, model)| model.max_seconds).max().unwrap();
    let last_word = TimeDelta::seconds(30);
    let lease = BreakerRules::of(Backend::Replicate).lease;
    assert!(lease >= TimeDelta::seconds(longest.into()) + last_word, "{lease}");
}
