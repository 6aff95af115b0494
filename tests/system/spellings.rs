//! Google's answers in every spelling: fields that are missing or null, aliases, counts in either form,
//! and answers that say nothing.

use serde_json::{Value, json};
use tryon_core::{chain::Step, money::Micros, render::Render};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, Nth, Rule, When};

use crate::support::{self, body};

/// Nobody needs them to know what happened and what it costs.
const NEEDLESS: [&str; 22] = [
    "@type",
    "batchStats",
    "candidatesTokensDetails",
    "createTime",
    "endTime",
    "expires_in",
    "finishReason",
    "index",
    "inputConfig",
    "mimeType",
    "model",
    "modelVersion",
    "output",
    "promptTokensDetails",
    "responseId",
    "role",
    "sizeBytes",
    "thoughtSignature",
    "token_type",
    "totalTokenCount",
    "updateTime",
    "uri",
];
/// Usually absent.
const ABSENT: [&str; 5] = ["error", "finishMessage", "nextPageToken", "promptFeedback", "thought"];

/// With a draft before its picture.
fn wish(lane: &str) -> Value {
    let mut body = body(lane, "");
    body["quality"] = json!("hd");
    body
}

async fn play(rules: Vec<Rule>) -> (World, Vec<Render>) {
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &["online", "batch", "batch"].map(wish)).await;
    assert_eq!(support::succeeded(&renders), 3);
    assert_eq!(support::balance(&world).held, Micros::ZERO);
    support::check_calm(&world);
    (world, renders)
}

/// As if nothing were odd: each bought once, with a price that is known.
async fn play_as_ever(rules: Vec<Rule>, what: &str) {
    let (world, renders) = play(rules).await;
    assert!(renders.iter().all(|r| (r.step, r.n) == (Step::Gemini, 1)), "{what}");
    assert_eq!(world.sandbox.bill().charges.len(), 3, "{what}");
    assert_eq!(support::balance(&world).settled, world.sandbox.bill().total(), "{what}");
    assert!(world.sandbox.faults().struck().iter().all(|times| *times > 0), "{what}");
}

fn lost_create() -> Rule {
    Rule::new(When::kind(CallKind::Create).nth(Nth::Only(1)), Fault::LoseAnswer)
}

#[tokio::test(start_paused = true)]
async fn both_spellings_of_states_and_counts_are_understood() {
    play_as_ever(vec![lost_create(), Rule::new(When::any(), Fault::Respell)], "respelled").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_null_is_not_needed() {
    let mut needless = NEEDLESS.to_vec();
    let missing = Rule::new(When::any(), Fault::without(&needless));
    play_as_ever(vec![lost_create(), missing], "missing").await;
    needless.extend(ABSENT);
    play_as_ever(vec![lost_create(), Rule::new(When::any(), Fault::null(&needless))], "null").await;
    // Of a job, what one place does not say another does.
    for field in ["done", "metadata", "response", "state"] {
        for fault in [Fault::without(&[field]), Fault::null(&[field])] {
            play_as_ever(vec![Rule::new(When::kind(CallKind::Get), fault)], field).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_say_nothing_cost_no_picture() {
    let bare = |kind, nth| Rule::new(When::kind(kind).nth(nth), Fault::Bare);
    let rules = vec![
        bare(CallKind::Token, Nth::Only(1)),
        // The one that would name the file.
        bare(CallKind::Upload, Nth::Only(2)),
        bare(CallKind::Create, Nth::Only(1)),
        bare(CallKind::List, Nth::First(3)),
        bare(CallKind::Get, Nth::First(3)),
        bare(CallKind::Row, Nth::Only(1)),
    ];
    let (world, renders) = play(rules).await;
    assert_eq!(world.sandbox.faults().struck(), [1, 1, 1, 3, 3, 1]);
    // The job whose name nobody heard was found; the row without a key was bought again.
    assert!(renders.iter().all(|render| render.granted.is_none()));
    assert_eq!(world.sandbox.bill().charges.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_online_answer_that_says_nothing_costs_what_was_reserved() {
    let bare = Rule::new(When::kind(CallKind::Online).nth(Nth::Only(1)), Fault::Bare);
    let world = support::world(1, support::settings(), vec![bare]).await;
    let renders = support::play(&world, &[wish("online")]).await;
    assert_eq!((support::succeeded(&renders), renders[0].n), (1, 2));
    let (settled, bill) = (support::balance(&world).settled, world.sandbox.bill());
    assert!(bill.charges.len() == 2 && settled > bill.total(), "{settled}");
}
