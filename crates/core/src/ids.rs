//! Names of things. Each is an opaque, cheaply cloned string with a type of its own.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{chain::Step, ports::Random, routing::murmur3_x86_32};

/// How many message groups the FIFO queue has; a batch or render always lands in the same one.
pub const SHARDS: u32 = 4;

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(value: impl Into<Arc<str>>) -> Self {
                Self(value.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                Self(value.into())
            }
        }
    };
}

string_id! {
    /// One customer request for one image (UUID v7 text).
    RenderId
}
string_id! {
    /// Renders sealed together (UUID v7 text). An Online render is its own batch: batch id = render id.
    BatchId
}
string_id! {
    /// A customer. Opaque bytes: never trimmed, normalised or lower-cased.
    UserId
}
string_id! {
    /// The provider's own name for a job it runs for us, such as `batches/k3v8`.
    JobName
}
string_id! {
    /// A model entry of the catalogue.
    EntryId
}
string_id! {
    /// One paid try at a provider: `{batch or render}/{step}/{n}`, made by whoever sends the attempt.
    AttemptId
}

string_id! {
    /// An entry of the audit of ops.
    AuditId
}

impl AuditId {
    pub fn generate(random: &dyn Random, now: DateTime<Utc>) -> Self {
        Self(uuid_v7(random, now).into())
    }
}

impl RenderId {
    /// Comes before every id that is made at `at` or later, and after those that were made before.
    pub fn earliest(at: DateTime<Utc>) -> Self {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        let millis = format!("{millis:012x}");
        let (high, low) = millis.split_at(8);
        Self(format!("{high}-{low}-").into())
    }

    pub fn generate(random: &dyn Random, now: DateTime<Utc>) -> Self {
        Self(uuid_v7(random, now).into())
    }

    /// An Online render travels as a batch of one under its own id.
    pub fn as_batch(&self) -> BatchId {
        BatchId(self.0.clone())
    }

    pub fn shard(&self) -> u32 {
        shard(self.as_str())
    }
}

impl BatchId {
    /// Comes before every id that is made at `at` or later, and after those that were made before.
    pub fn earliest(at: DateTime<Utc>) -> Self {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        let millis = format!("{millis:012x}");
        let (high, low) = millis.split_at(8);
        Self(format!("{high}-{low}-").into())
    }

    pub fn generate(random: &dyn Random, now: DateTime<Utc>) -> Self {
        Self(uuid_v7(random, now).into())
    }

    pub fn shard(&self) -> u32 {
        shard(self.as_str())
    }
}

impl AttemptId {
    /// The `n`-th try (from 1) at `step` for a batch or for a render on its own.
    pub fn of(owner: &BatchId, step: Step, n: u32) -> Self {
        Self(format!("{owner}/{step}/{n}").into())
    }

    /// Which try of its step it is; none where it is no id of ours.
    pub fn n(&self) -> Option<u32> {
        self.as_str().rsplit('/').next()?.parse().ok()
    }

    /// The step it is a try of; none where it is no id of ours.
    pub fn step(&self) -> Option<Step> {
        let name = self.0.split('/').nth(1)?;
        Step::ALL.into_iter().find(|step| step.as_str() == name)
    }

    /// The batch or render this attempt was made for.
    pub fn owner(&self) -> BatchId {
        BatchId::from(self.0.split('/').next().unwrap_or_default())
    }
}

/// murmur3 of the id modulo [`SHARDS`].
fn shard(id: &str) -> u32 {
    murmur3_x86_32(id.as_bytes()) % SHARDS
}

pub(crate) fn uuid_v7(random: &dyn Random, now: DateTime<Utc>) -> String {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&random.next_u64().to_le_bytes());
    bytes[8..].copy_from_slice(&random.next_u64().to_le_bytes()[..2]);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string()
}
