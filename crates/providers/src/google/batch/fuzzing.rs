use std::{collections::BTreeMap, io, sync::Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tryon_core::ports::{ByteStream, CallError, JobPhase, ResultRow};

use super::{
    job::{Jobs, Operation},
    results::{self, Reopen},
    upload,
};
use crate::url::is_resource;

const NAME: &str = "b/gemini/1";

pub(in crate::google) fn operation(bytes: &[u8]) {
    if let Some(operation) = Operation::parse(bytes) {
        assert!(operation.job().is_none_or(|job| is_resource(job.as_str(), "batches")));
        let succeeded = matches!(operation.phase(), JobPhase::Succeeded { .. });
        assert!(!succeeded || operation.may_have_succeeded(), "nothing says that it succeeded");
    }
}

pub(in crate::google) fn jobs(bytes: &[u8]) {
    if let Some(jobs) = Jobs::parse(bytes) {
        let found = jobs.oldest_named(NAME, None);
        assert!(found.is_none_or(|found| is_resource(found.job.as_str(), "batches")));
        assert!(jobs.oldest_named(NAME, None).is_none() || holds(bytes, NAME), "not its name");
        assert!(jobs.next_page().is_none_or(|token| !token.is_empty()));
    }
}

/// Whether the text stands there, as it is or with escapes.
fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes()) || bytes.contains(&b'\\')
}

pub(in crate::google) fn file_name(bytes: &[u8]) -> Option<String> {
    upload::named(bytes)
}

/// The rows of a stream that, once it breaks, goes on with `rest` from byte `from`.
pub(in crate::google) fn rows(
    source: ByteStream,
    from: u64,
    rest: Vec<io::Result<Bytes>>,
) -> impl Stream<Item = Result<ResultRow, CallError>> {
    results::rows(source, Rest(from, Mutex::new(rest)), BTreeMap::new())
}

struct Rest(u64, Mutex<Vec<io::Result<Bytes>>>);

#[async_trait]
impl Reopen for Rest {
    async fn reopen(&self, _from: u64) -> Result<(ByteStream, u64), CallError> {
        let rest = self.1.lock().map(|mut rest| std::mem::take(&mut *rest)).unwrap_or_default();
        Ok((stream::iter(rest).boxed(), self.0))
    }

    async fn pause(&self, _n: u32) {}
}
