//! How devices can fail.

use std::path::PathBuf;

use exoclaw_protocol::limits;

use crate::CredentialError;

/// Devices could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Another process has them.
    #[error("the devices in {path} are in use by another process, such as the daemon")]
    InUse {
        /// Their file.
        path: PathBuf,
    },
    /// They can't be read or written.
    #[error(transparent)]
    File(#[from] CredentialError),
    /// The file can't be understood. It is never taken for an empty one.
    #[error("{path} is no list of devices: put a copy back, or remove it, which ends all devices")]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        #[source]
        source: serde_json::Error,
    },
    /// No device has the id.
    #[error("there is no such device")]
    Unknown,
    /// No device waits under the id.
    #[error("no device waits under this id: it was answered, or waited too long and has to ask again")]
    NotWaiting,
    /// It would be let in for nothing.
    #[error("nothing of what the device asks for may be granted by you, or within the scope that you named")]
    NothingAllowed,
    /// There are too many.
    #[error("there are {} devices, which is as many as there may be: remove one", limits::DEVICES)]
    TooMany,
    /// The system has no random numbers.
    #[error("draw a random token")]
    Random(#[from] getrandom::Error),
}
