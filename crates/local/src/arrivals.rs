//! Requests as they come in over a day.

use std::time::Duration;

use serde_json::{Value, json};
use tryon_core::{memory::SeededRandom, ports::Random};

/// The person of every sample request, by object key.
pub const PERSON: &str = "in/person.jpg";
/// Sample garments: object key, category, description.
pub const GARMENTS: [(&str, &str, &str); 3] = [
    ("in/garment-shirt.jpg", "shirt", "blue short-sleeved shirt with a white paisley print"),
    ("in/garment-jacket.jpg", "jacket", "brown leather bomber jacket"),
    ("in/garment-sweatshirt.jpg", "sweatshirt", "grey quarter-zip sweatshirt"),
];
/// The beginning of a photo: all of it that is looked at where no picture is drawn.
pub const CANNED_PHOTO: &[u8] = include_bytes!("../assets/person.jpg").split_at(1_000).0;
const USERS: u64 = 60;
const A_DAY_SECONDS: u32 = 86_400;

/// One request, so long after the start. Its words are made only when it is sent, so that a long day
/// is a short list.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub after: Duration,
    /// A shopper waits for it; otherwise a shop that can wait a day.
    pub waits: bool,
    pub wish: &'static str,
    /// Who asks; one of many shoppers where nobody is named.
    pub user: Option<&'static str>,
    /// What the rest of the request is drawn from.
    pub seed: u64,
}

impl Arrival {
    /// The request's body.
    pub fn body(&self) -> Value {
        let random = SeededRandom::new(self.seed);
        let quality = match random.next_u64() % 20 {
            0..=10 => "sd",
            11..=18 => "hd",
            _ => "4k",
        };
        let first = pick(&random, GARMENTS.len() as u64);
        let count = 1 + usize::from(random.next_u64().is_multiple_of(4));
        let garments: Vec<Value> = (0..count)
            .map(|i| {
                let (photo, category, description) = GARMENTS[(first + i) % GARMENTS.len()];
                json!({"photo": photo, "category": category, "description": description})
            })
            .collect();
        let shopper = format!("shopper-{:03}", random.next_u64() % USERS);
        let mut body = json!({
            "user_id": self.user.map_or(shopper, str::to_owned),
            "person": {"photo": PERSON, "class_noun": "woman"},
            "garments": garments,
            "quality": quality,
            "prompt": self.wish,
        });
        if !self.waits {
            body["deadline_seconds"] = json!(A_DAY_SECONDS);
        }
        body
    }
}

/// Requests spread evenly by chance over `length`; three of twenty are of shoppers who wait, as at
/// 8,000 a day within the budget.
pub fn steady(renders: u32, length: Duration, random: &dyn Random) -> Vec<Arrival> {
    let mut arrivals: Vec<Arrival> = (0..renders)
        .map(|_| {
            let waits = random.next_u64() % 20 < 3;
            let after = within(length, random);
            Arrival { after, waits, wish: "", user: None, seed: random.next_u64() }
        })
        .collect();
    arrivals.sort_by_key(|arrival| arrival.after);
    arrivals
}

/// A moment before `length`.
pub fn within(length: Duration, random: &dyn Random) -> Duration {
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(random.next_u64() % millis)
}

fn pick(random: &dyn Random, count: u64) -> usize {
    usize::try_from(random.next_u64() % count).unwrap_or_default()
}
