//! One hostile guest.

use crate::{Grants, Limits, corpus::Ground};

/// One hostile guest, with what it is allowed and what its control is.
#[derive(Debug)]
pub struct Case {
    /// Names it, for people.
    pub name: &'static str,
    pub(super) attack: Attack,
}

#[derive(Debug)]
pub(super) enum Attack {
    /// A call.
    Call {
        guest: &'static str,
        /// What it tries on. `PORT` is the port of the server, `FREE` that of another one.
        text: &'static str,
        /// What it has.
        narrow: fn(&Ground) -> Terms,
        control: Control,
    },
    /// Bytes that are no plugin, beside sound ones.
    Load { guest: &'static str, damage: fn(Vec<u8>) -> Vec<u8>, sound: &'static str },
}

/// The same attack where it has to succeed.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) guest: &'static str,
    pub(super) text: &'static str,
    pub(super) wide: fn(&Ground) -> Terms,
}

/// What a call has.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    pub(super) grants: Grants,
    pub(super) limits: Limits,
    /// Whose store it is lent.
    pub(super) agent: &'static str,
}

impl Terms {
    pub(super) fn with(grants: Grants) -> Self {
        Self { grants, ..Self::default() }
    }

    pub(super) fn within(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// No grant, and the limits of a plugin for which the config sets none.
pub(super) fn nothing(_: &Ground) -> Terms {
    Terms::default()
}
