use serde_json::{Value, json};
use tryon_core::{
    memory::SeededRandom,
    ports::{Backlog, Backlogs, MAX_BODY, Outgoing, Queue, Redrive},
};

use super::*;
use crate::testing::{Answer, SECRET, Sent, Wire, json, refusal};

const JOBS: QueueName = QueueName::ImagenJobs;
const FIFO: QueueName = QueueName::GeminiBatch;

fn queues(wire: &Wire) -> SqsQueues {
    let url = |name: &str| Some(format!("https://sqs.eu-west-1.amazonaws.com/1/{name}"));
    let both = |name: &str| QueueUrls { queue: url(name), dead: url(&format!("{name}-dead")) };
    let urls = [
        (JOBS, both("jobs")),
        (FIFO, both("batch.fifo")),
        (QueueName::Replicate, QueueUrls { queue: None, dead: url("replicate-dead") }),
    ];
    let random = Arc::new(SeededRandom::new(1));
    SqsQueues::new(Client::new(&wire.config()), wire.clock(), random, urls)
}

fn entries(sent: &Sent) -> Vec<Value> {
    sent.json()["Entries"].as_array().unwrap().clone()
}

fn bodies(sent: &Sent) -> Vec<String> {
    entries(sent).iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned()).collect()
}

/// Takes all entries but those with a body in `failing`.
fn taking(sent: &Sent, failing: &[&str], sender_fault: bool) -> Answer {
    let code = if sender_fault { "InvalidParameterValue" } else { "InternalError" };
    taking_but(sent, failing, code, sender_fault)
}

fn taking_but(sent: &Sent, failing: &[&str], code: &str, sender_fault: bool) -> Answer {
    let (failed, taken): (Vec<_>, Vec<_>) = entries(sent)
        .into_iter()
        .partition(|entry| failing.contains(&entry["MessageBody"].as_str().unwrap()));
    let failed = failed.iter().map(|entry| {
        json!({"Id": entry["Id"], "SenderFault": sender_fault, "Code": code, "Message": SECRET})
    });
    let taken = taken
        .iter()
        .map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
    let (taken, failed): (Vec<_>, Vec<_>) = (taken.collect(), failed.collect());
    json(200, &json!({"Successful": taken, "Failed": failed}))
}

fn plain(bodies: &[&str]) -> Vec<Outgoing> {
    bodies.iter().map(|body| Outgoing::now((*body).to_owned())).collect()
}

