use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tryon_core::ports::{Clock, TransportError};
use tryon_sandbox::{CallKind, Fault, Faults, Nth, Rule, SandboxConfig, When};

use crate::support::{Bench, config, download, request, row};

async fn bench(rules: Vec<Rule>) -> Bench {
    Bench::new(SandboxConfig { faults: Faults { rules }, ..config() }).await
}

fn online() -> When {
    When::kind(CallKind::Online)
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_a_window_of_time() {
    let window = When::any().between(Duration::from_mins(1), Duration::from_mins(2));
    let then = Fault::Status { code: 503, retry_after_seconds: Some(12) };
    let bench = bench(vec![Rule::new(window, then)]).await;
    assert_eq!(bench.generate(&request("a")).await.status, 200);
    bench.pass(60).await;
    let answer = bench.generate(&request("a")).await;
    let error = &answer.json()["error"];
    assert_eq!((answer.status.as_u16(), &error["status"]), (503, &json!("UNAVAILABLE")));
    assert_eq!(error["details"][0]["retryDelay"], "12s");
    assert_eq!(bench.get("/v1beta/batches").await.status, 503);
    let token = bench.exchange(&bench.assertion(|_| {})).await;
    assert_eq!((token.status.as_u16(), &token.json()["error"]), (503, &json!("server_error")));
    bench.pass(60).await;
    assert_eq!(bench.generate(&request("a")).await.status, 200);
    assert_eq!(bench.sandbox.bill().charges.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn connections_are_refused_and_answers_lost() {
    let bench = bench(vec![
        Rule::new(online().prompt("refuse"), Fault::RefuseConnection),
        Rule::new(online().prompt("lose"), Fault::LoseAnswer),
    ])
    .await;
    let refused = bench.try_generate(&request("refuse me")).await;
    assert!(matches!(refused, Err(TransportError::NotConnected(_))));
    assert_eq!(bench.sandbox.bill().charges, []);
    let lost = bench.try_generate(&request("lose me")).await;
    assert!(matches!(lost, Err(TransportError::NoAnswer(_))));
    let bill = bench.sandbox.bill();
    assert_eq!((bill.charges.len(), bill.charges[0].answered), (1, false));
    assert_eq!(bench.sandbox.calls()[&CallKind::Online], 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_create_leaves_a_job_that_can_be_found() {
    let rule = Rule::new(When::kind(CallKind::Create).nth(Nth::Only(1)), Fault::LoseAnswer);
    let bench = bench(vec![rule]).await;
    let file = bench.upload("b", &row("r", &request("a"))).await;
    assert!(matches!(bench.try_create("b", &file).await, Err(TransportError::NoAnswer(_))));
    let found = bench.get("/v1beta/batches").await.json()["operations"][0].clone();
    assert_eq!(found["metadata"]["displayName"], "b");
    bench.pass(100).await;
    assert!(!bench.sandbox.bill().charges[0].answered);
    bench.results(found["name"].as_str().unwrap()).await;
    assert!(bench.sandbox.bill().charges[0].answered);
}

#[tokio::test(start_paused = true)]
async fn a_delay_comes_on_top() {
    let bench = bench(vec![]).await;
    bench.sandbox.faults().push(Rule::delay(online(), Duration::from_secs(40)));
    let start = bench.clock.now();
    assert_eq!(bench.generate(&request("a")).await.status, 200);
    assert_eq!((bench.clock.now() - start).num_seconds(), 40);
    assert_eq!(bench.sandbox.faults().struck(), [1]);
    bench.sandbox.faults().clear();
    bench.generate(&request("a")).await;
    assert_eq!((bench.clock.now() - start).num_seconds(), 40);
}

#[tokio::test(start_paused = true)]
async fn refusals_come_in_many_shapes() {
    let bench = bench(vec![
        Rule::new(When::any().prompt("blocked"), Fault::blocked("PROHIBITED_CONTENT")),
        Rule::new(When::any().prompt("unsafe"), Fault::refused()),
        Rule::new(When::any().prompt("nothing"), Fault::finish("NO_IMAGE")),
        Rule::new(When::any().prompt("empty"), Fault::finish("STOP")),
        Rule::new(When::any().prompt("thinks"), Fault::finish("MAX_TOKENS")),
    ])
    .await;
    let blocked = bench.generate(&request("blocked")).await.json();
    assert_eq!(blocked["promptFeedback"]["blockReason"], "PROHIBITED_CONTENT");
    assert!(blocked["candidates"].is_null());
    assert!(blocked["usageMetadata"]["thoughtsTokenCount"].is_null());
    for (prompt, reason) in [
        ("unsafe", "IMAGE_SAFETY"),
        ("nothing", "NO_IMAGE"),
        ("empty", "STOP"),
        ("thinks", "MAX_TOKENS"),
    ] {
        let answer = bench.generate(&request(prompt)).await.json();
        let candidate = &answer["candidates"][0];
        assert_eq!(candidate["finishReason"], reason);
        assert!(candidate["content"]["parts"].is_null());
        assert!(answer["usageMetadata"]["candidatesTokenCount"].is_null());
    }
    let thinks = bench.generate(&request("thinks")).await.json();
    assert_eq!(thinks["usageMetadata"]["thoughtsTokenCount"], 4_096);
}

#[tokio::test(start_paused = true)]
async fn pictures_are_as_heavy_as_wished() {
    let bench =
        bench(vec![Rule::new(When::any().prompt("heavy"), Fault::Heavy { bytes: 300_000 })]).await;
    let weight = async |prompt| {
        let answer = bench.generate(&request(prompt)).await.json();
        let parts = answer["candidates"][0]["content"]["parts"].as_array().unwrap().clone();
        let data = parts.last().unwrap()["inlineData"]["data"].as_str().unwrap().to_owned();
        BASE64_STANDARD.decode(data).unwrap().len()
    };
    assert!(weight("light").await < 200_000);
    let heavy = weight("heavy").await;
    assert!((299_990..=300_000).contains(&heavy), "{heavy}");
}

#[tokio::test(start_paused = true)]
async fn rows_go_missing_twice_wrong_and_backwards() {
    let row = |key: &str| When::kind(CallKind::Row).key(key);
    let bench = bench(vec![
        Rule::new(row("r-1"), Fault::MissingRow { billed: true }),
        Rule::new(row("r-2"), Fault::DuplicateRow),
        Rule::new(row("r-3"), Fault::ErrorRow { code: 13 }),
        Rule::new(row("r-4"), Fault::refused()),
        Rule::new(row("r-5"), Fault::MissingRow { billed: false }),
        Rule::new(When::kind(CallKind::Create), Fault::ReorderRows),
    ])
    .await;
    let job = bench.job("b", &["r-0", "r-1", "r-2", "r-3", "r-4", "r-5"]).await;
    bench.pass(100).await;
    let rows = bench.results(&job).await;
    let keys: Vec<&str> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["r-4", "r-3", "r-2", "r-2", "r-0"]);
    assert_eq!(rows[1]["error"]["code"], 13);
    assert_eq!(rows[0]["response"]["candidates"][0]["finishReason"], "IMAGE_SAFETY");
    let bill = bench.sandbox.bill();
    let charged: Vec<_> = bill.charges.iter().map(|c| (c.key.as_str(), c.answered)).collect();
    assert_eq!(charged, [("r-0", true), ("r-1", false), ("r-2", true), ("r-4", true)]);
}

#[tokio::test(start_paused = true)]
async fn a_download_is_cut_in_the_middle_of_a_row() {
    let cut = Fault::CutDownload { after_rows: 1 };
    let bench =
        bench(vec![Rule::new(When::kind(CallKind::Download).nth(Nth::First(1)), cut)]).await;
    let job = bench.job("b", &["r-1", "r-2"]).await;
    bench.pass(100).await;
    let url = format!("{}{}", crate::support::DEVELOPER, download(&job));
    assert!(bench.try_call(http::Method::GET, &url, &[], "").await.is_err());
    let answered = |bench: &Bench| -> Vec<bool> {
        bench.sandbox.bill().charges.iter().map(|charge| charge.answered).collect()
    };
    assert_eq!(answered(&bench), [true, false]);
    assert_eq!(bench.results(&job).await.len(), 2);
    assert_eq!(answered(&bench), [true, true]);
}

#[tokio::test(start_paused = true)]
async fn jobs_fail_expire_and_stick() {
    let create = |name: &str| When::kind(CallKind::Create).display_name(name);
    let stick = |seconds| Fault::StickPending { seconds };
    let bench = bench(vec![
        Rule::new(create("fails"), Fault::FailJob { code: 13 }),
        Rule::new(create("expires"), Fault::ExpireJob),
        Rule::new(create("stuck"), stick(Some(3_000))),
        Rule::new(create("forever"), stick(None)),
    ])
    .await;
    let mut jobs = Vec::new();
    for name in ["fails", "expires", "stuck", "forever"] {
        jobs.push(bench.job(name, &["r"]).await);
    }
    bench.pass(2_999).await;
    let mut states = Vec::new();
    for job in &jobs {
        states.push(bench.state(job).await);
    }
    assert_eq!(states, ["FAILED", "EXPIRED", "PENDING", "PENDING"]);
    let failed: Value = bench.get(&format!("/v1beta/{}", jobs[0])).await.json();
    assert_eq!(failed["error"]["code"], 13);
    bench.pass(101).await;
    assert_eq!(bench.state(&jobs[2]).await, "SUCCEEDED");
    assert_eq!(bench.state(&jobs[3]).await, "PENDING");
}
