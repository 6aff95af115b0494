use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use tryon_core::{
    catalogue::{Predict, Price, Usage},
    outcome::FailClass,
    picture::Mime,
    ports::RowAnswer,
};

use super::*;
use crate::{
    google::testing::{FakeSecrets, JPEG_BASE64, entry, inputs},
    testing::{Play, Script, order},
};

fn try_on() -> Entry {
    Entry {
        model: "virtual-try-on-001".to_owned(),
        predict: Some(Predict::TryOn),
        thinking: None,
        price: Price::by_picture(60_000),
        ..entry()
    }
}

fn one_garment() -> RenderOrder {
    let mut order = order("r-1");
    order.request.garments.truncate(1);
    order
}

fn drawn() -> Play {
    let prediction = json!({"mimeType": "image/jpeg", "bytesBase64Encoded": JPEG_BASE64});
    Play::json(200, &json!({"predictions": [prediction]}))
}

fn provider(script: &Arc<Script>, region: &str) -> VertexPredict {
    VertexPredict::new(script.connection(), Arc::new(inputs()), region.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_try_on_on_the_wire() {
    let script = Script::new([drawn()]);
    let provider = provider(&script, "europe-west4");
    let answer = provider.generate(&one_garment(), &try_on()).await.unwrap();
    assert!(matches!(answer.given, RowAnswer::Picture(_)));
    assert_eq!(answer.usage, Some(Usage { image: 1, ..Usage::default() }));
    assert!(serde_json::from_slice::<Value>(&script.sent()[0].body).is_ok());
    assert_snapshot!(script.sent()[0].show());
}

#[tokio::test(start_paused = true)]
async fn references_on_the_wire() {
    let script = Script::new([drawn()]);
    let mut entry = try_on();
    entry.model = "imagen-3.0-capability-001".to_owned();
    entry.predict = Some(Predict::References);
    entry.prompt = "The person [1] wears {garments}. {wish}".to_owned();
    provider(&script, "us-central1").generate(&order("r-1"), &entry).await.unwrap();
    assert!(serde_json::from_slice::<Value>(&script.sent()[0].body).is_ok());
    assert_snapshot!(script.sent()[0].show());
}

#[tokio::test(start_paused = true)]
async fn what_the_model_cannot_take_is_not_sent() {
    let script = Script::new([]);
    let provider = provider(&script, "us-central1");
    let mut webp = one_garment();
    webp.request.person.photo.mime = Mime::Webp;
    for order in [order("r-1"), webp] {
        let error = provider.generate(&order, &try_on()).await.unwrap_err();
        assert!(matches!(error, CallError::Unfit(_)), "{error}");
    }
    assert!(script.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn regions_have_hosts_of_their_own() {
    for (region, host) in [
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ] {
        let script = Script::new([drawn()]);
        provider(&script, region).generate(&one_garment(), &try_on()).await.unwrap();
        assert_eq!(script.sent()[0].uri.host(), Some(host));
        assert!(script.sent()[0].uri.path().contains(&format!("/locations/{region}/")));
    }
    let script = Script::new([drawn()]);
    let connection = script.connection_with(FakeSecrets::default(), "http://127.0.0.1:8080");
    let connection = connection.in_project(Some("another".to_owned()));
    let provider = VertexPredict::new(connection, Arc::new(inputs()), Region::default());
    provider.generate(&one_garment(), &try_on()).await.unwrap();
    assert_eq!(script.sent()[0].uri.host(), Some("127.0.0.1"));
    assert!(script.sent()[0].uri.path().contains("/projects/another/"));
    assert!("us central1".parse::<Region>().is_err() && "".parse::<Region>().is_err());
}

fn given(json: &Value) -> RowAnswer {
    answer::parse(json.to_string().as_bytes()).unwrap().given
}

#[test]
fn a_filtered_picture_is_a_refusal_and_a_missing_one_is_none() {
    let no_image = RowAnswer::Failed(FailClass::NoImage);
    let filtered = json!({"raiFilteredReason": "Prose. Support codes: 58061214"});
    assert_eq!(given(&json!({"predictions": [filtered]})), RowAnswer::Refused);
    let picture = json!({"bytesBase64Encoded": JPEG_BASE64});
    assert!(matches!(given(&json!({"predictions": [filtered, picture]})), RowAnswer::Picture(_)));
    let elsewhere = json!({"predictions": [{"gcsUri": "gs://a/b.png"}]});
    let broken = json!({"predictions": [{"bytesBase64Encoded": "%%"}]});
    // No picture, no bill; but one that is there and of no use is not free for that.
    let free = Some(Usage::default());
    for (json, usage) in
        [(json!({}), free), (json!({"predictions": []}), free), (elsewhere, None), (broken, None)]
    {
        assert_eq!(given(&json), no_image, "{json}");
        assert_eq!(answer::parse(json.to_string().as_bytes()).unwrap().usage, usage, "{json}");
    }
    assert_eq!(answer::parse(b"<html>"), None);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body: Vec<u8>) {
        let answer = answer::parse(&body);
        prop_assert!(answer.is_none_or(|answer| !matches!(answer.given, RowAnswer::Picture(_))));
    }
}
