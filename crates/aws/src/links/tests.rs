use chrono::TimeDelta;
use tryon_core::contract::fixtures::start;

use super::*;
use crate::testing::{SECRET, Wire, query, signature};

const HOST: &str = "pictures.s3.eu-west-1.amazonaws.com";
const PAYLOAD: &str = "UNSIGNED-PAYLOAD";

fn links(wire: &Wire) -> S3Links {
    S3Links::new(Client::new(&wire.config()), wire.clock(), "pictures")
}

#[tokio::test(start_paused = true)]
async fn a_read_is_signed_with_its_attempt_and_no_header_but_the_host() {
    let wire = Wire::of([]);
    let (links, clock) = (links(&wire), wire.clock());
    clock.sleep(Duration::from_millis(1_500)).await;
    let attempt = AttemptId::from("r-1/sdxl/1");
    let expires = start() + TimeDelta::minutes(5);
    let url = links.read("in/a b/ü.jpg", expires, Some(&attempt)).await.unwrap();
    assert!(url.starts_with(&format!("https://{HOST}/in/a%20b/%C3%BC.jpg?")), "{url}");
    let fields = query(&url);
    assert_eq!(fields["x-attempt"], "r-1%2Fsdxl%2F1");
    assert_eq!(fields["X-Amz-Expires"], "299", "until exactly then");
    assert!(!url.contains("checksum"), "{url}");
    let expected = signature("GET", &url, &[("host", HOST)], PAYLOAD, clock.as_ref());
    assert_eq!(fields["X-Amz-Signature"], expected);
    let plain = links.read("in/a.jpg", expires, None).await.unwrap();
    assert!(!plain.contains("x-attempt"), "{plain}");
    let expected = signature("GET", &plain, &[("host", HOST)], PAYLOAD, clock.as_ref());
    assert_eq!(query(&plain)["X-Amz-Signature"], expected);
    assert_eq!(wire.sent().len(), 0, "without a call");
}

#[tokio::test(start_paused = true)]
async fn a_write_is_signed_with_all_that_must_be_sent() {
    let wire = Wire::of([]);
    let expires = start() + TimeDelta::hours(1);
    let link = links(&wire).write("in/a.png", Mime::Png, 70_000, expires).await.unwrap();
    let mut headers: Vec<_> = link.headers.iter().map(|(name, value)| (*name, &**value)).collect();
    headers.push(("host", HOST));
    headers.sort_unstable();
    let expected = [
        ("content-length", "70000"),
        ("content-type", "image/png"),
        ("host", HOST),
        ("if-none-match", "*"),
    ];
    assert_eq!(headers, expected);
    let fields = query(&link.url);
    assert_eq!(fields["X-Amz-Expires"], "3600");
    assert!(!link.url.contains("checksum"), "{}", link.url);
    let expected = signature("PUT", &link.url, &headers, PAYLOAD, wire.clock().as_ref());
    assert_eq!(fields["X-Amz-Signature"], expected);
    assert_eq!(wire.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_would_not_last_is_refused() {
    let wire = Wire::of([]);
    let links = links(&wire);
    for expires in [start(), start() - TimeDelta::days(1), start() + TimeDelta::days(8)] {
        let read = links.read("in/a.jpg", expires, None).await;
        assert!(matches!(read, Err(PortError::Broken(_))), "{read:?}");
        let write = links.write("in/a.jpg", Mime::Jpeg, 1, expires).await;
        assert!(matches!(write, Err(PortError::Broken(_))), "{write:?}");
    }
    let all = links.read("in/a.jpg", start() + TimeDelta::days(7), None).await;
    assert_eq!(query(&all.unwrap())["X-Amz-Expires"], "604800");
    let shown = format!("{links:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("AKID"), "{shown}");
}
