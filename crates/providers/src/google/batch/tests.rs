use insta::assert_snapshot;
use serde_json::{Value, json};
use tryon_core::ports::{JobPhase, RowAnswer, TransportError};

use super::{upload::CHUNK, *};
use crate::{
    google::testing::{FakeObjects, FakeSecrets, answer_json, entry, inputs},
    testing::{Play, Script, Sent, order},
};

const UPLOAD: &str = "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=u-1&upload_protocol=resumable";

fn batch(script: &Arc<Script>, objects: FakeObjects) -> GeminiBatch {
    GeminiBatch::new(script.connection(), Arc::new(objects), Auth::Bearer)
}

fn attempt() -> AttemptId {
    AttemptId::from("b-1/gemini/1")
}

fn started(target: &str) -> Play {
    Play::text(200, "").header("x-goog-upload-url", target)
}

fn finished() -> Play {
    Play::json(200, &json!({"file": {"name": "files/abc", "mimeType": "application/jsonl"}}))
}

fn shown(sent: &[Sent]) -> String {
    sent.iter().map(Sent::show).collect::<Vec<_>>().join("\n\n")
}

#[tokio::test(start_paused = true)]
async fn an_upload_on_the_wire() {
    let script = Script::new([started(UPLOAD), finished()]);
    let (first, second, entry) = (order("r-1"), order("r-2"), entry());
    let rows = [(&first, &entry), (&second, &entry)];
    let uploaded = batch(&script, inputs()).upload(&attempt(), &rows).await.unwrap();
    assert_eq!(uploaded.file, "files/abc");
    let sent = script.sent();
    let length = sent[0].header("x-goog-upload-header-content-length").unwrap();
    assert_eq!(length, sent[1].body.len().to_string());
    let lines = std::str::from_utf8(&sent[1].body).unwrap().lines();
    let keys: Vec<Value> =
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].clone()).collect();
    assert_eq!(keys, ["r-1", "r-2"]);
    assert_snapshot!(shown(&sent));
}

#[tokio::test(start_paused = true)]
async fn a_large_file_goes_in_chunks() {
    const MIB: usize = 1 << 20;
    let script = Script::new([started(UPLOAD), Play::text(200, ""), finished()]);
    let objects = inputs().with("in/p", &vec![7; 7 * MIB]).in_pieces_of(100_003);
    let mut order = order("r-1");
    order.request.person.photo.bytes = 7 * MIB as u64;
    let entry = entry();
    batch(&script, objects).upload(&attempt(), &[(&order, &entry)]).await.unwrap();
    let told: Vec<_> = script.sent()[1..]
        .iter()
        .map(|sent| {
            let of = |name| sent.header(name).unwrap().to_owned();
            (of("x-goog-upload-offset"), of("x-goog-upload-command"), sent.body.len() / MIB)
        })
        .collect();
    let expected = [("0", "upload", 8), ("8388608", "upload, finalize", 1)]
        .map(|(offset, command, size)| (offset.to_owned(), command.to_owned(), size));
    assert_eq!(told, expected);
    let whole = [&script.sent()[1].body[..], &script.sent()[2].body[..]].concat();
    assert!(serde_json::from_slice::<Value>(&whole).is_ok());
}

/// A chunk is sent four times, and asked after in between.
fn until_given_up(play: &dyn Fn() -> Play) -> Vec<Play> {
    (0..7).map(|_| play()).collect()
}

/// An upload of two chunks, in which the first goes as `plays` say; what was sent from then on.
async fn sent_of_two_chunks(plays: Vec<Play>) -> (Result<Uploaded, CallError>, Vec<Sent>) {
    const MIB: usize = 1 << 20;
    let plays = [started(UPLOAD)].into_iter().chain(plays).chain([finished()]);
    let script = Script::new(plays);
    let objects = inputs().with("in/p", &vec![7; 7 * MIB]);
    let mut order = order("r-1");
    order.request.person.photo.bytes = 7 * MIB as u64;
    let entry = entry();
    let result = batch(&script, objects).upload(&attempt(), &[(&order, &entry)]).await;
    (result, script.sent()[1..].to_vec())
}

