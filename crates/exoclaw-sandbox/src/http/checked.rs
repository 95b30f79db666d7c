//! Secrets that are sent nowhere: what the host checks requests with.

use exoclaw_protocol::Secret;
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::http::{
    SECRET_BYTES,
    scrub::{Needle, Scrubber},
};

/// A granted secret to check with.
#[derive(Debug)]
pub(crate) struct CheckedSecret {
    pub(crate) name: String,
    value: Secret,
    /// How it is found in what a guest is given.
    needles: Vec<Needle>,
}

impl CheckedSecret {
    /// `None` if the value is too short to be told from other text.
    pub(crate) fn new(name: &str, value: Secret) -> Option<Self> {
        (value.expose().len() >= SECRET_BYTES).then(|| Self {
            name: name.to_owned(),
            needles: Needle::of(name, &value),
            value,
        })
    }

    /// These bytes are the secret. Takes the same time wherever they differ.
    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        self.value.expose().as_bytes().ct_eq(bytes).into()
    }

    /// The signature is HMAC-SHA256 of the message under the secret.
    pub(crate) fn signs(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.value.expose().as_bytes());
        hmac::verify(&key, message, signature).is_ok()
    }
}

/// Text without the secrets; `None` if it is none.
pub(crate) fn withhold(secrets: &[CheckedSecret], bytes: &[u8]) -> Option<String> {
    let needles = secrets.iter().flat_map(|secret| secret.needles.clone()).collect();
    let shown = match Scrubber::new(needles) {
        Some(mut scrubber) => scrubber.whole(bytes),
        None => bytes.to_vec(),
    };
    String::from_utf8(shown).ok()
}
