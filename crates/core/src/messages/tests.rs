use std::fmt::Debug;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::*;
use crate::{
    catalogue::Size,
    chain::Fidelity,
    contract::fixtures::{batch_key, order, render, request, start},
    ids::{JobName, UserId},
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::{Mime, PictureRef},
    render::FailureCode,
    request::{Garment, MAX_DESCRIPTION_CHARS, MAX_GARMENTS, MAX_MESSAGE_BYTES, MAX_PROMPT_CHARS},
};

/// The largest message a queue takes.
const QUEUE_LIMIT: usize = 1_024 * 1_024;
/// The largest event a bus takes.
const BUS_LIMIT: usize = 256 * 1_024;

fn picture() -> PictureRef {
    PictureRef { key: "out/b/gemini/1/r.jpg".to_owned(), bytes: u64::MAX, mime: Mime::Jpeg }
}

fn small_order() -> RenderOrder {
    RenderOrder { render_id: RenderId::from("r"), ..order(&render(1)) }
}

fn attempt_id() -> AttemptId {
    AttemptId::from("b/gemini/1")
}

fn outcomes() -> Vec<RenderOutcome> {
    let image = Outcome::Image { picture: picture(), fidelity: Fidelity::Exact, size: Size::OneK };
    let failed = Outcome::Failed { class: FailClass::NoImage };
    [(image, 19_530), (Outcome::Refused, u64::MAX), (failed, 0)]
        .map(|(outcome, cost)| RenderOutcome {
            render_id: RenderId::from("r"),
            outcome,
            cost: Micros::new(cost),
        })
        .into()
}

fn event(job: Option<&str>, outcomes: Vec<RenderOutcome>) -> AttemptEvent {
    AttemptEvent {
        shard: 3,
        batch_id: BatchId::from("b"),
        attempt_id: attempt_id(),
        // Times keep their fraction.
        at: start() + chrono::TimeDelta::nanoseconds(1_500_000_001),
        job: job.map(JobName::from),
        outcomes,
    }
}

fn to_accumulator() -> [ToAccumulator; 2] {
    [
        ToAccumulator::Render { key: batch_key(), order: small_order() },
        ToAccumulator::Seal { batch_id: BatchId::from("b") },
    ]
}

fn to_imagen() -> [ToImagen; 7] {
    let attempt_id = attempt_id();
    [
        ToImagen::Online { attempt_id: attempt_id.clone(), order: small_order(), wait: 2 },
        ToImagen::Submit {
            attempt_id: attempt_id.clone(),
            batch_id: BatchId::from("b"),
            key: batch_key(),
            orders: Vec::new(),
            wait: 0,
        },
        ToImagen::Poll { attempt_id: attempt_id.clone(), seq: 7 },
        ToImagen::Resolve { attempt_id: attempt_id.clone() },
        ToImagen::Cancel { attempt_id: attempt_id.clone(), render_id: RenderId::from("r") },
        ToImagen::Republish { attempt_id },
        ToImagen::Check,
    ]
}

fn to_replicate() -> [ToReplicate; 5] {
    let attempt_id = AttemptId::from("r/upscale/1");
    let order = RenderOrder { step: Step::Upscale, interim: Some(picture()), ..small_order() };
    [
        ToReplicate::Start { attempt_id: attempt_id.clone(), order, wait: 2 },
        ToReplicate::Poll { attempt_id: attempt_id.clone(), seq: 7 },
        ToReplicate::Resolve { attempt_id: attempt_id.clone() },
        ToReplicate::Cancel { attempt_id: attempt_id.clone(), render_id: RenderId::from("r") },
        ToReplicate::Republish { attempt_id },
    ]
}

fn pipeline_events() -> [PipelineEvent; 8] {
    [
        PipelineEvent::of(AttemptEventKind::Submitted, event(Some("batches/1"), Vec::new())),
        PipelineEvent::of(AttemptEventKind::Processing, event(Some("batches/1"), Vec::new())),
        PipelineEvent::of(AttemptEventKind::Completed, event(None, outcomes())),
        PipelineEvent::of(AttemptEventKind::Failed, event(None, Vec::new())),
        PipelineEvent::of(AttemptEventKind::PredictionCompleted, event(None, outcomes())),
        PipelineEvent::of(AttemptEventKind::PredictionFailed, event(None, Vec::new())),
        PipelineEvent::Overdue { shard: 0, render_id: RenderId::from("r") },
        PipelineEvent::Rescue { shard: 0, render_id: RenderId::from("r") },
    ]
}

