//! The audit trail of a home.

use std::sync::Arc;

use exoclaw_runtime::{Clock, SystemClock};
use exoclaw_store::audit::{Audit, AuditConfig, TrailError, Unrecorded};

use crate::{
    Home,
    error::{CliError, Exit},
    keys,
    runtime_file::RuntimeFile,
};

/// Where a home's trail lies; the demo has its own.
fn config(home: &Home, demo: bool) -> AuditConfig {
    if demo {
        return AuditConfig::new(home.demo().join("audit"), home.demo().join("credentials"));
    }
    AuditConfig::new(home.audit(), home.credentials())
}

/// The trail of the daemon that runs, which may be the demo's; where none runs, that of the real one.
pub(crate) fn running(home: &Home) -> AuditConfig {
    let is_demo = RuntimeFile::read(&home.runtime_file()).is_some_and(|file| file.demo);
    config(home, is_demo)
}

/// Opens it for this process alone. Blocks.
pub(crate) fn open(home: &Home, demo: bool) -> Result<Audit, CliError> {
    Audit::open(config(home, demo), Arc::new(|| SystemClock.now_ms())).map_err(trail_error)
}

/// A failure of the trail as a command's.
pub(crate) fn trail_error(error: TrailError) -> CliError {
    match error {
        TrailError::File(error) => keys::permission(error),
        error @ TrailError::InUse { .. } => CliError::of(Exit::Unavailable, error),
        error => CliError::of(Exit::Failed, error),
    }
}

/// What must be recorded first could not be.
pub(crate) fn unrecorded(error: Unrecorded) -> CliError {
    CliError::of(Exit::Io, error)
}
