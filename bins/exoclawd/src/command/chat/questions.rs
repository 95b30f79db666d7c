//! Calls that wait to be allowed, asked one after the other.

use std::collections::VecDeque;

use exoclaw_protocol::{Approval, Event, RunSnapshot, Verdict};

use super::view::View;
use crate::error::CliError;

/// What is to be asked; the run bounds it by its calls.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: VecDeque<Approval>,
    /// The first of them stands on the screen.
    asked: bool,
    /// Nobody types any more.
    over: bool,
}

impl Questions {
    /// A line that is typed now is an answer.
    pub(super) fn is_asking(&self) -> bool {
        self.asked && !self.over
    }

    /// Takes up a question, or drops one that was answered elsewhere or has expired.
    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::ApprovalRequested { approval } => self.waiting.push_back(approval.clone()),
            Event::ApprovalResolved { id, .. } => {
                let is_asked = self.waiting.front().is_some_and(|approval| approval.id == *id);
                self.asked &= !is_asked;
                self.waiting.retain(|approval| approval.id != *id);
            }
            _ => {}
        }
    }

    /// One waits to be shown.
    pub(super) fn is_due(&self) -> bool {
        !self.asked && !self.over && !self.waiting.is_empty()
    }

    /// Shows the next one.
    pub(super) fn ask(&mut self, view: &mut View<'_>) -> Result<(), CliError> {
        self.asked = true;
        view.prompt("allow this call, once? [y/N] ")
    }

    /// Takes what waits from a snapshot, after some events were missed.
    pub(super) fn start_again(&mut self, run: Option<&RunSnapshot>, view: &mut View<'_>) -> Result<(), CliError> {
        let waiting: VecDeque<Approval> = run.map(|run| run.approvals.iter().cloned().collect()).unwrap_or_default();
        for approval in waiting.iter().filter(|approval| !self.waiting.contains(approval)) {
            view.waits(approval)?;
        }
        self.asked &= waiting.front() == self.waiting.front();
        self.waiting = waiting;
        Ok(())
    }

    /// What a typed line answers; the end of input answers nothing.
    pub(super) fn answer(&mut self, line: Option<&str>) -> Option<(Approval, Verdict)> {
        self.asked = false;
        let Some(line) = line else {
            self.over = true;
            return None;
        };
        let yes = matches!(line.trim(), "y" | "Y" | "yes");
        Some((self.waiting.pop_front()?, if yes { Verdict::Allow } else { Verdict::Deny }))
    }
}
