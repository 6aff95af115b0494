//! Every `ops` command of docs/runbook.md works against `tryon serve`, by the binary itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what helps a test fails as the test does")]

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Method, Request};
use serde_json::{Value, json};
use tryon_core::{
    memory::TokioClock,
    ports::{Body, Clock, HttpTransport},
};
use tryon_providers::ReqwestTransport;

const TRYON: &str = env!("CARGO_BIN_EXE_tryon");
const RUNBOOK: &str = include_str!("../../../docs/runbook.md");
const PERSON: &[u8] = include_bytes!("../assets/person.jpg");
const SHIRT: &[u8] = include_bytes!("../assets/garment-shirt.jpg");

/// `tryon serve` on a port of its own, until the test ends.
struct Server {
    child: Child,
    url: String,
    knobs: PathBuf,
}

impl Server {
    fn start(name: &str) -> Self {
        let knobs = std::env::temp_dir().join(format!("tryon-{name}-{}.toml", std::process::id()));
        let mut child = Command::new(TRYON)
            .args(["serve", "--port", "0", "--latency", "0", "--canned", "--cache-seconds", "1"])
            .arg("--knobs")
            .arg(&knobs)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().nth(1).unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self { child, url, knobs }
    }

    fn ops(&self, words: &[String]) -> Output {
        Command::new(TRYON).args(["ops", "--url", &self.url]).args(words).output().unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let words: Vec<_> = words.iter().chain(&["--json"]).map(|w| (*w).to_owned()).collect();
        let output = self.ops(&words);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(&self.knobs).ok();
    }
}

/// A client of the shop's.
struct Shop {
    url: String,
    transport: ReqwestTransport,
    clock: TokioClock,
}

impl Shop {
    async fn send(&self, request: Request<Body>) -> Value {
        let answer = self.transport.send(request, Duration::from_secs(20)).await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        let pieces: Vec<Bytes> = answer.into_body().try_collect().await.unwrap();
        serde_json::from_slice(&pieces.concat()).unwrap_or_default()
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request =
            request.header("content-type", "application/json").header("idempotency-key", "look-1");
        let body = body.map_or_else(Body::empty, |body| Body::from(Bytes::from(body.to_string())));
        self.send(request.body(body).unwrap()).await
    }

    async fn upload(&self, picture: &'static [u8]) -> Value {
        let body =
            json!({"user_id": "alice", "content_type": "image/jpeg", "bytes": picture.len()});
        let upload = self.call(Method::POST, "/v1/uploads", Some(body)).await;
        let request = Request::put(upload["url"].as_str().unwrap())
            .header("content-type", "image/jpeg")
            .header("if-none-match", "*");
        self.send(request.body(Body::from(Bytes::from_static(picture))).unwrap()).await;
        upload["key"].clone()
    }

    /// A render of alice's that has ended.
    async fn render(&self) -> String {
        let (person, shirt) = (self.upload(PERSON).await, self.upload(SHIRT).await);
        let body = json!({
            "user_id": "alice", "person": {"photo": person}, "quality": "sd", "lane": "online",
            "garments": [{"photo": shirt, "category": "shirt"}],
        });
        let made = self.call(Method::POST, "/v1/renders", Some(body)).await;
        let id = made["render_id"].as_str().unwrap().to_owned();
        for _ in 0..300 {
            let path = format!("/v1/renders/{id}?user_id=alice");
            if self.call(Method::GET, &path, None).await["status"] == "succeeded" {
                return id;
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        panic!("render {id} does not end");
    }
}

/// The `ops` commands of the runbook's code blocks, in order, as words.
fn commands(render: &str) -> Vec<Vec<String>> {
    let mut in_block = false;
    let lines = RUNBOOK.lines().filter(|line| {
        let fence = line.starts_with("```");
        in_block = if fence { *line == "```sh" } else { in_block };
        in_block && !fence
    });
    let lines = lines.filter_map(|line| line.strip_prefix("ops "));
    lines.map(|line| words(&line.replace("$RENDER", render))).collect()
}

/// As a shell splits them; it knows no other quotes than `"`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (n, part) in line.split('"').enumerate() {
        let last = words.len() - 1;
        if n % 2 == 1 {
            words[last].push_str(part);
        } else {
            let mut pieces = part.split(' ');
            words[last].push_str(pieces.next().unwrap_or_default());
            words.extend(pieces.map(str::to_owned));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_ops_command_of_the_runbook_works() {
    let server = Server::start("runbook");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let transport = ReqwestTransport::new().unwrap();
    let shop = Shop { url: server.url.clone(), transport, clock: TokioClock::real() };
    let render = runtime.block_on(shop.render());
    let explained = server.json(&["explain", &render]);
    assert_eq!((&explained["status"], &explained["differs"]), (&json!("succeeded"), &json!([])));
    // Whoever is forgotten has nothing left to explain.
    let (last, first): (Vec<_>, Vec<_>) =
        commands(&render).into_iter().partition(|words| words[0] == "forget");
    assert!(first.len() > 30 && last.len() == 1, "{} commands", first.len());
    for words in first.iter().chain(&last) {
        let output = server.ops(words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ops {}: {told}", words.join(" "));
        assert!(!output.stdout.is_empty(), "ops {} says nothing", words.join(" "));
        if let [command, set, percent, ..] = words.as_slice()
            && (command.as_str(), set.as_str()) == ("traffic", "set")
        {
            assert_eq!(server.json(&["traffic", "get"])["traffic_percent"], **percent);
            let file = std::fs::read_to_string(&server.knobs).unwrap();
            assert!(file.contains(&format!("traffic-percent = {percent}\n")), "{file}");
        }
    }
    let gone = server.ops(&["explain".to_owned(), render]);
    assert!(!gone.status.success());
    assert!(String::from_utf8_lossy(&gone.stderr).contains("404"), "{gone:?}");
}

#[test]
fn what_cannot_be_done_says_so_and_fails() {
    let server = Server::start("ops-refused");
    for (words, says) in [
        (&["traffic", "set", "5"][..], "give --yes"),
        (&["redrive", "nothing", "--yes"], "queue"),
        (&["waive", "luck", "--reason", "x"], "gate"),
        (&["explain", "nothing"], "404"),
    ] {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut command = Command::new(TRYON);
        command.args(["ops", "--url", &server.url]).args(&words).stdin(Stdio::null());
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(says), "{words:?}: {told}");
    }
    let away = Command::new(TRYON).args(["ops", "--url", "http://127.0.0.1:9", "status"]).output();
    let told = String::from_utf8(away.unwrap().stderr).unwrap();
    assert!(told.contains("tryon serve"), "{told}");
}

#[test]
fn words_are_split_as_a_shell_does() {
    let expected = ["waive", "quality", "--reason", "too few; by hand", "--days", "3"];
    assert_eq!(words("waive quality --reason \"too few; by hand\"  --days 3"), expected);
}
