use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn transport() -> ReqwestTransport {
    ReqwestTransport::built(reqwest::Client::builder().no_proxy()).unwrap()
}

/// Accepts one connection, reads until `end` was seen, answers, and returns what it read.
async fn server(end: &'static str, answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = read_until(&mut stream, end).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        read
    });
    (url, task)
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = String::new();
    let mut piece = [0; 1_024];
    while !read.ends_with(end) {
        let length = stream.read(&mut piece).await.unwrap();
        if length == 0 {
            break;
        }
        read.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
    read
}

fn streamed(pieces: &[&'static str]) -> Body {
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    let pieces: Vec<_> = pieces.iter().map(|&piece| Ok(Bytes::from(piece))).collect();
    Body::streamed(length, stream::iter(pieces).boxed())
}

async fn collect(body: ByteStream) -> io::Result<Vec<u8>> {
    Ok(body.try_collect::<Vec<_>>().await?.concat())
}

#[tokio::test]
async fn streams_both_ways_with_the_length_ahead() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello";
    let (url, server) = server("one,two", answer).await;
    let request = Request::post(url).header("x-key", "k").body(streamed(&["one,", "two"])).unwrap();
    let response = transport().send(request, SECOND).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["x-a"].to_str().unwrap()),
        (200, "b")
    );
    assert_eq!(collect(response.into_body()).await.unwrap(), b"hello");
    let sent = server.await.unwrap();
    assert!(sent.contains("content-length: 7\r\n") && sent.contains("x-key: k\r\n"), "{sent}");
    assert!(!sent.contains("chunked"), "{sent}");
}

#[tokio::test]
async fn follows_no_redirect() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (url, _server) = server("\r\n\r\n", answer).await;
    let request = Request::get(url).body(Body::empty()).unwrap();
    let response = transport().send(request, SECOND).await.unwrap();
    assert_eq!(response.status().as_u16(), 302);
}

#[tokio::test]
async fn no_connection_is_told_from_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let request = Request::post(&url).body(Body::from("x")).unwrap();
    let error = transport().send(request, SECOND).await.map(drop).unwrap_err();
    assert!(matches!(error, TransportError::NotConnected(_)), "{error}");
    assert!(!error.to_string().contains(&url));

    let (url, _server) = server("x", "").await;
    let request = Request::post(url).body(Body::from("x")).unwrap();
    let error = transport().send(request, SECOND).await.map(drop).unwrap_err();
    assert!(matches!(error, TransportError::NoAnswer(_)), "{error}");
}

#[tokio::test]
async fn a_silent_host_runs_into_the_time_limit() {
    let (url, _server) = server("never", "").await;
    let request = Request::post(url).body(Body::from("x")).unwrap();
    let error = transport().send(request, Duration::from_millis(50)).await.map(drop).unwrap_err();
    assert_eq!(error, TransportError::NoAnswer("no answer in time".to_owned()));
}

#[tokio::test]
async fn a_cut_answer_is_an_error() {
    let (url, _server) =
        server("\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    let request = Request::get(url).body(Body::empty()).unwrap();
    let response = transport().send(request, SECOND).await.unwrap();
    assert!(collect(response.into_body()).await.is_err());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_answer() {
    let (url, _server) = server("never", "").await;
    let pieces = [Ok(Bytes::from("on")), Err(io::ErrorKind::UnexpectedEof.into())];
    let body = Body::streamed(7, stream::iter(pieces).boxed());
    let request = Request::post(url).body(body).unwrap();
    let error = transport().send(request, SECOND).await.map(drop).unwrap_err();
    assert!(matches!(error, TransportError::NoAnswer(_)), "{error}");
}
