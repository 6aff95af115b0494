use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::{Depth, Line, Message};

/// How long a repeat is dropped, counted from the first.
const DEDUP: TimeDelta = TimeDelta::minutes(5);

/// Messages by group, each in the order of their arrival. While one is in flight, nothing else of its
/// group is delivered.
#[derive(Default)]
pub(super) struct Fifo {
    groups: BTreeMap<String, BTreeMap<u64, Message>>,
    /// Held up on the way: they take their place, and may prove to be repeats, on arrival.
    late: BTreeMap<(DateTime<Utc>, u64), (Message, DedupId)>,
    seen: BTreeMap<DedupId, DateTime<Utc>>,
    seen_in_order: VecDeque<(DateTime<Utc>, DedupId)>,
    last_number: u64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum DedupId {
    Given(String),
    /// Of the body.
    Sha256([u8; 32]),
}

impl Fifo {
    fn arrive_late(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), (message, id)) = entry.remove_entry();
            self.arrive(message, id, at);
        }
    }

    fn arrive(&mut self, mut message: Message, id: DedupId, at: DateTime<Utc>) {
        while let Some((_, old)) = self.seen_in_order.pop_front_if(|(seen, _)| *seen + DEDUP <= at)
        {
            self.seen.remove(&old);
        }
        if self.seen.contains_key(&id) {
            return;
        }
        self.seen.insert(id.clone(), at);
        self.seen_in_order.push_back((at, id));
        self.last_number += 1;
        message.number = self.last_number;
        message.sent_at = at;
        message.visible_at = at;
        self.keep(message);
    }

    /// The messages next in line, one a group.
    fn heads(&self) -> impl Iterator<Item = &Message> {
        self.groups.values().filter_map(|group| group.values().next())
    }
}

impl Line for Fifo {
    fn put(&mut self, message: Message, dedup: Option<String>, late: TimeDelta) {
        let by_body = || DedupId::Sha256(Sha256::digest(&message.body).into());
        let id = dedup.map_or_else(by_body, DedupId::Given);
        let now = message.sent_at;
        self.arrive_late(now);
        if late.is_zero() {
            self.arrive(message, id, now);
        } else {
            self.last_number += 1;
            self.late.insert((now + late, self.last_number), (message, id));
        }
    }

    fn take(&mut self, now: DateTime<Utc>) -> Option<Message> {
        self.arrive_late(now);
        let free = self.heads().filter(|head| head.visible_at <= now);
        let head = free.min_by_key(|head| head.number)?;
        let (number, group) = (head.number, head.group.clone()?);
        self.groups.get_mut(&group)?.remove(&number)
    }

    fn keep(&mut self, message: Message) {
        let group = message.group.clone().unwrap_or_default();
        self.groups.entry(group).or_default().insert(message.number, message);
    }

    /// A receipt that ran out deletes nothing, although nobody received the message since.
    fn delete(&mut self, number: u64, receive: u32, now: DateTime<Utc>) {
        for group in self.groups.values_mut() {
            let held = |m: &Message| m.receives == receive && m.visible_at > now;
            if group.get(&number).is_some_and(held) {
                group.remove(&number);
            }
        }
        self.groups.retain(|_, group| !group.is_empty());
    }

    fn next_visible_at(&self) -> Option<DateTime<Utc>> {
        let late = self.late.keys().map(|(at, _)| *at).next();
        self.heads().map(|head| head.visible_at).chain(late).min()
    }

    fn depth(&self, now: DateTime<Utc>) -> Depth {
        let free = |group: &&BTreeMap<u64, Message>| {
            group.values().next().is_some_and(|head| head.visible_at <= now)
        };
        let visible = self.groups.values().filter(free).map(BTreeMap::len).sum();
        let all: usize = self.groups.values().map(BTreeMap::len).sum();
        Depth { visible, hidden: all + self.late.len() - visible }
    }

    fn oldest(&self) -> Option<DateTime<Utc>> {
        self.heads().map(|head| head.sent_at).min()
    }
}
