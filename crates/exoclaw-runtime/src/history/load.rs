//! Reads as much of a journal as is asked for.

use exoclaw_protocol::{HistoryMessage, SessionKey, SessionSnapshot};
use exoclaw_store::{Entry, Page, ReadError, Record, Store};

use super::messages;
use crate::session::View;

/// Entries that are read from the store at once.
const PAGE_ENTRIES: u32 = 256;

/// Messages and bytes of a snapshot: it goes to every client that comes back, and must fit into its outbox.
const SNAPSHOT_MESSAGES: usize = 200;
const SNAPSHOT_BYTES: usize = 128 * 1024;

/// The newest messages of a session, with `before` those whose number is smaller, oldest first: at most so many and so many
/// bytes, but one in any case where there is one.
pub(crate) async fn load(
    store: &dyn Store,
    session: &SessionKey,
    before: Option<u64>,
    limit: usize,
    max_bytes: usize,
) -> Result<Vec<HistoryMessage>, ReadError> {
    load_where(store, session, before, limit, max_bytes, |_| true).await
}

/// What a session looked like at the view's event.
pub(crate) async fn snapshot(
    store: &dyn Store,
    session: &SessionKey,
    view: View,
) -> Result<SessionSnapshot, ReadError> {
    let told = |entry: &Entry| was_told(&view, entry);
    let messages = load_where(store, session, None, SNAPSHOT_MESSAGES, SNAPSHOT_BYTES, told).await?;
    Ok(SessionSnapshot { messages, run: view.running })
}

/// Nothing counts that is durable but whose event comes after the view's: the client will hear of it.
fn was_told(view: &View, entry: &Entry) -> bool {
    if entry.seq <= view.base {
        return true;
    }
    let Some(told) = view.open.get(entry.record.run_id()) else {
        return !matches!(entry.record, Record::Accepted { .. }) || entry.seq <= view.accepted_through;
    };
    match &entry.record {
        Record::Accepted { .. } => entry.seq <= view.accepted_through,
        Record::Step { step, .. } => *step < told.steps,
        Record::ToolResult { step, call_id, .. } => {
            step + 1 < told.steps || (step + 1 == told.steps && told.finished.contains(call_id))
        }
        _ => false,
    }
}

async fn load_where(
    store: &dyn Store,
    session: &SessionKey,
    before: Option<u64>,
    limit: usize,
    max_bytes: usize,
    counts: impl Fn(&Entry) -> bool,
) -> Result<Vec<HistoryMessage>, ReadError> {
    let page = Page { entries: PAGE_ENTRIES, bytes: max_bytes.max(1) as u64 };
    // What a message is may be said after the next one was accepted: the last of a step's results, or how its run ended.
    let mut entries = match before {
        Some(before) => store.read(session, before.saturating_sub(1), page).await?,
        None => Vec::new(),
    };
    let mut first = before;
    loop {
        let older = store.tail(session, first, page).await?;
        first = older.first().map(|first| first.seq);
        let is_end = first.is_none_or(|first| first <= 1);
        entries.splice(0..0, older.into_iter().filter(&counts));
        let mut found = messages(&entries);
        found.retain(|message| before.is_none_or(|before| message.seq < before));
        if is_end || found.len() > limit || size(&found) > max_bytes {
            return Ok(cut(found, limit, max_bytes));
        }
    }
}

fn size(messages: &[HistoryMessage]) -> usize {
    messages.iter().map(|message| serde_json::to_vec(message).map_or(0, |json| json.len())).sum()
}

fn cut(mut messages: Vec<HistoryMessage>, limit: usize, max_bytes: usize) -> Vec<HistoryMessage> {
    let (mut kept, mut bytes) = (0, 0);
    for message in messages.iter().rev().take(limit.max(1)) {
        bytes += size(std::slice::from_ref(message));
        if kept > 0 && bytes > max_bytes {
            break;
        }
        kept += 1;
    }
    messages.split_off(messages.len() - kept)
}
