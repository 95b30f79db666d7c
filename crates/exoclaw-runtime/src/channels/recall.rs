//! What earlier processes saw of a channel, as far as the journals say it.

use exoclaw_store::{Page, ReadError, Record, SessionFilter};

use super::Channel;
use crate::{journal::Chain, runtime::Inner};

/// Sessions that are looked at: those that were used last.
const SESSIONS: u32 = 16;

/// Of each, so much of the end of its journal.
const END: Page = Page { entries: 64, bytes: 1024 * 1024 };

/// Finds out when a message last came and an answer last went out, and whether the last one did not.
pub(super) async fn recall(inner: &Inner, channel: &Channel) {
    match ends(inner, channel).await {
        Ok(ends) => channel.note(|seen| {
            // What was seen since the start is newer.
            seen.last_in_ms = seen.last_in_ms.or(ends.last_in_ms);
            if seen.last_out_ms.is_none() && seen.error.is_none() {
                seen.error = ends.last.and_then(|(_, failure)| failure);
            }
            seen.last_out_ms = seen.last_out_ms.or(ends.last_out_ms);
        }),
        Err(error) => {
            tracing::debug!(channel = channel.name(), error = %Chain(&error), "what was seen before can't be read");
        }
    }
}

#[derive(Default)]
struct Ends {
    last_in_ms: Option<u64>,
    last_out_ms: Option<u64>,
    /// When a delivery ended last, and why it failed, if it did.
    last: Option<(u64, Option<String>)>,
}

async fn ends(inner: &Inner, channel: &Channel) -> Result<Ends, ReadError> {
    let mut ends = Ends::default();
    // Keys of its sessions have its name in them, and others may.
    let filter = SessionFilter { text: Some(format!(":{}:", channel.name())), ..SessionFilter::latest(SESSIONS) };
    for summary in inner.store.sessions(filter).await? {
        if exoclaw_router::origin_of(&summary.session).is_none_or(|origin| origin.channel != channel.name()) {
            continue;
        }
        for entry in inner.store.tail(&summary.session, None, END).await? {
            let at_ms = entry.at_ms;
            match entry.record {
                Record::Accepted { to: Some(_), .. } => ends.last_in_ms = ends.last_in_ms.max(Some(at_ms)),
                Record::Delivered { failure, .. } => {
                    if failure.is_none() {
                        ends.last_out_ms = ends.last_out_ms.max(Some(at_ms));
                    }
                    if ends.last.as_ref().is_none_or(|(last_ms, _)| *last_ms <= at_ms) {
                        ends.last = Some((at_ms, failure));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(ends)
}
