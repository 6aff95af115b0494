//! Rows and messages to test with, each following from a number.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    attempt::{Attempt, AttemptState, Share},
    budget::Account,
    catalogue::{Backend, BatchKey, Catalogue, Quality},
    chain::Step,
    ids::{AttemptId, BatchId, EntryId, RenderId, UserId},
    lane::Lane,
    memory::{Chaos, MemoryCatalogue, SeededRandom},
    messages::RenderOrder,
    money::Micros,
    picture::{Mime, PictureRef},
    ports::{Clock, HourlyLimit},
    render::{ChainRules, Course, Render, RenderStatus},
    request::{AspectRatio, Garment, Person, RenderRequest},
    routing::{Bucket, Route},
    settings::WhenBudgetExhausted,
    stages::LiveCatalogue,
};

/// The text of the shipped catalogue, but that nothing takes over from the model of its qualities.
pub fn catalogue_without_lite() -> String {
    include_str!("../../catalogue.toml").replace("successor = \"nano-banana-lite\"\n", "")
}

/// The beginning of a JPEG file, its frame header included: enough for everyone who does not decode
/// it.
pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
    bytes.extend(b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0");
    bytes.extend([0xff, 0xc0, 0, 17, 8]);
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    bytes
}

/// A JPEG of 512 by 768 pixels that weighs `bytes`, most of which mean nothing.
pub fn canned_jpeg(bytes: usize) -> Vec<u8> {
    let mut canned = jpeg(512, 768);
    canned.resize(bytes, 0);
    canned
}

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
    ChainRules {
        available: &[Step::Gemini],
        batch_min_deadline: 1_800,
        rescue_lead: 300,
        when_budget_exhausted: WhenBudgetExhausted::Fallback,
        catalogue: catalogue(),
    }
}

/// The built-in one, parsed once.
pub fn catalogue() -> Arc<Catalogue> {
    static PARSED: LazyLock<Arc<Catalogue>> = LazyLock::new(|| match Catalogue::built_in() {
        Ok(catalogue) => Arc::new(catalogue),
        Err(error) => unreachable!("the built-in catalogue is good: {error}"),
    });
    PARSED.clone()
}

/// The built-in one in force, and nothing in its place.
pub fn live_catalogue(clock: &Arc<dyn Clock>) -> Arc<LiveCatalogue> {
    let nothing = Arc::new(MemoryCatalogue::new(Arc::new(Chaos::seeded(0))));
    Arc::new(LiveCatalogue::new(nothing, clock.clone(), catalogue()))
}

/// No limit to speak of.
pub fn unlimited() -> HourlyLimit {
    HourlyLimit { since: start() - TimeDelta::hours(1), most: u32::MAX }
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
    render.owe_hand_on(start(), &rules());
    render
}

/// Render `n`, just accepted for the Online lane.
pub fn online_render(n: u64) -> Render {
    let mut render = accepted(n, Lane::Online, 60);
    render.owe_hand_on(start(), &rules());
    render
}

/// Render `n`, just accepted for the legacy route.
pub fn legacy_render(n: u64) -> Render {
    let mut render = accepted(n, Lane::Online, 60);
    (render.assigned, render.served, render.step) =
        (Route::Legacy, Route::Legacy, Step::NanoBanana);
    render.owe_hand_on(start(), &ChainRules { available: &Step::ALL, ..rules() });
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
        run_until: deadline_at + TimeDelta::hours(2),
        to_join: false,
        open_attempts: [].into(),
        google_failed: false,
        course: Some(Course::new(lane)),
        interim: None,
        granted: None,
        rescue: None,
        grounds: None,
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
        run_until: None,
        rescue: None,
        waits: 0,
        busy: 0,
        state: AttemptState::Claimed { lease_until: start() },
        announced: false,
        due_at: None,
    }
}
