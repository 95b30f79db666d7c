//! The index: from the fields of an origin to the most specific binding, without a scan over bindings.
//!
//! Each text that some binding names has a number. A binding is then five numbers, the key of one hash map. An origin is
//! looked up once for each set of fields that bindings use (31 sets at most), the most specific set first.

use std::{
    borrow::Borrow,
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

use exoclaw_protocol::{Origin, Peer};

use crate::{Binding, Tier};

/// Number of a text within its field, from 1. 0 is for what is not set, or in no binding.
type Symbol = u32;

/// Symbols in the order channel, account, team, guild, peer: from the least to the most specific field.
type Fields = [Symbol; 5];

const TIERS: [Tier; 5] = [Tier::Channel, Tier::Account, Tier::Team, Tier::Guild, Tier::Peer];

/// Which fields are set, the most specific one in the highest bit.
///
/// As a number it is the specificity: the most specific field that only one of two sets has decides. Hence a set is more
/// specific than each part of it, two different sets never tie, and a binding to a peer beats every one without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mask(u8);

impl Mask {
    fn of(fields: &Fields) -> Self {
        Self(fields.iter().rev().fold(0, |mask, field| mask << 1 | u8::from(*field != 0)))
    }

    fn holds(self, field: usize) -> bool {
        self.0 & (1 << field) != 0
    }

    fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    fn tier(self) -> Tier {
        let highest = (0..TIERS.len()).rev().find(|&field| self.holds(field));
        highest.map_or(Tier::Default, |field| TIERS[field])
    }
}

#[derive(Debug, Clone)]
struct Names<T>(HashMap<T, Symbol>);

impl<T: Eq + Hash + Clone> Names<T> {
    fn add(&mut self, name: Option<&T>, next: Symbol) -> Symbol {
        name.map_or(0, |name| *self.0.entry(name.clone()).or_insert(next))
    }

    fn find<Q: Eq + Hash + ?Sized>(&self, name: Option<&Q>) -> Symbol
    where
        T: Borrow<Q>,
    {
        name.and_then(|name| self.0.get(name)).copied().unwrap_or(0)
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// Positions of bindings in the list that the router was built from. As large as that list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    channels: Names<String>,
    accounts: Names<String>,
    teams: Names<String>,
    guilds: Names<String>,
    peers: Names<Peer>,
    bindings: HashMap<Fields, u32>,
    /// The sets of fields that bindings use, the most specific first.
    masks: Vec<Mask>,
}

impl Index {
    /// Adds a binding at its position. Gives back the position of an earlier one that sets exactly the same fields.
    pub(crate) fn add(&mut self, binding: &Binding, position: u32) -> Result<(), u32> {
        // A new text takes a number that no earlier binding can have given to one of its field.
        let next = position + 1;
        let fields = [
            self.channels.add(binding.channel.as_ref(), next),
            self.accounts.add(binding.account.as_ref(), next),
            self.teams.add(binding.team.as_ref(), next),
            self.guilds.add(binding.guild.as_ref(), next),
            self.peers.add(binding.peer.as_ref(), next),
        ];
        match self.bindings.entry(fields) {
            Entry::Occupied(earlier) => return Err(*earlier.get()),
            Entry::Vacant(slot) => slot.insert(position),
        };
        let mask = Mask::of(&fields);
        if let Err(place) = self.masks.binary_search_by(|other| mask.cmp(other)) {
            self.masks.insert(place, mask);
        }
        Ok(())
    }

    /// The most specific binding that matches.
    pub(crate) fn find(&self, origin: &Origin) -> Option<(u32, Tier)> {
        let known: Fields = [
            self.channels.find(Some(origin.channel.as_str())),
            self.accounts.find(origin.account.as_deref()),
            self.teams.find(origin.team.as_deref()),
            self.guilds.find(origin.guild.as_deref()),
            self.peers.find(origin.peer.as_ref()),
        ];
        let present = Mask::of(&known);
        self.masks.iter().filter(|mask| mask.is_within(present)).find_map(|&mask| {
            let fields = std::array::from_fn(|field| if mask.holds(field) { known[field] } else { 0 });
            self.bindings.get(&fields).map(|&position| (position, mask.tier()))
        })
    }
}
