//! The JSON that Lambda hands to a function, and what it makes of the answer.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use tryon_core::{memory::Received, ports::QueueName};

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

/// An SQS event with one record a message.
pub fn sqs(queue: QueueName, batch: &[Received]) -> Value {
    let records: Vec<Value> = batch.iter().map(|message| record(queue, message)).collect();
    json!({ "Records": records })
}

fn record(queue: QueueName, message: &Received) -> Value {
    let sent = message.sent_at.timestamp_millis().to_string();
    let mut attributes = json!({
        "ApproximateReceiveCount": message.receive_count.to_string(),
        "SentTimestamp": sent,
        "SenderId": "local",
        "ApproximateFirstReceiveTimestamp": sent,
    });
    if let Some(group) = &message.group {
        attributes["MessageGroupId"] = json!(group);
        attributes["MessageDeduplicationId"] = json!(message.message_id);
        attributes["SequenceNumber"] = json!(sent);
    }
    json!({
        "messageId": message.message_id,
        "receiptHandle": format!("{}-{}", message.message_id, message.receive_count),
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": arn(queue),
        "awsRegion": REGION,
    })
}

/// The ARN of a queue in a local run.
pub(super) fn arn(queue: QueueName) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", queue.as_str())
}

/// The ids that a partial-batch answer reports as failed. None where Lambda could not read it, which
/// fails the whole batch: an answer of another shape, or an id that is none of the batch's.
pub(super) fn failures<'a>(answer: &'a Value, batch: &[Received]) -> Option<Vec<&'a str>> {
    let failures = match answer {
        Value::Null => &Value::Null,
        Value::Object(answer) => answer.get("batchItemFailures").unwrap_or(&Value::Null),
        _ => return None,
    };
    let is_ours = |id: &&str| batch.iter().any(|message| message.message_id == **id);
    match failures {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => {
            items.iter().map(|item| item["itemIdentifier"].as_str().filter(is_ours)).collect()
        }
        _ => None,
    }
}

/// A scheduled event of `EventBridge`.
pub(super) fn schedule(now: DateTime<Utc>) -> Value {
    json!({
        "version": "0",
        "id": format!("{:032x}", now.timestamp_millis()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": now.to_rfc3339_opts(SecondsFormat::Secs, true),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/each-minute")],
        "detail": {},
    })
}
