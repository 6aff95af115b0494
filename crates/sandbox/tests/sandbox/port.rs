use std::sync::Arc;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};
use tryon_core::memory::TokioClock;
use tryon_sandbox::{CallKind, Fault, Rule, Sandbox, When};

use crate::support::{MODEL, assertion, config, request};

/// One request on a connection of its own; all that comes back.
async fn exchange(addr: std::net::SocketAddr, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\nx-goog-api-key: key-1\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _closed_or_reset = stream.read_to_end(&mut answer).await.is_ok();
    String::from_utf8(answer).unwrap()
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
