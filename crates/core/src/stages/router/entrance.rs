//! Where a render begins: where there is money for it.

use chrono::{DateTime, NaiveTime, Utc};

use super::{AcceptError, Router};
use crate::{
    budget::{Account, Balances, Verdict},
    chain::{NoEntrance, Step, entrance, steps, steps_after},
    money::Micros,
    render::Grounds,
    routing::Route,
    settings::{Settings, WhenBudgetExhausted},
};

/// What the entrance of a render depends on, besides the deployment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) assigned: Route,
    pub(super) accept_described: bool,
    /// The most it can cost at Google.
    pub(super) google_price: Micros,
    pub(super) settings: &'a Settings,
    pub(super) balances: &'a Balances,
    /// Whether Google's backend takes renders.
    pub(super) well: bool,
    pub(super) now: DateTime<Utc>,
}

impl Router {
    /// What the decision goes by. Money that running attempts may give back is worth waiting for;
    /// money that is spent is not.
    pub(super) fn grounds(&self, arrival: &Arrival<'_>) -> Grounds {
        let Arrival { assigned, accept_described, settings, well, .. } = *arrival;
        let when = settings.when_budget_exhausted;
        let to_legacy = assigned == Route::Legacy || !well || when == WhenBudgetExhausted::Legacy;
        let replicate_price = self.replicate_price(to_legacy, accept_described);
        let funded = |account| {
            let price = match account {
                Account::Google => Some(arrival.google_price),
                Account::Replicate => replicate_price,
            };
            let (balance, budget) =
                (arrival.balances.of(account), settings.daily_budget_of(account));
            // What has no known price is never bought.
            price.is_some_and(|price| balance.judge(price, budget) != Verdict::Open)
        };
        Grounds::new(settings, well, funded)
    }

    /// The route and the step that a new render begins with.
    pub(super) fn entrance(
        &self,
        arrival: &Arrival<'_>,
        grounds: &Grounds,
    ) -> Result<(Route, Step), AcceptError> {
        let Arrival { assigned, accept_described, now, .. } = *arrival;
        let available = self.courier.rules.available;
        let (when, well) = (grounds.when_budget_exhausted, grounds.google_well);
        let funded = |account| grounds.funded(account);
        entrance(assigned, accept_described, available, when, well, funded).map_err(|none| {
            match none {
                NoEntrance::Closed => AcceptError::RouteClosed,
                NoEntrance::Unfunded => {
                    AcceptError::BudgetExhausted { again_at: midnight_after(now) }
                }
            }
        })
    }

    /// The most that a prediction costs of the step that a render would begin with on Replicate.
    fn replicate_price(&self, to_legacy: bool, accept_described: bool) -> Option<Micros> {
        let available = self.courier.rules.available;
        let legacy = steps(Route::Legacy)[0];
        let step = if to_legacy && available.contains(&legacy) {
            legacy
        } else {
            let google = steps(Route::Gemini)[0];
            steps_after(Route::Gemini, google, accept_described, available).next()?
        };
        Some(self.courier.catalogue.now().prediction(step)?.maximum())
    }
}

/// The next UTC midnight, when the day's money is whole again.
fn midnight_after(now: DateTime<Utc>) -> DateTime<Utc> {
    let tomorrow = now.date_naive().succ_opt();
    tomorrow.map_or(now, |day| day.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::contract::fixtures::start;

    #[test]
    fn money_comes_back_at_the_next_midnight() {
        let midnight = start() + TimeDelta::hours(12);
        assert_eq!(midnight_after(start()), midnight);
        assert_eq!(midnight_after(midnight), midnight + TimeDelta::days(1));
    }
}
