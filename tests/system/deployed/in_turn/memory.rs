//! What functions need at most, seen from outside.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tryon_core::{
    chain::{Fidelity, Step},
    ids::RenderId,
    ports::{Clock, Renders},
    render::Render,
};
use tryon_lambda::system::SystemClock;
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::deployed::{
    processes::{Peaks, look_at},
    report::picture,
    stack::Stack,
};

const EXACT: (Step, Fidelity) = (Step::Gemini, Fidelity::Exact);
/// Of every function but the one that has pictures in hand.
const MOST: u64 = 64_000_000;
const MOST_WITH_PICTURES: u64 = 256_000_000;
/// A row of the result file is a third longer.
const HEAVY: usize = 10_000_000;

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn functions_need_little_memory() {
    let stack = Stack::alone(&[]).await;
    let failing = When::kind(CallKind::Online).prompt("falls through");
    stack.sandbox.faults().push(Rule::new(failing, Fault::status(500)));
    let batch = stack.many(50, &json!({"lane": "batch"})).await;
    let online = stack.many(10, &json!({"lane": "online"})).await;
    let fallen = stack.render("falls through", &json!({"lane": "online"})).await;
    let ended = join_all(batch.iter().chain(&online).map(|id| stack.pictured(id, EXACT)));
    ended.await;
    stack.pictured(&fallen, (Step::PhotoMaker, Fidelity::Described)).await;
    let mut peaks = Peaks::new();
    look_at(&mut peaks);
    println!("{peaks:?}");
    for function in ["router", "accumulator", "imagen", "replicate", "distributor"] {
        assert!(peaks.contains_key(function), "{function} does not run");
    }
    peaks.remove("imagen");
    assert!(peaks.values().all(|peak| *peak <= MOST), "{peaks:?}");
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn fifty_pictures_of_10_mb_stream_through() {
    let stack = Stack::alone(&[]).await;
    let heavy = When::any().prompt("a heavy picture");
    stack.sandbox.faults().push(Rule::new(heavy, Fault::Heavy { bytes: HEAVY }));
    let since = SystemClock.now();
    let wish = json!({"lane": "batch", "prompt": "a heavy picture"});
    let ids = stack.many(50, &wish).await;
    let (renders, peaks) = stack.watched(&ids).await;
    let seconds = (SystemClock.now() - since).num_seconds();
    let sizes = stack.drop_heavy().await;
    println!("{seconds} s, {peaks:?}");
    for render in &renders {
        assert_eq!(picture(render), Some(EXACT), "{render:#?}");
        assert_eq!(stack.charges(render).len(), 1, "bought once");
    }
    assert_eq!(sizes.len(), 50);
    let peak = peaks["imagen"];
    assert!(peak <= MOST_WITH_PICTURES, "{peaks:?}");
}

impl Stack {
    /// The renders once all have ended, and the most memory that functions had meanwhile. A fetch that nears
    /// its time limit goes on in another run, so this takes as long as it takes.
    async fn watched(&self, ids: &[RenderId]) -> (Vec<Render>, Peaks) {
        let mut peaks = Peaks::new();
        for _ in 0..1_200 {
            SystemClock.sleep(Duration::from_millis(250)).await;
            look_at(&mut peaks);
            let renders = Renders::get(&self.database, ids).await.unwrap_or_default();
            if renders.len() == ids.len() && renders.iter().all(Render::is_ended) {
                return (renders, peaks);
            }
        }
        panic!("they do not end, {peaks:?}");
    }

    /// Deletes the heavy pictures from the store, and says how long they were.
    async fn drop_heavy(&self) -> Vec<i64> {
        let bucket = self.output("BucketName");
        let list = self.clients.s3().list_objects_v2().bucket(bucket).prefix("out/");
        let mut pages = list.into_paginator().send();
        let mut sizes = Vec::new();
        while let Some(page) = pages.next().await {
            for object in page.unwrap().contents() {
                let (Some(key), Some(size)) = (object.key(), object.size()) else { continue };
                if size >= 9_999_990 {
                    let delete = self.clients.s3().delete_object().bucket(bucket).key(key);
                    delete.send().await.unwrap();
                    sizes.push(size);
                }
            }
        }
        sizes
    }
}
