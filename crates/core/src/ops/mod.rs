//! What ops are shown, and the decisions behind what they do: reports that fit a screen, derived
//! from rows by pure functions.

mod budget;
mod explain;
mod forget;
mod rollout;
mod status;
mod traffic;

pub use self::{
    budget::{AccountStatus, BudgetStatus},
    explain::{Difference, Explanation, Facts, Joined, RouteFacts, Times, Try, explain},
    forget::{Receipt, UnderWay, blank, photos_of, pictures_of},
    rollout::RolloutStatus,
    status::{BackendLine, BatchLine, OpsStatus, QueueLine, Share},
    traffic::{Change, Refusal, Standing, Wish},
};

#[cfg(test)]
mod tests;
