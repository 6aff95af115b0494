use std::collections::BTreeSet;

use proptest::prelude::*;
use tryon_core::request::{AspectRatio, Garment};

use super::*;
use crate::testing::{block_on, sorted};

const STEPS: [Step; 4] = [Step::NanoBanana, Step::PhotoMaker, Step::Sdxl, Step::Upscale];
const RATIOS: [AspectRatio; 7] = [
    AspectRatio::Square,
    AspectRatio::TwoThree,
    AspectRatio::ThreeFour,
    AspectRatio::FourThree,
    AspectRatio::FourFive,
    AspectRatio::NineSixteen,
    AspectRatio::SixteenNine,
];

#[tokio::test(start_paused = true)]
async fn each_steps_create_on_the_wire() {
    for step in STEPS {
        let script = Script::new([created()]);
        assert_eq!(create(&client(&script), step).await.unwrap(), job());
        let sent = &script.sent()[0];
        assert_eq!(sent.timeout, Duration::from_secs(15));
        let pretty = serde_json::to_string_pretty(&sorted(body(sent))).unwrap();
        let mut shown = sent.clone();
        shown.body = pretty.into();
        insta::assert_snapshot!(format!("a_create_of_{step}"), shown.show());
    }
}

#[tokio::test(start_paused = true)]
async fn any_good_answer_with_an_id_counts() {
    for status in [200, 201, 202] {
        let play = Play::json(status, &json!({"id": "p1"}));
        assert_eq!(create(&client(&Script::new([play])), Step::Sdxl).await.unwrap(), job());
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_carried_out_is_unknown() {
    let plays = [
        Play::fails(TransportError::NoAnswer("reset".to_owned())),
        Play::text(500, ""),
        Play::text(502, ""),
        Play::text(503, ""),
        Play::text(201, "<html>"),
        Play::json(201, &json!({"status": "starting"})),
        Play::json(201, &json!({"id": "../p1", "status": "starting"})),
        created().cut(),
        created().after(16),
    ];
    for play in plays {
        let shown = format!("{play:?}");
        let script = Script::new([play]);
        let error = create(&client(&script), Step::Sdxl).await.unwrap_err();
        assert!(matches!(error, CallError::Unknown(_)), "{shown}: {error}");
        assert_eq!(script.sent().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_carried_out_is_told_apart() {
    let of = async |play| create(&client(&Script::new([play])), Step::Sdxl).await.unwrap_err();
    let refused = Play::fails(TransportError::NotConnected("refused".to_owned()));
    assert!(matches!(of(refused).await, CallError::NotCreated { .. }));
    let throttled = json!({"detail": "Your rate limit resets in ~5s.", "retry_after": 5});
    let expected = CallError::NotCreated {
        reason: "HTTP 429".to_owned(),
        retry_after: Some(Duration::from_secs(5)),
        ours: false,
    };
    assert_eq!(of(Play::json(429, &throttled)).await, expected);
    for status in [400, 404, 413, 422] {
        assert!(is_class(&of(Play::text(status, "")).await, FailClass::Invalid), "{status}");
    }
    let account = [(402, FailClass::Account), (301, FailClass::Setup), (403, FailClass::Setup)];
    for (status, class) in account {
        assert!(is_class(&of(Play::text(status, "")).await, class), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_its_pictures() {
    let of = async |order: RenderOrder| {
        let client = client(&Script::new([]));
        let step = if order.step == Step::Gemini { Step::Sdxl } else { order.step };
        client.create(&attempt(), &order, &model(step), Duration::from_secs(9)).await.unwrap_err()
    };
    let with_garment = |key: &str| {
        let mut order = order(Step::NanoBanana);
        order.request.garments[1].photo.key = key.to_owned();
        order
    };
    let away = of(with_garment("away")).await;
    assert!(matches!(away, CallError::NotCreated { .. }), "{away}");
    let nothing_to_enlarge = RenderOrder { interim: None, ..order(Step::Upscale) };
    for order in [with_garment("broken"), nothing_to_enlarge, order(Step::Gemini)] {
        let error = of(order).await;
        assert!(is_class(&error, FailClass::Invalid), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_prediction_has_five_seconds_at_least() {
    for (time, header) in [(0, "5s"), (4_999, "5s"), (5_999, "5s"), (300_000, "300s")] {
        let script = Script::new([created()]);
        let (order, model) = (order(Step::Sdxl), model(Step::Sdxl));
        let time = Duration::from_millis(time);
        client(&script).create(&attempt(), &order, &model, time).await.unwrap();
        assert_eq!(script.sent()[0].header("cancel-after"), Some(header));
    }
}

fn create_body(order: &RenderOrder) -> Value {
    let script = Script::new([created()]);
    let client = client(&script);
    let (attempt, model) = (attempt(), model(order.step));
    block_on(client.create(&attempt, order, &model, Duration::from_secs(60))).unwrap();
    body(&script.sent()[0])
}

#[test]
fn every_aspect_ratio_has_its_megapixel() {
    for ratio in RATIOS {
        let mut order = order(Step::Sdxl);
        order.request.aspect_ratio = ratio;
        let body = create_body(&order);
        let side = |name: &str| body["input"][name].as_u64().unwrap();
        let (width, height) = (side("width"), side("height"));
        let (across, down) = ratio.as_str().split_once(':').unwrap();
        let of = |text: &str| text.parse::<u64>().unwrap();
        assert_eq!(width * of(down), height * of(across), "{ratio}");
        assert!(width % 8 == 0 && height % 8 == 0, "{ratio}");
        assert!((900_000..1_100_000).contains(&(width * height)), "{ratio}");
    }
}

/// Words, some of them made of the trigger word.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "\\PC{0,12}",
        1 => "[imgIMG]{1,8}",
        1 => prop::sample::select(vec!["img", "IMG", "Swimgear", "&#105;mg", "ｉｍｇ", "im\u{200b}g"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 0..30).prop_map(|words| words.join(" "))
}

prop_compose! {
    fn any_order()(
        noun in words(),
        garments in prop::collection::vec((words(), words()), 1..6),
        wish in words(),
        step in prop::sample::select(&STEPS[..]),
        ratio in prop::sample::select(&RATIOS[..]),
    ) -> RenderOrder {
        let mut order = order(step);
        order.request.person.class_noun = noun;
        order.request.prompt = wish;
        order.request.aspect_ratio = ratio;
        order.request.garments = garments
            .into_iter()
            .map(|(category, description)| Garment { photo: picture("in/g", 3), category, description })
            .collect();
        order
    }
}

proptest! {
    #[test]
    fn no_words_make_a_second_trigger_word(order in any_order()) {
        let body = create_body(&RenderOrder { step: Step::PhotoMaker, ..order });
        let prompt = body["input"]["prompt"].as_str().unwrap();
        prop_assert_eq!(prompt.to_lowercase().matches("img").count(), 1, "{}", prompt);
        // A token takes at least a byte: whatever the words, it is seen.
        let at = prompt.find(" img ").unwrap();
        prop_assert!(at < 70, "{}", prompt);
        let noun = &prompt["A photo of a ".len()..at];
        prop_assert!(noun.ends_with(char::is_alphanumeric) || noun.ends_with(['\'', '\u{2019}', '\u{307}']), "{}", noun);
        prop_assert!(prompt.len() < 420, "{}", prompt.len());
    }

    #[test]
    fn every_create_is_one_that_the_api_and_its_model_take(order in any_order()) {
        let body = create_body(&order);
        prop_assert_eq!(schemas::fault("create", &body), None);
        let top: BTreeSet<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        prop_assert_eq!(top, ["input", "version"].into());
        let model = model(order.step);
        prop_assert_eq!(schemas::fault(&model.model, &body["input"]), None, "{}", order.step);
        let version = body["version"].as_str().unwrap();
        let pinned = version.len() == 64 && version.bytes().all(|b| b.is_ascii_hexdigit());
        prop_assert!(pinned || version == model.model, "{}", version);
    }
}