fn ends() -> [RenderEnded; 2] {
    [
        RenderEnded::Completed {
            id: "r/ended".to_owned(),
            render_id: RenderId::from("r"),
            user_id: UserId::from("u"),
            at: start(),
            picture: picture(),
            fidelity: Fidelity::Described,
            size: Size::OneK,
        },
        RenderEnded::Failed {
            id: "r/ended".to_owned(),
            render_id: RenderId::from("r"),
            user_id: UserId::from("u"),
            at: start(),
            code: FailureCode::TimedOut,
        },
    ]
}

/// Every message as it is on the wire, one a line, having come back as it was.
fn wire<T: WireMessage + PartialEq + Debug>(messages: &[T]) -> String {
    let kinds: Vec<String> = messages.iter().map(kind).collect();
    assert_eq!(kinds, T::TYPES, "an example of each type");
    let lines = messages.iter().map(|message| {
        let body = encode(message).unwrap();
        assert_eq!(&decode::<T>(&body).unwrap(), message);
        body
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn kind<T: WireMessage>(message: &T) -> String {
    let value: Value = serde_json::from_str(&encode(message).unwrap()).unwrap();
    assert_eq!(value["v"], json!(T::VERSION));
    value["type"].as_str().unwrap().to_owned()
}

/// The body with a field of a later release in every object.
fn from_a_later_release(body: &str) -> String {
    fn add(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.values_mut().for_each(add);
                fields.insert("of_a_later_release".to_owned(), json!({"n": [1, null]}));
            }
            Value::Array(items) => items.iter_mut().for_each(add),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(body).unwrap();
    add(&mut value);
    value.to_string()
}

fn ignores_unknown_fields<T: WireMessage + PartialEq + Debug>(messages: &[T]) {
    for message in messages {
        let body = from_a_later_release(&encode(message).unwrap());
        assert_eq!(&decode::<T>(&body).unwrap(), message);
    }
}

#[test]
fn what_the_accumulator_is_sent() {
    assert_snapshot!(wire(&to_accumulator()));
}

#[test]
fn what_imagen_is_sent() {
    assert_snapshot!(wire(&to_imagen()));
}

#[test]
fn what_replicate_is_sent() {
    assert_snapshot!(wire(&to_replicate()));
}

#[test]
fn what_the_distributor_is_told() {
    assert_snapshot!(wire(&pipeline_events()));
    for event in pipeline_events() {
        assert_eq!(kind(&event), event.name());
    }
    assert_eq!(pipeline_events().map(|event| event.shard()), [3, 3, 3, 3, 3, 3, 0, 0]);
}

#[test]
fn what_the_shop_is_told() {
    assert_snapshot!(wire(&ends()));
    for ended in ends() {
        assert_eq!(kind(&ended), ended.name());
    }
}

#[test]
fn fields_of_a_later_release_are_ignored_at_every_depth() {
    ignores_unknown_fields(&to_accumulator());
    ignores_unknown_fields(&to_imagen());
    ignores_unknown_fields(&to_replicate());
    ignores_unknown_fields(&pipeline_events());
    ignores_unknown_fields(&ends());
}

#[test]
fn fields_that_an_earlier_release_did_not_send_have_their_default() {
    let body = r#"{"v":1,"type":"submit","attempt_id":"a","batch_id":"b","orders":[],
        "key":{"backend":"gemini-batch","model":"m"}}"#;
    assert!(matches!(decode(body), Ok(ToImagen::Submit { wait: 0, .. })));
}

#[test]
fn a_later_version_or_type_is_left_for_its_release() {
    for (body, version, kind) in [
        (r#"{"v":2,"type":"poll","attempt_id":"a","seq":1}"#, 2, "poll"),
        (r#"{"v":2,"type":"poll"}"#, 2, "poll"),
        (r#"{"v":1,"type":"merge"}"#, 1, "merge"),
        (r#"{"type":"seal","x":[{}],"v":1}"#, 1, "seal"),
    ] {
        match decode::<ToImagen>(body) {
            Err(DecodeError::Newer { version: v, kind: k }) => {
                assert_eq!((v, &*k), (version, kind));
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn a_later_word_anywhere_in_a_message_is_left_for_its_release() {
    let completed = PipelineEvent::Completed(event(None, outcomes()));
    let failed = Outcome::Failed { class: FailClass::Provider };
    let failed = RenderOutcome { outcome: failed, ..outcomes().remove(0) };
    let failed = PipelineEvent::Failed(event(None, vec![failed]));
    let online = ToImagen::Online { attempt_id: attempt_id(), order: small_order(), wait: 0 };
    let told = |body: String, from: &str, to: &str| {
        assert!(body.contains(from), "{body}");
        body.replacen(from, to, 1)
    };
    let class = told(encode(&failed).unwrap(), "\"provider\"", "\"of_tomorrow\"");
    let kind = told(encode(&completed).unwrap(), "\"image\"", "\"of_tomorrow\"");
    for body in [class, kind] {
        let read = decode::<PipelineEvent>(&body);
        assert!(matches!(read, Err(DecodeError::Newer { version: 1, .. })), "{read:?}");
    }
    let step = told(encode(&online).unwrap(), "\"step\":\"gemini\"", "\"step\":\"of_tomorrow\"");
    let read = decode::<ToImagen>(&step);
    assert!(matches!(read, Err(DecodeError::Newer { version: 1, .. })), "{read:?}");
}

#[test]
fn what_nobody_can_read_is_malformed_and_not_repeated() {
    for body in [
        "",
        "null",
        "[]",
        "{",
        "{}",
        r#"{"v":1}"#,
        r#"{"type":"poll"}"#,
        r#"{"v":"1","type":"poll","attempt_id":"a","seq":1}"#,
        r#"{"v":-1,"type":"poll","attempt_id":"a","seq":1}"#,
        r#"{"v":1,"type":7,"attempt_id":"a","seq":1}"#,
        r#"{"v":1,"type":"poll"}"#,
        r#"{"v":1,"type":"poll","attempt_id":"a","seq":"my secret wish"}"#,
        r#"{"v":1,"type":"poll","attempt_id":"a","seq":-1}"#,
        r#"{"v":1,"type":"poll","attempt_id":"a","seq":4294967296}"#,
        r#"{"v":1,"type":"poll","attempt_id":"a","seq":1} x"#,
    ] {
        match decode::<ToImagen>(body) {
            Err(error @ DecodeError::Malformed(_)) => {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

/// A render with everything as long as it may be, in letters of three bytes.
fn largest() -> RenderOrder {
    let letters = |n| "\u{65e5}".repeat(n);
    let photo = |n| PictureRef {
        key: format!("in/{}/{}-{n}.jpg", "u".repeat(64), crate::contract::fixtures::render_id(n)),
        bytes: 7_000_000,
        mime: Mime::Jpeg,
    };
    let mut request = request();
    request.person.photo = photo(0);
    request.prompt = letters(MAX_PROMPT_CHARS);
    let garment = |n| Garment {
        photo: photo(n),
        category: letters(40),
        description: letters(MAX_DESCRIPTION_CHARS),
    };
    request.garments = (1..=MAX_GARMENTS as u64).map(garment).collect();
    assert_eq!(request.check(), Ok(()));
    RenderOrder { request, ..order(&render(1)) }
}

#[test]
fn one_order_at_the_caps_fits_its_share_of_a_message() {
    let length = serde_json::to_vec(&largest()).unwrap().len();
    assert!((14_000..=MAX_MESSAGE_BYTES).contains(&length), "{length}");
}

#[test]
fn a_batch_of_50_of_the_longest_orders_fits_one_message() {
    let mut longest = largest();
    let spare = MAX_MESSAGE_BYTES - serde_json::to_vec(&longest).unwrap().len();
    longest.request.prompt.push_str(&"x".repeat(spare));
    assert_eq!(serde_json::to_vec(&longest).unwrap().len(), MAX_MESSAGE_BYTES);
    let submit = ToImagen::Submit {
        attempt_id: AttemptId::of(&BatchId::from("b".repeat(36).as_str()), Step::Gemini, 1),
        batch_id: BatchId::from("b".repeat(36).as_str()),
        key: batch_key(),
        orders: vec![longest; 50],
        wait: u32::MAX,
    };
    let length = encode(&submit).unwrap().len();
    assert!(length <= QUEUE_LIMIT, "{length}");
}

#[test]
fn the_outcomes_of_50_renders_fit_one_event() {
    let id = crate::contract::fixtures::render_id(1);
    let picture = PictureRef { key: format!("out/{id}/gemini/1/{id}.jpg"), ..picture() };
    let outcome = RenderOutcome {
        render_id: id,
        outcome: Outcome::Image { picture, fidelity: Fidelity::Described, size: Size::OneK },
        cost: Micros::new(u64::MAX),
    };
    let completed = PipelineEvent::Completed(event(None, vec![outcome; 50]));
    let length = encode(&completed).unwrap().len();
    assert!(length <= BUS_LIMIT / 8, "{length}");
}
