use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use chrono::TimeDelta;

use super::{lock, time::SeededRandom};
use crate::ports::{PortError, Random};

/// A call that can go wrong. The last three happen between services, behind the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    RenderInsert,
    RenderGet,
    RenderList,
    RenderUpdate,
    RenderDue,
    RenderRate,
    RenderShares,
    RenderErase,
    RenderObserve,
    BatchAppend,
    BatchGet,
    BatchCount,
    BatchLook,
    BatchUpdate,
    BatchDue,
    AttemptGet,
    AttemptWrite,
    AttemptBalance,
    AttemptDue,
    HealthRecord,
    HealthRead,
    HealthChange,
    QueueSend,
    QueueReject,
    QueueLook,
    QueueRedrive,
    BusPublish,
    ObjectPut,
    ObjectGet,
    ObjectPeek,
    ObjectList,
    CatalogueRead,
    AuditRecord,
    AuditRead,
    ObjectRemove,
    Secret,
    /// The bus hands an event to a queue.
    Deliver,
    /// A queue hands a message to a consumer.
    Receive,
    /// A consumer deletes a message.
    Delete,
}

impl Call {
    /// Whether a conflict is an answer of this call; for others it is a failure before the effect.
    const fn answers_conflict(self) -> bool {
        matches!(
            self,
            Self::RenderUpdate
                | Self::BatchUpdate
                | Self::AttemptWrite
                | Self::HealthChange
                | Self::QueueSend
                | Self::BusPublish
        )
    }

    /// Whether chance may bring it this mishap.
    const fn may_meet(self, mishap: Mishap) -> bool {
        match (self, mishap) {
            (Self::Deliver | Self::QueueSend, Mishap::Duplicate | Mishap::Late)
            | (Self::Receive, Mishap::Duplicate)
            | (Self::AttemptDue, Mishap::Late)
            | (Self::Delete, Mishap::Lost) => true,
            (Self::Deliver | Self::Receive | Self::Delete, _)
            | (_, Mishap::Duplicate | Mishap::Late) => false,
            (_, Mishap::Throttled | Mishap::Lost | Mishap::Conflict) => true,
        }
    }
}

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mishap {
    /// Fails before the effect.
    Throttled,
    /// Fails after the effect: the acknowledgement is lost. An object's bytes break off half-way; a
    /// deletion is forgotten.
    Lost,
    /// A conditional write finds another writer first (of several rows, one); of several sends only
    /// some are made.
    Conflict,
    /// Queues and the bus: delivered once more.
    Duplicate,
    /// Queues and the bus: overtaken by what was sent later. What is due: the index was not told yet.
    Late,
}

const MISHAPS: [Mishap; 5] =
    [Mishap::Throttled, Mishap::Lost, Mishap::Conflict, Mishap::Duplicate, Mishap::Late];

/// How often calls meet each mishap, in ten-thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub throttled: u16,
    pub lost: u16,
    pub conflict: u16,
    pub duplicate: u16,
    pub late: u16,
}

impl Rates {
    /// The same for every mishap.
    pub const fn all(rate: u16) -> Self {
        Self { throttled: rate, lost: rate, conflict: rate, duplicate: rate, late: rate }
    }

    const fn of(&self, mishap: Mishap) -> u16 {
        match mishap {
            Mishap::Throttled => self.throttled,
            Mishap::Lost => self.lost,
            Mishap::Conflict => self.conflict,
            Mishap::Duplicate => self.duplicate,
            Mishap::Late => self.late,
        }
    }
}

/// What one call is to meet, with a number of its own for what is left to chance in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) mishap: Option<Mishap>,
    pub(super) pick: u64,
}

impl Fate {
    const CALM: Self = Self { mishap: None, pick: 0 };

    pub(super) fn is(self, mishap: Mishap) -> bool {
        self.mishap == Some(mishap)
    }

    /// How late something comes: mostly by some seconds, at times by up to `most`.
    pub(super) fn lateness(self, most: TimeDelta) -> TimeDelta {
        let usual = most.min(TimeDelta::seconds(10));
        let most = if self.pick.is_multiple_of(8) { most } else { usual };
        let millis = self.pick / 8 % most.num_milliseconds().unsigned_abs().max(1);
        TimeDelta::milliseconds(1 + i64::try_from(millis).unwrap_or_default())
    }

    /// One of `count` places, by chance.
    pub(super) fn choose(self, count: usize) -> usize {
        usize::try_from(self.pick % (count.max(1) as u64)).unwrap_or_default()
    }
}

/// The misfortune of the memory adapters: none by default, else by seeded chance or by script.
#[derive(Debug)]
pub struct Chaos {
    /// Whether there is anything to look up: calm calls take no lock.
    armed: AtomicBool,
    plan: Mutex<Plan>,
}

#[derive(Debug)]
struct Plan {
    random: SeededRandom,
    rates: Rates,
    own_rates: BTreeMap<Call, Rates>,
    /// Calls to come, counted down to zero.
    script: Vec<(Call, u32, Mishap)>,
    met: BTreeMap<(Call, Mishap), u64>,
}

