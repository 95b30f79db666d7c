//! Addresses and filters, in the form of NATS subjects.

use std::{fmt, str::FromStr};

use exoclaw_protocol::{IdError, Origin};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::limits;

/// Stands for a field that an origin does not have. Escaping keeps it from being the text of a field.
const ABSENT: &str = "~";

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// A part is empty, or there is none.
    #[error("an address has parts joined by dots, none of them empty")]
    Empty,
    /// It has a character that is not escaped.
    #[error("an address has parts of A-Z, a-z, 0-9, '_', '-' and '~', other bytes as %XX")]
    Character,
    /// It is too long.
    #[error("an address has at most {} bytes", limits::ADDRESS_BYTES)]
    TooLong,
    /// The origin is not valid.
    #[error(transparent)]
    Origin(#[from] IdError),
}

/// Where a message goes: parts joined by dots, such as `in.slack.~.T1.~.dm.U1`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

impl Address {
    /// An address of these parts, which are escaped here.
    ///
    /// # Errors
    /// When there is no part, one is empty, or all are too long.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, AddressError> {
        parts.into_iter().map(escaped).collect::<Vec<_>>().join(".").parse()
    }

    /// Where messages from an origin arrive: `in.{channel}.{account}.{team}.{guild}.{peer kind}.{peer id}`, with `~` for
    /// what it does not have. Different origins have different addresses.
    ///
    /// # Errors
    /// When the origin is not valid.
    pub fn inbound(origin: &Origin) -> Result<Self, AddressError> {
        origin.validate()?;
        let part = |field: Option<&str>| field.map_or_else(|| ABSENT.to_owned(), escaped);
        let peer = origin.peer.as_ref();
        let parts = [
            "in".to_owned(),
            escaped(&origin.channel),
            part(origin.account.as_deref()),
            part(origin.team.as_deref()),
            part(origin.guild.as_deref()),
            part(peer.map(|peer| peer.kind.as_str())),
            part(peer.map(|peer| peer.id.as_str())),
        ];
        parts.join(".").parse()
    }

    /// The text, which is a NATS subject.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn escaped(part: &str) -> String {
    use fmt::Write;
    let mut text = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > limits::ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        if text.split('.').any(str::is_empty) {
            return Err(AddressError::Empty);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'~' | b'%' | b'.');
        if !text.bytes().all(allowed) {
            return Err(AddressError::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?})", self.0)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Which addresses a subscription takes: one, or all under a beginning (`in.slack.>` in NATS).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    beginning: Address,
    open: bool,
}

impl Filter {
    /// One address.
    pub fn one(address: Address) -> Self {
        Self { beginning: address, open: false }
    }

    /// All addresses that begin with these parts and have at least one more. The parts are escaped here.
    ///
    /// # Errors
    /// As [`Address::new`].
    pub fn under<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, AddressError> {
        Ok(Self { beginning: Address::new(parts)?, open: true })
    }

    /// Whether an address is taken.
    pub fn takes(&self, address: &Address) -> bool {
        if self.open { is_under(address.as_str(), self.beginning.as_str()) } else { *address == self.beginning }
    }

    /// Whether some address would be taken by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (self.beginning.as_str(), other.beginning.as_str());
        match (self.open, other.open) {
            (false, false) => one == two,
            (true, false) => is_under(two, one),
            (false, true) => is_under(one, two),
            (true, true) => one == two || is_under(one, two) || is_under(two, one),
        }
    }
}

fn is_under(text: &str, beginning: &str) -> bool {
    text.strip_prefix(beginning).is_some_and(|rest| rest.starts_with('.'))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.beginning, if self.open { ".>" } else { "" })
    }
}
