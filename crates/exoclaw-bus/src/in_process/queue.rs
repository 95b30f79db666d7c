//! The queue: plain data under one lock, held for moments only.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    num::NonZeroU32,
    sync::Arc,
};

use exoclaw_protocol::IdempotencyKey;
use tokio::sync::Notify;

use crate::{Address, Closed, Envelope, Filter, PublishError, Published, Settle, SubscribeError, limits};

/// Names the subscriptions of one filter.
pub(super) type GroupId = u64;

/// A message that the bus keeps.
#[derive(Debug)]
struct Kept {
    address: Address,
    envelope: Arc<Envelope>,
    bytes: usize,
    /// How often it was handed out.
    attempts: u32,
}

/// A message that is handed out.
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) address: Address,
    pub(super) envelope: Arc<Envelope>,
    pub(super) attempt: NonZeroU32,
}

/// All subscriptions of one filter. Gone with the last of them, when its messages wait for another.
#[derive(Debug)]
struct Group {
    filter: Filter,
    subscriptions: usize,
    /// By number: what comes back takes its old place.
    waiting: BTreeMap<u64, Kept>,
    in_flight: usize,
    /// Told, for one subscription each time, when there may be something to take.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    closed: bool,
    /// The last number of a message or group.
    last: u64,
    /// At most [`limits::FILTERS`].
    groups: HashMap<GroupId, Group>,
    /// Messages that no group takes. Like all that is kept, bounded when it is published.
    unclaimed: BTreeMap<u64, Kept>,
    /// Messages in consumers' hands, with the group they were taken from.
    out: HashMap<u64, (GroupId, Kept)>,
    messages: usize,
    bytes: usize,
    /// Ids of what is kept, and of what was settled lately.
    ids: HashSet<IdempotencyKey>,
    /// At most [`limits::REMEMBERED_IDS`], the newest last.
    settled: VecDeque<IdempotencyKey>,
}

impl Queue {
    pub(super) fn publish(
        &mut self,
        address: Address,
        envelope: Envelope,
        bytes: usize,
    ) -> Result<Published, PublishError> {
        if self.closed {
            return Err(PublishError::Closed(address));
        }
        if self.ids.contains(&envelope.id) {
            return Ok(Published::Duplicate);
        }
        if self.messages >= limits::MESSAGES || self.bytes.saturating_add(bytes) > limits::BYTES {
            return Err(PublishError::Full(address));
        }
        self.ids.insert(envelope.id.clone());
        self.messages += 1;
        self.bytes += bytes;
        let number = self.next_number();
        self.put(number, Kept { address, envelope: Arc::new(envelope), bytes, attempts: 0 });
        Ok(Published::New)
    }

    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Lets a message wait where it belongs now.
    fn put(&mut self, number: u64, kept: Kept) {
        match self.groups.values_mut().find(|group| group.filter.takes(&kept.address)) {
            Some(group) => {
                group.waiting.insert(number, kept);
                group.changed.notify_one();
            }
            None => {
                self.unclaimed.insert(number, kept);
            }
        }
    }

    pub(super) fn join(&mut self, filter: Filter) -> Result<(GroupId, Arc<Notify>), SubscribeError> {
        if self.closed {
            return Err(SubscribeError::Closed(filter));
        }
        if let Some((&id, group)) = self.groups.iter_mut().find(|(_, group)| group.filter == filter) {
            group.subscriptions += 1;
            return Ok((id, Arc::clone(&group.changed)));
        }
        if let Some(group) = self.groups.values().find(|group| group.filter.overlaps(&filter)) {
            return Err(SubscribeError::Overlap { wanted: filter, other: group.filter.clone() });
        }
        if self.groups.len() >= limits::FILTERS {
            return Err(SubscribeError::TooMany(filter));
        }
        let claimed: Vec<u64> =
            self.unclaimed.iter().filter(|(_, kept)| filter.takes(&kept.address)).map(|(&number, _)| number).collect();
        let waiting = claimed.into_iter().filter_map(|number| self.unclaimed.remove_entry(&number)).collect();
        let changed = Arc::new(Notify::new());
        let id = self.next_number();
        let group = Group { filter, subscriptions: 1, waiting, in_flight: 0, changed: Arc::clone(&changed) };
        self.groups.insert(id, group);
        Ok((id, changed))
    }

    pub(super) fn leave(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.subscriptions -= 1;
        // One that leaves may have been told of a message and not have taken it.
        group.changed.notify_one();
        if group.subscriptions == 0 {
            let waiting = self.groups.remove(&id).map(|group| group.waiting).unwrap_or_default();
            waiting.into_iter().for_each(|(number, kept)| self.put(number, kept));
        }
    }

    /// The next message for a subscription of a group, if one may be taken now.
    pub(super) fn take(&mut self, id: GroupId) -> Result<Option<Taken>, Closed> {
        if self.closed {
            return Err(Closed);
        }
        let Some(group) = self.groups.get_mut(&id).filter(|group| group.in_flight < limits::IN_FLIGHT) else {
            return Ok(None);
        };
        let Some((number, mut kept)) = group.waiting.pop_first() else { return Ok(None) };
        group.in_flight += 1;
        let attempt = NonZeroU32::MIN.saturating_add(kept.attempts);
        kept.attempts = attempt.get();
        let taken = Taken { number, address: kept.address.clone(), envelope: Arc::clone(&kept.envelope), attempt };
        self.out.insert(number, (id, kept));
        Ok(Some(taken))
    }

    pub(super) fn settle(&mut self, number: u64, how: Settle) {
        let Some((id, kept)) = self.out.remove(&number) else { return };
        if let Some(group) = self.groups.get_mut(&id) {
            group.in_flight -= 1;
            group.changed.notify_one();
        }
        match how {
            Settle::Again => self.put(number, kept),
            Settle::Done | Settle::Refused => {
                self.messages -= 1;
                self.bytes -= kept.bytes;
                self.remember(kept.envelope.id.clone());
            }
        }
    }

    fn remember(&mut self, id: IdempotencyKey) {
        self.settled.push_back(id);
        if self.settled.len() > limits::REMEMBERED_IDS {
            let forgotten = self.settled.pop_front();
            forgotten.map(|id| self.ids.remove(&id));
        }
    }

    pub(super) fn kept(&self) -> usize {
        self.messages
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.groups.values().for_each(|group| group.changed.notify_waiters());
    }
}
