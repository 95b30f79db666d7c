//! Grammar of `device`.

use clap::Subcommand;
use exoclaw_protocol::DeviceId;

use super::TokenScope;

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List the devices that are let in, and those that wait
    List,
    /// Let in a device that waits
    Approve {
        /// Id of the request, as `device list` shows it
        request: String,
        /// It may do no more than this [default: what it asks for]
        #[arg(long, value_name = "SCOPE")]
        scope: Option<TokenScope>,
    },
    /// Send away a device that waits
    Reject {
        /// Id of the request, as `device list` shows it
        request: String,
    },
    /// End a device: its connections close, its token works no more
    Remove {
        /// Its id
        id: DeviceId,
    },
}