impl Chaos {
    /// Calm, until told otherwise.
    pub fn seeded(seed: u64) -> Self {
        let plan = Plan {
            random: SeededRandom::new(seed),
            rates: Rates::default(),
            own_rates: BTreeMap::new(),
            script: Vec::new(),
            met: BTreeMap::new(),
        };
        Self { armed: AtomicBool::new(false), plan: Mutex::new(plan) }
    }

    /// Rates of every call that has none of its own.
    pub fn set_rates(&self, rates: Rates) {
        self.change(|plan| plan.rates = rates);
    }

    /// Rates of one kind of call.
    pub fn set_rates_of(&self, call: Call, rates: Rates) {
        self.change(|plan| {
            plan.own_rates.insert(call, rates);
        });
    }

    /// The next call of this kind meets `mishap`.
    pub fn fail_next(&self, call: Call, mishap: Mishap) {
        self.fail_nth(call, 1, mishap);
    }

    /// The `n`-th call of this kind from now (from 1) meets `mishap`.
    pub fn fail_nth(&self, call: Call, n: u32, mishap: Mishap) {
        self.change(|plan| plan.script.push((call, n.max(1), mishap)));
    }

    /// Ends all misfortune, scripted or not.
    pub fn calm(&self) {
        self.change(|plan| {
            plan.rates = Rates::default();
            plan.own_rates.clear();
            plan.script.clear();
        });
    }

    /// How often each mishap was met so far.
    pub fn met(&self) -> BTreeMap<(Call, Mishap), u64> {
        lock(&self.plan).met.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Plan)) {
        let mut plan = lock(&self.plan);
        change(&mut plan);
        self.armed.store(plan.is_armed(), Ordering::Relaxed);
    }

    /// Makes one port call: two points at which the caller may be dropped, the effect between them.
    pub(super) async fn call<T>(
        &self,
        call: Call,
        effect: impl FnOnce(Fate) -> Result<T, PortError> + Send,
    ) -> Result<T, PortError>
    where
        T: Send,
    {
        yield_once().await;
        let fate = self.fate(call);
        let result = match fate.mishap {
            Some(Mishap::Throttled) => unavailable(call, "throttled"),
            Some(Mishap::Conflict) if !call.answers_conflict() => unavailable(call, "conflict"),
            _ => effect(fate),
        };
        yield_once().await;
        match (result, fate.mishap) {
            // An object's answer is lost on the way, not at once.
            (Ok(_), Some(Mishap::Lost)) if call != Call::ObjectGet => {
                unavailable(call, "acknowledgement lost")
            }
            (result, _) => result,
        }
    }

    /// What the next call of this kind meets.
    pub(super) fn fate(&self, call: Call) -> Fate {
        if !self.armed.load(Ordering::Relaxed) {
            return Fate::CALM;
        }
        let mut plan = lock(&self.plan);
        let fate = plan.draw(call);
        self.armed.store(plan.is_armed(), Ordering::Relaxed);
        fate
    }
}

impl Plan {
    fn is_armed(&self) -> bool {
        let none = Rates::default();
        !self.script.is_empty() || self.rates != none || self.own_rates.values().any(|r| *r != none)
    }

    fn draw(&mut self, call: Call) -> Fate {
        let pick = self.random.next_u64();
        let mishap = self.scripted(call).or_else(|| self.by_chance(call));
        if let Some(mishap) = mishap {
            *self.met.entry((call, mishap)).or_default() += 1;
        }
        Fate { mishap, pick }
    }

    fn scripted(&mut self, call: Call) -> Option<Mishap> {
        for (_, left, _) in self.script.iter_mut().filter(|(of, ..)| *of == call) {
            *left -= 1;
        }
        let due = self.script.iter().position(|(_, left, _)| *left == 0)?;
        let (.., mishap) = self.script.remove(due);
        // Two for the same call: the second one waits for the next.
        for (_, left, _) in self.script.iter_mut().filter(|(_, left, _)| *left == 0) {
            *left = 1;
        }
        Some(mishap)
    }

    fn by_chance(&self, call: Call) -> Option<Mishap> {
        let rates = self.own_rates.get(&call).unwrap_or(&self.rates);
        let mut draw = self.random.next_u64() % 10_000;
        let met = MISHAPS.into_iter().find(|mishap| {
            let rate = u64::from(rates.of(*mishap));
            let hit = draw < rate;
            draw = draw.saturating_sub(rate);
            hit
        });
        met.filter(|mishap| call.may_meet(*mishap))
    }
}

fn unavailable<T>(call: Call, why: &str) -> Result<T, PortError> {
    Err(PortError::Unavailable(format!("{call:?}: {why}")))
}

/// Lets every other task that is ready run first.
pub(super) async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
#[path = "chaos_tests.rs"]
mod tests;
