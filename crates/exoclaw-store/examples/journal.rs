//! Keeps a journal of what is typed, one line each, and shows what it holds.
//!
//! `cargo run -p exoclaw-store --example journal -- FILE some words`
#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::{error::Error, time::SystemTime};

use exoclaw_protocol::{Message, RunId, SessionKey};
use exoclaw_store::{Page, Record, RunOutcome, SqliteConfig, SqliteStore, Store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: journal FILE [WORDS...]")?;
    let text = arguments.collect::<Vec<_>>().join(" ");

    let store = SqliteStore::open(&SqliteConfig::new(path))?;
    let session: SessionKey = "agent:main:diary".parse()?;
    if !text.is_empty() {
        write(&store, &session, text).await?;
    }
    // The newest hundred, the oldest of them first.
    for entry in store.tail(&session, None, Page { entries: 100, bytes: 1 << 20 }).await? {
        if let Record::Accepted { message, .. } = entry.record {
            println!("{:>4}  {}", entry.seq, message.text());
        }
    }
    store.close().await;
    Ok(())
}

/// When this returns, the line is on the disk.
async fn write(store: &SqliteStore, session: &SessionKey, text: String) -> Result<(), Box<dyn Error>> {
    let now = now_ms()?;
    let run_id: RunId = format!("line-{now}").parse()?;
    let accepted = Record::accepted(run_id.clone(), Message::user(text), "");
    let ended = Record::RunEnded { run_id, outcome: RunOutcome::Ok };
    store.append(session, now, vec![accepted, ended]).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the library has no clock: whoever embeds it brings one")]
fn now_ms() -> Result<u64, Box<dyn Error>> {
    Ok(u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?)
}
