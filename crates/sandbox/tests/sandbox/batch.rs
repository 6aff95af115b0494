use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tryon_sandbox::{CallKind, Fault, Faults, JobTime, Rule, SandboxConfig, When};

use crate::support::{Bench, DEVELOPER, MODEL, config, download, request, row};

fn keys(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["key"].as_str().unwrap_or_default()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_walks_its_states_and_gives_a_file() {
    let bench = Bench::new(config()).await;
    let rows = row("r-1", &request("a")) + &row("r-2", &request("b"));
    let file = bench.upload("b-1.jsonl", &rows).await;
    let created = bench.create("b-1/gemini/1", &file).await.json();
    let job = created["name"].as_str().unwrap();
    assert_eq!(created["metadata"]["displayName"], "b-1/gemini/1");
    assert_eq!(created["metadata"]["state"], "BATCH_STATE_PENDING");
    assert!(created["done"].is_null());
    let stats = &created["metadata"]["batchStats"];
    assert_eq!(*stats, json!({"requestCount": "2", "pendingRequestCount": "2"}));
    let time = created["metadata"]["createTime"].as_str().unwrap();
    assert_eq!(time.rsplit_once('.').unwrap().1.len(), "000000000Z".len());
    assert_eq!(bench.get(&download(job)).await.status, 404);

    bench.pass(60).await;
    assert_eq!(bench.state(job).await, "RUNNING");
    bench.pass(40).await;
    let done = bench.get(&format!("/v1beta/{job}")).await.json();
    assert_eq!(
        (&done["done"], &done["metadata"]["state"]),
        (&json!(true), &json!("BATCH_STATE_SUCCEEDED"))
    );
    assert!(done["metadata"]["updateTime"].is_null() && done["metadata"]["endTime"].is_string());
    let stats = &done["metadata"]["batchStats"];
    assert_eq!(*stats, json!({"requestCount": "2", "successfulRequestCount": "2"}));
    let file = &done["response"]["responsesFile"];
    assert_eq!(*file, done["metadata"]["output"]["responsesFile"]);
    assert!(download(job).contains(file.as_str().unwrap()));

    let results = bench.results(job).await;
    assert_eq!(keys(&results), ["r-1", "r-2"]);
    assert_eq!(results[0]["response"]["candidates"][0]["finishReason"], "STOP");
    assert_ne!(results[0]["response"]["responseId"], results[1]["response"]["responseId"]);
    assert_eq!(results, bench.results(job).await, "the file stays the same");
}

#[tokio::test(start_paused = true)]
async fn uploads_in_pieces_are_checked() {
    let bench = Bench::new(config()).await;
    let text = row("r-1", &request("a")) + &row("r-2", &request("b"));
    let (first, second) = text.split_at(text.len() / 3);
    let url = bench.begin("b", text.len()).await;
    assert!(url.starts_with(DEVELOPER), "{url}");
    let answer = bench.piece(&url, 0, "upload", first).await;
    assert_eq!(answer.header("x-goog-upload-status"), "active");
    assert_eq!(bench.piece(&url, 1, "upload", "x").await.status, 400, "a wrong offset");
    let answer = bench.piece(&url, 0, "query", "").await;
    assert_eq!(answer.header("x-goog-upload-size-received"), first.len().to_string());
    let answer = bench.piece(&url, first.len(), "upload, finalize", second).await;
    assert_eq!(answer.json()["file"]["sizeBytes"], text.len().to_string());

    let url = bench.begin("short", 100).await;
    assert_eq!(bench.piece(&url, 0, "upload, finalize", "{}").await.status, 400);
    let url = bench.begin("long", 1).await;
    assert_eq!(bench.piece(&url, 0, "upload, finalize", "{}").await.status, 400);
    assert_eq!(
        bench
            .piece(&format!("{DEVELOPER}/upload/v1beta/files?upload_id=x"), 0, "upload", "")
            .await
            .status,
        404
    );
}

#[tokio::test(start_paused = true)]
async fn bad_rows_become_error_rows() {
    let bench = Bench::new(config()).await;
    let mut seeded = request("a");
    seeded["generationConfig"]["seed"] = json!(7);
    let rows = [
        row("good", &request("a")),
        row("seeded", &seeded),
        row("empty", &json!({"contents": []})),
        row("odd", &json!({"content": 1})),
        "nonsense\n".to_owned(),
    ];
    let file = bench.upload("b", &rows.concat()).await;
    let job = bench.create("b", &file).await.json()["name"].as_str().unwrap().to_owned();
    bench.pass(100).await;
    let stats = bench.get(&format!("/v1beta/{job}")).await.json()["metadata"]["batchStats"].clone();
    let expected =
        json!({"requestCount": "5", "successfulRequestCount": "1", "failedRequestCount": "4"});
    assert_eq!(stats, expected);
    let results = bench.results(&job).await;
    assert_eq!(keys(&results), ["good", "seeded", "empty", "odd", ""]);
    assert!(results[1..].iter().all(|row| row["error"]["code"] == 3));
    assert_eq!(bench.sandbox.bill().charges.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn listings_are_paged_newest_first_and_bare() {
    let bench = Bench::new(config()).await;
    for name in ["a", "b", "c"] {
        bench.job(name, &["r"]).await;
    }
    bench.pass(100).await;
    let first = bench.get("/v1beta/batches?pageSize=2").await.json();
    bench.job("d", &["r"]).await;
    let token = first["nextPageToken"].as_str().unwrap();
    let second = bench.get(&format!("/v1beta/batches?pageSize=2&pageToken={token}")).await.json();
    let names = |page: &Value| {
        let operations = page["operations"].as_array().unwrap().clone();
        operations.iter().map(|o| o["metadata"]["displayName"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((names(&first), names(&second)), (vec![json!("c"), json!("b")], vec![json!("a")]));
    assert!(second["nextPageToken"].is_null());
    let newest = &first["operations"][0];
    assert!(newest["done"] == true && newest["response"].is_null());
    assert!(newest["metadata"]["output"].is_null());
}

#[tokio::test(start_paused = true)]
async fn cancelling_is_best_effort() {
    let bench = Bench::new(config()).await;
    let job = bench.job("early", &["r"]).await;
    assert_eq!(bench.post(&format!("/v1beta/{job}:cancel"), &json!({})).await.json(), json!({}));
    assert_eq!(bench.state(&job).await, "PENDING");
    bench.pass(5).await;
    let answer = bench.get(&format!("/v1beta/{job}")).await.json();
    assert_eq!((&answer["error"]["code"], &answer["done"]), (&json!(1), &json!(true)));
    assert_eq!(bench.state(&job).await, "CANCELLED");
    assert_eq!(bench.sandbox.bill().charges, []);

    let job = bench.job("late", &["r"]).await;
    bench.pass(98).await;
    bench.post(&format!("/v1beta/{job}:cancel"), &json!({})).await;
    bench.pass(10).await;
    assert_eq!(bench.state(&job).await, "SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn deleted_jobs_are_gone_and_still_cost() {
    let bench = Bench::new(config()).await;
    let job = bench.job("b", &["r"]).await;
    let url = format!("{DEVELOPER}/v1beta/{job}");
    assert_eq!(bench.try_call(Method::DELETE, &url, &[], "").await.unwrap().status, 200);
    assert_eq!(bench.get(&format!("/v1beta/{job}")).await.status, 404);
    assert!(bench.get("/v1beta/batches").await.json()["operations"].is_null());
    bench.pass(100).await;
    assert_eq!(bench.sandbox.bill().charges.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_expires_after_two_days() {
    let job_time = JobTime::Fixed(Duration::from_hours(50));
    let bench =
        Bench::new(SandboxConfig { job_time, token_life: Duration::from_hours(100), ..config() })
            .await;
    let job = bench.job("b", &["r"]).await;
    bench.pass(48 * 3_600 - 1).await;
    assert_eq!(bench.state(&job).await, "RUNNING");
    bench.pass(1).await;
    assert_eq!(bench.state(&job).await, "EXPIRED");
    let answer = bench.get(&format!("/v1beta/{job}")).await.json();
    assert!(answer["done"] == true && answer["response"].is_null());
    assert_eq!(bench.get(&download(&job)).await.status, 404);
    assert_eq!(bench.sandbox.bill().charges, []);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_jobs_may_be_open() {
    let bench = Bench::new(config()).await;
    let file = bench.upload("b", &row("r", &request("a"))).await;
    for i in 0..100 {
        assert_eq!(bench.create(&format!("b-{i}"), &file).await.status, 200);
    }
    let answer = bench.create("b-100", &file).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["status"]),
        (429, &json!("RESOURCE_EXHAUSTED"))
    );
    bench.pass(100).await;
    assert_eq!(bench.create("b-100", &file).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_same_create_twice_makes_two_jobs() {
    let bench = Bench::new(config()).await;
    let file = bench.upload("b", &row("r", &request("a"))).await;
    let (one, two) = (bench.create("b", &file).await.json(), bench.create("b", &file).await.json());
    assert_ne!(one["name"], two["name"]);
    bench.pass(100).await;
    assert_eq!(bench.sandbox.bill().of("b").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn files_go_when_their_job_has_ended_or_they_are_old() {
    let bench =
        Bench::new(SandboxConfig { token_life: Duration::from_hours(300), ..config() }).await;
    let used = bench.upload("used", &row("r", &request("a"))).await;
    let unused = bench.upload("unused", &row("r", &request("a"))).await;
    bench.create("b", &used).await;
    bench.pass(100).await;
    bench.upload("next", "").await;
    assert_eq!(bench.create("again", &used).await.status, 404);
    assert_eq!(bench.create("first", &unused).await.status, 200);
    bench.pass(48 * 3_600).await;
    bench.upload("later", "").await;
    assert_eq!(bench.create("again", &unused).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn creates_are_checked() {
    let bench = Bench::new(config()).await;
    assert_eq!(bench.create("b", "files/none").await.status, 404);
    let empty = bench.upload("empty", "\n").await;
    assert_eq!(bench.create("b", &empty).await.status, 400);
    let inline = json!({"batch": {"display_name": "b", "input_config": {"requests": {}}}});
    let path = format!("/v1beta/models/{MODEL}:batchGenerateContent");
    assert_eq!(bench.post(&path, &inline).await.status, 400);
    let other = "/v1beta/models/imagen-4.0-generate-001:batchGenerateContent";
    let file = bench.upload("good", &row("r", &request("a"))).await;
    let body = json!({"batch": {"displayName": "b", "inputConfig": {"fileName": file}}});
    assert_eq!(bench.post(other, &body).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_listing_may_lag_and_show_names_that_look_alike() {
    let listing = |from: u64, to: u64| {
        When::kind(CallKind::List).between(Duration::from_secs(from), Duration::from_secs(to))
    };
    let rules = vec![
        Rule::new(listing(0, 50), Fault::LagList { seconds: 60 }),
        Rule::new(listing(50, 1_000), Fault::LookAlikes { jobs: 3 }),
    ];
    let config = SandboxConfig { faults: Faults { rules }, ..config() };
    let bench = Bench::new(SandboxConfig { list_lag: Duration::from_secs(55), ..config }).await;
    let job = bench.job("b-1/gemini/1", &["r-1"]).await;
    for _ in 0..2 {
        assert_eq!(bench.get("/v1beta/batches").await.json(), json!({}));
        bench.pass(27).await;
    }
    bench.pass(1).await;
    let first = bench.get("/v1beta/batches?pageSize=3").await.json();
    let names: Vec<_> = first["operations"].as_array().unwrap().iter().collect();
    let shown: Vec<_> = names.iter().map(|one| one["metadata"]["displayName"].clone()).collect();
    assert_eq!(shown, ["3/b-1/gemini/1", "b-1/gemini/12", "1/b-1/gemini/1"]);
    assert!(names.iter().all(|one| one["name"] != json!(job)));
    let token = first["nextPageToken"].as_str().unwrap();
    let second = bench.get(&format!("/v1beta/batches?pageSize=3&pageToken={token}")).await.json();
    assert_eq!(second["operations"].as_array().unwrap().len(), 1);
    assert_eq!(second["operations"][0]["name"], json!(job));
    assert_eq!(second["nextPageToken"], json!(null));
}
