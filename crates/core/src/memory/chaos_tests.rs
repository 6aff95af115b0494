use super::*;

async fn count(chaos: &Chaos, call: Call, effects: &mut u32) -> Result<(), PortError> {
    chaos
        .call(call, |_| {
            *effects += 1;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn scripted_mishaps_strike_the_call_they_are_meant_for() {
    let chaos = Chaos::seeded(1);
    let mut effects = 0;
    chaos.fail_nth(Call::QueueSend, 2, Mishap::Throttled);
    chaos.fail_nth(Call::QueueSend, 3, Mishap::Lost);
    assert!(count(&chaos, Call::QueueReject, &mut effects).await.is_ok());
    assert!(count(&chaos, Call::QueueSend, &mut effects).await.is_ok());
    assert_eq!(effects, 2);
    assert!(count(&chaos, Call::QueueSend, &mut effects).await.is_err());
    assert_eq!(effects, 2, "throttled before the effect");
    assert!(count(&chaos, Call::QueueSend, &mut effects).await.is_err());
    assert_eq!(effects, 3, "lost after the effect");
    assert!(count(&chaos, Call::QueueSend, &mut effects).await.is_ok());
    assert_eq!(chaos.met().values().sum::<u64>(), 2);
}

#[test]
fn rates_are_kept_and_follow_from_the_seed() {
    let draws = |seed| {
        let chaos = Chaos::seeded(seed);
        chaos.set_rates(Rates { throttled: 2_000, lost: 500, ..Rates::default() });
        chaos.set_rates_of(Call::Receive, Rates::default());
        (0..10_000).for_each(|_| {
            chaos.fate(Call::ObjectPut);
            assert!(chaos.fate(Call::Receive).mishap.is_none());
        });
        chaos.met()
    };
    let met = draws(7);
    assert_eq!(met, draws(7));
    assert!((1_900..2_100).contains(&met[&(Call::ObjectPut, Mishap::Throttled)]), "{met:?}");
    assert!((430..570).contains(&met[&(Call::ObjectPut, Mishap::Lost)]), "{met:?}");
    assert_eq!(met.len(), 2);
}

#[test]
fn calm_ends_it() {
    let chaos = Chaos::seeded(1);
    chaos.set_rates(Rates::all(2_000));
    chaos.fail_next(Call::BatchGet, Mishap::Lost);
    chaos.calm();
    assert!((0..100).all(|_| chaos.fate(Call::BatchGet).mishap.is_none()));
}

#[test]
fn chance_brings_only_what_can_befall_a_call() {
    let chaos = Chaos::seeded(3);
    chaos.set_rates(Rates::all(2_000));
    for _ in 0..1_000 {
        for call in [Call::RenderGet, Call::BusPublish, Call::Deliver, Call::Receive, Call::Delete]
        {
            chaos.fate(call);
        }
    }
    let kinds = |call| chaos.met().keys().filter(|(met, _)| *met == call).count();
    assert_eq!([Call::RenderGet, Call::BusPublish, Call::Deliver].map(kinds), [3, 3, 2]);
    assert_eq!([Call::Receive, Call::Delete].map(kinds), [1, 1]);
}