fn grouped(bodies: &[&str]) -> Vec<Outgoing> {
    let group = |body: &str| body[..1].to_owned();
    bodies.iter().map(|body| Outgoing::in_group((*body).to_owned(), group(body))).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_hold_ten_entries_and_a_mebibyte() {
    let wire = Wire::new(|sent| taking(sent, &[], false));
    let queues = queues(&wire);
    let many: Vec<_> = (0..25).map(|n| Outgoing::delayed(format!("m{n}"), n)).collect();
    assert_eq!(queues.send(JOBS, many).await, Ok(()));
    let sent = wire.sent();
    assert!(sent.iter().all(|sent| sent.target == "AmazonSQS.SendMessageBatch"));
    assert_eq!(sent.iter().map(|sent| entries(sent).len()).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(entries(&sent[1])[3], json!({"Id": "3", "MessageBody": "m13", "DelaySeconds": 13}));

    let half = "x".repeat(MAX_BODY / 2);
    let large = vec![half.clone(), half.clone(), "y".to_owned(), "z".repeat(MAX_BODY)];
    let large = large.into_iter().map(Outgoing::now).collect();
    assert_eq!(queues.send(JOBS, large).await, Ok(()));
    assert_eq!(wire.sent().iter().map(|sent| entries(sent).len()).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(queues.send(JOBS, vec![]).await, Ok(()));
    assert_eq!(wire.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_to_a_standard_queue_go_out_four_at_once() {
    let wire = Wire::new(|sent| taking(sent, &[], false));
    let (queues, clock) = (queues(&wire), wire.clock());
    for (queue, millis) in [(JOBS, 30), (FIFO, 100)] {
        let group = |n| queue.is_fifo().then(|| format!("g{n}"));
        let messages =
            (0..100).map(|n| Outgoing { group: group(n), ..Outgoing::now(format!("m{n}")) });
        let began = clock.now();
        assert_eq!(queues.send(queue, messages.collect()).await, Ok(()));
        assert_eq!((clock.now() - began).num_milliseconds(), millis, "{queue:?}");
        assert_eq!(wire.sent().len(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_failed_is_sent_again() {
    let mut left = 2;
    let wire = Wire::new(move |sent| {
        left -= 1;
        taking(sent, if left >= 0 { &["b", "d"] } else { &[] }, false)
    });
    assert_eq!(queues(&wire).send(JOBS, plain(&["a", "b", "c", "d"])).await, Ok(()));
    let sent: Vec<_> = wire.sent().iter().map(bodies).collect();
    assert_eq!(sent, [vec!["a", "b", "c", "d"], vec!["b", "d"], vec!["b", "d"]]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_stays_is_unavailable_and_a_fault_of_ours_is_broken() {
    let wire = Wire::new(|sent| taking(sent, &["b"], false));
    let error = queues(&wire).send(JOBS, plain(&["a", "b"])).await.unwrap_err();
    let text = "SendMessageBatch imagen-jobs: 1 entries failed 4 times";
    assert_eq!(error, PortError::Unavailable(text.to_owned()));
    assert_eq!(wire.sent().len(), 4);

    let wire = Wire::new(|sent| taking(sent, &["b"], true));
    let error = queues(&wire).send(JOBS, plain(&["a", "b"])).await.unwrap_err();
    let text = "SendMessageBatch imagen-jobs: InvalidParameterValue";
    assert_eq!(error, PortError::Broken(text.to_owned()));
    assert_eq!(wire.sent().len(), 1);
    for code in ["AccessDenied", "KmsThrottled", "AWS.SimpleQueueService.NonExistentQueue"] {
        let wire = Wire::new(move |sent| taking_but(sent, &["b"], code, true));
        let met = queues(&wire).send(JOBS, plain(&["a", "b"])).await;
        assert!(matches!(met, Err(PortError::Unavailable(_))), "{code}: {met:?}");
    }

    let wire = Wire::of([refusal(403, "AccessDeniedException")]);
    let error = queues(&wire).send(JOBS, plain(&["a"])).await.unwrap_err();
    let text = "SendMessageBatch: AccessDeniedException (403)";
    assert_eq!(error, PortError::Unavailable(text.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_nobody_answered_for_is_sent_again() {
    let nothing = || json(200, &json!({"Successful": [], "Failed": []}));
    let mut first = true;
    let wire =
        Wire::new(
            move |sent| {
                if std::mem::take(&mut first) { nothing() } else { taking(sent, &[], false) }
            },
        );
    assert_eq!(queues(&wire).send(JOBS, plain(&["a"])).await, Ok(()));
    assert_eq!(wire.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_order_whatever_fails() {
    let mut failures = 2;
    let wire = Wire::new(move |sent| {
        let fails = bodies(sent).contains(&"a2".to_owned()) && failures > 0;
        failures -= i32::from(fails);
        taking(sent, if fails { &["a2"] } else { &[] }, false)
    });
    let messages = grouped(&["a1", "b1", "a2", "b2", "a3", "c1", "b3"]);
    assert_eq!(queues(&wire).send(FIFO, messages).await, Ok(()));
    let sent = wire.sent();
    let all: Vec<_> = sent.iter().map(bodies).collect();
    let expected =
        [vec!["a1", "b1"], vec!["a2", "b2"], vec!["a2"], vec!["a2"], vec!["a3", "c1", "b3"]];
    assert_eq!(all, expected);
    let entry = json!({"Id": "0", "MessageBody": "a1", "MessageGroupId": "a"});
    assert_eq!(entries(&sent[0])[0], entry);

    // One that never goes through holds back what follows it.
    let wire = Wire::new(|sent| taking(sent, &["a2"], false));
    let sent = queues(&wire).send(FIFO, grouped(&["a1", "a2", "a3"])).await;
    assert!(matches!(sent, Err(PortError::Unavailable(_))));
    assert!(!wire.sent().iter().any(|sent| bodies(sent).contains(&"a3".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_here_is_not_sent() {
    let wire = Wire::of([]);
    let queues = queues(&wire);
    let late = Outgoing::delayed("a".to_owned(), 901);
    let sent = queues.send(JOBS, vec![Outgoing::now("a".to_owned()), late]).await;
    assert!(matches!(sent, Err(PortError::Broken(_))));
    for queue in [QueueName::Accumulator, QueueName::Replicate] {
        let error = queues.send(queue, plain(&["a"])).await.unwrap_err();
        assert_eq!(error, PortError::Broken(format!("{}: no URL is given", queue.as_str())));
    }
    let error = queues.reject(QueueName::Accumulator, "a".to_owned(), "r").await.unwrap_err();
    assert!(matches!(error, PortError::Broken(text) if text.contains("accumulator")));
    assert_eq!(wire.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_travels_with_its_reason() {
    let wire = Wire::new(|_| json(200, &json!({"MessageId": "m", "MD5OfMessageBody": "x"})));
    let queues = queues(&wire);
    let reject = async |queue, body: &str, reason: &str| {
        assert_eq!(queues.reject(queue, body.to_owned(), reason).await, Ok(()));
        wire.sent().remove(0).json()
    };
    let sent = reject(JOBS, "body", "unreadable").await;
    let expected = json!({
        "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/jobs-dead",
        "MessageBody": "body",
        "MessageAttributes": {"reason": {"DataType": "String", "StringValue": "unreadable"}},
    });
    assert_eq!(sent, expected);
    let sent = reject(FIFO, "body", &"ü".repeat(200)).await;
    assert_eq!(sent["MessageGroupId"], "rejected");
    let sha256 = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5";
    assert_eq!(sent["MessageDeduplicationId"], sha256);
    let reason = &sent["MessageAttributes"]["reason"]["StringValue"];
    assert_eq!(*reason, "ü".repeat(128), "at most 256 bytes, and whole characters");
    let sent = reject(JOBS, "body", "attempt r\u{1}\0 does not exist").await;
    let reason = &sent["MessageAttributes"]["reason"]["StringValue"];
    assert_eq!(*reason, "attempt r?? does not exist", "as SQS takes it");
    // The reason gives way to the body.
    let sent = reject(JOBS, &"x".repeat(MAX_BODY - 20), "unreadable").await;
    assert_eq!(sent["MessageAttributes"]["reason"]["StringValue"], "unreadab");
    let sent = reject(JOBS, &"x".repeat(MAX_BODY), "unreadable").await;
    assert_eq!(sent["MessageAttributes"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_sums_all_that_stands_there() {
    let wire = Wire::new(|sent| {
        let dead = sent.json()["QueueUrl"].as_str().unwrap().ends_with("-dead");
        let counts = if dead { ["7", "0", "0"] } else { ["1", "20", "300"] };
        let [visible, hidden, delayed] = counts;
        let attributes = json!({
            "ApproximateNumberOfMessages": visible,
            "ApproximateNumberOfMessagesNotVisible": hidden,
            "ApproximateNumberOfMessagesDelayed": delayed,
        });
        json(200, &json!({"Attributes": attributes}))
    });
    let of = |queue| Backlog { queue, messages: 321, oldest_seconds: None, dead: 7 };
    assert_eq!(queues(&wire).backlogs().await, Ok(vec![of(JOBS), of(FIFO)]));
    assert_eq!(wire.sent().len(), 4);

    let wire =
        Wire::new(|_| json(200, &json!({"Attributes": {"ApproximateNumberOfMessages": "1"}})));
    assert!(matches!(queues(&wire).backlogs().await, Err(PortError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn what_was_put_aside_is_moved_to_where_it_came_from() {
    let wire = Wire::new(|sent| {
        let call = sent.json();
        let name = call["QueueUrl"].as_str().unwrap_or_default().rsplit('/').next().unwrap();
        match call["AttributeNames"][0].as_str() {
            Some("QueueArn") => json(
                200,
                &json!({"Attributes": {"QueueArn": format!("arn:aws:sqs:eu-west-1:1:{name}")}}),
            ),
            Some(_) => json(
                200,
                &json!({"Attributes": {
                    "ApproximateNumberOfMessages": "2",
                    "ApproximateNumberOfMessagesNotVisible": "1",
                    "ApproximateNumberOfMessagesDelayed": "0",
                }}),
            ),
            None => json(200, &json!({"TaskHandle": "t"})),
        }
    });
    let queues = queues(&wire);
    assert_eq!(queues.redrive(JOBS).await, Ok(3));
    let sent = wire.sent();
    let last = sent.last().unwrap();
    assert_eq!(last.target, "AmazonSQS.StartMessageMoveTask");
    assert_eq!(
        last.json(),
        json!({
            "SourceArn": "arn:aws:sqs:eu-west-1:1:jobs-dead",
            "DestinationArn": "arn:aws:sqs:eu-west-1:1:jobs",
        })
    );
    let unknown = queues.redrive(QueueName::Replicate).await;
    assert!(matches!(unknown, Err(PortError::Broken(_))), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_moved_where_nothing_was_put_aside() {
    let none = json!({"Attributes": {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
    }});
    let wire = Wire::of([json(200, &none)]);
    assert_eq!(queues(&wire).redrive(JOBS).await, Ok(0));
    assert_eq!(wire.sent().len(), 1);
}
