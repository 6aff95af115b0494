//! What a render costs at AWS, from what the functions really call.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use tryon_core::{
    chain::{Fidelity, Step},
    ports::Clock,
};
use tryon_lambda::system::SystemClock;
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::deployed::{
    prices::{Bill, FUNCTIONS, Runs, table},
    shop::Shopper,
    stack::{Stack, given},
    wire::{Count, Counts},
};

/// For 1,000 renders in full batches, requests alone: the aim is $0.025, and a slow machine asks and
/// repeats somewhat more often than AWS would.
const MOST: f64 = 0.03;
/// Of a job that takes ten minutes.
const POLLS: f64 = 19.0;
/// A batch as full as 4,000 renders a day make it: one opens it, and 2.1 more come within its 45 s.
const THIN: usize = 3;
/// Users who call the router at the same time.
const AT_ONCE: usize = 8;

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn a_thousand_renders_cost_what_they_should() {
    let stack = Stack::alone(&[("batch-timeout-ms", "45000")]).await;
    let full = stack.a_batch(50).await;
    let thin = stack.a_batch(THIN).await;
    let online = stack.seen(20, "online").await.bill(&FUNCTIONS);
    let bills = [
        ("Batch, 50 a batch", full.times(1_000.0 / 50.0)),
        ("Batch at 4,000 a day, 3 a batch", thin.times(1_000.0 / 3.0)),
        ("Online", online.times(1_000.0 / 20.0)),
    ];
    let text = table(&bills);
    println!("{text}");
    let folder = PathBuf::from(given("TRYON_ARTEFACTS"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("aws-costs.md"), &text).unwrap();
    assert!(bills[0].1.dollars() <= MOST, "{text}");
}

/// What renders led to.
struct Seen {
    counts: Counts,
    runs: BTreeMap<&'static str, Runs>,
    polls: f64,
}

impl Seen {
    fn bill(&self, functions: &[&'static str]) -> Bill {
        Bill::of(&self.counts, &self.runs, functions)
    }
}

impl Stack {
    /// A batch of so many renders whose job takes ten minutes, by what each poll more adds.
    async fn a_batch(&self, renders: usize) -> Bill {
        let short = self.seen(renders, "batch").await;
        let pending = Fault::StickPending { seconds: Some(30) };
        self.sandbox.faults().push(Rule::new(When::kind(CallKind::Create), pending));
        let long = self.seen(renders, "batch").await;
        self.sandbox.faults().clear();
        let more = long.polls - short.polls;
        assert!(more >= 3.0, "{more} polls more");
        let polls = long.bill(&["imagen"]).and(-1.0, &short.bill(&["imagen"]));
        short.bill(&FUNCTIONS).and((POLLS - short.polls) / more, &polls)
    }

    /// Of so many users each uploads a picture, asks for a render, reads what became of it, and fetches the
    /// picture.
    async fn seen(&self, renders: usize, lane: &str) -> Seen {
        let (since, before, polls) = (SystemClock.now(), self.counts().await, self.polls());
        let wish = json!({"lane": lane});
        let users = (0..renders).map(|_| self.shopper());
        let users: Vec<_> = stream::iter(users).buffer_unordered(AT_ONCE).collect().await;
        let asks = users.iter().map(async |user| self.render_for(user, "key", "", &wish).await);
        let ids: Vec<_> = stream::iter(asks).buffered(AT_ONCE).collect().await;
        join_all(ids.iter().map(|id| self.pictured(id, (Step::Gemini, Fidelity::Exact)))).await;
        let looks = users.iter().zip(&ids).map(async |(Shopper { user, .. }, id)| {
            let (path, query) = (format!("/v1/renders/{id}"), format!("user_id={user}"));
            let (_, view) = self.ask("GET", &path, &query, None, None).await;
            assert_eq!(self.fetch(view["picture"]["url"].as_str().unwrap()).await.0, 200);
        });
        stream::iter(looks).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        // The last words: marks that an event was sent, messages deleted.
        SystemClock.sleep(Duration::from_secs(3)).await;
        let mut counts = self.counts().await;
        for (caller, calls) in &before {
            for (operation, Count { requests, entries, chunks, bytes }) in calls {
                let count = counts.get_mut(caller).unwrap().get_mut(operation).unwrap();
                count.requests -= requests;
                count.entries -= entries;
                count.chunks -= chunks;
                count.bytes -= bytes;
            }
        }
        let mut runs = BTreeMap::new();
        for function in FUNCTIONS {
            runs.insert(function, self.runs(function, since).await);
        }
        Seen { counts, runs, polls: self.polls() - polls }
    }

    fn polls(&self) -> f64 {
        let polls = self.sandbox.calls().get(&CallKind::Get).copied().unwrap_or_default();
        f64::from(u32::try_from(polls).unwrap())
    }

    /// What the function's log says of its runs since then.
    async fn runs(&self, function: &str, since: DateTime<Utc>) -> Runs {
        let mut runs = Runs::default();
        let mut query = json!({
            "logGroupName": format!("/aws/lambda/tryon-{function}-local"),
            "startTime": since.timestamp_millis(),
        });
        loop {
            let found = self.ask_aws("logs", "/", "Logs_20140328.FilterLogEvents", &query).await;
            for line in found["events"].as_array().into_iter().flatten() {
                let text = line["message"].as_str().unwrap_or_default();
                // CloudWatch counts 26 bytes for each event on top.
                runs.log_bytes += text.len() as u64 + 26;
                if text.starts_with("REPORT ") {
                    let number = |name| {
                        let (_, rest) = text.split_once(name).unwrap();
                        rest.split_whitespace().next().unwrap().parse::<f64>().unwrap()
                    };
                    runs.count += 1;
                    let memory = number("Memory Size: ") / 1024.0;
                    runs.gb_seconds += number("Billed Duration: ") / 1e3 * memory;
                }
            }
            match &found["nextToken"] {
                Value::Null => return runs,
                token => query["nextToken"] = token.clone(),
            }
        }
    }
}
