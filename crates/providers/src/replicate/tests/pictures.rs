use super::*;

const ADDRESS: &str = "https://replicate.delivery/xezq/a/out.png";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand more";

async fn fetch(play: Play) -> Result<Mime, CallError> {
    client(&Script::new([play])).picture(ADDRESS).await.map(|picture| picture.mime)
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_fetched_without_the_token() {
    let script = Script::new([Play::bytes(200, PNG)]);
    let picture = client(&script).picture(ADDRESS).await.unwrap();
    assert_eq!((picture.mime, &picture.bytes[..]), (Mime::Png, PNG));
    let sent = &script.sent()[0];
    assert_eq!((sent.uri.to_string().as_str(), sent.headers.len()), (ADDRESS, 0));
    assert_eq!(sent.timeout, Duration::from_secs(25));
}

#[tokio::test(start_paused = true)]
async fn a_data_uri_needs_no_call() {
    let client = client(&Script::new([]));
    let picture = client.picture("data:image/png;base64,/9j/4HJlc3VsdA==").await.unwrap();
    assert_eq!((picture.mime, picture.bytes.len()), (Mime::Jpeg, 10));
    let error = client.picture("data:image/png;base64,PHN2Zy8+").await.unwrap_err();
    assert!(is_class(&error, FailClass::NoImage), "{error}");
}

#[tokio::test(start_paused = true)]
async fn only_hosts_that_are_allowed_are_asked() {
    let local = "https://127.0.0.1:8080/out.png";
    let script = Script::new([]);
    let error = client(&script).picture(local).await.unwrap_err();
    assert!(is_class(&error, FailClass::Setup) && !error.to_string().contains("127"), "{error}");

    let script = Script::new([Play::bytes(200, PNG)]);
    let client = client(&script).with_delivery_host("127.0.0.1:8080");
    client.picture(local).await.unwrap();
    assert_eq!(script.sent()[0].header("authorization"), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_and_what_is_none() {
    for status in [404, 410, 403] {
        let error = fetch(Play::text(status, "")).await.unwrap_err();
        assert!(is_class(&error, FailClass::Missing), "{status}: {error}");
    }
    let large = [PNG, &vec![0; 32 << 20]].concat();
    for bytes in [b"<svg/>", &b""[..], &large] {
        let error = fetch(Play::bytes(200, bytes)).await.unwrap_err();
        assert!(is_class(&error, FailClass::NoImage), "{error}");
    }
    let elsewhere = Play::text(302, "").header("location", "https://evil.test/");
    let error = fetch(elsewhere).await.unwrap_err();
    assert!(matches!(error, CallError::Rejected { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_did_not_arrive_may_be_fetched_again() {
    let plays = [
        Play::fails(TransportError::NoAnswer("reset".to_owned())),
        Play::fails(TransportError::NotConnected("refused".to_owned())),
        Play::text(500, ""),
        Play::text(503, ""),
        Play::text(429, ""),
        Play::bytes(206, PNG),
        Play::bytes(200, PNG).cut(),
        Play::bytes(200, PNG).after(61),
    ];
    for play in plays {
        let shown = format!("{play:?}");
        let error = fetch(play).await.unwrap_err();
        assert!(matches!(error, CallError::NotCreated { .. }), "{shown}: {error}");
        assert!(!error.to_string().contains("xezq"), "{error}");
    }
}
