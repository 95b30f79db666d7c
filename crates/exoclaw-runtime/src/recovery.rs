//! What an earlier process left open.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use exoclaw_agent::{ModelStep, RecordedStep, ToolReturn};
use exoclaw_protocol::{CallId, Message, RunId, SessionKey};
use exoclaw_store::{Entry, Page, ReadError, Record, RunOutcome, Store};

use crate::{approvals::RecordedApproval, journal::Journal, live::Origin, runtime::Inner, session::Queued};

/// Times that a run is taken up again without getting on before it is ended: it may be what brings the daemon down.
pub(crate) const RECOVERIES: u32 = 3;

/// Entries that are read at once.
const PAGE: Page = Page { entries: 256, bytes: 1024 * 1024 };

/// Every open run waits for its turn again. How far it had come is read when its turn comes: what can't be read harms no
/// other run.
pub(crate) async fn recover(inner: &Arc<Inner>) -> Result<(), ReadError> {
    let mut known = HashSet::new();
    for open in inner.store.open_runs().await? {
        tracing::info!(session = %open.session, run = %open.run_id, resumed = open.resumed, "run waits again");
        let lease = inner.sessions.lease(&open.session);
        let origin = Origin { accepted: open.accepted_seq, recovered: true, by: open.by, options: open.options };
        // One of a session comes after the other: the first may have been under way.
        let is_new = !known.insert(open.session);
        let place = inner.load.take_anyway();
        let queued = Queued { run_id: open.run_id, origin, start: 0, is_new, place };
        lease.session().lock().queue.push_back(queued);
        inner.work(&lease);
    }
    Ok(())
}

/// How far a run had come.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    /// Number of the record of its start, if it had started.
    pub(crate) started: Option<u64>,
    pub(crate) steps: Vec<RecordedStep>,
    /// Times that it was taken up, since it last got on, by a process that then died.
    pub(crate) failures: u32,
    /// Approvals that it asked for, and what became of them.
    pub(crate) approvals: HashMap<(u32, CallId), RecordedApproval>,
    /// Messages that it was told while it was under way, by the step that was told of them first.
    pub(crate) told: BTreeMap<u32, Vec<Message>>,
    /// Tools of its intents, as the model names them: step, call, tool.
    intents: Vec<(u32, CallId, String)>,
}

impl Begun {
    /// As far as these records of one run say.
    pub(crate) fn of(entries: Vec<Entry>) -> Self {
        let mut begun = Self::default();
        entries.into_iter().for_each(|entry| begun.add(entry));
        begun
    }

    /// Reads the records of a run. `accepted` is the number of that of its message.
    pub(crate) async fn read(
        store: &dyn Store,
        session: &SessionKey,
        run_id: &RunId,
        accepted: u64,
    ) -> Result<Self, ReadError> {
        let (mut begun, mut after) = (Self::default(), accepted);
        // Messages that came meanwhile: as many as a queue holds, and those that were answered on their own.
        let mut others = HashMap::new();
        loop {
            let entries = store.read(session, after, PAGE).await?;
            let Some(last) = entries.last() else { return Ok(begun) };
            after = last.seq;
            for entry in entries {
                match entry.record {
                    _ if entry.record.run_id() == Some(run_id) => begun.add(entry),
                    Record::Accepted { run_id, message, .. } => drop(others.insert(run_id, message)),
                    Record::RunEnded { run_id: other, outcome } => {
                        let message = others.remove(&other);
                        if let (RunOutcome::Joined { into, step: Some(step) }, Some(message)) = (outcome, message)
                            && into == *run_id
                        {
                            begun.told.entry(step).or_default().push(message);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn add(&mut self, Entry { seq, record, .. }: Entry) {
        match record {
            Record::RunStarted { .. } => {
                self.started.get_or_insert(seq);
            }
            // While it waits for people it brings nothing down.
            Record::RunResumed { .. } if self.waits() => {}
            Record::RunResumed { .. } => self.failures += 1,
            Record::RunSuspended { .. } => self.failures = self.failures.saturating_sub(1),
            Record::Step { content, stop_reason, usage, .. } => {
                self.failures = 0;
                self.steps.push(RecordedStep::new(ModelStep { content, stop_reason, usage }));
            }
            Record::ApprovalRequested { step, call_id, tool, digest, expires_ms, .. } => {
                self.failures = 0;
                let approval = RecordedApproval { tool, digest, expires_ms, decision: None };
                self.approvals.insert((step, call_id), approval);
            }
            Record::ApprovalResolved { step, call_id, digest, decision, .. } => {
                self.failures = 0;
                let asked = self.approvals.get_mut(&(step, call_id)).filter(|asked| asked.digest == digest);
                if let Some(asked) = asked {
                    asked.decision.get_or_insert(decision);
                }
            }
            Record::Intent { step, call_id, tool, effect, .. } => {
                if let Some(recorded) = self.steps.get_mut(step as usize) {
                    recorded.intents.insert(call_id.clone(), effect);
                    self.intents.push((step, call_id, tool));
                }
            }
            Record::ToolResult { step, call_id, output, metering, .. } => {
                self.failures = 0;
                if let Some(recorded) = self.steps.get_mut(step as usize) {
                    recorded.results.entry(call_id).or_insert(ToolReturn { output, metering });
                }
            }
            _ => {}
        }
    }

    /// Somebody is asked and has not answered.
    fn waits(&self) -> bool {
        self.approvals.values().any(|asked| asked.decision.is_none())
    }

    /// Tells a journal of the calls that have no result.
    pub(crate) fn tell(&mut self, journal: &Journal) {
        for (step, call_id, tool) in std::mem::take(&mut self.intents) {
            let recorded = self.steps.get(step as usize);
            if recorded.is_some_and(|recorded| !recorded.results.contains_key(&call_id)) {
                journal.begin(step, call_id, tool);
            }
        }
    }
}
