//! Objects.

use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::{picture::Mime, ports::Objects};

/// Everything below, on one empty store.
pub async fn suite(objects: &dyn Objects) {
    bytes_come_back_in_order(objects).await;
    a_second_put_replaces_the_first(objects).await;
    a_list_holds_what_begins_with_the_prefix(objects).await;
    what_was_removed_is_gone(objects).await;
}

async fn read(objects: &dyn Objects, key: &str) -> Option<Vec<u8>> {
    let stream = objects.get(key).await.unwrap()?;
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    Some(pieces.concat())
}

async fn put(objects: &dyn Objects, key: &str, bytes: impl Into<Bytes>, mime: Mime) {
    assert_eq!(objects.put(key, bytes.into(), mime).await, Ok(()));
}

pub async fn bytes_come_back_in_order(objects: &dyn Objects) {
    for length in [0, 1, 65_536, 65_537, 1_000_000_usize] {
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        let key = format!("bytes/{length}");
        put(objects, &key, bytes.clone(), Mime::Jpeg).await;
        assert!(read(objects, &key).await == Some(bytes), "{length}");
        let look = objects.peek(&key, 100).await.unwrap().unwrap();
        assert_eq!((look.bytes, look.first.len()), (length as u64, length.min(100)));
        let start: Vec<u8> = (0..=250).take(length.min(100)).collect();
        assert_eq!(look.first, start);
    }
    assert_eq!(read(objects, "bytes/none").await, None);
    assert_eq!(objects.peek("bytes/none", 100).await, Ok(None));
}

pub async fn a_second_put_replaces_the_first(objects: &dyn Objects) {
    put(objects, "again/a", "one", Mime::Png).await;
    put(objects, "again/a", "three", Mime::Png).await;
    assert_eq!(read(objects, "again/a").await, Some(b"three".to_vec()));
    assert_eq!(objects.list("again/").await, Ok(vec![("again/a".to_owned(), 5)]));
}

pub async fn a_list_holds_what_begins_with_the_prefix(objects: &dyn Objects) {
    for key in ["list/b", "list/a", "list/a/1", "lisu", "lis"] {
        put(objects, key, key, Mime::Webp).await;
    }
    let mut listed = objects.list("list/a").await.unwrap();
    listed.sort();
    assert_eq!(listed, [("list/a".to_owned(), 6), ("list/a/1".to_owned(), 8)]);
    assert_eq!(objects.list("list/").await.unwrap().len(), 3);
    assert_eq!(objects.list("nothing/").await, Ok(vec![]));
}

pub async fn what_was_removed_is_gone(objects: &dyn Objects) {
    put(objects, "gone/a", "one", Mime::Png).await;
    put(objects, "gone/b", "two", Mime::Png).await;
    for _ in 0..2 {
        assert_eq!(objects.remove("gone/a").await, Ok(()));
    }
    assert_eq!(read(objects, "gone/a").await, None);
    assert_eq!(objects.list("gone/").await, Ok(vec![("gone/b".to_owned(), 3)]));
}
