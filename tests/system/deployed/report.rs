//! What became of renders; and where that is not what should have, all that can be learnt about it.

use std::{fmt::Write, time::Duration};

use tryon_core::{
    chain::{Fidelity, Step},
    ids::RenderId,
    ports::{Clock, Renders},
    render::{Render, RenderStatus},
};
use tryon_lambda::system::SystemClock;

use super::stack::Stack;

/// What the local stack promises nobody to take longer than.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(250);
/// Of a body or a log line, the part that is shown.
const SHOWN: usize = 600;

/// The step that made the picture, and how true it is; nothing where there is none.
pub(super) fn picture(render: &Render) -> Option<(Step, Fidelity)> {
    match render.status {
        RenderStatus::Succeeded { fidelity, .. } => Some((render.step, fidelity)),
        _ => None,
    }
}

impl Stack {
    /// The row of the render once it has ended.
    pub(super) async fn ended(&self, id: &RenderId) -> Render {
        let since = SystemClock.now();
        loop {
            let row = self.row(id).await;
            if let Some(row) = row.as_ref().filter(|row| row.is_ended() && row.owed.is_empty()) {
                return row.clone();
            }
            let waited = (SystemClock.now() - since).to_std().unwrap_or_default();
            let row = row.as_ref();
            assert!(waited < PATIENCE, "{}", self.story("does not end", id, row).await);
            SystemClock.sleep(LOOK).await;
        }
    }

    /// The row of the render, which must end in such a picture.
    pub(super) async fn pictured(&self, id: &RenderId, wanted: (Step, Fidelity)) -> Render {
        let render = self.ended(id).await;
        if picture(&render) != Some(wanted) {
            let fault = format!("does not end in {wanted:?}");
            panic!("{}", self.story(&fault, id, Some(&render)).await);
        }
        render
    }

    /// As read, should the database be there.
    async fn row(&self, id: &RenderId) -> Option<Render> {
        let found = self.database.get(std::slice::from_ref(id)).await;
        found.ok().and_then(|mut rows| rows.pop())
    }

    /// The row, what was put aside, and what the functions complained of last.
    async fn story(&self, fault: &str, id: &RenderId, row: Option<&Render>) -> String {
        let mut story = format!("render {id} {fault}\n{row:#?}\n");
        for (name, url) in self.dead_letters() {
            let receive = self.clients.sqs().receive_message().queue_url(url);
            let receive = receive.message_attribute_names("All").visibility_timeout(0);
            let Ok(found) = receive.max_number_of_messages(10).send().await else { continue };
            for message in found.messages() {
                let reasons = message.message_attributes().into_iter().flatten();
                let reasons: Vec<_> =
                    reasons.filter_map(|(_, value)| value.string_value()).collect();
                let body = message.body().unwrap_or_default();
                writeln!(story, "{name}: {reasons:?}: {body:.SHOWN$}").unwrap();
            }
        }
        for function in
            ["router", "accumulator", "imagen", "replicate", "distributor", "reconciler", "rollout"]
        {
            for word in ["ERROR", "WARN"] {
                for line in self.logged(function, word).await {
                    writeln!(story, "{function}: {line:.SHOWN$}").unwrap();
                }
            }
        }
        story
    }
}
