//! Signatures, and what refusals say.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use clap::Parser;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use tryon_core::{
    contract::fixtures::start,
    ports::{Body, ByteStream, HttpTransport, TransportError},
};

use super::*;
use crate::cli::{Cli, Command};

/// The first line of a request, and its headers.
type Asked = (String, Vec<(String, String)>);

/// Answers everything alike, and keeps what was asked.
#[derive(Debug)]
struct Wire {
    status: u16,
    answer: Result<&'static str, TransportError>,
    asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl HttpTransport for Wire {
    async fn send(
        &self,
        request: Request<Body>,
        _: std::time::Duration,
    ) -> Result<Response<ByteStream>, TransportError> {
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = request.headers().iter().map(header).collect();
        let line = format!("{} {}", request.method(), request.uri());
        self.asked.lock().unwrap().push((line, headers));
        let text = self.answer.clone()?;
        let body = stream::once(async move { Ok(Bytes::from_static(text.as_bytes())) }).boxed();
        Ok(Response::builder().status(self.status).body(body).unwrap())
    }
}

const URL: &str = "https://abc123.execute-api.eu-west-1.amazonaws.com";

fn wire(status: u16, answer: &'static str) -> Arc<Wire> {
    Arc::new(Wire { status, answer: Ok(answer), asked: Mutex::default() })
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn with_keys() -> Environment {
    environment(&[
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        ("AWS_SESSION_TOKEN", "token"),
    ])
}

fn args(words: &[&str]) -> cli::Ops {
    let words = ["tryon", "ops"].iter().chain(words);
    let Command::Ops(args) = Cli::try_parse_from(words).unwrap().command else { panic!("ops") };
    args
}

fn ask(wire: &Arc<Wire>, words: &[&str], environment: &Environment) -> Result<String> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start()));
    let args = args(words);
    let client = Client::new(&args, environment, wire.clone(), clock.clone())?;
    let desk = Desk { client, clock, json: args.json };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut out = Vec::new();
    runtime.block_on(desk.answer(&args.command, &mut out))?;
    Ok(String::from_utf8(out)?)
}

#[test]
fn requests_are_signed_for_the_gateway() {
    let wire = wire(200, r#"{"queue": "replicate", "messages": 2}"#);
    let text = ask(&wire, &["--url", URL, "redrive", "replicate", "--yes"], &with_keys()).unwrap();
    assert_eq!(text, "about 2 messages are on their way to replicate\n");
    let asked = wire.asked.lock().unwrap().remove(0);
    assert_eq!(asked.0, format!("POST {URL}/v1/ops/redrive"));
    let header = |name: &str| asked.1.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let signed = header("authorization").unwrap();
    let scope = "Credential=AKIDEXAMPLE/20261123/eu-west-1/execute-api/aws4_request";
    assert!(signed.starts_with(&format!("AWS4-HMAC-SHA256 {scope}")), "{signed}");
    for name in ["content-type", "host", "x-amz-date", "x-amz-security-token"] {
        assert!(signed.contains(name), "{name} is not signed: {signed}");
    }
    assert_eq!(header("x-amz-date"), Some("20261123T120000Z"));
    assert_eq!(header("x-amz-security-token"), Some("token"));
}

#[test]
fn signatures_are_those_of_the_published_example() {
    // `get-vanilla` of AWS's test suite, but that its service is called `service`: the key of another
    // service is another, so this one was computed by its rules apart from here.
    let keys = environment(&[
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ]);
    let url = "https://example.amazonaws.com/".parse().unwrap();
    let signer = sign::Signer::new(&url, Some("us-east-1"), &keys).unwrap().unwrap();
    let mut request = Request::get(url).body(()).unwrap();
    let at: chrono::DateTime<chrono::Utc> = "2015-08-30T12:36:00Z".parse().unwrap();
    signer.sign(&mut request, b"", at.into()).unwrap();
    let header = request.headers()["authorization"].to_str().unwrap();
    let expected = "0b42ea2cbe5587460c2dc01f388964c0834d1cf82281963872548698c270aeb6";
    let end = format!("SignedHeaders=host;x-amz-date, Signature={expected}");
    assert!(header.ends_with(&end), "{header}");
}

#[test]
fn this_machine_asks_for_no_signature() {
    let wire = wire(200, r#"{"batches": []}"#);
    for url in ["http://127.0.0.1:8080", "http://localhost:1/"] {
        let text = ask(&wire, &["--url", url, "batches"], &environment(&[])).unwrap();
        assert_eq!(text, "no batch is under way\n");
    }
    let asked = wire.asked.lock().unwrap();
    assert!(
        asked.iter().all(|(_, headers)| headers.iter().all(|(name, _)| name != "authorization"))
    );
    assert_eq!(asked[1].0, "GET http://localhost:1/v1/ops/batches");
}

#[test]
fn what_is_missing_is_said_first() {
    let wire = wire(200, "{}");
    let why =
        |words: &[&str], environment| ask(&wire, words, &environment).unwrap_err().to_string();
    let no_keys = why(&["--url", URL, "status"], environment(&[]));
    assert!(no_keys.contains("no AWS credentials") && no_keys.contains("export-credentials"));
    let no_region = why(&["--url", "https://ops.shop.example", "status"], with_keys());
    assert!(no_region.contains("give --region"), "{no_region}");
    for url in ["ftp://x", "/v1", "https://"] {
        assert!(why(&["--url", url, "status"], with_keys()).contains("--url"), "{url}");
    }
    assert_eq!(wire.asked.lock().unwrap().len(), 0);
}

#[test]
fn refusals_say_what_to_do() {
    for (status, answer, says) in [
        (403, r#"{"message": "Forbidden"}"#, "OpsPolicyArn"),
        (
            403,
            r#"{"message": "The security token included in the request is expired"}"#,
            "have expired",
        ),
        (
            403,
            r#"{"type": "urn:tryon:problem:not-ops", "detail": "OPS_PRINCIPALS"}"#,
            "OPS_PRINCIPALS",
        ),
        (404, "", "no ops routes"),
        (409, r#"{"detail": "a gate fails (cost)"}"#, "a gate fails (cost)"),
        (422, r#"{"detail": "say why", "field": "reason"}"#, "reason: say why"),
        (500, r#"{"message": "Internal Server Error"}"#, "Internal Server Error"),
    ] {
        let wire = wire(status, answer);
        let error = ask(&wire, &["--url", URL, "status"], &with_keys()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    for (fault, says) in [
        (TransportError::NotConnected("refused".to_owned()), "cannot be reached (refused)"),
        (TransportError::NoAnswer("no answer in time".to_owned()), "may have been done"),
    ] {
        let wire = Arc::new(Wire { status: 0, answer: Err(fault), asked: Mutex::default() });
        let error = ask(&wire, &["--url", URL, "status"], &with_keys()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let away = TransportError::NotConnected("refused".to_owned());
    let wire = Arc::new(Wire { status: 0, answer: Err(away), asked: Mutex::default() });
    let error = ask(&wire, &["status"], &environment(&[])).unwrap_err().to_string();
    assert!(error.contains("tryon serve"), "{error}");
}
