use std::{collections::HashMap, sync::Mutex};

use chrono::{DateTime, TimeDelta, Utc};

use super::{limit::Limit, prediction::Prediction, problem::Problem};
use crate::{Charge, shelf::lock};

/// All predictions, and how often they may be asked for.
#[derive(Debug)]
pub(crate) struct Predictions {
    pub(super) low_credit: bool,
    pub(super) creates: Limit,
    pub(super) others: Limit,
    state: Mutex<State>,
}

/// Predictions are never forgotten, since the bill follows from them; what is kept of an old one is
/// small.
#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    all: Vec<Prediction>,
    places: HashMap<String, usize>,
    /// Those that still hold their input.
    whole: Vec<usize>,
}

impl Predictions {
    pub(crate) fn new(low_credit: bool) -> Self {
        let creates = if low_credit {
            Limit::new(TimeDelta::seconds(10), 1)
        } else {
            Limit::new(TimeDelta::milliseconds(100), 600)
        };
        let others = Limit::new(TimeDelta::milliseconds(20), 3_000);
        Self { low_credit, creates, others, state: Mutex::default() }
    }

    /// Keeps what `make` makes of its number.
    pub(super) fn insert(
        &self,
        now: DateTime<Utc>,
        make: impl FnOnce(usize) -> Prediction,
    ) -> usize {
        let mut state = lock(&self.state);
        let State { all, places, whole } = &mut *state;
        if whole.len() == whole.capacity() {
            whole.retain(|place| {
                let Some(prediction) = all.get_mut(*place) else { return false };
                let removed = prediction.is_removed(now);
                if removed {
                    prediction.input = serde_json::Map::new();
                    prediction.drawing = None;
                }
                !removed
            });
        }
        let number = all.len();
        let prediction = make(number);
        places.insert(prediction.id.clone(), number);
        whole.push(number);
        all.push(prediction);
        number
    }

    pub(super) fn with<T>(
        &self,
        id: &str,
        f: impl FnOnce(&mut Prediction) -> T,
    ) -> Result<T, Problem> {
        let mut state = lock(&self.state);
        let State { all, places, .. } = &mut *state;
        let prediction = places.get(id).and_then(|place| all.get_mut(*place));
        prediction.map(f).ok_or_else(Problem::not_found)
    }

    /// The caller was told of this one.
    pub(crate) fn know(&self, number: usize) {
        if let Some(prediction) = lock(&self.state).all.get_mut(number) {
            prediction.known = true;
        }
    }

    /// At most `size` that `fit`, of those before number `before`, the newest first and as `show`
    /// shows them; and the number to go on before. Looks no further back than `after`.
    pub(super) fn page<T>(
        &self,
        before: Option<usize>,
        after: Option<DateTime<Utc>>,
        size: usize,
        fits: impl Fn(&Prediction) -> bool,
        show: impl Fn(&Prediction) -> T,
    ) -> (Vec<T>, Option<usize>) {
        let state = lock(&self.state);
        let end = before.unwrap_or(usize::MAX).min(state.all.len());
        let mut shown = state.all[..end]
            .iter()
            .rev()
            .take_while(|prediction| after.is_none_or(|after| prediction.created >= after))
            .filter(|prediction| fits(prediction))
            .peekable();
        let page: Vec<_> = shown.by_ref().take(size).map(|p| (p.number, show(p))).collect();
        let more = shown.peek().is_some();
        let next = page.last().map(|(number, _)| *number).filter(|_| more);
        (page.into_iter().map(|(_, shown)| shown).collect(), next)
    }

    pub(crate) fn charges(&self, now: DateTime<Utc>) -> Vec<Charge> {
        lock(&self.state).all.iter().filter_map(|prediction| prediction.charge(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use tryon_core::catalogue::PredictionPrice;

    use super::*;
    use crate::replicate::prediction::{End, Plan};

    fn prediction(number: usize, now: DateTime<Utc>) -> Prediction {
        Prediction {
            number,
            id: format!("p{number}"),
            about: [0; 32],
            attempt: None,
            model: "stability-ai/sdxl".to_owned(),
            version: String::new(),
            price: PredictionPrice::SecondNanos(975_000),
            several: true,
            input: Map::from_iter([("seed".to_owned(), json!(number))]),
            drawing: None,
            created: now,
            plan: Plan { runs: Some((now, now + TimeDelta::seconds(5))), end: End::Succeeded(1) },
            deadline: None,
            cancelled: None,
            known: false,
        }
    }

    #[test]
    fn a_long_day_keeps_charges_and_little_else() {
        let predictions = Predictions::new(false);
        let mut now = DateTime::UNIX_EPOCH;
        for _ in 0..10_000 {
            predictions.insert(now, |number| prediction(number, now));
            now += TimeDelta::minutes(1);
        }
        let state = lock(&predictions.state);
        let whole = state.all.iter().filter(|prediction| !prediction.input.is_empty()).count();
        assert!(whole <= 128, "{whole}");
        drop(state);
        assert_eq!(predictions.charges(now).len(), 10_000);
    }
}
