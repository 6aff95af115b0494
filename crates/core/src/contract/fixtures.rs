//! Rows and messages to test with, each following from a number.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    attempt::{Attempt, AttemptState, Share},
    budget::Account,
    catalogue::{Backend, BatchKey, Quality},
    chain::Step,
    ids::{AttemptId, BatchId, EntryId, RenderId, UserId},
    lane::Lane,
    memory::SeededRandom,
    messages::RenderOrder,
    money::Micros,
    picture::{Mime, PictureRef},
    render::{ChainRules, Render, RenderStatus},
    request::{AspectRatio, Garment, Person, RenderRequest},
    routing::{Bucket, Route},
};

/// Noon on a Monday, when every fixture begins.
pub fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_795_435_200)
}

/// The id of render `n`, a UUID v7.
pub fn render_id(n: u64) -> RenderId {
    RenderId::generate(&SeededRandom::new(n), start())
}

/// The id of batch `n`, a UUID v7.
pub fn batch_id(n: u64) -> BatchId {
    BatchId::generate(&SeededRandom::new(n ^ 0xba7c_0000_0000_0000), start())
}

/// The key of most batches.
pub fn batch_key() -> BatchKey {
    BatchKey { backend: Backend::GeminiBatch, model: "gemini-nano-banana-2.1".to_owned() }
}

/// A deployment that has Google alone.
pub fn rules() -> ChainRules {
    ChainRules { available: vec![Step::Gemini], batch_min_deadline: 1_800 }
}

/// One shirt on one person; 2 kB of pictures.
pub fn request() -> RenderRequest {
    let photo = |key: &str| PictureRef { key: key.to_owned(), bytes: 1_000, mime: Mime::Jpeg };
    RenderRequest {
        person: Person { photo: photo("in/person.jpg"), class_noun: "person".to_owned() },
        garments: vec![Garment {
            photo: photo("in/shirt.jpg"),
            category: "shirt".to_owned(),
            description: "a blue shirt".to_owned(),
        }],
        quality: Quality::Hd,
        aspect_ratio: AspectRatio::ThreeFour,
        prompt: String::new(),
        deadline_seconds: None,
        give_up_seconds: None,
        lane: None,
        accept_described: true,
    }
}

/// Render `n`, just accepted for the Batch lane: it owes its hand-on and waits to join a batch.
pub fn render(n: u64) -> Render {
    let mut render = accepted(n, Lane::Batch, 86_400);
    render.owe_hand_on(start());
    render
}

/// Render `n`, just accepted for the Online lane.
pub fn online_render(n: u64) -> Render {
    let mut render = accepted(n, Lane::Online, 60);
    render.owe_hand_on(start());
    render
}

fn accepted(n: u64, lane: Lane, deadline_seconds: i64) -> Render {
    let user_id = UserId::new(format!("user-{n}"));
    let deadline_at = start() + TimeDelta::seconds(deadline_seconds);
    Render {
        id: render_id(n),
        version: 0,
        bucket: Bucket::of("salt", &user_id),
        user_id,
        idempotency_key: format!("key-{n}"),
        fingerprint: format!("{n:064x}"),
        request: request(),
        assigned: Route::Gemini,
        served: Route::Gemini,
        lane,
        entry: EntryId::from("nano-banana-1k-medium"),
        accepted_at: start(),
        deadline_at,
        give_up_at: deadline_at + TimeDelta::hours(2),
        status: RenderStatus::Accepted,
        step: Step::Gemini,
        n: 1,
        to_join: false,
        open_attempts: [].into(),
        granted: None,
        costs: [].into(),
        owed: [].into(),
        due_at: None,
    }
}

/// What the next room is told of a render.
pub fn order(render: &Render) -> RenderOrder {
    render.order(&rules())
}

/// A draft (version 0) of the attempt that buys batch `n`, with one render for each price.
pub fn attempt(n: u64, prices: &[Micros]) -> Attempt {
    let batch_id = batch_id(n);
    let share = |(i, maximum): (u64, &Micros)| Share {
        render_id: render_id(n * 1_000 + i),
        entry: EntryId::from("nano-banana-1k-medium"),
        maximum: *maximum,
    };
    Attempt {
        id: AttemptId::of(&batch_id, Step::Gemini, 1),
        version: 0,
        batch_id,
        step: Step::Gemini,
        lane: Lane::Batch,
        backend: Backend::GeminiBatch,
        model: "gemini-nano-banana-2.1".to_owned(),
        shares: (0..).zip(prices).map(share).collect(),
        account: Account::Google,
        date: start().date_naive(),
        left_out: Vec::new(),
        waits: 0,
        state: AttemptState::Claimed { lease_until: start() },
        announced: false,
        due_at: None,
    }
}
