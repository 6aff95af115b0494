//! The second delivery of what is sent. A FIFO queue would drop it within five minutes, and so it differs
//! where the queue looks, and nowhere a reader does.

use bytes::Bytes;
use serde_json::{Value, json};

/// The call that delivers everything once more; nothing for one that delivers nothing.
pub(crate) fn of(operation: &str, body: &Bytes) -> Option<Bytes> {
    let mut call: Value = serde_json::from_slice(body).ok()?;
    match operation {
        "sqs.SendMessage" => message(&mut call),
        "sqs.SendMessageBatch" => call["Entries"].as_array_mut()?.iter_mut().for_each(message),
        "events.PutEvents" => {
            for event in call["Entries"].as_array_mut()? {
                mark(&mut event["Detail"]);
            }
        }
        _ => return None,
    }
    Some(call.to_string().into())
}

fn message(message: &mut Value) {
    if message.get("MessageGroupId").is_some() {
        mark(&mut message["MessageBody"]);
    }
}

/// Adds a field to JSON in text. Readers pass over what they do not know.
fn mark(text: &mut Value) {
    let body = text.as_str().and_then(|text| serde_json::from_str(text).ok());
    if let Some(Value::Object(mut fields)) = body {
        fields.insert("again".to_owned(), json!(true));
        *text = json!(Value::Object(fields).to_string());
    }
}
