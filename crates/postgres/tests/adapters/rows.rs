use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{AssertSqlSafe, Row};
use tryon_core::{
    batch::{Batch, BatchPolicy, BatchStatus, SealReason},
    catalogue::Size,
    chain::Fidelity,
    contract::fixtures::{batch_key, order, render, render_id, rules, start, unlimited},
    ids::{JobName, UserId},
    memory::SeededRandom,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::{Mime, PictureRef},
    ports::{Batches, Inserted, PortError, Renders},
    render::Render,
};
use tryon_postgres::Database;

use crate::support::Home;

async fn accept(client: &Database, row: Render) -> Render {
    let id = row.id.clone();
    assert_eq!(client.insert(row, unlimited()).await, Ok(Inserted::New));
    Renders::get(client, &[id]).await.unwrap().remove(0)
}

/// The batch of render `n`, which is accepted for it.
async fn gather(client: &Database, n: u64) -> Batch {
    accept(client, render(n)).await;
    let (policy, random) = (BatchPolicy::default(), SeededRandom::new(n));
    let orders = vec![order(&render(n))];
    client.append(&batch_key(), orders, start(), &policy, &random).await.unwrap().remove(0)
}

fn outcome(n: u64, outcome: Outcome, cost: u64) -> RenderOutcome {
    RenderOutcome { render_id: render_id(n), outcome, cost: Micros::new(cost) }
}

fn image() -> Outcome {
    let picture = PictureRef { key: "out/1.png".to_owned(), bytes: 7, mime: Mime::Png };
    Outcome::Image { picture, fidelity: Fidelity::Exact, size: Size::OneK }
}

