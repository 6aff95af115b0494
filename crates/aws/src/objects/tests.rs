use aws_smithy_http_client::test_util::NeverClient;
use futures_util::TryStreamExt;

use super::*;
use crate::testing::{Answer, Sent, Wire, answer, played::over};

fn objects(wire: &Wire) -> S3Objects {
    S3Objects::new(aws_sdk_s3::Client::new(&wire.config()), "pictures")
}

fn refused(status: u16, code: &str) -> Answer {
    answer(status, &[], format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
}

async fn read(objects: &S3Objects) -> std::io::Result<Vec<u8>> {
    let stream = objects.get("in/a.jpg").await.unwrap().unwrap();
    let pieces: Vec<Bytes> = stream.try_collect().await?;
    Ok(pieces.concat())
}

fn asked(sent: &[Sent]) -> Vec<(Option<&str>, Option<&str>)> {
    sent.iter().map(|sent| (sent.header("range"), sent.header("if-match"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_put_has_its_type_and_a_checksum_ahead() {
    let wire = Wire::of([answer(200, &[], "")]);
    assert_eq!(objects(&wire).put("in/a.png", "bytes".into(), Mime::Png).await, Ok(()));
    let [sent] = &wire.sent()[..] else { panic!("one call") };
    assert_eq!((sent.target.as_str(), sent.body.as_slice()), ("PUT", &b"bytes"[..]));
    assert!(sent.uri.contains("/in/a.png"), "{}", sent.uri);
    assert_eq!(sent.header("content-type"), Some("image/png"));
    assert_eq!(sent.header("content-length"), Some("5"));
    assert!(sent.header("x-amz-checksum-crc32").is_some(), "{sent:?}");
    assert_eq!(sent.header("x-amz-trailer"), None);
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_goes_on_where_it_broke() {
    let wire = Wire::of([
        answer(200, &[("etag", "\"v1\""), ("content-range", "bytes 0-9/10")], "0123"),
        answer(206, &[("content-range", "bytes 4-9/10")], "45"),
        answer(206, &[("content-range", "bytes 6-9/10")], "6789"),
    ]);
    assert_eq!(read(&objects(&wire)).await.unwrap(), b"0123456789");
    let (a, b, etag) = (Some("bytes=4-"), Some("bytes=6-"), Some("\"v1\""));
    assert_eq!(asked(&wire.sent()), [(None, None), (a, etag), (b, etag)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_go_on_ends_with_an_error() {
    let part = |from: usize| {
        let range = format!("bytes {from}-9/10");
        answer(200, &[("etag", "\"v1\""), ("content-range", &range)], "x")
    };
    let changed = refused(412, "PreconditionFailed");
    let other_range = part(0);
    for (name, calls, answers) in [
        ("breaks too often", 4, vec![part(0), part(1), part(2), part(3), part(4)]),
        ("another version", 2, vec![part(0), changed]),
        ("other bytes", 2, vec![part(0), other_range]),
        ("gone", 2, vec![part(0), None]),
    ] {
        let wire = Wire::of(answers);
        let error = read(&objects(&wire)).await.unwrap_err();
        assert!(error.to_string().starts_with("GetObject: "), "{name}: {error}");
        assert_eq!(wire.sent().len(), calls, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_takes_the_first_bytes_and_the_whole_length() {
    let wire = Wire::of([
        answer(206, &[("content-range", "bytes 0-3/1000")], "0123"),
        refused(416, "InvalidRange"),
        // A server that does not know ranges.
        answer(200, &[("content-length", "6")], "012345"),
    ]);
    let objects = objects(&wire);
    let mut looks = Vec::new();
    for _ in 0..3 {
        let look = objects.peek("in/a.jpg", 4).await.unwrap().unwrap();
        looks.push((look.bytes, look.first));
    }
    assert_eq!(looks, [(1_000, "0123".into()), (0, "".into()), (6, "0123".into())]);
    assert_eq!(asked(&wire.sent()), [(Some("bytes=0-3"), None); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_look_ends_before_a_shopper_gives_up() {
    let (clients, wire) = (over(NeverClient::new()), Wire::of([]));
    let (objects, clock) = (S3Objects::new(clients.s3().clone(), "pictures"), wire.clock());
    let began = clock.now();
    assert!(matches!(objects.peek("in/a.jpg", 4).await, Err(PortError::Unavailable(_))));
    assert_eq!((clock.now() - began).num_seconds(), 8);
}

#[tokio::test(start_paused = true)]
async fn only_a_missing_key_is_nothing() {
    let unavailable = |text: &str| Some(PortError::Unavailable(format!("GetObject: {text}")));
    for (answer, expected) in [
        (refused(404, "NoSuchKey"), None),
        (refused(404, "NoSuchBucket"), unavailable("NoSuchBucket (404)")),
        (refused(403, "AccessDenied"), unavailable("AccessDenied (403)")),
        (None, unavailable("unreachable")),
    ] {
        let wire = Wire::of([answer]);
        let met = objects(&wire).get("a").await;
        assert_eq!(met.map(|found| found.is_some()), expected.map_or(Ok(false), Err));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_has_every_page() {
    let page = |key: &str, next: &str| {
        let more = if next.is_empty() { "false" } else { "true" };
        answer(
            200,
            &[],
            format!(
                "<ListBucketResult><IsTruncated>{more}</IsTruncated>\
             <NextContinuationToken>{next}</NextContinuationToken>\
             <Contents><Key>{key}</Key><Size>7</Size></Contents></ListBucketResult>"
            ),
        )
    };
    let wire = Wire::of([page("in/a", "t1"), page("in/b", "")]);
    let listed = objects(&wire).list("in/").await;
    assert_eq!(listed, Ok(vec![("in/a".to_owned(), 7), ("in/b".to_owned(), 7)]));
    let sent = wire.sent();
    assert!(sent[0].uri.contains("prefix=in%2F"), "{}", sent[0].uri);
    assert!(sent[1].uri.contains("continuation-token=t1"), "{}", sent[1].uri);
}
