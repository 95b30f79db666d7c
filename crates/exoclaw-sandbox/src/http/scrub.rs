//! Takes secrets out of a stream of bytes, also where a chunk ends within one.

use std::fmt;

use bytes::Bytes;
use exoclaw_protocol::Secret;
use http::{HeaderMap, HeaderValue};

/// One spelling of a secret, and what a guest sees in its place.
#[derive(Clone)]
pub(crate) struct Needle {
    spelling: Secret,
    placeholder: String,
}

impl Needle {
    /// The secret as it is, and as JSON and URLs spell it where that differs.
    pub(super) fn of(name: &str, secret: &Secret) -> Vec<Self> {
        let plain = secret.expose();
        let json = serde_json::Value::from(plain).to_string();
        let mut spellings =
            vec![plain.to_owned(), json[1..json.len() - 1].to_owned(), percent(plain, true), percent(plain, false)];
        spellings.sort_unstable();
        spellings.dedup();
        let placeholder = format!("[secret {name}]");
        spellings
            .into_iter()
            .map(|spelling| Self { spelling: Secret::new(spelling), placeholder: placeholder.clone() })
            .collect()
    }

    fn bytes(&self) -> &[u8] {
        self.spelling.expose().as_bytes()
    }
}

/// Percent-encoding of all but what is unreserved (RFC 3986, section 2.3).
fn percent(text: &str, upper: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else if upper {
            encoded.push_str(&format!("%{byte:02X}"));
        } else {
            encoded.push_str(&format!("%{byte:02x}"));
        }
    }
    encoded
}

impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.placeholder)
    }
}

/// Replaces secrets in what goes by. Holds back no more than the start of a secret.
#[derive(Debug)]
pub(super) struct Scrubber {
    needles: Vec<Needle>,
    held: Vec<u8>,
}

impl Scrubber {
    /// `None` if there is nothing to look for.
    pub(super) fn new(mut needles: Vec<Needle>) -> Option<Self> {
        // The longest first: what is found is taken whole.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.bytes().len()));
        (!needles.is_empty()).then_some(Self { needles, held: Vec::new() })
    }

    /// What can be shown now that these bytes came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Bytes {
        self.held.extend_from_slice(bytes);
        self.take(true)
    }

    /// What is left when no more comes.
    pub(super) fn finish(&mut self) -> Bytes {
        self.take(false)
    }

    /// Bytes that came whole.
    pub(super) fn whole(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held = bytes.to_vec();
        self.take(false).into()
    }

    /// Each value without secrets; a header whose very name holds one is left out.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        let found = |text: &str| self.needles.iter().any(|n| text.contains(&n.spelling.expose().to_ascii_lowercase()));
        let named: Vec<_> = headers.keys().filter(|name| found(name.as_str())).cloned().collect();
        for name in named {
            headers.remove(name);
        }
        for value in headers.values_mut() {
            let mut own = Self { needles: self.needles.clone(), held: value.as_bytes().to_vec() };
            let clean = own.finish();
            if clean != value.as_bytes() {
                *value = HeaderValue::from_maybe_shared(clean).unwrap_or(HeaderValue::from_static("[secret]"));
            }
        }
    }

    fn take(&mut self, more: bool) -> Bytes {
        let mut shown = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while at < self.held.len() {
            let rest = &self.held[at..];
            let begins = |needle: &&Needle| rest.len() < needle.bytes().len() && needle.bytes().starts_with(rest);
            if more && self.needles.iter().find(begins).is_some() {
                break;
            }
            match self.needles.iter().find(|needle| rest.starts_with(needle.bytes())) {
                Some(needle) => {
                    shown.extend_from_slice(needle.placeholder.as_bytes());
                    at += needle.bytes().len();
                }
                None => {
                    shown.push(rest[0]);
                    at += 1;
                }
            }
        }
        self.held.drain(..at);
        shown.into()
    }
}

#[cfg(test)]
mod tests {
    use exoclaw_protocol::Secret;
    use proptest::prelude::*;

    use super::{HeaderMap, HeaderValue, Needle, Scrubber};

    fn scrub(secrets: &[&str], chunks: &[&[u8]]) -> Vec<u8> {
        let needles = secrets.iter().flat_map(|secret| Needle::of("s", &Secret::new(*secret))).collect();
        let mut scrubber = Scrubber::new(needles).unwrap();
        let mut shown: Vec<u8> = chunks.iter().flat_map(|chunk| scrubber.push(chunk)).collect();
        shown.extend(scrubber.finish());
        shown
    }

    #[test]
    fn spellings_of_a_secret() {
        for text in ["a pass/\"word", "a pass/\\\"word", "a%20pass%2F%22word", "a%20pass%2f%22word"] {
            let shown = scrub(&["a pass/\"word"], &[b"<", text.as_bytes(), b">"]);
            assert_eq!(String::from_utf8(shown).unwrap(), "<[secret s]>", "{text}");
        }
    }

    #[test]
    fn the_longer_of_two_is_taken_whole() {
        assert_eq!(scrub(&["token-12", "token-1234"], &[b"token-12", b"34 token-12"]), b"[secret s] [secret s]");
    }

    #[test]
    fn what_only_begins_like_a_secret_is_shown() {
        assert_eq!(scrub(&["token-12"], &[b"tok", b"en", b"-1"]), b"token-1");
        assert_eq!(scrub(&["aaaaaaab"], &[b"aaaaaaaaaaaa", b"ab"]), b"aaaaaa[secret s]");
    }

    #[test]
    fn headers_are_scrubbed_name_and_value() {
        let scrubber = Scrubber::new(Needle::of("s", &Secret::new("Token-12"))).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_static("/?t=Token-12"));
        headers.insert("x-token-12", HeaderValue::from_static("1"));
        scrubber.headers(&mut headers);
        assert_eq!((headers.len(), headers["location"].as_bytes()), (1, b"/?t=[secret s]".as_slice()));
    }

    proptest! {
        /// However the stream is cut, it is scrubbed as if it came at once, and never shows the secret.
        #[test]
        fn chunks_make_no_difference(
            text in "[ab]{0,60}",
            cuts in proptest::collection::vec(0_usize..60, 0..12),
        ) {
            let secret = "abaabaab";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let shown = scrub(&[secret], &chunks);
            prop_assert_eq!(&shown, &scrub(&[secret], &[text.as_bytes()]));
            prop_assert_eq!(String::from_utf8(shown).unwrap(), text.replace(secret, "[secret s]"));
        }
    }
}
