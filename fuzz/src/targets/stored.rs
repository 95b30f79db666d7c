//! What is read back from the disk, where anything may have happened to it.

use std::{fs, os::unix::fs::PermissionsExt};

use exoclaw_store::{Record, Tokens};

/// A record that is taken is written as one that is the same.
pub(crate) fn records(bytes: &[u8]) {
    let Ok(record) = serde_json::from_slice::<Record>(bytes) else { return };
    let written = serde_json::to_vec(&record).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<Record>(&written).ok(), Some(record));
}

/// A list of tokens that is taken can be kept, and is taken again.
pub(crate) fn tokens(bytes: &[u8]) {
    let Some(home) = super::folder() else { return };
    let file = home.path().join("tokens.json");
    let only_owner = fs::Permissions::from_mode(0o600);
    if fs::write(&file, bytes).and_then(|()| fs::set_permissions(&file, only_owner)).is_err() {
        return;
    }
    let Ok(tokens) = Tokens::open(home.path()) else { return };
    let listed = tokens.list();
    assert!(tokens.check("exo_", 0).is_none(), "nobody knows this token");
    drop(tokens);
    assert_eq!(Tokens::open(home.path()).map(|tokens| tokens.list()).ok(), Some(listed));
}
