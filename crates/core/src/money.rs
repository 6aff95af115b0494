//! Money is integer micro-dollars; prices are integer nano-dollars a token, so that nothing is lost
//! before the single rounding at the end of an outcome.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// An amount in micro-dollars (1,000,000 = $1).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(u64);

impl Micros {
    pub const ZERO: Self = Self(0);

    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// The only place where money is rounded: up, once per outcome.
    pub const fn from_nanos_rounded_up(nanos: u128) -> Self {
        Self::saturating(nanos.div_ceil(1_000))
    }

    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// `percent` of the amount, rounded down: a cap is never rounded towards spending more.
    #[must_use]
    pub const fn percent(self, percent: u64) -> Self {
        Self::saturating(self.0 as u128 * percent as u128 / 100)
    }

    /// So many times the amount.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    #[expect(clippy::cast_possible_truncation, reason = "compared before")]
    const fn saturating(micros: u128) -> Self {
        if micros > u64::MAX as u128 { Self(u64::MAX) } else { Self(micros as u64) }
    }

    pub fn usd(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add for Micros {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Micros {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("${}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        let (whole, fraction) = text.split_at(text.len() - 4);
        f.pad(&format!("{whole}{}", fraction.trim_end_matches('0')))
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no amount of dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected dollars with at most six decimals, such as 200 or 12.50")]
pub struct NotDollars;

impl FromStr for Micros {
    type Err = NotDollars;

    /// Exact decimal dollars: `200`, `12.5`, `0.000001`.
    fn from_str(text: &str) -> Result<Self, NotDollars> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return Err(NotDollars);
        }
        let whole: u64 = whole.parse().map_err(|_| NotDollars)?;
        let fraction: u64 = format!("{fraction:0<6}").parse().map_err(|_| NotDollars)?;
        let micros = whole.checked_mul(1_000_000).and_then(|w| w.checked_add(fraction));
        micros.map(Self).ok_or(NotDollars)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rounds_up_once() {
        assert_eq!(Micros::from_nanos_rounded_up(0), Micros::ZERO);
        assert_eq!(Micros::from_nanos_rounded_up(1), Micros::new(1));
        assert_eq!(Micros::from_nanos_rounded_up(1_000), Micros::new(1));
        assert_eq!(Micros::from_nanos_rounded_up(1_001), Micros::new(2));
    }

    #[test]
    fn shows_at_least_cents() {
        assert_eq!(Micros::new(180_000_000).to_string(), "$180.00");
        assert_eq!(Micros::new(37_260).to_string(), "$0.03726");
    }

    #[test]
    fn refuses_what_is_not_dollars() {
        for bad in ["", "-1", "1e3", ".5", "1.", "1.0000001", " 1", "1,5", "99999999999999999999"] {
            assert_eq!(bad.parse::<Micros>(), Err(NotDollars), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(micros in 0..u64::MAX) {
            let amount = Micros::new(micros);
            let text = amount.to_string();
            prop_assert_eq!(text.trim_start_matches('$').parse::<Micros>(), Ok(amount));
        }

        #[test]
        fn ninety_percent_never_exceeds(micros: u64) {
            let cap = Micros::new(micros).percent(90);
            prop_assert!(u128::from(cap.get()) * 100 <= u128::from(micros) * 90);
        }
    }
}
