//! The place of a catalogue that is not the built-in one.

use crate::ports::{CatalogueStore, Override};

/// On one empty store; `put` does what ops do.
pub async fn suite(store: &dyn CatalogueStore, put: impl AsyncFn(Option<&str>)) {
    assert_eq!(store.read(None).await, Ok(Override::Absent));
    assert_eq!(store.read(Some("\"v0\"")).await, Ok(Override::Absent));
    put(Some("one")).await;
    let first = version_of(store, None, "one").await;
    assert_eq!(store.read(Some(&first)).await, Ok(Override::Same));
    put(Some("two")).await;
    let second = version_of(store, Some(&first), "two").await;
    assert_ne!(first, second);
    assert_eq!(store.read(Some(&second)).await, Ok(Override::Same));
    put(None).await;
    assert_eq!(store.read(Some(&second)).await, Ok(Override::Absent));
}

async fn version_of(store: &dyn CatalogueStore, known: Option<&str>, expected: &str) -> String {
    let found = store.read(known).await.unwrap();
    let version = match &found {
        Override::New { version, .. } => version.clone(),
        Override::Absent | Override::Same => String::new(),
    };
    assert_eq!(found, Override::New { text: expected.to_owned(), version: version.clone() });
    version
}
