//! What AWS charges for what the stack does: its price list for us-east-1, on demand, without free tiers, as of
//! November 2026 (aws.amazon.com/.../pricing of each service).

use std::{collections::BTreeMap, fmt::Write};

use super::wire::{Count, Counts};

const MILLION: f64 = 1e6;
const API: f64 = 1.00 / MILLION;
const INVOCATION: f64 = 0.20 / MILLION;
/// On arm64, which is the template's default.
const GB_SECOND: f64 = 0.000_013_333_4;
const SQS: f64 = 0.40 / MILLION;
const SQS_FIFO: f64 = 0.50 / MILLION;
const EVENT: f64 = 1.00 / MILLION;
const DYNAMODB_WRITE: f64 = 0.625 / MILLION;
const DYNAMODB_READ: f64 = 0.125 / MILLION;
const S3_WRITE: f64 = 5.0 / MILLION;
const S3_READ: f64 = 0.4 / MILLION;
const LOG_BYTE: f64 = 0.50 / 1e9;

/// What a function's log says of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Runs {
    pub(super) count: u64,
    pub(super) gb_seconds: f64,
    pub(super) log_bytes: u64,
}

/// Units of what is billed, and dollars.
#[derive(Clone, Debug, Default)]
pub(super) struct Bill {
    pub(super) requests: BTreeMap<&'static str, (f64, f64)>,
    pub(super) compute: (f64, f64),
    pub(super) logs: (f64, f64),
}

/// Who works for renders; the reconciler works by the minute.
pub(super) const FUNCTIONS: [&str; 5] =
    ["router", "accumulator", "imagen", "replicate", "distributor"];

impl Bill {
    /// For what these functions did; with all of them, also for what clients did by signed addresses.
    pub(super) fn of(counts: &Counts, runs: &BTreeMap<&str, Runs>, functions: &[&str]) -> Self {
        let mut bill = Self::default();
        let all = functions.len() == FUNCTIONS.len();
        let counted = |caller: &str| functions.contains(&caller) || (all && caller == "client");
        for (caller, calls) in counts.iter().filter(|(caller, _)| counted(caller)) {
            for (operation, count) in calls {
                bill.call(caller, operation, *count);
            }
        }
        for function in functions {
            let Runs { count, gb_seconds, log_bytes } = runs[function];
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let (count, log_bytes) = (count as f64, log_bytes as f64);
            bill.add("Lambda: runs", count, INVOCATION);
            match *function {
                "router" => bill.add("API Gateway: requests", count, API),
                // By model: Lambda's pollers ask once and delete once for each run.
                "distributor" => bill.add("SQS FIFO: to a run and away", 2.0 * count, SQS_FIFO),
                _ => bill.add("SQS: to a run and away", 2.0 * count, SQS),
            }
            bill.compute.0 += gb_seconds;
            bill.compute.1 += gb_seconds * GB_SECOND;
            bill.logs.0 += log_bytes;
            bill.logs.1 += log_bytes * LOG_BYTE;
        }
        bill
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn call(&mut self, caller: &str, operation: &str, count: Count) {
        let (requests, entries) = (count.requests as f64, count.entries as f64);
        let chunks = count.chunks as f64;
        // What is sent names its types and conditions too, so that rows are a little smaller than this.
        let kilobytes = (count.bytes as f64 / 1024.0).max(requests);
        match operation {
            "sqs.SendMessage" | "sqs.SendMessageBatch" => self.add("SQS: sent", chunks, SQS),
            "events.PutEvents" => {
                self.add("EventBridge: events", chunks, EVENT);
                if matches!(caller, "imagen" | "replicate") {
                    // By model: each is sent on to the FIFO queue once.
                    self.add("SQS FIFO: sent", entries, SQS_FIFO);
                }
            }
            // With two for the index of what is due.
            "dynamodb.PutItem" | "dynamodb.UpdateItem" => {
                self.add("DynamoDB: writes", kilobytes + 2.0 * requests, DYNAMODB_WRITE);
            }
            "dynamodb.TransactWriteItems" => {
                self.add("DynamoDB: writes", 2.0 * (kilobytes + requests), DYNAMODB_WRITE);
            }
            // Of up to 16 KB, read as last written.
            "dynamodb.GetItem" => self.add("DynamoDB: reads", 4.0 * requests, DYNAMODB_READ),
            "s3.PutObject" | "s3.ListObjects" => {
                self.add("S3: writes and lists", requests, S3_WRITE);
            }
            "s3.GetObject" | "s3.HeadObject" => self.add("S3: reads", requests, S3_READ),
            // Free of charge.
            "ssm.GetParameters" | "ssm.GetParameter" => {}
            // The reconciler's, by the minute and not by the render: its process may be gone before it
            // is found out whose the call was.
            _ if caller == "client" => {}
            other => panic!("{caller} calls {other}, which has no price here"),
        }
    }

    fn add(&mut self, what: &'static str, units: f64, price: f64) {
        let line = self.requests.entry(what).or_default();
        line.0 += units;
        line.1 += units * price;
    }

    /// This one and so many times the other.
    pub(super) fn and(mut self, times: f64, other: &Self) -> Self {
        let add = |a: &mut (f64, f64), b: (f64, f64)| *a = (a.0 + times * b.0, a.1 + times * b.1);
        for (what, line) in &other.requests {
            add(self.requests.entry(what).or_default(), *line);
        }
        add(&mut self.compute, other.compute);
        add(&mut self.logs, other.logs);
        self
    }

    pub(super) fn times(&self, times: f64) -> Self {
        Self::default().and(times, self)
    }

    pub(super) fn dollars(&self) -> f64 {
        self.requests.values().map(|(_, dollars)| dollars).sum()
    }
}

/// A table of bills side by side: units, and dollars.
pub(super) fn table(bills: &[(&str, Bill)]) -> String {
    let mut table = "| for 1,000 renders |".to_owned();
    for (name, _) in bills {
        write!(table, " {name} | $ |").unwrap();
    }
    writeln!(table, "\n|---|{}", "---|---|".repeat(bills.len())).unwrap();
    let mut row = |what: &str, of: &dyn Fn(&Bill) -> (f64, f64)| {
        write!(table, "| {what} |").unwrap();
        for (_, bill) in bills {
            let (units, dollars) = of(bill);
            write!(table, " {units:.0} | {dollars:.5} |").unwrap();
        }
        writeln!(table).unwrap();
    };
    let mut lines: Vec<&str> =
        bills.iter().flat_map(|(_, bill)| bill.requests.keys().copied()).collect();
    lines.sort_unstable();
    lines.dedup();
    for line in lines {
        row(line, &|bill| bill.requests.get(line).copied().unwrap_or_default());
    }
    let requests = |bill: &Bill| bill.requests.values().map(|(units, _)| units).sum();
    row("**requests in all**", &|bill| (requests(bill), bill.dollars()));
    row("GB-seconds (apart)", &|bill| bill.compute);
    row("log bytes (apart)", &|bill| bill.logs);
    table
}
