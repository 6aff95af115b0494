use std::process::{Command, Output};

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::TryStreamExt;
use tryon_aws::{S3Links, S3Objects};
use tryon_core::{
    ids::AttemptId,
    picture::Mime,
    ports::{Links, Objects},
};

use crate::{
    objects::bucket,
    support::{clients, real_clock},
};

/// What curl prints: the body, then the status.
fn curl(arguments: &[&str]) -> String {
    let Output { stdout, .. } =
        Command::new("curl").args(["-s", "-w", "%{http_code}"]).args(arguments).output().unwrap();
    String::from_utf8(stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn anybody_with_an_address_can_use_it_as_it_was_meant() {
    let (clients, clock, bucket) = (clients().await, real_clock(), bucket("links").await);
    let links = S3Links::new(clients.s3().clone(), clock.clone(), &bucket);
    let expires = clock.now() + TimeDelta::minutes(5);
    let link = links.write("in/a b.png", Mime::Png, 5, expires).await.unwrap();
    let headers: Vec<_> =
        link.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut put = vec!["-X", "PUT", "--data-binary", "bytes", link.url.as_str()];
    put.extend(headers.iter().flat_map(|header| ["-H", header.as_str()]));
    assert_eq!(curl(&put), "200");
    let again = curl(&put);
    assert!(again.ends_with("412"), "nothing is replaced: {again}");

    let attempt = AttemptId::from("r-1/sdxl/1");
    let url = links.read("in/a b.png", expires, Some(&attempt)).await.unwrap();
    assert_eq!(curl(&[&url]), "bytes200");

    let objects = S3Objects::new(clients.s3().clone(), &bucket);
    let stream = objects.get("in/a b.png").await.unwrap().unwrap();
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"bytes");
    let head = clients.s3().head_object().bucket(&bucket).key("in/a b.png").send().await.unwrap();
    assert_eq!(head.content_type(), Some("image/png"));
}
