//! Reads as much of a journal as is asked for.

use std::collections::HashMap;

use exoclaw_protocol::{Block, HistoryMessage, Omitted, SessionKey, SessionSnapshot};
use exoclaw_store::{Entry, Page, ReadError, Record, Store};

use super::{fold::is_whole, messages, summary};
use crate::session::View;

/// Entries that are read from the store at once.
const PAGE_ENTRIES: u32 = 256;

/// Messages and bytes of a snapshot: it goes to every client that comes back, and must fit into its outbox.
const SNAPSHOT_MESSAGES: usize = 200;
const SNAPSHOT_BYTES: usize = 128 * 1024;

/// Which part of a history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Number of the first record of the conversation.
    pub(crate) first_seq: u64,
    /// Number of the record that stands for what left it; 0 where none does.
    pub(crate) summary_seq: u64,
    pub(crate) before: Option<u64>,
    pub(crate) limit: usize,
    pub(crate) max_bytes: usize,
    /// Bytes of one message; of a larger one only that is told.
    pub(crate) max_message_bytes: usize,
    /// With images and files, in place of that there are some.
    pub(crate) attachments: bool,
}

/// The newest messages of a session, with `before` those whose number is smaller, oldest first: at most so many and so many
/// bytes, but one in any case where there is one.
pub(crate) async fn load(
    store: &dyn Store,
    session: &SessionKey,
    wanted: Wanted,
) -> Result<Vec<HistoryMessage>, ReadError> {
    load_where(store, session, wanted, |_| true).await
}

/// What a session looked like at the view's event.
pub(crate) async fn snapshot(
    store: &dyn Store,
    session: &SessionKey,
    view: View,
) -> Result<SessionSnapshot, ReadError> {
    let told = |entry: &Entry| was_told(&view, entry);
    let wanted = Wanted {
        first_seq: view.first_seq,
        summary_seq: view.summary_seq,
        before: None,
        limit: SNAPSHOT_MESSAGES,
        max_bytes: SNAPSHOT_BYTES,
        max_message_bytes: usize::MAX,
        attachments: false,
    };
    let messages = load_where(store, session, wanted, told).await?;
    Ok(SessionSnapshot { messages, run: view.running })
}

/// Nothing counts that is durable but whose event comes after the view's: the client will hear of it.
fn was_told(view: &View, entry: &Entry) -> bool {
    if entry.seq <= view.base {
        return true;
    }
    let Some(told) = entry.record.run_id().and_then(|run_id| view.open.get(run_id)) else {
        let is_said = matches!(entry.record, Record::Accepted { .. } | Record::Noted { .. });
        return !is_said || entry.seq <= view.accepted_through;
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
    Wanted { first_seq, summary_seq, before, limit, max_bytes, max_message_bytes, attachments }: Wanted,
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
        let is_end = first.is_none_or(|first| first <= first_seq.max(1));
        entries.splice(0..0, older.into_iter().filter(|entry| entry.seq >= first_seq && counts(entry)));
        let mut found = messages(&entries);
        if !attachments {
            found.iter_mut().for_each(leave_out_attachments);
        }
        if is_end && first_seq > 0 {
            leave_out_cut(&mut found);
            found.splice(0..0, read_summary(store, session, summary_seq).await?);
        }
        found.retain(|message| before.is_none_or(|before| message.seq < before));
        if is_end || found.len() > limit || size(&found) > max_bytes {
            found.iter_mut().for_each(|message| shorten(message, max_message_bytes));
            return Ok(cut(found, limit, max_bytes));
        }
    }
}

/// What stands for the messages that left the conversation, if anything does.
pub(super) async fn read_summary(
    store: &dyn Store,
    session: &SessionKey,
    summary_seq: u64,
) -> Result<Option<HistoryMessage>, ReadError> {
    if summary_seq == 0 {
        return Ok(None);
    }
    let one = Page { entries: 1, bytes: u64::MAX };
    let entries = store.read(session, summary_seq - 1, one).await?;
    Ok(entries.first().filter(|entry| entry.seq == summary_seq).and_then(summary))
}

/// Leaves out what belongs to runs whose message is no part of the conversation any more.
fn leave_out_cut(messages: &mut Vec<HistoryMessage>) {
    let mut whole = HashMap::new();
    messages.retain(|message| {
        *whole.entry(message.run_id.clone()).or_insert_with(|| is_whole(std::slice::from_ref(message)))
    });
}

fn leave_out_attachments(message: &mut HistoryMessage) {
    let content = std::mem::take(&mut message.content);
    message.content = content.into_iter().map(Block::without_attachment).collect();
}

/// In place of what is too large it is said that it was.
fn shorten(message: &mut HistoryMessage, max_bytes: usize) {
    let bytes = size(std::slice::from_ref(message));
    if bytes > max_bytes {
        message.content = vec![Block::Omitted { what: Omitted::Message, name: None, bytes: bytes as u64 }];
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
