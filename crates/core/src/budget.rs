//! The budget circuit breaker: one row a day and account, whose balance is never reserved past 90 %
//! of the limit in force. Nothing is latched: `open` follows from the row and the limit, so a raised
//! limit or UTC midnight closes the breaker by itself.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::money::Micros;

/// The share of the daily budget that may be committed, in percent.
pub const CAP_PERCENT: u64 = 90;

/// Whose money: each account has its own cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    Google,
    Replicate,
}

impl Account {
    pub const ALL: [Self; 2] = [Self::Google, Self::Replicate];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Replicate => "replicate",
        }
    }
}

/// One account's money on one UTC date, in micro-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Promised to attempts that are not settled yet.
    pub reserved: Micros,
    /// Spent, as billed.
    pub settled: Micros,
    /// Kept for attempts whose outcome is unknown.
    pub held: Micros,
    /// Reservations ever granted on this date.
    pub reservations: u64,
    /// What of all this is for rescues, which have a budget of their own within the account's.
    #[serde(default)]
    pub rescues: Micros,
}

impl Balance {
    /// What is committed of the day's budget, in percent.
    pub fn committed_percent(&self, daily_budget: Micros) -> u64 {
        self.committed().times(100).get().checked_div(daily_budget.get()).unwrap_or(100)
    }

    pub fn committed(&self) -> Micros {
        self.reserved + self.settled + self.held
    }

    /// Whether `price` still fits below the cap, and if not, for how long it will not.
    pub fn judge(&self, price: Micros, daily_budget: Micros) -> Verdict {
        let cap = daily_budget.percent(CAP_PERCENT);
        if self.committed() + price <= cap {
            Verdict::Fits
        } else if self.settled + self.held + price > cap {
            Verdict::Open
        } else {
            Verdict::Deferred
        }
    }

    /// The balance after `movement`, or `None` where it does not follow from this one.
    pub fn after(&self, movement: Movement) -> Option<Self> {
        let mut next = *self;
        match movement {
            Movement::Reserve { amount, daily_budget } => {
                if self.judge(amount, daily_budget) != Verdict::Fits {
                    return None;
                }
                next.reserved += amount;
                next.reservations += 1;
            }
            Movement::Release { reserved } => {
                next.reserved = self.reserved.checked_sub(reserved)?;
            }
            Movement::Settle { reserved, actual } => {
                next.reserved = self.reserved.checked_sub(reserved)?;
                next.settled += actual;
            }
            Movement::Hold { reserved } => {
                next.reserved = self.reserved.checked_sub(reserved)?;
                next.held += reserved;
            }
            Movement::Adopt { held } => {
                next.held = self.held.checked_sub(held)?;
                next.reserved += held;
            }
            Movement::SettleHeld { held } => {
                next.held = self.held.checked_sub(held)?;
                next.settled += held;
            }
        }
        Some(next)
    }
}

/// What both accounts hold on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    pub google: Balance,
    pub replicate: Balance,
}

impl Balances {
    pub const fn of(&self, account: Account) -> &Balance {
        match account {
            Account::Google => &self.google,
            Account::Replicate => &self.replicate,
        }
    }
}

impl Balance {
    /// The same with what it means for the rescues' part.
    pub fn after_entry(&self, entry: &LedgerEntry) -> Option<Self> {
        let next = self.after(entry.movement)?;
        let Some(budget) = entry.rescue else {
            return Some(next);
        };
        let rescues = match entry.movement {
            Movement::Reserve { amount, .. } => {
                Some(self.rescues + amount).filter(|rescues| *rescues <= budget)
            }
            Movement::Release { reserved } => self.rescues.checked_sub(reserved),
            Movement::Settle { reserved, actual } => {
                self.rescues.checked_sub(reserved).map(|rest| rest + actual)
            }
            Movement::Hold { .. } | Movement::Adopt { .. } | Movement::SettleHeld { .. } => {
                Some(self.rescues)
            }
        };
        Some(Self { rescues: rescues?, ..next })
    }
}

/// What the breaker says of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fits,
    /// Would fit if running attempts came out cheaper than their maximum: worth waiting for.
    Deferred,
    /// Does not fit today at this limit: the breaker is open.
    Open,
}

impl Verdict {
    /// The breaker's state, in the words of electricians.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fits => "closed",
            Self::Deferred => "deferred",
            Self::Open => "open",
        }
    }
}

