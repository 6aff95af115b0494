//! What befalls calls in the cloud at the worst moment, by script.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use futures_util::future::join;
use serde_json::Value;
use tryon_core::stages::Invocation;
use tryon_lambda::{Handler, HandlerError};

/// What befalls one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Two calls get the same event at once, and the first one's answer stands.
    Twice,
    /// The call is dropped where it waits for the `n`-th time, from 1.
    KilledAtWait(u64),
}

/// A handler whose calls get into trouble.
#[derive(Debug)]
pub struct Troubled {
    inner: Arc<dyn Handler>,
    /// By number of the call, from 0.
    script: BTreeMap<u64, Trouble>,
    calls: AtomicU64,
}

impl Troubled {
    pub fn new(inner: Arc<dyn Handler>, script: impl IntoIterator<Item = (u64, Trouble)>) -> Self {
        Self { inner, script: script.into_iter().collect(), calls: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Handler for Troubled {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.script.get(&number) {
            None => self.inner.call(event, invocation).await,
            Some(Trouble::Twice) => {
                let first = self.inner.call(event.clone(), invocation);
                join(first, self.inner.call(event, invocation)).await.0
            }
            Some(Trouble::KilledAtWait(last)) => {
                let mut call = self.inner.call(event, invocation);
                let mut waits = 0;
                poll_fn(|context| match call.as_mut().poll(context) {
                    Poll::Ready(answer) => Poll::Ready(answer),
                    Poll::Pending => {
                        waits += 1;
                        if waits < *last {
                            return Poll::Pending;
                        }
                        Poll::Ready(Err(HandlerError::new("killed")))
                    }
                })
                .await
            }
        }
    }
}
