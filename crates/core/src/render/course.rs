use serde::{Deserialize, Serialize};

use crate::{
    chain::{Step, steps},
    ids::BatchId,
    lane::Lane,
    routing::Route,
};

/// What the gates ask of a render, beside how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The lane that it was accepted for.
    pub lane: Lane,
    /// The first batch that it joined: what is lost with a batch is lost together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// The step that drew its picture; what enlarged it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn_by: Option<Step>,
    /// Its assigned provider was passed over without being asked: there was no money, or its health
    /// breaker was open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

impl Course {
    pub const fn new(lane: Lane) -> Self {
        Self { lane, batch: None, drawn_by: None, unasked: false }
    }
}

/// The step of the provider that a render was assigned to.
pub fn own_step(assigned: Route) -> Step {
    steps(assigned)[0]
}
