use std::sync::Arc;

use exoclaw_protocol::{Block, Message, RunId, SessionKey, StopReason, Usage};
use exoclaw_store::{MemoryStore, Page, Record, RunOutcome, Store};
use futures::FutureExt;
use proptest::prelude::*;

use super::{KEPT_BYTES, Recent, Span};

const WIDE: Page = Page { entries: 10_000, bytes: u64::MAX };

struct Journal {
    store: Arc<dyn Store>,
    session: SessionKey,
}

impl Journal {
    fn new(store: &Arc<MemoryStore>, name: &str) -> Self {
        Self { store: store.clone(), session: format!("agent:main:{name}").parse().unwrap() }
    }

    /// The memory store is never waited for.
    fn append(&self, record: Record) -> u64 {
        self.store.append(&self.session, 0, vec![record]).now_or_never().unwrap().unwrap().last
    }

    fn accept(&self, text: &str) -> (RunId, u64) {
        let run_id: RunId = uuid::Uuid::now_v7().to_string().parse().unwrap();
        let (message, digest) = (Message::user(text), String::new());
        let seq = self.append(Record::accepted(run_id.clone(), message, digest));
        (run_id, seq)
    }

    fn answer(&self, run_id: &RunId, text: &str) {
        let content = vec![Block::Text { text: text.to_owned() }];
        let (stop_reason, usage) = (StopReason::EndTurn, Usage::default());
        self.append(Record::Step { run_id: run_id.clone(), step: 0, content, stop_reason, usage, cost: None });
        self.append(Record::RunEnded { run_id: run_id.clone(), outcome: RunOutcome::Ok });
    }

    fn told(&self, recent: &Recent, (run_id, accepted): &(RunId, u64), through: u64) -> Vec<Message> {
        recent
            .conversation(&self.session, run_id, Span { first: 0, summary: 0, accepted: *accepted, through })
            .now_or_never()
            .unwrap()
            .unwrap()
    }
}

proptest! {
    /// What is kept makes no difference to what is told.
    #[test]
    fn a_kept_tail_tells_what_the_journal_does(
        turns in proptest::collection::vec((1..4_usize, 0..80_usize, any::<bool>()), 1..12),
        entries in 1..40_u32,
        bytes in 1..3_000_u64,
    ) {
        let store = Arc::new(MemoryStore::new());
        let journal = Journal::new(&store, "main");
        let page = Page { entries, bytes };
        let kept = Recent::new(store.clone(), page);
        for (messages, length, answered) in turns {
            let waiting: Vec<_> = (0..messages).map(|n| journal.accept(&format!("{n} {}", "?".repeat(length)))).collect();
            for run in waiting {
                let through = journal.append(Record::RunStarted { run_id: run.0.clone() });
                let afresh = Recent::new(store.clone(), page);
                prop_assert_eq!(journal.told(&kept, &run, through), journal.told(&afresh, &run, through));
                if answered {
                    journal.answer(&run.0, &"!".repeat(length));
                }
            }
        }
    }
}

#[test]
fn records_after_the_bound_do_not_count() {
    let store = Arc::new(MemoryStore::new());
    let journal = Journal::new(&store, "main");
    let recent = Recent::new(store, WIDE);
    let first = journal.accept("one");
    journal.answer(&first.0, "more");
    for through in [3, 1, 3] {
        let told = journal.told(&recent, &first, through);
        assert_eq!(told.len(), if through == 3 { 2 } else { 1 }, "{through}");
    }
}

#[test]
fn what_is_kept_of_all_sessions_is_bounded() {
    let store = Arc::new(MemoryStore::new());
    let recent = Recent::new(store.clone(), WIDE);
    let journals: Vec<_> = (0..12).map(|n| Journal::new(&store, &n.to_string())).collect();
    let long = "x".repeat(1024 * 1024);
    let runs: Vec<_> = journals.iter().map(|journal| journal.accept(&long)).collect();
    for (journal, run) in journals.iter().zip(&runs) {
        assert_eq!(journal.told(&recent, run, run.1).len(), 1);
        let kept = recent.lock();
        assert!(kept.bytes <= KEPT_BYTES);
        assert_eq!(kept.bytes, kept.tails.iter().map(|(_, tail)| tail.bytes).sum::<u64>());
    }
    let kept = recent.lock();
    assert_eq!((kept.tails.len(), kept.tails.contains(&journals[11].session)), (7, true));
}
