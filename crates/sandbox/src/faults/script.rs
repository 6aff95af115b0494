use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{CallKind, Fault, Faults, Nth, Rule};
use crate::{lots, shelf::lock};

/// The fault script of a running sandbox, and what has struck so far.
#[derive(Debug)]
pub struct FaultScript {
    seed: u64,
    started: DateTime<Utc>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Armed>,
    calls: BTreeMap<CallKind, u64>,
}

#[derive(Debug)]
struct Armed {
    rule: Rule,
    /// Calls that fitted, whether struck or not.
    fitted: u64,
    struck: u64,
    /// How often each call was seen, so that a repeated one draws anew.
    seen: HashMap<u64, u64>,
}

/// What a rule can ask of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) kind: CallKind,
    pub(crate) key: Option<&'a str>,
    pub(crate) prompt: Option<&'a str>,
    pub(crate) display_name: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    /// What tells this call from others of its kind.
    pub(crate) about: &'a [u8],
}

impl<'a> Call<'a> {
    pub(crate) fn new(kind: CallKind, about: &'a [u8]) -> Self {
        Self { kind, key: None, prompt: None, display_name: None, model: None, about }
    }
}

/// What the script does to a call.
#[derive(Debug, Default)]
pub(crate) struct Strike {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

impl FaultScript {
    pub(crate) fn new(seed: u64, started: DateTime<Utc>, faults: &Faults) -> Self {
        let script = Self { seed, started, state: Mutex::default() };
        faults.rules.iter().for_each(|rule| script.push(rule.clone()));
        script
    }

    /// Adds a rule after all others.
    pub fn push(&self, rule: Rule) {
        let armed = Armed { rule, fitted: 0, struck: 0, seen: HashMap::new() };
        lock(&self.state).rules.push(armed);
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        lock(&self.state).rules.clear();
    }

    /// How often each rule has struck, in order.
    pub fn struck(&self) -> Vec<u64> {
        lock(&self.state).rules.iter().map(|armed| armed.struck).collect()
    }

    pub(crate) fn calls(&self) -> BTreeMap<CallKind, u64> {
        lock(&self.state).calls.clone()
    }