#[tokio::test(start_paused = true)]
async fn an_upload_goes_on_from_what_has_arrived() {
    let silent = || Play::fails(TransportError::NoAnswer("reset".to_owned()));
    let arrived = |bytes: usize| {
        Play::text(200, "").header("x-goog-upload-size-received", &bytes.to_string())
    };
    let taken = || Play::text(200, "");
    let cases = [
        // Nothing of it, some of it, and all of it but for the answer.
        vec![silent(), arrived(0), taken()],
        vec![Play::text(503, ""), arrived(1_000), taken()],
        vec![silent(), arrived(CHUNK)],
        // Who cannot be asked is sent the same once more.
        vec![Play::text(500, ""), Play::text(503, ""), taken()],
    ];
    for plays in cases {
        let shown = format!("{plays:?}");
        let (result, sent) = sent_of_two_chunks(plays).await;
        assert_eq!(result.unwrap().file, "files/abc", "{shown}");
        // What arrived, put together by its offsets, is the file.
        let mut file = Vec::new();
        for sent in &sent {
            if let Some(offset) = sent.header("x-goog-upload-offset") {
                file.truncate(offset.parse().unwrap());
                file.extend_from_slice(&sent.body);
            }
        }
        assert!(serde_json::from_slice::<Value>(&file).is_ok(), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_not_taken_on_is_no_fault_of_its_renders() {
    let elsewhere = Play::text(200, "").header("x-goog-upload-size-received", "99999999");
    let cases = [
        // The upload has run out, or begins elsewhere.
        until_given_up(&|| Play::text(404, "")),
        until_given_up(&|| Play::text(410, "")),
        until_given_up(&|| Play::text(400, "")),
        vec![Play::text(503, ""), elsewhere],
    ];
    for plays in cases {
        let shown = format!("{plays:?}");
        let (result, _) = sent_of_two_chunks(plays).await;
        let error = result.unwrap_err();
        assert!(matches!(error, CallError::NotCreated { .. }), "{shown}: {error}");
    }
    // Who keeps us waiting is not waited for again.
    let silent = Play::fails(TransportError::NoAnswer("timeout".to_owned())).after(60);
    let (result, sent) = sent_of_two_chunks(vec![silent]).await;
    assert!(matches!(result, Err(CallError::NotCreated { .. })) && sent.len() == 1);
    let (result, _) = sent_of_two_chunks(vec![Play::text(403, "")]).await;
    let error = result.unwrap_err();
    assert!(matches!(error, CallError::Rejected { class: FailClass::Account, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn strangers_see_no_credentials() {
    let script = Script::new([started("https://storage.example/u-1"), finished()]);
    let (order, entry) = (order("r-1"), entry());
    batch(&script, inputs()).upload(&attempt(), &[(&order, &entry)]).await.unwrap();
    let told: Vec<_> =
        script.sent().iter().map(|sent| sent.header("authorization").is_some()).collect();
    assert_eq!(told, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_buys_nothing() {
    let silent = || Play::fails(TransportError::NoAnswer("reset".to_owned()));
    let and_then = |play: &dyn Fn() -> Play| {
        [started(UPLOAD)].into_iter().chain(until_given_up(play)).collect()
    };
    let scripts = [
        vec![silent()],
        vec![Play::text(200, "")],
        and_then(&silent),
        and_then(&|| Play::text(500, "")),
        vec![started(UPLOAD), Play::text(200, "{}")],
    ];
    let (order, entry) = (order("r-1"), entry());
    for plays in scripts {
        let shown = format!("{plays:?}");
        let script = Script::new(plays);
        let error =
            batch(&script, inputs()).upload(&attempt(), &[(&order, &entry)]).await.unwrap_err();
        assert!(matches!(error, CallError::NotCreated { .. }), "{shown}: {error}");
    }
    let script = Script::new([started(UPLOAD)]);
    let broken = batch(&script, inputs().breaking("in/p"));
    let error = broken.upload(&attempt(), &[(&order, &entry)]).await.unwrap_err();
    assert!(matches!(error, CallError::NotCreated { .. }), "{error}");
    let script = Script::new([]);
    let missing = batch(&script, inputs().without("in/p"));
    let error = missing.upload(&attempt(), &[(&order, &entry)]).await.unwrap_err();
    assert!(matches!(error, CallError::Unfit(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_create_on_the_wire() {
    let script = Script::new([Play::json(200, &json!({"name": "batches/k3v8"}))]);
    let connection = script.connection_with(FakeSecrets::default(), "http://127.0.0.1:8080");
    let batch = GeminiBatch::new(connection, Arc::new(inputs()), Auth::ApiKey);
    let job = batch.create(&attempt(), "gemini-nano-banana-2.1", "files/abc").await.unwrap();
    assert_eq!(job.as_str(), "batches/k3v8");
    assert_snapshot!(shown(&script.sent()));
}

#[tokio::test(start_paused = true)]
async fn a_create_without_a_clear_answer_is_unknown() {
    let silent = TransportError::NoAnswer("reset".to_owned());
    let named = json!({"name": "batches/k3v8"});
    let plays = [
        Play::fails(silent),
        Play::text(502, ""),
        Play::text(200, "{}"),
        Play::text(200, "<html>"),
        Play::json(200, &named).cut(),
    ];
    for play in plays {
        let shown = format!("{play:?}");
        let script = Script::new([play]);
        let error = batch(&script, inputs()).create(&attempt(), "m", "files/a").await.unwrap_err();
        assert!(matches!(error, CallError::Unknown(_)), "{shown}: {error}");
    }
    let script = Script::new([Play::text(429, "").header("retry-after", "30")]);
    let error = batch(&script, inputs()).create(&attempt(), "m", "files/a").await.unwrap_err();
    let CallError::NotCreated { retry_after, .. } = error else { panic!("{error}") };
    assert_eq!(retry_after, Some(Duration::from_secs(30)));
}

fn listed(id: &str, name: &str, second: u32) -> Value {
    json!({"name": format!("batches/{id}"), "metadata": {
        "displayName": name, "createTime": format!("2026-11-23T10:00:{second:02}.123456789Z")}})
}

#[tokio::test(start_paused = true)]
async fn finds_the_oldest_of_that_name() {
    let first = json!({"operations": [listed("d", "b-1/gemini/1", 4),
                                      listed("c", "b-1/gemini/11", 3)],
                       "nextPageToken": "a/b="});
    let second = json!({"operations": [listed("b", "b-1/gemini/1", 2)]});
    let script = Script::new([Play::json(200, &first), Play::json(200, &second)]);
    let found = batch(&script, inputs()).find(&attempt()).await.unwrap();
    assert_eq!(found.unwrap().as_str(), "batches/b");
    assert_snapshot!(shown(&script.sent()));
}

#[tokio::test(start_paused = true)]
async fn looks_no_further_than_some_pages() {
    let page = json!({"operations": [listed("x", "other", 1)], "nextPageToken": "more"});
    let script = Script::new((0..PAGES).map(|_| Play::json(200, &page)));
    assert_eq!(batch(&script, inputs()).find(&attempt()).await.unwrap(), None);
    assert_eq!(script.sent().len(), PAGES);
    // Not finding and not being able to look are two things.
    let script = Script::new([Play::text(500, "")]);
    assert!(batch(&script, inputs()).find(&attempt()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn asks_and_cancels() {
    let running = json!({"name": "batches/k3v8", "metadata": {"state": "BATCH_STATE_RUNNING"}});
    let script = Script::new([Play::json(200, &running), Play::text(200, "{}")]);
    let batch = batch(&script, inputs());
    let job = JobName::from("batches/k3v8");
    assert_eq!(batch.status(&job).await.unwrap(), JobPhase::Running);
    batch.cancel(&job).await.unwrap();
    assert_snapshot!(shown(&script.sent()));
    let elsewhere = JobName::from("batches/../files/x");
    assert!(batch.status(&elsewhere).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn streams_the_results() {
    let line = json!({"key": "r-1", "response": answer_json()}).to_string();
    let script = Script::new([Play::text(200, &format!("{line}\n"))]);
    let mut rows =
        batch(&script, inputs()).results("files/batch-k3v8", BTreeMap::new()).await.unwrap();
    let row = rows.next().await.unwrap().unwrap();
    assert_eq!(row.render_id.unwrap().as_str(), "r-1");
    assert!(matches!(row.answer.given, RowAnswer::Picture(_)));
    assert!(rows.next().await.is_none());
    assert_snapshot!(shown(&script.sent()));
}

#[tokio::test(start_paused = true)]
async fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    let line = |key: &str| format!("{}\n", json!({"key": key, "response": answer_json()}));
    let file = [line("r-1"), line("r-2")].concat();
    let half = file.len() / 2;
    let rest = |from: usize| {
        let range = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
        Play::text(206, &file[from..]).header("content-range", &range)
    };
    for again in [rest(half), rest(half - 9), Play::text(200, &file)] {
        let script = Script::new([Play::text(200, &file).cut(), Play::text(503, ""), again]);
        let rows =
            batch(&script, inputs()).results("files/batch-k3v8", BTreeMap::new()).await.unwrap();
        let rows: Vec<_> =
            rows.map(|row| row.unwrap().render_id.unwrap().to_string()).collect().await;
        assert_eq!(rows, ["r-1", "r-2"]);
        let ranges: Vec<_> =
            script.sent().iter().map(|s| s.header("range").map(str::to_owned)).collect();
        assert_eq!(ranges, [None, Some(format!("bytes={half}-")), Some(format!("bytes={half}-"))]);
    }
    // What does not say where it begins cannot be put together.
    let nowhere = (0..4).map(|_| Play::text(206, &file[half..]));
    let script = Script::new([Play::text(200, &file).cut()].into_iter().chain(nowhere));
    let rows = batch(&script, inputs()).results("files/batch-k3v8", BTreeMap::new()).await.unwrap();
    assert!(rows.collect::<Vec<_>>().await.last().unwrap().is_err());
}
