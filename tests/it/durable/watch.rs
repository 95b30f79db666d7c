//! A client that watches a session through everything, and takes note of what it is told.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use exoclaw_client::{Client, Push, Pushes};
use exoclaw_protocol::{Event, FailureKind, RunId, SessionEvent, SessionSubscribeParams, SessionSubscribeResult};
use exoclaw_tests::wait::wait_for;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::work::{LAST_WORDS, PATIENCE, session};

/// What one client was told, by events or by snapshots.
#[derive(Debug, Default)]
struct Seen {
    position: (u64, u64),
    accepted: HashSet<RunId>,
    ended: HashSet<RunId>,
    /// Runs whose answer a snapshot showed.
    shown: HashSet<RunId>,
    /// Runs of which an event or a snapshot said that nobody knows what a call did, and how often.
    unknown: HashMap<RunId, u32>,
    /// What was said in the step under way, and all of the step before.
    text: String,
    step: Option<String>,
    snapshots: usize,
    events: usize,
}

/// Watches until it is dropped.
pub(super) struct Watcher {
    seen: Arc<Mutex<Seen>>,
    task: JoinSet<()>,
}

impl Watcher {
    pub(super) fn start(client: Client, number: usize) -> Self {
        let mut pushes = client.subscribe();
        let params = SessionSubscribeParams { session: session(number), epoch: None, seq: None };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (mut task, told) = (JoinSet::new(), seen.clone());
        task.spawn(async move {
            let first = client.request(params).await.unwrap();
            told.lock().unwrap().restart(&first);
            watch(&mut pushes, &told).await;
        });
        Self { seen, task }
    }

    /// Waits until everything was told of these runs, and says how many events and snapshots that took.
    pub(super) async fn ended(mut self, sent: &HashMap<String, RunId>) -> (usize, usize) {
        let look = || {
            let seen = self.seen.lock().unwrap();
            let missed: Vec<_> = sent.iter().filter(|(_, run)| !seen.has(run)).map(|(text, _)| text.clone()).collect();
            drop(seen);
            if self.task.try_join_next().is_some() {
                panic!("a watcher failed; of these it was not told: {missed:?}");
            }
            if missed.is_empty() { Ok(()) } else { Err(missed) }
        };
        wait_for(PATIENCE, look).await;
        self.task.abort_all();
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.accepted.len(), sent.len(), "messages that nobody sent");
        assert!(seen.unknown.values().all(|times| *times == 1), "{:?}", seen.unknown);
        (seen.events, seen.snapshots)
    }
}

async fn watch(pushes: &mut Pushes, seen: &Mutex<Seen>) {
    while let Some(push) = pushes.next().await {
        let mut seen = seen.lock().unwrap();
        match push {
            Push::Event(event) => seen.event(&event),
            Push::Snapshot(snapshot) => seen.restart(&snapshot),
            // A snapshot follows.
            Push::SeqGap { .. } | Push::State(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

impl Seen {
    fn has(&self, run: &RunId) -> bool {
        self.accepted.contains(run) && (self.ended.contains(run) || self.shown.contains(run))
    }

    fn restart(&mut self, result: &SessionSubscribeResult) {
        let snapshot = result.snapshot.as_ref().expect("not recovered, so there is a snapshot");
        self.position = (result.epoch, result.seq);
        self.snapshots += 1;
        for message in &snapshot.messages {
            self.accepted.insert(message.run_id.clone());
            let text: String = message.content.iter().filter_map(|block| block.as_text()).collect();
            if text == LAST_WORDS {
                self.shown.insert(message.run_id.clone());
            }
        }
        self.text = snapshot.run.as_ref().map(|run| run.text.clone()).unwrap_or_default();
        self.step = None;
    }

    fn event(&mut self, event: &SessionEvent) {
        let (epoch, seq) = self.position;
        assert_eq!((event.epoch, event.seq), (epoch, seq + 1), "a gap of which nothing was said, or an event twice");
        self.position.1 = event.seq;
        self.events += 1;
        let run = &event.run_id;
        match &event.event {
            Event::Accepted { .. } => assert!(self.accepted.insert(run.clone()), "{run} was accepted twice"),
            Event::Delta { text } => self.text.push_str(text),
            Event::Usage { .. } => self.step = Some(std::mem::take(&mut self.text)),
            Event::ToolFinished { output, .. } if output.failure == Some(FailureKind::OutcomeUnknown) => {
                *self.unknown.entry(run.clone()).or_insert(0) += 1;
            }
            Event::Final { message, .. } => {
                assert!(self.ended.insert(run.clone()), "{run} ended twice");
                if let Some(step) = self.step.take() {
                    assert_eq!(step, message.text(), "deltas are not what the answer is");
                }
            }
            Event::Error { code, message, .. } => panic!("{code}: {message}"),
            _ => {}
        }
    }
}
