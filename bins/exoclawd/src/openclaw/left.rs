//! What was not taken, and why.

use std::collections::BTreeMap;

/// Things that are named; of further ones only the number is told, so that a broken folder fills no memory and no screen.
const NAMED: usize = 500;

/// Longest name of a thing, in characters.
const NAME_CHARACTERS: usize = 200;

/// What was left where it was.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// A thing, and why it was left.
    pub(crate) named: Vec<(String, String)>,
    /// How many more things there were.
    pub(crate) unnamed: u64,
    /// Parts of what was taken, by what they are.
    pub(crate) counted: BTreeMap<&'static str, u64>,
}

impl Left {
    /// Leaves a thing.
    pub(crate) fn name(&mut self, what: &str, why: impl Into<String>) {
        if self.named.len() == NAMED {
            self.unnamed += 1;
            return;
        }
        self.named.push((what.chars().take(NAME_CHARACTERS).collect(), why.into()));
    }

    /// Leaves one of many parts.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counted.entry(what).or_default() += 1;
    }

    /// Adds what was left of a part.
    pub(crate) fn add(&mut self, counted: BTreeMap<&'static str, u64>) {
        for (what, count) in counted {
            *self.counted.entry(what).or_default() += count;
        }
    }
}
