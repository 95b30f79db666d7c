//! Names in the tables of prices: models and the currency.

use std::{cmp::Reverse, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de};

/// A model's name, in which `*` stands for any characters, none too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelPattern(String);

impl ModelPattern {
    /// The pattern stands for this name.
    pub fn fits(&self, model: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == model };
        let Some(mut left) = model.strip_prefix(start) else { return false };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let end = parts.pop().unwrap_or_default();
        for part in parts {
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        left.ends_with(end)
    }

    /// Orders patterns by how much they say: characters of the name, and then without a `*` before with one, and few
    /// before many.
    pub fn literal(&self) -> (usize, Reverse<usize>) {
        let stars = self.0.bytes().filter(|byte| *byte == b'*').count();
        (self.0.len() - stars, Reverse(stars))
    }
}

impl FromStr for ModelPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() != text || text.is_empty() {
            return Err(format!("{text:?} is no name of a model, such as \"claude-*\""));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A currency, by the three capitals of ISO 4217.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency(String);

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("{text:?} is no currency, such as \"USD\" or \"EUR\""))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ModelPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, fits: &[&str], others: &[&str]) {
        let pattern: ModelPattern = pattern.parse().unwrap();
        for model in fits {
            assert!(pattern.fits(model), "{model}");
        }
        for model in others {
            assert!(!pattern.fits(model), "{model}");
        }
    }

    #[test]
    fn patterns_stand_for_names() {
        check("gpt-5", &["gpt-5"], &["gpt-5-mini", "a-gpt-5", ""]);
        check("gpt-*", &["gpt-", "gpt-5"], &["gpt", "x-gpt-5"]);
        check("*", &["", "x"], &[]);
        check("*-mini", &["gpt-5-mini", "-mini"], &["mini", "gpt-mini-5"]);
        check("a*b*c", &["abc", "a-b-b-c"], &["acb", "ab", "bac"]);
        check("a*a", &["aa", "aba"], &["a"]);
    }

    #[test]
    fn more_of_the_name_goes_first() {
        let literal = |text: &str| text.parse::<ModelPattern>().unwrap().literal();
        assert!(literal("gpt-5*") > literal("gpt-*"));
        assert!(literal("gpt-5") > literal("gpt-5*"));
        assert!(literal("gpt-5-*") > literal("gpt-5"));
        assert!(literal("a*b") > literal("a*b*"));
    }
}
