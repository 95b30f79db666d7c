//! Sums of what was spent.

use std::collections::BTreeMap;

use exoclaw_protocol::{AgentId, Spent, TokenName};

use crate::Spending;

/// Adds up by day, agent and credential. Sums stop at the largest number, whatever a provider counts.
#[derive(Debug, Default)]
pub(crate) struct SpendingSums(BTreeMap<(u64, AgentId, Option<TokenName>), Spent>);

impl SpendingSums {
    pub(crate) fn add(&mut self, day: u64, agent: &str, credential: Option<TokenName>, spent: Spent) {
        // A session whose key names no agent that can be has spent nothing: no run of it ever starts.
        if let Ok(agent) = agent.parse() {
            *self.0.entry((day, agent, credential)).or_default() += spent;
        }
    }

    pub(crate) fn into_list(self) -> Vec<Spending> {
        let item = |((day, agent, credential), spent)| Spending { day, agent, credential, spent };
        self.0.into_iter().map(item).collect()
    }
}
