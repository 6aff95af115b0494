use std::time::Duration;

use super::*;
use crate::{
    contract::fixtures::{catalogue_without_lite, request},
    outcome::FailClass,
};

/// What the daily budget of $200 lets through.
const SPENDABLE: Micros = Micros::new(180_000_000);

/// A shop's day in hundredths: which qualities are asked for.
const MIX: [(Quality, u64); 3] = [(Quality::Sd, 55), (Quality::Hd, 40), (Quality::FourK, 5)];

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn today() -> NaiveDate {
    day("2026-11-23")
}

fn built_in() -> Catalogue {
    Catalogue::built_in().unwrap()
}

/// That catalogue with the first `from` made `to`.
fn edited(from: &str, to: &str) -> String {
    let text = catalogue_without_lite();
    assert!(text.contains(from), "{from} is not in the catalogue");
    text.replacen(from, to, 1)
}

fn typical(quality: Quality, lane: Lane) -> Micros {
    built_in().forecast(today(), &[(quality, lane, 1)]).unwrap()
}

/// The declared mix, `images` a day, of which `batch` hundredths can wait.
fn forecast(images: u64, batch: u64) -> Micros {
    let parts: Vec<_> = MIX
        .iter()
        .flat_map(|&(quality, share)| {
            [(Lane::Batch, batch), (Lane::Online, 100 - batch)]
                .map(|(lane, part)| (quality, lane, images * share * part / 10_000))
        })
        .collect();
    assert_eq!(parts.iter().map(|(_, _, images)| images).sum::<u64>(), images);
    built_in().forecast(today(), &parts).unwrap()
}

#[test]
fn the_built_in_catalogue_serves_every_quality_in_both_lanes() {
    let catalogue = built_in();
    for quality in Quality::ALL {
        let (_, entry) = catalogue.entry_for(quality, today()).unwrap();
        assert_eq!(entry.backend(Lane::Online), Some(Backend::GeminiOnline));
        assert_eq!(entry.backend(Lane::Batch), Some(Backend::GeminiBatch));
        assert_eq!(entry.price.batch_percent, 50);
    }
    assert_eq!(catalogue.entries().count(), 6);
}

