//! From rows to evidence.

use super::*;
use crate::{
    catalogue::{Quality, Size},
    chain::{Fidelity, Step},
    contract::fixtures::{batch_id, legacy_render, online_render, render},
    ids::RenderId,
    memory::SeededRandom,
    money::Micros,
    picture::{Mime, PictureRef},
    rating::Rating,
    render::{FailureCode, Render, RenderStatus},
    routing::Percent,
};

fn evidence_of(rows: &[Render], rated: &[(usize, u8)], minutes: i64) -> Evidence {
    let mut tally = Tally::new(Rules::default(), start() + TimeDelta::minutes(minutes));
    for (place, row) in rows.iter().enumerate() {
        let rating = rated.iter().find(|(other, _)| *other == place);
        let rating = rating.map(|(_, stars)| Rating::try_from(*stars).unwrap());
        tally.add(&Observed::of(row, rating).unwrap());
    }
    tally.evidence(start(), Percent::FULL, BudgetDays::default())
}

/// Ended after so many seconds, with a picture that this step drew.
fn drawn(mut row: Render, by: Step, seconds: i64) -> Render {
    let picture = PictureRef { key: "out/a".to_owned(), bytes: 1, mime: Mime::Jpeg };
    let at = row.accepted_at + TimeDelta::seconds(seconds);
    row.status = RenderStatus::Succeeded { picture, fidelity: by.fidelity(), size: Size::OneK, at };
    row.course.as_mut().unwrap().drawn_by = Some(by);
    row
}

fn failed(mut row: Render, code: FailureCode, seconds: i64) -> Render {
    row.status = RenderStatus::Failed { code, at: row.accepted_at + TimeDelta::seconds(seconds) };
    row
}

/// A Batch render that was gathered in that batch.
fn gathered(n: u64, batch: u64) -> Render {
    let mut row = render(n);
    row.course.as_mut().unwrap().batch = Some(batch_id(batch));
    row
}

fn sum(evidence: &Evidence) -> Slice {
    evidence.slices.iter().fold(Slice::default(), |mut sum, slice| {
        sum += *slice;
        sum
    })
}

#[test]
fn only_the_assigned_provider_delivers() {
    let rows = [
        drawn(online_render(1), Step::Gemini, 20),
        drawn(online_render(2), Step::PhotoMaker, 50),
        failed(online_render(3), FailureCode::TimedOut, 600),
        failed(online_render(4), FailureCode::ContentRefused, 9),
        drawn(legacy_render(5), Step::NanoBanana, 30),
        drawn(legacy_render(6), Step::Sdxl, 90),
        online_render(7),
    ];
    let evidence = evidence_of(&rows, &[], 60);
    let gemini = sum(&evidence);
    assert_eq!((gemini.images, gemini.failures), (3, Rate::of(3, 2)));
    assert_eq!((evidence.legacy.images, evidence.legacy.failures), (2, Rate::of(2, 1)));
    assert_eq!((evidence.users.gemini, evidence.users.legacy), (5, 2));
    // The one that still runs is late as well.
    let delays = gemini.delays[0];
    assert!((delays.count() - 4.0).abs() < 1e-9);
    assert_eq!((delays.counts[3], delays.counts[8], delays.counts[15]), (1.0, 1.0, 2.0));
    assert!((gemini.costs.renders, gemini.costs.images) == (4, 2), "the refused one was paid");
}

#[test]
fn a_render_counts_once_its_time_is_over() {
    let mut late = online_render(1);
    late.accepted_at = start() + TimeDelta::minutes(9);
    let rows = [drawn(online_render(2), Step::Gemini, 20), drawn(late, Step::Gemini, 5)];
    let early = sum(&evidence_of(&rows, &[], 9));
    assert!((early.delays[0].count() - 1.0).abs() < 1e-9, "quick ones do not come first");
    assert_eq!(early.images, 2, "its end is known all the same");
    assert!((sum(&evidence_of(&rows, &[], 10)).delays[0].count() - 2.0).abs() < 1e-9);
}

