use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tryon_aws::S3Objects;
use tryon_core::{
    contract,
    memory::{Chaos, MemoryObjects},
    picture::Mime,
    ports::Objects,
};

use crate::support::{clients, run, unique};

/// A bucket of its own.
pub(crate) async fn bucket(test: &str) -> String {
    let name = unique(test);
    clients().await.s3().create_bucket().bucket(&name).send().await.unwrap();
    name
}

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn the_suite() {
    let objects = S3Objects::new(clients().await.s3().clone(), bucket("suite").await);
    contract::objects::suite(&objects).await;
}

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn a_list_goes_on_past_a_page() {
    let objects = S3Objects::new(clients().await.s3().clone(), bucket("pages").await);
    let put = |n: usize| {
        let objects = &objects;
        async move { objects.put(&format!("many/{n:04}"), Bytes::from("x"), Mime::Png).await }
    };
    futures_util::stream::iter((0..1_050).map(Ok)).try_for_each_concurrent(8, put).await.unwrap();
    let listed = objects.list("many/").await.unwrap();
    assert_eq!(listed.len(), 1_050);
    assert_eq!(listed.last(), Some(&("many/1049".to_owned(), 1)));
}

#[derive(Clone, Debug)]
enum Step {
    Put(String, Vec<u8>),
    Get(String),
    Peek(String, usize),
    List(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || "[ab]/[xyü +%]{1,2}";
    let step = prop_oneof![
        (key(), vec(any::<u8>(), 0..300)).prop_map(|(key, bytes)| Step::Put(key, bytes)),
        key().prop_map(Step::Get),
        (key(), 1..300_usize).prop_map(|(key, most)| Step::Peek(key, most)),
        "([ab]/?)?".prop_map(Step::List),
    ];
    vec(step, 1..20)
}

/// What a step shows.
async fn take(objects: &dyn Objects, below: &str, step: &Step) -> String {
    let at = |key: &str| format!("{below}{key}");
    match step {
        Step::Put(key, bytes) => {
            format!("{:?}", objects.put(&at(key), bytes.clone().into(), Mime::Png).await)
        }
        Step::Get(key) => match objects.get(&at(key)).await.unwrap() {
            None => "nothing".to_owned(),
            Some(stream) => {
                let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
                format!("{:?}", pieces.concat())
            }
        },
        Step::Peek(key, most) => {
            let look = objects.peek(&at(key), *most).await.unwrap();
            format!("{:?}", look.map(|look| (look.bytes, look.first)))
        }
        Step::List(prefix) => format!("{:?}", objects.list(&at(prefix)).await),
    }
}

#[test]
#[ignore = "needs the emulated AWS: tests/with-services"]
fn s3_and_memory_show_the_same() {
    let bucket = run(bucket("model"));
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let case = AtomicUsize::new(0);
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        // Each case has the bucket below a prefix of its own.
        let below = format!("{}/", case.fetch_add(1, Ordering::Relaxed));
        run(async {
            let s3 = S3Objects::new(clients().await.s3().clone(), &bucket);
            let memory = MemoryObjects::new(Arc::new(Chaos::seeded(7)));
            for step in &steps {
                let (real, model) =
                    (take(&s3, &below, step).await, take(&memory, &below, step).await);
                prop_assert_eq!(real, model, "{:?}", step);
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
