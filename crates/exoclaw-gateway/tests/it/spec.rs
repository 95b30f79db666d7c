//! What `specs/protocol.md` says is what the code does.

use std::path::Path;

use exoclaw_protocol::{Call, ErrorCode, limits, openclaw::Method};

/// Rows of the table under a heading, cells without code marks.
fn table(heading: &str) -> Vec<Vec<String>> {
    table_of("protocol.md", heading)
}

fn table_of(page: &str, heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).expect("the section");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    rows.map(cells).collect()
}

#[test]
fn methods() {
    let said: Vec<String> = table("Methods").iter().map(|row| format!("{} {}", row[0], row[1])).collect();
    let done: Vec<String> = Call::METHODS.iter().map(|info| format!("{} {}", info.name, info.scope.as_str())).collect();
    assert_eq!(said, done);
}

#[test]
fn methods_of_openclaw() {
    let said: Vec<String> = table_of("openclaw.md", "Methods").iter().map(|row| row.join(" ")).collect();
    let row = |method: &Method| format!("{} {} {}", method.name(), method.scope(), method.since().number());
    assert_eq!(said, Method::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn errors() {
    let said: Vec<String> = table("Errors").iter().map(|row| row[..3].join(" ")).collect();
    let row = |code: &ErrorCode| format!("{} {code} {}", code.number(), if code.is_retryable() { "yes" } else { "no" });
    assert_eq!(said, ErrorCode::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn bounds() {
    let said: Vec<String> = table("Limits").iter().map(|row| row[1].clone()).collect();
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    let mib = |bytes: usize| format!("{} MiB", bytes / 1024 / 1024);
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
    let done = [
        kib(limits::UNAUTHENTICATED_MESSAGE_BYTES),
        mib(limits::MESSAGE_BYTES),
        seconds(limits::HANDSHAKE_DEADLINE),
        limits::UNAUTHENTICATED_SOCKETS.to_string(),
        limits::UNAUTHENTICATED_SOCKETS_OF_SOURCE.to_string(),
        limits::SOCKETS.to_string(),
        limits::BATCH_REQUESTS.to_string(),
        limits::REQUESTS_IN_FLIGHT.to_string(),
        limits::SUBSCRIPTIONS.to_string(),
        seconds(limits::PING_INTERVAL),
        seconds(limits::PONG_DEADLINE),
        limits::EVENT_RING.to_string(),
        kib(limits::EVENT_RING_BYTES),
        limits::SESSION_QUEUE.to_string(),
        limits::APPROVALS.to_string(),
        limits::ASKED_APPROVALS.to_string(),
        limits::CONTENT_BLOCKS.to_string(),
        limits::ATTACHMENTS.to_string(),
        limits::IMAGE_BYTES.to_string(),
        kib(limits::FILE_BYTES),
        limits::IDEMPOTENCY_KEY_BYTES.to_string(),
        limits::HISTORY_MESSAGES.to_string(),
        mib(limits::HISTORY_BYTES as usize),
        limits::SESSION_LIST.to_string(),
        limits::PREVIEWS.to_string(),
        limits::PREVIEW_TEXTS.to_string(),
        limits::LABEL_BYTES.to_string(),
        limits::CRON_JOBS.to_string(),
        limits::CRON_RUNS.to_string(),
        kib(limits::CRON_TEXT_BYTES),
        limits::DEVICES.to_string(),
        limits::DEVICES_WAITING.to_string(),
    ];
    assert_eq!(said, done);
}
