//! A function that Lambda lets go has its last word. It is this very program, started once more.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
};

use tryon_lambda::shutdown::before_exit;

/// What Lambda answers an extension that registers.
const REGISTERED: &str = "HTTP/1.1 200 OK\r\nlambda-extension-identifier: one\r\n\
    content-type: application/json\r\ncontent-length: 64\r\n\r\n\
    {\"functionName\":\"f\",\"functionVersion\":\"1\",\"handler\":\"bootstrap\"}";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

/// The extensions' part of the Runtime API, which never has an event.
fn runtime_api(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move |stream: TcpStream| {
        let mut request = BufReader::new(stream);
        let mut line = String::new();
        while request.read_line(&mut line).is_ok_and(|read| read > 0) {
            if line.starts_with("POST /2020-01-01/extension/register") {
                request.get_mut().write_all(answer.as_bytes()).unwrap();
            }
            line.clear();
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// The function.
#[test]
#[ignore = "started by the tests below"]
fn function() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        before_exit(|| async { println!("last word") }).await;
        println!("started");
        std::future::pending::<()>().await;
    });
}

/// What the function says until it ends, and whether it ended well.
fn let_go(answer: &'static str) -> (String, bool) {
    let mut function = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "function"])
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api(answer))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(function.stdout.take().unwrap());
    let mut line = String::new();
    while !line.ends_with("started\n") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended before it started");
    }
    let terminate = format!("kill -TERM {}", function.id());
    assert!(Command::new("sh").args(["-c", &terminate]).status().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    (rest, function.wait().unwrap().success())
}

#[test]
fn who_is_let_go_has_a_last_word() {
    assert_eq!(let_go(REGISTERED), ("last word\n".to_owned(), true));
}

#[test]
fn without_extensions_there_is_none() {
    assert_eq!(let_go(NOT_FOUND), (String::new(), false));
}