async fn written(client: &Database, batch: Batch) -> Batch {
    assert_eq!(Batches::update(client, &batch).await, Ok(true));
    let stored = Batches::get(client, &batch.id).await.unwrap().unwrap();
    assert_eq!(stored, Batch { version: batch.version + 1, ..batch });
    stored
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn ended_renders_come_back_whole() {
    let client = Home::new("ended").await.client();
    for (n, given) in [(1, image()), (2, Outcome::Refused)] {
        let mut row = accept(&client, render(n)).await;
        row.open_attempts.insert("a/gemini/1".into());
        row.apply(&"a/gemini/1".into(), &outcome(n, given, 39_000), start(), &rules());
        assert!(row.is_ended() && !row.owed.is_empty() && !row.costs.is_empty());
        assert_eq!(Renders::update(&client, std::slice::from_ref(&row)).await, Ok(vec![true]));
        let stored = Renders::get(&client, &[row.id.clone()]).await.unwrap().remove(0);
        assert_eq!(stored, Render { version: 2, ..row });
    }
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_batch_keeps_what_has_passed() {
    let home = Home::new("passed").await;
    let client = home.client();
    let at = |second| start() + TimeDelta::seconds(second);
    let mut batch = gather(&client, 1).await;
    batch.seal(SealReason::Time, at(1));
    let mut batch = written(&client, batch).await;
    let job = JobName::from("batches/1");
    batch.advance(BatchStatus::Submitted { job: job.clone(), at: at(2) }, at(2));
    let mut batch = written(&client, batch).await;
    batch.advance(BatchStatus::Processing { job, at: at(3) }, at(3));
    let mut batch = written(&client, batch).await;
    batch.advance(BatchStatus::Failed { at: at(4) }, at(4));
    batch.retries = 2;
    let failed = |class| Outcome::Failed { class };
    batch.outcomes =
        vec![outcome(1, Outcome::Refused, 5), outcome(1, failed(FailClass::Missing), 7)];
    let mut batch = written(&client, batch).await;
    let columns = async || {
        let columns = "SELECT submitted_at, processing_at, ended_at, job_name, error, cost_micros,
            image_count FROM gemini_batch_jobs";
        let mut session = home.session().await;
        let row = sqlx::query(columns).fetch_one(&mut session).await.unwrap();
        let times: [DateTime<Utc>; 3] = [row.get(0), row.get(1), row.get(2)];
        let texts: [Option<String>; 2] = [row.get(3), row.get(4)];
        let numbers: (i64, i32) = (row.get(5), row.get(6));
        (times, texts, numbers)
    };
    let (times, texts, numbers) = columns().await;
    assert_eq!(times, [at(2), at(3), at(4)]);
    assert_eq!(texts, [Some("batches/1".to_owned()), Some("missing".to_owned())]);
    assert_eq!(numbers, (12, 1));
    // It turned up after all.
    batch.advance(BatchStatus::Completed { at: at(5) }, at(5));
    batch.outcomes = vec![outcome(1, image(), 19_000)];
    written(&client, batch).await;
    let (times, texts, _) = columns().await;
    assert_eq!((times, &texts[1]), ([at(2), at(3), at(5)], &None));
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn times_are_cut_to_microseconds() {
    let client = Home::new("times").await.client();
    let fine = start() + TimeDelta::nanoseconds(1_999);
    let row = Render { accepted_at: fine, due_at: Some(fine), ..render(1) };
    let stored = accept(&client, row).await;
    let cut = start() + TimeDelta::microseconds(1);
    assert_eq!((stored.accepted_at, stored.due_at), (cut, Some(cut)));
    let (policy, random) = (BatchPolicy::default(), SeededRandom::new(1));
    let orders = vec![order(&render(1))];
    let changed = client.append(&batch_key(), orders, fine, &policy, &random).await.unwrap();
    assert_eq!(changed[0].opened_at, cut);
    assert_eq!(Batches::get(&client, &changed[0].id).await.unwrap().as_ref(), changed.first());
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn the_schema_refuses_contradictions() {
    let home = Home::new("contradictions").await;
    let client = home.client();
    gather(&client, 1).await;
    for (table, change, constraint) in [
        ("renders", "status = 'lost'", "renders_status_check"),
        ("renders", "status = 'failed', ended_at = now()", "renders_failed"),
        ("renders", "ended_at = now()", "renders_ended"),
        ("renders", "fidelity = 'exact'", "renders_succeeded"),
        ("renders", "to_join = true, lane = 'online'", "renders_to_join"),
        ("gemini_batch_jobs", "status = 'sealed'", "batches_sealed"),
        ("gemini_batch_jobs", "ended_at = now()", "batches_ended"),
        (
            "gemini_batch_jobs",
            "status = 'submitted', sealed_at = now(), seal_reason = 'time'",
            "batches_submitted",
        ),
        ("gemini_batch_jobs", "error = 'missing'", "gemini_batch_jobs_check"),
    ] {
        let update = sqlx::query(AssertSqlSafe(format!("UPDATE {table} SET {change}")));
        let refused = update.execute(&mut home.session().await).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert_eq!(refused.constraint(), Some(constraint), "{change}");
    }
}

/// What is said of a row that cannot be read: a word of a newer release is left for that.
fn unreadable(table: &str, id: &str, change: &str, column: &str) -> PortError {
    if change.contains("tomorrows") {
        let text = format!("row {id} of {table} was written by a newer release in column {column}");
        return PortError::Unavailable(text);
    }
    PortError::Broken(format!("row {id} of {table} makes no sense in column {column}"))
}

/// Lets rows say anything.
const UNCHECKED: &str = "DO $$ DECLARE c record; BEGIN
    FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
        WHERE contype = 'c' AND connamespace = 'public'::regnamespace
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP;
END $$";

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_render_that_makes_no_sense_is_named_and_hides_no_other() {
    let home = Home::new("broken_renders").await;
    let client = home.client();
    home.run(UNCHECKED).await;
    let user = UserId::from("one");
    let good = accept(&client, Render { user_id: user.clone(), ..render(1) }).await;
    for (change, column) in [
        ("status = 'tomorrows'", "status"),
        ("version = -1", "version"),
        ("bucket = -1", "bucket"),
        ("bucket = 10000", "bucket"),
        ("step = 'tomorrows'", "step"),
        ("lane = 'tomorrows'", "lane"),
        ("assigned = 'tomorrows'", "assigned"),
        ("n = 4294967296", "n"),
        ("request = '{}'", "request"),
        ("owed = '[{\"tomorrows\": 1}]'", "owed"),
        ("owed = '{}'", "owed"),
        ("costs = '{\"a\": -1}'", "costs"),
        ("interim = '7'", "interim"),
        ("rescue = '7'", "rescue"),
        ("ended_at = now()", "ended_at"),
        ("status = 'failed', ended_at = now()", "failure_code"),
        ("status = 'succeeded', ended_at = now()", "picture"),
        ("failure_code = 'timed_out'", "failure_code"),
    ] {
        home.run("DELETE FROM renders WHERE idempotency_key = 'key-2'").await;
        let bad = accept(&client, Render { user_id: user.clone(), ..render(2) }).await;
        home.run(&format!("UPDATE renders SET {change} WHERE idempotency_key = 'key-2'")).await;
        let got = Renders::get(&client, std::slice::from_ref(&bad.id)).await;
        assert_eq!(got, Err(unreadable("renders", bad.id.as_str(), change, column)), "{change}");
        let due = Renders::due(&client, start() + TimeDelta::days(9), 9).await;
        assert_eq!(due, Ok(vec![good.clone()]), "{change}");
        assert_eq!(client.list(&user, None, 9).await, Ok(vec![good.clone()]), "{change}");
    }
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_render_that_makes_no_sense_keeps_no_other_from_its_batch() {
    let home = Home::new("broken_joins").await;
    let client = home.client();
    for n in 1..4 {
        accept(&client, render(n)).await;
    }
    home.run("UPDATE renders SET owed = '[{\"hunter2\": 1}]' WHERE idempotency_key = 'key-2'")
        .await;
    let (policy, random) = (BatchPolicy::default(), SeededRandom::new(1));
    let orders: Vec<_> = (1..4).map(|n| order(&render(n))).collect();
    let changed = client.append(&batch_key(), orders, start(), &policy, &random).await.unwrap();
    let joined: Vec<_> = changed[0].orders.iter().map(|order| &order.render_id).collect();
    assert_eq!(joined, [&render_id(1), &render_id(3)]);
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_batch_that_makes_no_sense_is_named_and_hides_no_other() {
    let home = Home::new("broken_batches").await;
    let client = home.client();
    home.run(UNCHECKED).await;
    let mut good = gather(&client, 1).await;
    good.seal(SealReason::Time, start());
    let good = written(&client, good).await;
    for (n, (change, column)) in (2..).zip([
        ("status = 'lost'", "sealed_at"),
        ("version = -1", "version"),
        ("backend = 'tomorrows'", "backend"),
        ("input_bytes = -1", "input_bytes"),
        ("retries = 4294967296", "retries"),
        ("image_count = 2", "image_count"),
        ("tracking = '{\"orders\": \"hunter2\"}'", "tracking"),
        ("sealed_at = now()", "sealed_at"),
        ("status = 'sealed'", "sealed_at"),
        ("ended_at = now()", "ended_at"),
        ("status = 'submitted', sealed_at = now(), seal_reason = 'time'", "submitted_at"),
        ("status = 'failed', sealed_at = now(), seal_reason = 'time'", "ended_at"),
        ("status = 'tomorrows', sealed_at = now(), seal_reason = 'time'", "status"),
        ("status = 'sealed', sealed_at = now(), seal_reason = 'tomorrows'", "seal_reason"),
    ]) {
        let bad = gather(&client, n).await.id;
        home.run(&format!("UPDATE gemini_batch_jobs SET {change} WHERE batch_id = '{bad}'")).await;
        let error = unreadable("gemini_batch_jobs", bad.as_str(), change, column);
        assert_eq!(Batches::get(&client, &bad).await, Err(error), "{change}");
        let due = Batches::due(&client, start() + TimeDelta::days(9), 9).await;
        assert_eq!(due, Ok(vec![good.clone()]), "{change}");
        home.run(&format!("DELETE FROM gemini_batch_jobs WHERE batch_id = '{bad}'")).await;
    }
}
