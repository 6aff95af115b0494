use chrono::TimeDelta;
use tryon_core::{
    picture::Mime,
    ports::{Links, Objects, UploadLink},
};

use super::*;

const PICTURE: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 1, 2, 3];

fn bench() -> Bench {
    Bench::new(Ok(Value::Null))
}

async fn upload_to(bench: &Bench, key: &str, bytes: usize) -> UploadLink {
    let expires = start() + TimeDelta::minutes(5);
    bench.world.links.write(key, Mime::Jpeg, bytes as u64, expires).await.unwrap()
}

/// A `PUT` with the signed headers, some of them replaced or left out.
fn put(link: &UploadLink, changed: &[(&str, Option<&str>)]) -> http::request::Builder {
    let mut request = Request::put(&link.url);
    for (name, value) in &link.headers {
        let changed = changed.iter().find(|(of, _)| of == name).map(|(_, value)| *value);
        if let Some(value) = changed.unwrap_or(Some(value)) {
            request = request.header(*name, value);
        }
    }
    request
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_written_once_and_read_back() {
    let bench = bench();
    let link = upload_to(&bench, "in/ü b.jpg", PICTURE.len()).await;
    let reply = bench.ask(put(&link, &[]), PICTURE).await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0));
    let tag = reply.headers["etag"].clone();
    // Not even by the same bytes.
    let again = bench.ask(put(&link, &[]), PICTURE).await;
    assert_eq!(again.problem(), (412, "exists".to_owned()));

    let expires = start() + TimeDelta::minutes(5);
    let address = bench.world.links.read("in/ü b.jpg", expires, None).await.unwrap();
    let reply = bench.ask(Request::get(&address), "").await;
    assert_eq!((reply.status.as_u16(), reply.body.as_slice()), (200, PICTURE));
    assert_eq!(reply.headers["content-type"], "image/jpeg");
    assert_eq!(reply.headers["content-length"], "7");
    assert_eq!(reply.headers["etag"], tag);
    assert!(bench.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_exactly_what_was_signed() {
    let bench = bench();
    let link = upload_to(&bench, "in/a.jpg", PICTURE.len()).await;
    let longer = [PICTURE, &[4]].concat();
    let bad = [
        (put(&link, &[("content-type", Some("image/png"))]), PICTURE, 403),
        (put(&link, &[("content-type", None)]), PICTURE, 403),
        (put(&link, &[("content-length", None)]), PICTURE, 411),
        (put(&link, &[("content-length", Some("8"))]), &longer, 403),
        (put(&link, &[("content-length", Some("+7"))]), PICTURE, 403),
        (put(&link, &[("if-none-match", None)]), PICTURE, 403),
        (put(&link, &[]), &longer, 400),
        (put(&link, &[]), &PICTURE[1..], 400),
    ];
    for (request, body, status) in bad {
        let shown = format!("{request:?}");
        assert_eq!(bench.ask(request, body.to_vec()).await.problem().0, status, "{shown}");
    }
    assert!(bench.world.objects.digest("in/a.jpg").is_none());
}

#[tokio::test(start_paused = true)]
async fn only_uploads_may_be_written() {
    let bench = bench();
    for key in ["out/a.jpg", "inn/a.jpg", "in"] {
        let link = upload_to(&bench, key, PICTURE.len()).await;
        assert_eq!(bench.ask(put(&link, &[]), PICTURE).await.problem().0, 403, "{key}");
        assert!(bench.world.objects.digest(key).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_not_signed_so_leads_nowhere() {
    let bench = bench();
    let picture = bytes::Bytes::from_static(PICTURE);
    bench.world.objects.put("in/a.jpg", picture, Mime::Jpeg).await.unwrap();
    let expires = start() + TimeDelta::minutes(5);
    let read = bench.world.links.read("in/a.jpg", expires, None).await.unwrap();
    let write = upload_to(&bench, "in/b.jpg", PICTURE.len()).await;
    let missing = bench.world.links.read("in/c.jpg", expires, None).await.unwrap();
    let cases = [
        (Request::get(read.replace("in/a", "in/b")), (403, "forbidden")),
        (Request::get("/pictures/in/a.jpg"), (403, "forbidden")),
        (Request::get(&write.url), (403, "forbidden")),
        (Request::put(&read), (403, "forbidden")),
        (Request::delete(&read), (405, "method")),
        (Request::get(&missing), (404, "not-found")),
    ];
    for (request, (status, name)) in cases {
        let shown = format!("{request:?}");
        let reply = bench.ask(request, "").await;
        assert_eq!(reply.problem(), (status, name.to_owned()), "{shown}");
    }
    bench.world.clock.sleep(Duration::from_secs(300)).await;
    for request in [Request::get(&read), put(&write, &[])] {
        assert_eq!(bench.ask(request, PICTURE).await.problem().0, 403);
    }
    assert!(bench.world.objects.digest("in/b.jpg").is_none());
}