    /// Counts the call and finds what goes wrong with it.
    pub(crate) fn strike(&self, call: &Call<'_>, now: DateTime<Utc>) -> Strike {
        let mut state = lock(&self.state);
        *state.calls.entry(call.kind).or_default() += 1;
        let elapsed = (now - self.started).as_seconds_f64();
        for (at, armed) in state.rules.iter_mut().enumerate() {
            if armed.strikes(call, elapsed, self.seed, at) {
                armed.struck += 1;
                let delay = Duration::try_from_secs_f64(armed.rule.delay_seconds);
                let delay = delay.unwrap_or_default();
                return Strike { delay, fault: armed.rule.then.clone() };
            }
        }
        Strike::default()
    }
}

impl Armed {
    fn strikes(&mut self, call: &Call<'_>, elapsed: f64, seed: u64, at: usize) -> bool {
        let when = &self.rule.when;
        // A row takes no time of its own; a prediction does, but a slow network is not its matter.
        let possible = match &self.rule.then {
            Some(fault) => fault.strikes(call.kind),
            None => match call.kind {
                CallKind::Row => false,
                CallKind::Prediction => when.kind.is_some(),
                _ => true,
            },
        };
        let fits = possible
            && when.kind.is_none_or(|kind| kind == call.kind)
            && when.provider.is_none_or(|provider| provider == call.kind.provider())
            && contains(call.key, when.key.as_deref())
            && contains(call.prompt, when.prompt.as_deref())
            && contains(call.display_name, when.display_name.as_deref())
            && when.model.as_deref().is_none_or(|model| call.model == Some(model))
            && when.from_seconds.is_none_or(|from| elapsed >= from)
            && when.to_seconds.is_none_or(|to| elapsed < to);
        if !fits {
            return false;
        }
        self.fitted += 1;
        let counted = when.nth.is_none_or(|nth| match nth {
            Nth::Only(n) => self.fitted == n,
            Nth::First(n) => self.fitted <= n,
            Nth::Every(n) => self.fitted.is_multiple_of(n.max(1)),
        });
        counted
            && when.probability.is_none_or(|probability| {
                let place = (at as u64).to_le_bytes();
                let about = [&place, call.about].concat();
                let purpose = format!("fault {:?}", call.kind);
                let times = self.seen.entry(lots::draw(seed, &purpose, &about)).or_default();
                *times += 1;
                let about = [&about, times.to_le_bytes().as_slice()].concat();
                lots::unit(seed, &purpose, &about) < probability
            })
    }
}

fn contains(text: Option<&str>, part: Option<&str>) -> bool {
    part.is_none_or(|part| text.is_some_and(|text| text.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::{super::When, *};

    fn script(rules: Vec<Rule>) -> FaultScript {
        FaultScript::new(1, DateTime::UNIX_EPOCH, &Faults { rules })
    }

    fn call(key: &str) -> Call<'_> {
        Call { key: Some(key), ..Call::new(CallKind::Online, key.as_bytes()) }
    }

    fn hits(script: &FaultScript, keys: impl IntoIterator<Item = String>) -> Vec<bool> {
        let now = DateTime::UNIX_EPOCH;
        keys.into_iter().map(|key| script.strike(&call(&key), now).fault.is_some()).collect()
    }

    #[test]
    fn counts_what_fits() {
        let keys = || (1..=6).map(|i| format!("k{i}"));
        let rule = |nth| vec![Rule::new(When::kind(CallKind::Online).nth(nth), Fault::status(503))];
        let picked = |nth| {
            let hits = hits(&script(rule(nth)), keys());
            (1..).zip(hits).filter(|(_, hit)| *hit).map(|(i, _)| i).collect::<Vec<u32>>()
        };
        assert_eq!(picked(Nth::Only(3)), [3]);
        assert_eq!(picked(Nth::First(2)), [1, 2]);
        assert_eq!(picked(Nth::Every(3)), [3, 6]);
    }

    #[test]
    fn chance_does_not_depend_on_arrival() {
        let keys: Vec<String> = (0..400).map(|i| format!("k{i}")).collect();
        let rules = vec![Rule::new(When::any().probability(0.25), Fault::LoseAnswer)];
        let forward = hits(&script(rules.clone()), keys.clone());
        let mut backward = hits(&script(rules), keys.into_iter().rev());
        backward.reverse();
        assert_eq!(forward, backward);
        let struck = forward.iter().filter(|hit| **hit).count();
        assert!((60..140).contains(&struck), "{struck}");
    }

    #[test]
    fn a_rule_passes_over_what_its_fault_cannot_strike() {
        let script = script(vec![
            Rule::new(When::any(), Fault::FailJob { code: 13 }),
            Rule::new(When::any().key("b"), Fault::RefuseConnection),
        ]);
        assert_eq!(hits(&script, ["a", "b"].map(String::from)), [false, true]);
        assert_eq!(script.struck(), [0, 1]);
        assert_eq!(script.calls(), BTreeMap::from([(CallKind::Online, 2)]));
    }

    #[test]
    fn a_delay_slows_calls_and_only_by_name_what_is_none() {
        let slowed = |when: When, kind| {
            let script = script(vec![Rule::delay(when, Duration::from_secs(1))]);
            !script.strike(&Call::new(kind, b"a"), DateTime::UNIX_EPOCH).delay.is_zero()
        };
        for (kind, by_any, by_name) in [
            (CallKind::PredictionCreate, true, true),
            (CallKind::Prediction, false, true),
            (CallKind::Row, false, false),
        ] {
            assert_eq!(slowed(When::any(), kind), by_any, "{kind:?}");
            assert_eq!(slowed(When::kind(kind), kind), by_name, "{kind:?}");
        }
    }

    #[test]
    fn a_file_can_hold_it() {
        let json = r#"{"rules": [
            {"when": {"kind": "create", "nth": {"only": 2}}, "then": "lose_answer"},
            {"when": {"from_seconds": 60, "to_seconds": 120},
             "then": {"status": {"code": 503, "retry_after_seconds": 7}}},
            {"when": {"kind": "row", "key": "r-7"}, "then": {"missing_row": {}}},
            {"when": {"prompt": "nude"}, "then": {"finish": {"reason": "IMAGE_SAFETY"}}},
            {"when": {"provider": "replicate"}, "then": {"status": {"code": 402}}},
            {"when": {"kind": "prediction", "key": "r-1/sdxl"}, "then": {"stick": {}}},
            {"when": {"kind": "prediction"}, "then": "empty_output"},
            {"when": {"kind": "token"}, "delay_seconds": 2.5}]}"#;
        let faults: Faults = serde_json::from_str(json).unwrap();
        assert_eq!(faults.rules[2].then, Some(Fault::MissingRow { billed: true }));
        let again = serde_json::from_str(&serde_json::to_string(&faults).unwrap()).unwrap();
        assert_eq!(faults, again);
    }
}