#[test]
fn a_bad_catalogue_is_refused_with_the_place_and_the_fix() {
    let minimal = "entry nano-banana-1k-minimal: ";
    let try_on = "entry virtual-try-on: ";
    for (from, to, place, fix) in [
        ("max_pictures", "max_picturs", "line 18: ", "max_picturs"),
        ("hd = \"nano", "hd = nano", "line 7: ", ""),
        ("4k = \"nano-banana-1k-medium\"", "", "[quality]", "names no entry for 4k"),
        ("sd = \"nano-banana-1k-minimal\"", "sd = \"x\"", "[quality] sd", "entry x"),
        ("size = \"1K\"", "size = \"8K\"", "line 14: ", "8K"),
        ("model = \"gemini-nano-banana-2.1\"", "model = \"\"", minimal, "model id"),
        (
            "online = \"gemini-online\"\nbatch = \"gemini-batch\"",
            "",
            minimal,
            "name a backend for online, batch or both",
        ),
        (
            "online = \"gemini-online\"",
            "online = \"gemini-batch\"",
            minimal,
            "online backend gemini-online or vertex-predict",
        ),
        (
            "batch = \"gemini-batch\"",
            "batch = \"gemini-online\"",
            minimal,
            "batch backend gemini-batch",
        ),
        ("input_nanos = 1500", "input_nanos = 0", minimal, "every price"),
        ("text_nanos = 7500", "text_nanos = 0", minimal, "every price"),
        ("image_nanos = 30000", "image_nanos = 0", minimal, "every price"),
        ("tokens_per_picture = 1120", "tokens_per_picture = 0", minimal, "token counts"),
        ("image_tokens = 1120", "image_tokens = 0", minimal, "token counts"),
        ("image_tokens = 1120", "image_tokens = 4097", minimal, "max_output_tokens to at least"),
        ("max_output_tokens = 4096", "max_output_tokens = 0", minimal, "token counts"),
        ("typical_text_tokens = 240", "typical_text_tokens = 4097", minimal, "typical_text_tokens"),
        ("batch_percent = 50", "batch_percent = 0", minimal, "batch_percent from 1 to 100"),
        ("batch_percent = 50", "batch_percent = 101", minimal, "batch_percent from 1 to 100"),
        ("max_pictures = 14", "max_pictures = 1", minimal, "max_pictures to at least 2"),
        ("call_timeout_seconds = 120", "call_timeout_seconds = 201", minimal, "from 1 to 200"),
        ("{garments}", "clothes", minimal, "{garments} into the prompt once"),
        ("{garments}", "{garments} {garments}", minimal, "{garments} into the prompt once"),
        ("{wish}", "{wish} {wish}", minimal, "{wish} into the prompt at most once"),
        ("model =", "successor = \"y\"\nmodel =", "successor of nano-banana-1k-minimal", "entry y"),
        (
            "model =",
            "successor = \"nano-banana-1k-minimal\"\nmodel =",
            "nano-banana-1k-minimal",
            "circle",
        ),
        ("lighter = \"nano-banana-1k-minimal\"", "lighter = \"y\"", "lighter of nano", "entry y"),
        (
            "lighter = \"nano-banana-1k-minimal\"",
            "lighter = \"nano-banana-4k\"",
            "entry nano-banana-1k-medium: ",
            "thinks less",
        ),
        ("predict = \"try-on\"", "", try_on, "say how it is asked"),
        ("model =", "predict = \"try-on\"\nmodel =", minimal, "leave predict to"),
        ("max_pictures = 2", "max_pictures = 3", try_on, "max_pictures to 2"),
        ("predict = \"try-on\"", "predict = \"try-on\"\nprompt = \"x\"", try_on, "prompt out"),
        ("predict = \"try-on\"", "predict = \"references\"", try_on, "{garments} into the prompt"),
        ("predict = \"try-on\"", "predict = \"try-on\"\nthinking = \"HIGH\"", try_on, "thinking"),
        (
            "predict = \"try-on\"",
            "predict = \"try-on\"\nbatch = \"gemini-batch\"",
            try_on,
            "batch out",
        ),
        ("picture_micros = 60000", "picture_micros = 0", try_on, "above 0"),
        (
            "picture_micros = 60000",
            "picture_micros = 1, input_nanos = 1",
            "line ",
            "picture_micros alone",
        ),
        ("input_nanos = 1500\n", "", "line ", "price by tokens"),
        ("[step.sdxl]", "[step.gemini]", "[step.sdxl]", "is missing"),
        ("google/nano-banana-pro", "nano-banana-pro", "step nano_banana", "owner/name"),
        ("version = \"ddfc", "version = \"ddf", "step photo_maker", "64 hex digits"),
        ("second_nanos = 975000", "second_nanos = 0", "step photo_maker", "above 0"),
        ("max_seconds = 300", "max_seconds = 4", "step nano_banana", "from 5 to 1800"),
        ("{person} img", "img {person}", "step photo_maker", "{person} img into the prompt"),
        ("full body", "full img body", "step photo_maker", "trigger word img into the prompt once"),
    ] {
        let error = Catalogue::parse(&edited(from, to)).unwrap_err().to_string();
        assert!(error.starts_with("catalogue: "), "{error}");
        assert!(error.contains(place) && error.contains(fix), "{from} -> {to}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn the_successor_takes_over_on_the_day_of_retirement() {
    let model = "model = \"gemini-nano-banana-2.1\"";
    let minimal =
        format!("retires = \"2027-03-15\"\nsuccessor = \"nano-banana-1k-medium\"\n{model}\nonline");
    let medium =
        format!("retires = \"2027-06-01\"\nsuccessor = \"nano-banana-4k\"\n{model}\nonline");
    let plain = format!("{model}\nonline");
    let text = catalogue_without_lite().replacen(&plain, &minimal, 1);
    let (head, tail) = text.split_once("[entry.nano-banana-1k-medium]").unwrap();
    let tail = tail.replacen(&plain, &medium, 1);
    let catalogue =
        Catalogue::parse(&format!("{head}[entry.nano-banana-1k-medium]{tail}")).unwrap();
    for (on, entry) in [
        ("2027-03-14", "nano-banana-1k-minimal"),
        ("2027-03-15", "nano-banana-1k-medium"),
        ("2027-05-31", "nano-banana-1k-medium"),
        ("2027-06-01", "nano-banana-4k"),
    ] {
        let (id, _) = catalogue.entry_for(Quality::Sd, day(on)).unwrap();
        assert_eq!(id.as_str(), entry, "{on}");
    }
}

#[test]
fn a_model_that_retired_without_a_successor_serves_nobody() {
    let catalogue =
        Catalogue::parse(&edited("model =", "retires = \"2027-03-15\"\nmodel =")).unwrap();
    assert!(catalogue.entry_for(Quality::Sd, day("2027-03-14")).is_some());
    assert!(catalogue.entry_for(Quality::Sd, day("2027-03-15")).is_none());
    assert_eq!(catalogue.forecast(day("2027-03-15"), &[(Quality::Sd, Lane::Online, 1)]), None);
    // Orders under way still find what they were accepted with.
    assert!(catalogue.get(&EntryId::from("nano-banana-1k-minimal")).is_some());
}

/// HD's successors: another entry of the same model, one that takes a single garment, and one more.
fn succession() -> Catalogue {
    let medium = "[entry.nano-banana-1k-medium]\n";
    let text = edited(medium, &format!("{medium}successor = \"nano-banana-4k\"\n"));
    let native = "[entry.nano-banana-4k]\n";
    let text = text.replacen(native, &format!("{native}successor = \"virtual-try-on\"\n"), 1);
    Catalogue::parse(&text).unwrap()
}

#[test]
fn a_model_that_is_gone_gives_way_to_another_model_that_can_do_it() {
    let catalogue = succession();
    let medium = EntryId::from("nano-banana-1k-medium");
    let instead = |class, pictures, on| {
        let found = catalogue.instead(&medium, class, pictures, Lane::Batch, day(on));
        found.map(EntryId::as_str)
    };
    // The next entry is of the same model.
    assert_eq!(instead(FailClass::Retired, 2, "2026-11-23"), Some("virtual-try-on"));
    // It takes one garment; whose successor takes more is of the dead model again.
    assert_eq!(instead(FailClass::Retired, 3, "2026-11-23"), None);
    assert_eq!(instead(FailClass::Retired, 2, "2027-03-15"), None);
    assert_eq!(instead(FailClass::Exhausted, 6, "2026-11-23"), Some("nano-banana-1k-minimal"));
    for class in [FailClass::Account, FailClass::NoImage, FailClass::Provider] {
        assert_eq!(instead(class, 2, "2026-11-23"), None);
    }
}

#[test]
fn retirements_are_counted_down_along_what_serves() {
    assert_eq!(built_in().retirements(today()), []);
    let catalogue =
        Catalogue::parse(&edited("sd = \"nano-banana-1k-minimal\"", "sd = \"virtual-try-on\""));
    let days = |on| catalogue.as_ref().unwrap().retirements(day(on));
    assert_eq!(days("2026-11-23"), [("virtual-try-on-001", 112)]);
    assert_eq!(days("2027-03-14"), [("virtual-try-on-001", 1)]);
    // It is still mapped, and no longer there.
    assert_eq!(days("2027-03-20"), [("virtual-try-on-001", -5)]);
}

#[test]
fn a_picture_has_a_price_of_its_own_where_no_tokens_are_counted() {
    let catalogue = built_in();
    let entry = catalogue.get(&"virtual-try-on".into()).unwrap();
    assert_eq!(entry.maximum(Lane::Online, &request()), Micros::new(60_000));
    assert_eq!(entry.typical(Lane::Online), Micros::new(60_000));
    let one = Usage { image: 1, ..Usage::default() };
    assert_eq!(entry.price.of(Lane::Online, one), Micros::new(60_000));
    assert_eq!(entry.price.of(Lane::Online, Usage::default()), Micros::ZERO);
}

#[test]
fn the_price_table() {
    let table: Vec<(Quality, String, String)> = Quality::ALL
        .map(|q| (q, typical(q, Lane::Online).to_string(), typical(q, Lane::Batch).to_string()))
        .to_vec();
    let expected = [
        (Quality::Sd, "$0.03906", "$0.01953"),
        (Quality::Hd, "$0.04086", "$0.02043"),
        (Quality::FourK, "$0.04286", "$0.02243"),
    ];
    assert_eq!(table, expected.map(|(q, online, batch)| (q, online.into(), batch.into())));
}

#[test]
fn the_declared_mix_costs_less_than_four_and_a_half_cents_an_image() {
    let average = |batch| forecast(10_000, batch).get() / 10_000;
    assert_eq!([0, 50, 100].map(average), [39_970, 30_002, 20_035]);
    assert!(average(0) < 45_000);
    // 4K in one go would not, not even at half the price.
    let catalogue = built_in();
    let native = catalogue.get(&EntryId::from("nano-banana-4k")).unwrap();
    assert!(native.typical(Lane::Batch) > Micros::new(45_000));
}

#[test]
fn what_four_and_eight_thousand_images_a_day_cost() {
    let cost = |images, batch| forecast(images, batch).to_string();
    let table = [4_000, 8_000].map(|n| [0, 50, 85, 100].map(|batch| cost(n, batch)));
    assert_eq!(
        table,
        [
            ["$159.88", "$120.01", "$92.101", "$80.14"],
            ["$319.76", "$240.02", "$184.202", "$160.28"],
        ]
    );
}

/// The figures the documents give, for the cheapest quality.
#[test]
fn the_money_claims_follow_from_the_catalogue() {
    let (online, batch) = (typical(Quality::Sd, Lane::Online), typical(Quality::Sd, Lane::Batch));
    let bought = |price: Micros| SPENDABLE.get() / price.get();
    assert_eq!((bought(online), bought(batch)), (4_608, 9_216));

    // 8,000 a day fit once 85 % of them can wait, and not at 84 %.
    let day_of = |percent: u64| {
        let waiting = 8_000 * percent / 100;
        let parts =
            [(Quality::Sd, Lane::Batch, waiting), (Quality::Sd, Lane::Online, 8_000 - waiting)];
        built_in().forecast(today(), &parts).unwrap()
    };
    assert!(day_of(85) <= SPENDABLE && day_of(84) > SPENDABLE);

    // Half and half they need a budget of $261, of which 90 % are spent.
    let budget = |dollars: u64| Micros::new(dollars * 1_000_000).percent(90);
    assert!(day_of(50) <= budget(261) && day_of(50) > budget(260));
}

#[test]
fn the_worked_try_on() {
    let catalogue = built_in();
    let (_, entry) = catalogue.entry_for(Quality::Sd, today()).unwrap();
    let usage = |text| Usage { input: 2 * 1_120 + 200, image: 1_120, text };
    assert_eq!(entry.price.of(Lane::Online, usage(0)), Micros::new(37_260));
    assert_eq!(entry.price.of(Lane::Batch, usage(0)), Micros::new(18_630));
    // Thinking adds $7.50 per million tokens, half in Batch.
    assert_eq!(entry.price.of(Lane::Online, usage(1_000)), Micros::new(44_760));
    assert_eq!(entry.price.of(Lane::Batch, usage(1_000)), Micros::new(22_380));
}

#[test]
fn reservations_at_the_maximum_admit_some_5300_batch_images_a_day() {
    let catalogue = built_in();
    let (_, entry) = catalogue.entry_for(Quality::Hd, today()).unwrap();
    let admitted = SPENDABLE.get() / entry.maximum(Lane::Batch, &request()).get();
    assert!((5_250..5_350).contains(&admitted), "{admitted}");
}

#[test]
fn the_maximum_covers_every_answer_within_the_output_cap() {
    let mut request = request();
    request.garments = vec![request.garments[0].clone(); 5];
    request.prompt = "\u{1f455}".repeat(2_000);
    for (id, entry) in built_in().entries() {
        for lane in [Lane::Online, Lane::Batch] {
            let maximum = entry.maximum(lane, &request);
            let worst = Usage {
                input: 6 * u64::from(entry.price.tokens_per_picture) + 8_000,
                image: u64::from(entry.price.image_tokens),
                text: u64::from(entry.max_output_tokens),
            };
            assert!(entry.price.of(lane, worst) <= maximum, "{id} {lane}");
            let all = if entry.price.is_by_picture() { maximum } else { maximum.percent(99) };
            assert!(entry.typical(lane) <= all, "{id} {lane}");
        }
    }
}

#[test]
fn every_byte_of_the_request_counts_towards_the_maximum() {
    let catalogue = built_in();
    let (_, entry) = catalogue.entry_for(Quality::Hd, today()).unwrap();
    let longer = "x".repeat(1_000);
    let lengthen: [fn(&mut RenderRequest, &str); 3] = [
        |request, more| request.prompt.push_str(more),
        |request, more| request.garments[0].category.push_str(more),
        |request, more| request.garments[0].description.push_str(more),
    ];
    let before = entry.maximum(Lane::Online, &request());
    for lengthen in lengthen {
        let mut request = request();
        lengthen(&mut request, &longer);
        let more = entry.maximum(Lane::Online, &request).saturating_sub(before);
        assert_eq!(more, Micros::new(1_500), "$1.50 per million tokens");
    }
}

#[test]
fn predictions_are_priced_by_picture_or_by_second() {
    let catalogue = built_in();
    let of = |step| catalogue.prediction(step).unwrap();
    let (banana, maker) = (of(Step::NanoBanana), of(Step::PhotoMaker));
    assert_eq!(banana.maximum(), Micros::new(150_000));
    assert_eq!(banana.bill(1, None), Some(Micros::new(150_000)));
    assert_eq!(banana.bill(0, Some(Duration::from_secs(9))), Some(Micros::ZERO));
    // 300 s of an L40S at $0.000975.
    assert_eq!(maker.maximum(), Micros::new(292_500));
    assert_eq!(maker.bill(1, Some(Duration::from_millis(11_850))), Some(Micros::new(11_554)));
    assert_eq!(maker.bill(0, Some(Duration::from_nanos(1))), Some(Micros::new(1)));
    assert_eq!(maker.bill(1, None), None, "unpriced");
    // Whoever is ended in time never costs more than was reserved.
    let longest = Duration::from_secs(maker.max_seconds.into());
    assert_eq!(maker.bill(1, Some(longest)), Some(maker.maximum()));
}

#[test]
fn a_price_is_rounded_up_once() {
    let price = Price {
        input_nanos: 1,
        text_nanos: 1,
        image_nanos: 1,
        tokens_per_picture: 1,
        image_tokens: 1,
        batch_percent: 33,
    };
    let one_each = Usage { input: 1, image: 1, text: 1 };
    assert_eq!(price.of(Lane::Online, one_each), Micros::new(1));
    assert_eq!(price.of(Lane::Batch, one_each), Micros::new(1));
    let exact = Usage { input: 100_000, image: 0, text: 0 };
    assert_eq!(price.of(Lane::Batch, exact), Micros::new(33));
    let huge = Usage { input: u64::MAX, image: u64::MAX, text: u64::MAX };
    assert_eq!(
        price.of(Lane::Online, huge),
        Micros::from_nanos_rounded_up(3 * u128::from(u64::MAX))
    );
    assert_eq!(price.of(Lane::Online, Usage::default()), Micros::ZERO);
}
