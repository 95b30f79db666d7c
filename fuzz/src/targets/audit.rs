//! The audit trail, as somebody may have left it.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use exoclaw_store::audit::{Audit, AuditConfig, records, verify};

/// Whatever the files hold: reading leaves out what is no record, checking names it, and writing goes on.
pub(crate) fn lines(bytes: &[u8]) {
    let Some(home) = super::folder() else { return };
    let config = AuditConfig::new(home.path().join("audit"), home.path().join("head"));
    let file = config.records.join(format!("{:020}.jsonl", 1));
    let private = |mode| fs::Permissions::from_mode(mode);
    let written = fs::create_dir(&config.records)
        .and_then(|()| fs::set_permissions(&config.records, private(0o700)))
        .and_then(|()| fs::write(&file, bytes))
        .and_then(|()| fs::set_permissions(&file, private(0o600)));
    if written.is_err() {
        return;
    }
    let read = records(&config.records, 0).map(Iterator::count).unwrap_or_default();
    let Ok(verdict) = verify(&config.records, &config.head) else { return };
    assert!(!verdict.is_sound(), "a trail without a head");
    assert!(verdict.records <= read as u64, "{} of {read} records are right", verdict.records);
    let audit = Audit::open(config.clone(), Arc::new(|| 1));
    drop(audit);
    let after = records(&config.records, 0).map(Iterator::count).unwrap_or_default();
    assert!(after > 0, "nothing can be written after it");
}
