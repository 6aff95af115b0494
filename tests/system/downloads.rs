//! A job that succeeded and cannot be fetched, for a while or for ever.

use std::time::Duration;

use tryon_core::{
    attempt::AttemptState,
    chain::Step,
    outcome::{FailClass, Outcome, RenderOutcome},
};
use tryon_sandbox::{CallKind, Fault, Nth, Rule, SandboxConfig, When};

use crate::support::{self, body};

fn download() -> When {
    When::kind(CallKind::Download)
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_yet_is_asked_for_again() {
    let rules = vec![Rule::new(download().nth(Nth::First(7)), Fault::status(503))];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &vec![body("batch", ""); 5]).await;
    assert_eq!(support::succeeded(&renders), 5);
    support::check_calm(&world);
}

/// Every stream breaks off after two rows and a half. Where the server knows ranges, the next one begins
/// there; where it does not, the file is read again up to there.
#[tokio::test(start_paused = true)]
async fn a_file_arrives_in_slices() {
    for (ranges, cuts) in [(true, Nth::First(1_000)), (false, Nth::First(3))] {
        let rules = vec![Rule::new(download().nth(cuts), Fault::CutDownload { after_rows: 2 })];
        let sandbox = SandboxConfig { ranges, ..support::quick(1, rules) };
        let world = support::world_with(1, support::settings(), sandbox, &[Step::Gemini]).await;
        let renders = support::play(&world, &vec![body("batch", ""); 9]).await;
        assert_eq!(support::succeeded(&renders), 9, "ranges: {ranges}");
        assert!(renders.iter().all(|render| render.n == 1), "nothing was bought twice");
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_is_waited_for() {
    let rules = vec![Rule::new(download(), Fault::SlowDownload { row_seconds: 30 })];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &vec![body("batch", ""); 6]).await;
    assert_eq!(support::succeeded(&renders), 6);
    support::check_calm(&world);
}

/// Results that did not come whole in two hours count as missing, at the most they can cost. What did
/// come is delivered, long before anybody gives up.
#[tokio::test(start_paused = true)]
async fn what_never_arrives_is_missing_in_the_end() {
    let rules = vec![Rule::new(download(), Fault::CutDownload { after_rows: 1 })];
    let sandbox = SandboxConfig { ranges: false, ..support::quick(1, rules) };
    let world = support::world_with(1, support::settings(), sandbox, &[Step::Gemini]).await;
    let renders = support::play(&world, &[body("batch", ""), body("batch", "")]).await;
    let first = world.attempts.attempts().into_iter().find(|attempt| attempt.shares.len() == 2);
    let first = first.unwrap();
    let AttemptState::Settled { at, outcomes } = &first.state else { panic!("{first:#?}") };
    let minutes = (*at - renders[0].accepted_at).num_minutes();
    assert!((120..130).contains(&minutes), "{minutes}");
    assert!(matches!(outcomes[0].outcome, Outcome::Image { .. }), "{outcomes:?}");
    assert_eq!(outcomes[1].outcome, Outcome::Failed { class: FailClass::Missing });
    assert_eq!(outcomes[1].cost, first.shares[1].maximum);
    // Alone in its batch, the other one comes: its row is the first.
    assert_eq!(support::succeeded(&renders), 2);
    support::check_money(&world);
}

/// What came of the file before it was gone is delivered, at the most it can cost.
#[tokio::test(start_paused = true)]
async fn a_picture_that_came_once_is_not_lost_with_its_file() {
    for gone in [Fault::status(404), Fault::CutDownload { after_rows: 0 }] {
        let rules = vec![
            Rule::new(download().nth(Nth::First(1)), Fault::CutDownload { after_rows: 2 }),
            Rule::new(download(), gone),
        ];
        let sandbox = SandboxConfig { ranges: false, ..support::quick(1, rules) };
        let world = support::world_with(1, support::settings(), sandbox, &[Step::Gemini]).await;
        support::play(&world, &vec![body("batch", ""); 3]).await;
        let first = world.attempts.attempts().into_iter().find(|attempt| attempt.shares.len() == 3);
        let first = first.unwrap();
        let AttemptState::Settled { outcomes, .. } = &first.state else { panic!("{first:#?}") };
        let images = |o: &&RenderOutcome| matches!(o.outcome, Outcome::Image { .. });
        assert_eq!(outcomes.iter().filter(images).count(), 2, "{outcomes:?}");
        assert!(outcomes.iter().zip(&first.shares).all(|(o, share)| o.cost == share.maximum));
    }
}

/// The two hours begin with the first look: who looks late does not take one failed download for the end.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_looked_at_late_has_its_time_all_the_same() {
    let rules = vec![
        Rule::new(When::kind(CallKind::Get).nth(Nth::First(300)), Fault::status(503)),
        Rule::new(download().nth(Nth::First(1)), Fault::status(503)),
    ];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &vec![body("batch", ""); 3]).await;
    assert_eq!(support::succeeded(&renders), 3);
    let took = renders[0].status.ended_at().unwrap() - renders[0].accepted_at;
    assert!(took.num_hours() >= 4, "{took}");
    assert!(renders.iter().all(|render| render.n == 1), "nothing was bought twice");
    support::check_calm(&world);
}

/// A stream that stands still holds nobody beyond the time there is.
#[tokio::test(start_paused = true)]
async fn a_stream_that_stands_still_is_left() {
    let still = download().nth(Nth::First(1));
    let rules = vec![Rule::new(still, Fault::SlowDownload { row_seconds: 3_600 })];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &[body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 1);
    let took = renders[0].status.ended_at().unwrap() - renders[0].accepted_at;
    assert!(took.to_std().unwrap() < Duration::from_secs(900), "{took}");
    support::check_calm(&world);
}