#[test]
fn a_batch_counts_once_when_the_last_of_it_is_over() {
    let day = 86_400;
    let mut rows = vec![
        drawn(gathered(1, 1), Step::Gemini, 3_000),
        drawn(gathered(2, 1), Step::Gemini, 3_000),
        failed(gathered(3, 1), FailureCode::ProviderUnavailable, 7_200),
        gathered(4, 1),
        drawn(gathered(5, 2), Step::Gemini, 4_000),
    ];
    let open = sum(&evidence_of(&rows, &[], 1_500));
    assert_eq!((open.images, open.failures), (1, Rate::of(1, 0)));
    rows[3] = drawn(gathered(4, 1), Step::PhotoMaker, 10_000);
    let evidence = evidence_of(&rows, &[], 1_500);
    let over = sum(&evidence);
    assert_eq!((over.images, over.failures.count, over.failures.hits), (5, 2.0, 0.5));
    assert!((over.failures.mixed - 0.25).abs() < 1e-9);
    assert_eq!(evidence.slices[2].images, 4, "in the hour of its last");
    assert!((over.delays[2].count() - 2.0).abs() < 1e-9, "a day is over: {day}");
}

#[test]
fn a_provider_that_was_not_asked_did_not_fail() {
    let unasked = |n| {
        let mut row = online_render(n);
        row.course.as_mut().unwrap().unasked = true;
        row.costs.insert(row.own_attempt(), Micros::new(200_000));
        row
    };
    let rows = [
        drawn(unasked(1), Step::PhotoMaker, 20),
        failed(unasked(2), FailureCode::TimedOut, 600),
        failed(online_render(3), FailureCode::BudgetExhausted, 60),
        // There was in the end.
        drawn(unasked(4), Step::Gemini, 20),
    ];
    let seen = sum(&evidence_of(&rows, &[], 60));
    assert_eq!((seen.images, seen.failures), (1, Rate::of(1, 0)));
    assert_eq!((seen.costs.renders, seen.costs.total), (2, Micros::new(200_000)));
}

#[test]
fn described_pictures_are_left_out_of_the_parity() {
    let rows = [
        drawn(online_render(1), Step::Gemini, 20),
        drawn(online_render(2), Step::PhotoMaker, 20),
        drawn(legacy_render(3), Step::NanoBanana, 20),
        drawn(legacy_render(4), Step::NanoBanana, 20),
    ];
    let evidence = evidence_of(&rows, &[(0, 5), (1, 1), (2, 4)], 60);
    let [cell] = &evidence.ratings[..] else { panic!("{:?}", evidence.ratings) };
    assert_eq!((cell.quality, cell.category.as_str()), (Quality::Hd, "shirt"));
    assert_eq!((cell.gemini, cell.legacy), (Stars([0, 0, 0, 0, 1]), Stars([0, 0, 0, 1, 0])));
    assert_eq!(Step::PhotoMaker.fidelity(), Fidelity::Described);
}

#[test]
fn categories_beyond_a_dozen_are_told_as_one() {
    let mut rows = Vec::new();
    for n in 0..40_u64 {
        let mut row = drawn(online_render(n), Step::Gemini, 20);
        row.id = RenderId::generate(&SeededRandom::new(n), start());
        row.request.garments[0].category = format!("kind {}", if n < 20 { n % 2 } else { n });
        rows.push(row);
    }
    let rated: Vec<(usize, u8)> = (0..40).map(|place| (place, 4)).collect();
    let evidence = evidence_of(&rows, &rated, 60);
    assert_eq!(evidence.ratings.len(), 13);
    let of = |name: &str| evidence.ratings.iter().find(|cell| cell.category == name).unwrap();
    assert_eq!((of("kind 0").gemini.count(), of("others").gemini.count()), (10, 10));
}

#[test]
fn a_row_without_a_course_is_no_evidence() {
    let row = Render { course: None, ..online_render(1) };
    assert_eq!(Observed::of(&row, None), None);
}
