//! Adapters of every port that live in this process, as unkind as AWS: deliveries repeat and change
//! places, writes meet others, calls are throttled, and answers get lost after the work was done.
//!
//! Each port call yields before and after its effect, so that a handler can be dropped at both.
//! Given the same calls in the same order they behave the same, to the byte.

mod attempts;
mod bus;
mod catalogue;
mod chaos;
mod database;
mod health;
mod links;
mod objects;
mod ops;
mod queues;
mod settings;
mod status;
mod table;
mod time;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::{
    attempts::MemoryAttempts,
    bus::{MemoryBus, Published, Rule},
    catalogue::MemoryCatalogue,
    chaos::{Call, Chaos, Mishap, Rates},
    database::MemoryDatabase,
    health::MemoryHealth,
    links::{BadLink, Grant, MemoryLinks},
    objects::{MemoryObjects, ObjectDigest},
    ops::MemoryAudit,
    queues::{DeadLetter, Depth, MemoryQueues, Receipt, Received},
    settings::{MemorySecrets, MemorySettings},
    status::MemoryBoard,
    time::{SeededRandom, TokioClock},
};

/// A panic elsewhere leaves the rows as they were last written, which is what they are for.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Customers' data stays out of `Debug`.
macro_rules! opaque_debug {
    ($($name:ident),+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })+
    };
}
use opaque_debug;
