use super::*;
use crate::testing::{Answer, Wire, answer};

fn catalogue(wire: &Wire) -> S3Catalogue {
    S3Catalogue::new(aws_sdk_s3::Client::new(&wire.config()), "pictures")
}

fn refused(status: u16, code: &str) -> Answer {
    answer(status, &[], format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
}

#[tokio::test(start_paused = true)]
async fn a_version_is_read_once() {
    let found = [("etag", "\"v1\""), ("content-length", "4")];
    let wire = Wire::of([answer(200, &found, "text"), answer(304, &[], "")]);
    let store = catalogue(&wire);
    let (text, version) = ("text".to_owned(), "\"v1\"".to_owned());
    assert_eq!(store.read(None).await, Ok(Override::New { text, version }));
    assert_eq!(store.read(Some("\"v1\"")).await, Ok(Override::Same));
    let sent = wire.sent();
    assert!(sent.iter().all(|sent| sent.uri.contains("/config/catalogue.toml")), "{sent:?}");
    let known: Vec<_> = sent.iter().map(|sent| sent.header("if-none-match")).collect();
    assert_eq!(known, [None, Some("\"v1\"")]);
}

#[tokio::test(start_paused = true)]
async fn only_a_missing_key_is_absent() {
    let unavailable = |text: &str| Err(PortError::Unavailable(format!("GetObject: {text}")));
    for (answer, expected) in [
        (refused(404, "NoSuchKey"), Ok(Override::Absent)),
        (refused(403, "AccessDenied"), unavailable("AccessDenied (403)")),
        (None, unavailable("unreachable")),
    ] {
        assert_eq!(catalogue(&Wire::of([answer])).read(None).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_catalogue_by_its_length_is_not_read() {
    let wire = Wire::of([answer(200, &[("content-length", "262145")], "")]);
    assert!(matches!(catalogue(&wire).read(None).await, Err(PortError::Broken(_))));
}
