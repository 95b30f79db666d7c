//! The process that faults are done to: it appends, and prints a line for each thing that happens to it.

use std::{io::Write, process::ExitCode, time::Duration};

use exoclaw_protocol::{Message, RunOptions, SessionKey};
use exoclaw_store::{Page, Record, SqliteConfig, SqliteStore, Store};
use futures::future::join_all;

/// Writers of one process, each in a session of its own.
pub(crate) const WRITERS: usize = 8;

/// The argument that makes this program a writer.
pub(crate) const FLAG: &str = "--be-a-writer";

/// What a writer holds of promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Acknowledges what is durable, and ends at the first refusal.
    Honest,
    /// Acknowledges before it is durable: a negative control.
    Early,
    /// As the first, but goes on after refusals, and says each time what can be read.
    Stubborn,
}

impl Mode {
    const ALL: [(Self, &str); 3] = [(Self::Honest, "honest"), (Self::Early, "early"), (Self::Stubborn, "stubborn")];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mode, _)| *mode == self).unwrap().1
    }

    fn parse(name: &str) -> Self {
        Self::ALL.iter().find(|(_, known)| *known == name).unwrap().0
    }
}

pub(crate) fn session(writer: usize) -> SessionKey {
    format!("agent:main:w-{writer}").parse().unwrap()
}

/// The record of a number: which one it is can be read from it, and its size varies.
pub(crate) fn record(writer: usize, seq: u64) -> Record {
    let filler = "x".repeat(usize::try_from(seq * 7919 % 1500).unwrap());
    Record::Accepted {
        run_id: format!("run-{writer}-{seq}").parse().unwrap(),
        message: Message::user(format!("{writer} {seq} {filler}")),
        key: Some(format!("key-{writer}-{seq}").parse().unwrap()),
        digest: "0".repeat(64),
        by: None,
        origin: None,
        to: None,
        options: RunOptions::default(),
    }
}

/// `STORE WRITERS COUNT MODE`: each writer appends so many records; a count of 0 has no end.
pub(crate) fn main(args: &[&str]) -> ExitCode {
    let [path, writers, count, mode] = args else { panic!("{FLAG} STORE WRITERS COUNT MODE") };
    let (writers, count, mode): (usize, u64, _) = (writers.parse().unwrap(), count.parse().unwrap(), Mode::parse(mode));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(&SqliteConfig::new(path)).unwrap();
        join_all((0..writers).map(|writer| write(&store, writer, count, mode))).await;
        store.close().await;
    });
    ExitCode::SUCCESS
}

async fn write(store: &SqliteStore, writer: usize, count: u64, mode: Mode) {
    let session = session(writer);
    let start = store.session(&session).await.unwrap().map_or(0, |summary| summary.last_seq);
    let mut next = start + 1;
    while count == 0 || next <= start + count {
        if mode == Mode::Early {
            say(&format!("ack {writer} {next}"));
        }
        match store.append(&session, next, vec![record(writer, next)]).await {
            Ok(appended) => {
                assert_eq!(appended.first, next, "the store lost what it had acknowledged while it was open");
                if mode != Mode::Early {
                    say(&format!("ack {writer} {next}"));
                }
                next += 1;
            }
            Err(_) if mode == Mode::Stubborn => {
                let why = store.read_only().unwrap_or_default();
                let last = store.tail(&session, None, Page { entries: 1, bytes: 1 << 20 }).await;
                let readable = last.map_or(0, |entries| entries.last().map_or(0, |entry| entry.seq));
                say(&format!("refused {writer} {readable} {why}"));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(_) => return,
        }
    }
}

/// Ends the process where nobody listens any more.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody listens");
}
