//! What the gates see: the same of every store.

use chrono::{DateTime, TimeDelta, Utc};

use super::fixtures::{batch_id, legacy_render, online_render, render, start, unlimited};
use crate::{
    catalogue::{Quality, Size},
    chain::Step,
    gates::{BudgetDays, Evidence, Observed, Rules, Tally},
    ids::RenderId,
    memory::SeededRandom,
    money::Micros,
    picture::{Mime, PictureRef},
    ports::{Inserted, Observations, Ratings, Renders},
    rating::Rating,
    render::{FailureCode, Render, RenderStatus},
    routing::Percent,
};

/// Renders of every kind on an empty store, and what is seen of them.
pub async fn suite(renders: &dyn Renders, ratings: &dyn Ratings, observations: &dyn Observations) {
    let before = observations.observe(start(), tally()).await.unwrap();
    assert_eq!(evidence(before), evidence(tally()), "nothing yet");
    let mut seen = Vec::new();
    for n in 0..60 {
        let row = variant(n);
        assert_eq!(renders.insert(row.clone(), unlimited()).await, Ok(Inserted::New));
        let row = Render { version: 1, ..row };
        assert_eq!(renders.update(std::slice::from_ref(&row)).await, Ok(vec![true]));
        let rating = (n % 3 == 0).then(|| Rating::try_from(1 + (n % 5) as u8).unwrap());
        if let Some(rating) = rating {
            assert_eq!(ratings.rate(&row.id, rating, start()).await, Ok(Some(rating)));
        }
        seen.extend(Observed::of(&row, rating));
    }
    assert_eq!(seen.len(), 48, "the others have no course");
    for since in [start() - TimeDelta::hours(1), start(), start() + TimeDelta::minutes(31)] {
        let found = observations.observe(since, tally()).await.unwrap();
        let mut expected = tally();
        let mut wanted: Vec<_> = seen.iter().filter(|one| one.accepted_at >= since).collect();
        wanted.sort_by(|a, b| b.id.cmp(&a.id));
        for one in wanted {
            expected.add(one);
        }
        assert_eq!(evidence(found), evidence(expected), "{since}");
    }
}

fn tally() -> Tally {
    Tally::new(Rules::default(), start() + TimeDelta::days(3))
}

fn evidence(tally: Tally) -> Evidence {
    tally.evidence(start(), Percent::FULL, BudgetDays::default())
}

/// Render `n`, accepted a minute after the one before it.
fn variant(n: u64) -> Render {
    let row = match n % 4 {
        0 => legacy_render(n),
        1 => online_render(n),
        _ => render(n),
    };
    let later = TimeDelta::minutes(i64::try_from(n).unwrap());
    let accepted_at: DateTime<Utc> = start() + later;
    let mut row = Render {
        id: RenderId::generate(&SeededRandom::new(n), accepted_at),
        accepted_at,
        deadline_at: row.deadline_at + later,
        ..row
    };
    row.request.quality = if n.is_multiple_of(7) { Quality::FourK } else { Quality::Sd };
    row.request.garments[0].category = format!("kind {}", ["a", "b", "c"][(n % 3) as usize]);
    let at = accepted_at + TimeDelta::seconds(i64::try_from(10 + 7 * n).unwrap());
    let picture = PictureRef { key: "out/a".to_owned(), bytes: 1, mime: Mime::Jpeg };
    let own = if n.is_multiple_of(4) { Step::NanoBanana } else { Step::Gemini };
    let by = if n.is_multiple_of(9) { Step::PhotoMaker } else { own };
    row.status = match n % 6 {
        0 => RenderStatus::Failed { code: FailureCode::ProviderUnavailable, at },
        1 if n > 40 => RenderStatus::Failed { code: FailureCode::ContentRefused, at },
        2 if n > 30 => RenderStatus::Generating,
        _ => RenderStatus::Succeeded { picture, fidelity: by.fidelity(), size: Size::OneK, at },
    };
    row.to_join = false;
    let attempt = row.own_attempt();
    row.costs.insert(attempt, Micros::new(10_000 + 1_000 * n));
    let delivered = matches!(row.status, RenderStatus::Succeeded { .. });
    if let Some(course) = &mut row.course {
        course.drawn_by = delivered.then_some(by);
        course.batch = (n % 4 > 1).then(|| batch_id(n / 8));
        course.unasked = n.is_multiple_of(13);
    }
    row.course = row.course.filter(|_| !n.is_multiple_of(5));
    row
}
