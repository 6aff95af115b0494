use std::sync::Arc;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};
use tryon_core::memory::TokioClock;
use tryon_sandbox::{CallKind, Fault, Nth, Rule, Sandbox, When};

use crate::support::{MODEL, assertion, config, request, row};

const KEY: &str = "x-goog-api-key: key-1";

/// One request on a connection of its own; all that comes back.
async fn exchange(addr: std::net::SocketAddr, path: &str, body: &str) -> String {
    let answer = call(addr, "POST", path, KEY, body).await;
    String::from_utf8(answer).unwrap()
}

async fn call(
    addr: std::net::SocketAddr,
    method: &str,
    path: &str,
    header: &str,
    body: &str,
) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{header}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _closed_or_reset = stream.read_to_end(&mut answer).await.is_ok();
    answer
}

#[tokio::test]
async fn the_sandbox_serves_a_port() {
    let clock = Arc::new(TokioClock::real());
    let sandbox = Sandbox::new(config(), clock.clone());
    let lost = When::kind(CallKind::Online).prompt("lose");
    sandbox.faults().push(Rule::new(lost, Fault::LoseAnswer));
    let refused = When::kind(CallKind::Online).prompt("refuse");
    sandbox.faults().push(Rule::new(refused, Fault::RefuseConnection));
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async move { drop(stopped.await) };
    let server = sandbox.serve(([127, 0, 0, 1], 0).into(), until).await.unwrap();
    let addr = server.addr();
    let running = tokio::spawn(server.run());

    let path = format!("/v1beta/models/{MODEL}:generateContent");
    let answer = exchange(addr, &path, &request("a").to_string()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["candidates"][0]["finishReason"], "STOP");

    // A job by a file; the list is as late, and as full of others', as in this process.
    let row = row("r-1", &request("a"));
    let start = format!(
        "{KEY}\r\nx-goog-upload-protocol: resumable\r\nx-goog-upload-command: start\r\n\
         x-goog-upload-header-content-length: {}\r\n\
         x-goog-upload-header-content-type: application/jsonl",
        row.len()
    );
    let named = r#"{"file": {"display_name": "b-1.jsonl"}}"#;
    let begun = call(addr, "POST", "/upload/v1beta/files", &start, named).await;
    let begun = String::from_utf8(begun).unwrap();
    let place = begun.lines().find_map(|line| line.strip_prefix("x-goog-upload-url: ")).unwrap();
    let place = place.strip_prefix(&format!("http://{addr}")).unwrap();
    let finish =
        format!("{KEY}\r\nx-goog-upload-offset: 0\r\nx-goog-upload-command: upload, finalize");
    let uploaded = call(addr, "POST", place, &finish, &row).await;
    let file: Value = serde_json::from_slice(parts(&uploaded).1).unwrap();
    let input = json!({"fileName": file["file"]["name"]});
    let batch = json!({"batch": {"displayName": "b-1/gemini/1", "inputConfig": input}});
    let create = format!("/v1beta/models/{MODEL}:batchGenerateContent");
    exchange(addr, &create, &batch.to_string()).await;
    let count = async || {
        let answer = call(addr, "GET", "/v1beta/batches?pageSize=9", KEY, "").await;
        let listed: Value = serde_json::from_slice(parts(&answer).1).unwrap();
        listed["operations"].as_array().map_or(0, Vec::len)
    };
    let listing = || When::kind(CallKind::List);
    for (rule, listed) in [
        (Rule::new(listing().nth(Nth::First(1)), Fault::LagList { seconds: 60 }), 0),
        (Rule::new(listing(), Fault::LookAlikes { jobs: 3 }), 4),
    ] {
        sandbox.faults().push(rule);
        assert_eq!(count().await, listed);
    }

    let upload = exchange(addr, "/upload/v1beta/files", "{}").await;
    assert!(upload.starts_with("HTTP/1.1 400"), "{upload}");
    for prompt in ["lose me", "refuse me"] {
        assert_eq!(exchange(addr, &path, &request(prompt).to_string()).await, "");
    }
    assert_eq!(sandbox.bill().charges.len(), 2);

    // The key file may name the address served, which is then the audience too.
    let uri = format!("http://{addr}/token");
    let key: Value = serde_json::from_str(&sandbox.service_account_json_at(&uri)).unwrap();
    assert_eq!(key["token_uri"], uri);
    let assertion = assertion(&sandbox, clock.as_ref(), |claims| claims["aud"] = uri.into());
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let form = format!("grant_type={grant}&assertion={assertion}");
    let answer = exchange(addr, "/token", &form).await;
    assert!(answer.contains("access_token"), "{answer}");

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

/// The status line and the body.
fn parts(answer: &[u8]) -> (&str, &[u8]) {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let line = answer.split(|byte| *byte == b'\r').next().unwrap();
    (std::str::from_utf8(line).unwrap(), &answer[end + 4..])
}

#[tokio::test]
async fn predictions_are_served_on_a_port_too() {
    let sandbox = Sandbox::new(config(), Arc::new(TokioClock::real()));
    let cut = When::kind(CallKind::Delivery).nth(Nth::Only(2));
    sandbox.faults().push(Rule::new(cut, Fault::CutPicture { after_bytes: 0 }));
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async move { drop(stopped.await) };
    let server = sandbox.serve(([127, 0, 0, 1], 0).into(), until).await.unwrap();
    let addr = server.addr();
    let running = tokio::spawn(server.run());

    let token = format!("authorization: Bearer {}", sandbox.replicate_token());
    let body = json!({"input": {"prompt": "a"}}).to_string();
    let path = "/v1/models/google/nano-banana-pro/predictions";
    let answer = call(addr, "POST", path, &token, &body).await;
    let (line, body) = parts(&answer);
    assert_eq!(line, "HTTP/1.1 201 Created");
    let made: Value = serde_json::from_slice(body).unwrap();
    let base = format!("http://{addr}");
    let here = |address: &Value| address.as_str().unwrap().strip_prefix(&base).unwrap().to_owned();
    let answer = call(addr, "GET", &here(&made["urls"]["get"]), &token, "").await;
    let object: Value = serde_json::from_slice(parts(&answer).1).unwrap();
    assert_eq!(object["status"], "succeeded");
    let address = here(&object["output"]);
    let answer = call(addr, "GET", &address, "accept: */*", "").await;
    let (line, picture) = parts(&answer);
    assert_eq!((line, picture.len()), ("HTTP/1.1 200 OK", 1_000));
    let cut = call(addr, "GET", &address, "accept: */*", "").await;
    assert!(cut.len() < answer.len());

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
