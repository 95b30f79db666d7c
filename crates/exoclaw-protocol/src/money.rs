//! Money, exactly: whole numbers, never floats.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Billionths in one unit.
const UNIT: u64 = 1_000_000_000;

/// Digits after the point.
const DECIMALS: usize = 9;

/// An amount in billionths of one unit of the currency that the config names. Written as a decimal text such as
/// `"0.0125"`, so that no reader takes it for a float.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

/// Text that is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no amount of money: want digits, and after a point at most nine, such as \"2.50\"")]
pub struct MoneyError {
    text: String,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The largest amount, some nine billion units: sums stop there.
    pub const MAX: Self = Self(i64::MAX.cast_unsigned());

    /// Billionths of a unit, cut off at the largest amount.
    pub fn from_billionths(billionths: u64) -> Self {
        Self(billionths.min(Self::MAX.0))
    }

    /// Billionths of a unit.
    pub fn billionths(self) -> u64 {
        self.0
    }

    /// The sum, or the largest amount.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self::from_billionths(self.0.saturating_add(other.0))
    }

    /// What is left, or nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = self.plus(other);
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, rest) = (self.0 / UNIT, self.0 % UNIT);
        let rest = format!("{rest:0DECIMALS$}");
        match rest.trim_end_matches('0') {
            "" => write!(f, "{units}"),
            rest => write!(f, "{units}.{rest}"),
        }
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError { text: text.chars().take(64).collect() };
        let (units, rest) = text.split_once('.').unwrap_or((text, "0"));
        let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(units) || !plain(rest) || rest.len() > DECIMALS {
            return Err(wrong());
        }
        let billionths = format!("{units}{rest:0<DECIMALS$}").parse::<u64>().map_err(|_| wrong())?;
        if billionths > Self::MAX.0 { Err(wrong()) } else { Ok(Self(billionths)) }
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;
        impl de::Visitor<'_> for Amount {
            type Value = Money;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of money as a text, such as \"2.50\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Money, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Amount)
    }
}
