//! Whose turn it is. Most scenarios run at once and leave the stack alone; one that turns knobs, deploys,
//! kills functions or takes something away waits for all others and has it for itself.

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tryon_core::{ports::Clock, settings::KNOBS};
use tryon_lambda::system::SystemClock;

use super::stack::Stack;

/// Until every function has read the knobs again.
const SEEN: Duration = Duration::from_secs(16);
/// Whoever is alone does not wait long for a batch.
const ALONE: (&str, &str) = ("batch-timeout-ms", "8000");

/// By name.
type Knobs = BTreeMap<String, String>;

/// The knobs as deployed, once somebody was about to turn one.
static DEPLOYED: RwLock<Option<Knobs>> = RwLock::const_new(None);

/// Holds off those who must not run beside its owner.
#[expect(dead_code, reason = "held until it is dropped")]
pub(super) enum Turn {
    Shared(RwLockReadGuard<'static, Option<Knobs>>),
    Alone(RwLockWriteGuard<'static, Option<Knobs>>),
}

impl Stack {
    /// The stack as others use it too.
    pub(super) async fn shared() -> Self {
        Self::find(Turn::Shared(DEPLOYED.read().await)).await
    }

    /// The stack for oneself alone, with these knobs turned and all others as deployed, whatever the
    /// scenario before has left behind.
    pub(super) async fn alone(turned: &[(&str, &str)]) -> Self {
        // Whoever asks first, comes first; let it be all those who run at once.
        SystemClock.sleep(Duration::from_secs(1)).await;
        let mut stack = Self::find(Turn::Alone(DEPLOYED.write().await)).await;
        stack.deliver_twice(false).await;
        let found = stack.knobs().await;
        let Turn::Alone(deployed) = &mut stack.turn else { unreachable!() };
        let mut wanted = deployed.get_or_insert(found).clone();
        for (name, text) in [&[ALONE], turned].concat() {
            wanted.insert(name.to_owned(), text.to_owned());
        }
        stack.turn(wanted).await;
        stack
    }

    /// Turns knobs, and waits until every function has seen it.
    pub(super) async fn turn(
        &self,
        knobs: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) {
        let now = self.knobs().await;
        let mut turned = false;
        for (name, text) in knobs {
            let (name, text) = (name.into(), text.into());
            if now.get(&name) != Some(&text) {
                self.put_knob(&name, &text).await;
                turned = true;
            }
        }
        if turned {
            SystemClock.sleep(SEEN).await;
        }
    }

    pub(super) async fn put_knob(&self, name: &str, text: &str) {
        let name = format!("{}{name}", self.output("KnobPath"));
        let put = self.clients.ssm().put_parameter().name(name).value(text).overwrite(true);
        put.send().await.unwrap();
    }

    /// The knobs as they stand.
    pub(super) async fn knobs(&self) -> Knobs {
        let path = self.output("KnobPath");
        let names: Vec<_> = KNOBS.iter().map(|knob| format!("{path}{}", knob.name)).collect();
        let get = self.clients.ssm().get_parameters().set_names(Some(names));
        let found = get.send().await.unwrap();
        let knobs = found.parameters().iter().filter_map(|parameter| {
            let name = parameter.name()?.strip_prefix(path)?;
            Some((name.to_owned(), parameter.value()?.to_owned()))
        });
        knobs.collect()
    }
}
