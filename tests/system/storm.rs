//! Everything goes wrong at once, by chance: throttles, lost acknowledgements, conflicts, duplicates,
//! overtaking, and a provider with faults of every kind.

use tryon_core::memory::Rates;
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::support::{self, body};

const RENDERS: usize = 120;

fn faults() -> Vec<Rule> {
    let some = |kind, fault| Rule::new(When::kind(kind).probability(0.05), fault);
    vec![
        some(CallKind::Online, Fault::status(503)),
        some(CallKind::Online, Fault::status(500)),
        some(CallKind::Online, Fault::LoseAnswer),
        some(CallKind::Online, Fault::finish("NO_IMAGE")),
        some(CallKind::Online, Fault::refused()),
        some(CallKind::Online, Fault::RefuseConnection),
        some(CallKind::Upload, Fault::status(500)),
        some(CallKind::Create, Fault::status(429)),
        some(CallKind::Create, Fault::LoseAnswer),
        some(CallKind::Create, Fault::FailJob),
        some(CallKind::Create, Fault::ReorderRows),
        some(CallKind::Row, Fault::MissingRow { billed: true }),
        some(CallKind::Row, Fault::DuplicateRow),
        some(CallKind::Row, Fault::ErrorRow { code: 13 }),
        some(CallKind::Row, Fault::refused()),
        some(CallKind::Get, Fault::status(503)),
        some(CallKind::List, Fault::LoseAnswer),
        some(CallKind::Download, Fault::CutDownload { after_rows: 3 }),
        some(CallKind::Token, Fault::status(500)),
    ]
}

async fn storm(seed: u64) {
    let mut settings = support::settings();
    settings.max_batch_size = 8;
    let world = support::world(seed, settings, faults()).await;
    world.chaos.set_rates(Rates::all(150));
    let bodies: Vec<_> = (0..RENDERS)
        .map(|number| body(if number % 3 == 0 { "online" } else { "batch" }, ""))
        .collect();
    let renders = support::play(&world, &bodies).await;
    assert_eq!(renders.len(), RENDERS);
    assert!(support::succeeded(&renders) > RENDERS / 2, "seed {seed}: hardly any picture");
    support::check(&world);
}

#[tokio::test(start_paused = true)]
async fn every_render_ends_and_no_cent_is_lost() {
    for seed in 0..20 {
        storm(seed).await;
    }
}
