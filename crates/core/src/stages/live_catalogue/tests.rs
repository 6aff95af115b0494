use std::{
    iter::once,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;

use super::*;
use crate::{
    catalogue::Quality,
    contract::{
        self,
        fixtures::{catalogue, start},
    },
    memory::{Call, Chaos, MemoryCatalogue, Mishap, TokioClock},
};

const TEXT: &str = include_str!("../../../catalogue.toml");

/// Counts the looks.
#[derive(Debug)]
struct Counting(Arc<MemoryCatalogue>, AtomicU32);

#[async_trait]
impl CatalogueStore for Counting {
    async fn read(&self, known: Option<&str>) -> Result<Override, PortError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read(known).await
    }
}

struct Room {
    looks: Arc<Counting>,
    chaos: Arc<Chaos>,
    store: Arc<MemoryCatalogue>,
    clock: Arc<dyn Clock>,
    live: LiveCatalogue,
}

impl Room {
    fn new() -> Self {
        let chaos = Arc::new(Chaos::seeded(1));
        let store = Arc::new(MemoryCatalogue::new(chaos.clone()));
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start()));
        let looks = Arc::new(Counting(store.clone(), AtomicU32::new(0)));
        let live = LiveCatalogue::new(looks.clone(), clock.clone(), catalogue());
        Self { looks, chaos, store, clock, live }
    }

    /// Which entry serves SD at the beginning of an invocation, this many seconds later.
    async fn sd_after(&self, seconds: u64) -> String {
        self.clock.sleep(Duration::from_secs(seconds)).await;
        let catalogue = self.live.current().await;
        let (id, _) = catalogue.entry_for(Quality::Sd, self.clock.now().date_naive()).unwrap();
        id.to_string()
    }
}

/// SD is served by this entry.
fn serving(id: &str) -> String {
    let (from, to) = ("sd = \"nano-banana-1k-minimal\"", format!("sd = \"{id}\""));
    assert!(TEXT.contains(from));
    TEXT.replacen(from, &to, 1)
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_its_contract() {
    let store = Room::new().store;
    contract::catalogue::suite(store.as_ref(), async |text| store.put(text)).await;
}

#[tokio::test(start_paused = true)]
async fn what_ops_put_there_is_in_force_within_minutes() {
    let room = Room::new();
    assert_eq!(room.sd_after(0).await, "nano-banana-1k-minimal");
    room.store.put(Some(&serving("nano-banana-1k-medium")));
    assert_eq!(room.sd_after(299).await, "nano-banana-1k-minimal");
    assert_eq!(room.sd_after(1).await, "nano-banana-1k-medium");
    room.store.put(None);
    assert_eq!(room.sd_after(300).await, "nano-banana-1k-minimal");
    assert_eq!(room.looks.1.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_leaves_the_last_good_one_in_force() {
    let room = Room::new();
    room.store.put(Some(&serving("nobody")));
    assert_eq!(room.sd_after(0).await, "nano-banana-1k-minimal");
    assert!(room.live.is_troubled());
    room.store.put(Some(&serving("nano-banana-1k-medium")));
    assert_eq!(room.sd_after(300).await, "nano-banana-1k-medium");
    assert!(!room.live.is_troubled());
    // An entry that means another model than the rows do that name it.
    room.store.put(Some(&TEXT.replace("gemini-nano-banana-2.1", "gemini-nano-banana-3")));
    for _ in 0..2 {
        assert_eq!(room.sd_after(300).await, "nano-banana-1k-medium");
        assert!(room.live.is_troubled(), "also while it stays as it is");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_asked_for_again_soon() {
    let room = Room::new();
    room.store.put(Some(&serving("nano-banana-1k-medium")));
    room.chaos.fail_next(Call::CatalogueRead, Mishap::Throttled);
    assert_eq!(room.sd_after(0).await, "nano-banana-1k-minimal");
    assert!(room.live.is_troubled());
    assert_eq!(room.sd_after(30).await, "nano-banana-1k-medium");
    assert!(!room.live.is_troubled());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_another_function_knows_is_looked_for_at_once() {
    let room = Room::new();
    let lite = TEXT.replace("nano-banana-lite", "newcomer");
    room.sd_after(0).await;
    room.store.put(Some(&lite));
    let newcomer = EntryId::from("newcomer");
    room.clock.sleep(Duration::from_secs(1)).await;
    let catalogue = room.live.knowing(once(&newcomer)).await.unwrap();
    assert!(catalogue.get(&newcomer).is_some());
    // Dropped again: it is neither bought nor forgotten what the built-in one knows.
    let lite = EntryId::from("nano-banana-lite");
    room.clock.sleep(Duration::from_secs(1)).await;
    let catalogue = room.live.knowing(once(&lite)).await.unwrap();
    assert!(catalogue.get(&lite).is_none());
    assert!(room.live.bought(&lite).is_some());
    // Nobody can tell.
    room.clock.sleep(Duration::from_secs(1)).await;
    room.chaos.fail_next(Call::CatalogueRead, Mishap::Throttled);
    let error = room.live.knowing(once(&lite)).await.unwrap_err();
    assert!(matches!(error, StageError::Retry(_)));
}