/// One movement of money between the parts of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Money promised before sending; refused past 90 % of `daily_budget`.
    Reserve { amount: Micros, daily_budget: Micros },
    /// Nothing was bought.
    Release { reserved: Micros },
    /// The bill came: `actual` may be above `reserved`, and is settled truthfully all the same.
    Settle { reserved: Micros, actual: Micros },
    /// Nobody knows whether it was bought.
    Hold { reserved: Micros },
    /// It was bought after all, and is running.
    Adopt { held: Micros },
    /// Seven days without the truth: taken as spent.
    SettleHeld { held: Micros },
}

/// A movement with the row it belongs to: the account on the reservation's UTC date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub account: Account,
    pub date: NaiveDate,
    pub movement: Movement,
    /// What rescues may cost on a day, where it is the money of one.
    pub rescue: Option<Micros>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUDGET: Micros = Micros::new(200_000_000);

    fn balance(reserved: u64, settled: u64, held: u64) -> Balance {
        Balance {
            reserved: Micros::new(reserved),
            settled: Micros::new(settled),
            held: Micros::new(held),
            ..Balance::default()
        }
    }

    #[test]
    fn the_cap_itself_fits_and_a_micro_more_does_not() {
        let at = |settled| balance(0, settled, 0).judge(Micros::new(1), BUDGET);
        assert_eq!(at(179_999_999), Verdict::Fits);
        assert_eq!(at(180_000_000), Verdict::Open);
    }

    #[test]
    fn running_attempts_defer_and_spent_money_opens() {
        let price = Micros::new(100_000);
        assert_eq!(balance(180_000_000, 0, 0).judge(price, BUDGET), Verdict::Deferred);
        assert_eq!(balance(0, 0, 180_000_000).judge(price, BUDGET), Verdict::Open);
        // A raise closes it without anyone touching the row.
        let raised = Micros::new(201_000_000);
        assert_eq!(balance(0, 180_000_000, 0).judge(price, raised), Verdict::Fits);
    }

    #[test]
    fn a_bill_above_its_reservation_is_settled_truthfully() {
        let bill = Movement::Settle { reserved: Micros::new(5), actual: Micros::new(7) };
        assert_eq!(balance(5, 0, 0).after(bill), Some(balance(0, 7, 0)));
        assert_eq!(balance(4, 0, 0).after(bill), None);
    }

    fn movement() -> impl Strategy<Value = Movement> {
        let micros = || (0..60_000_000u64).prop_map(Micros::new);
        prop_oneof![
            micros().prop_map(|amount| Movement::Reserve { amount, daily_budget: BUDGET }),
            micros().prop_map(|reserved| Movement::Release { reserved }),
            micros().prop_map(|reserved| Movement::Settle { reserved, actual: reserved }),
            micros().prop_map(|reserved| Movement::Hold { reserved }),
            micros().prop_map(|held| Movement::Adopt { held }),
            micros().prop_map(|held| Movement::SettleHeld { held }),
        ]
    }

    #[test]
    fn rescues_stay_within_their_own_budget_and_give_back_what_they_did_not_need() {
        let entry = |movement, rescue| LedgerEntry {
            account: Account::Google,
            date: NaiveDate::default(),
            movement,
            rescue,
        };
        let (price, budget) = (Micros::new(400), Some(Micros::new(1_000)));
        let reserve = Movement::Reserve { amount: price, daily_budget: BUDGET };
        let one = Balance::default().after_entry(&entry(reserve, budget)).unwrap();
        let two = one.after_entry(&entry(reserve, budget)).unwrap();
        assert_eq!(two.rescues, Micros::new(800));
        assert_eq!(two.after_entry(&entry(reserve, budget)), None, "a third does not fit");
        let other = two.after_entry(&entry(reserve, None)).unwrap();
        assert_eq!(other.rescues, two.rescues, "others are not counted");
        let settle = Movement::Settle { reserved: price, actual: Micros::new(100) };
        let settled = other.after_entry(&entry(settle, budget)).unwrap();
        assert_eq!(settled.rescues, Micros::new(500));
        assert!(settled.after_entry(&entry(reserve, budget)).is_some(), "it fits now");
        let released = settled.after_entry(&entry(Movement::Release { reserved: price }, budget));
        assert_eq!(released.unwrap().rescues, Micros::new(100));
    }

    proptest! {
        #[test]
        fn no_order_of_movements_passes_the_cap(movements in prop::collection::vec(movement(), 0..60)) {
            let mut balance = Balance::default();
            for movement in movements {
                let before = balance.committed();
                if let Some(next) = balance.after(movement) {
                    balance = next;
                    let grew = balance.committed() > before;
                    prop_assert_eq!(grew && !matches!(movement, Movement::Reserve { .. }), false);
                }
                prop_assert!(balance.committed() <= BUDGET.percent(CAP_PERCENT));
            }
        }
    }
}
