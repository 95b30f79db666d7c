//! Secrets: text that no log, error or frame can show by accident.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

/// A key, token or password. Cheap to clone; wiped from memory when the last clone goes.
///
/// `Debug` prints nothing of it, and it is neither `Display` nor `Serialize`: showing it takes [`Secret::expose`].
///
/// ```
/// use exoclaw_protocol::Secret;
///
/// let key = Secret::new("sk-123");
/// assert_eq!(format!("{key:?}"), "Secret(…)");
/// assert_eq!(key.expose(), "sk-123");
/// ```
/// ```compile_fail
/// serde_json::to_string(&exoclaw_protocol::Secret::new("sk-123"));
/// ```
/// ```compile_fail
/// println!("{}", exoclaw_protocol::Secret::new("sk-123"));
/// ```
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// The text itself, for the one place that sends, stores or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
