use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Depth, Line, Message};

/// Messages by number, in the order in which they become visible.
#[derive(Default)]
pub(super) struct Standard {
    messages: BTreeMap<u64, Message>,
    order: BTreeSet<(DateTime<Utc>, u64)>,
    last_number: u64,
}

impl Line for Standard {
    fn put(&mut self, mut message: Message, _dedup: Option<String>, late: TimeDelta) {
        self.last_number += 1;
        message.number = self.last_number;
        message.visible_at += late;
        self.keep(message);
    }

    fn take(&mut self, now: DateTime<Utc>) -> Option<Message> {
        let (visible_at, number) = *self.order.first()?;
        if visible_at > now {
            return None;
        }
        self.order.pop_first();
        self.messages.remove(&number)
    }

    fn keep(&mut self, message: Message) {
        self.order.insert((message.visible_at, message.number));
        self.messages.insert(message.number, message);
    }

    fn delete(&mut self, number: u64, receive: u32, _now: DateTime<Utc>) {
        let latest = self.messages.get(&number).is_some_and(|m| m.receives == receive);
        if let Some(message) = latest.then(|| self.messages.remove(&number)).flatten() {
            self.order.remove(&(message.visible_at, number));
        }
    }

    fn next_visible_at(&self) -> Option<DateTime<Utc>> {
        self.order.first().map(|(at, _)| *at)
    }

    fn depth(&self, now: DateTime<Utc>) -> Depth {
        let visible = self.order.iter().take_while(|(at, _)| *at <= now).count();
        Depth { visible, hidden: self.order.len() - visible }
    }

    fn oldest(&self) -> Option<DateTime<Utc>> {
        self.messages.values().next().map(|message| message.sent_at)
    }
}
