//! Budgets as the config has them.

use std::collections::BTreeMap;

use exoclaw_protocol::{AgentId, Money, Period, TokenName};
use serde::Deserialize;

/// What may be used within one period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// Tokens of all kinds.
    pub tokens: Option<u64>,
    /// Money.
    pub money: Option<Money>,
}

/// What one may use. What is not set has no bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// In the life of each session.
    pub session: Option<Allowance>,
    /// In a day of UTC.
    pub day: Option<Allowance>,
    /// In a month of UTC.
    pub month: Option<Allowance>,
}

/// All budgets. Each that applies to a step must have room for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    /// What money is in, by its code in ISO 4217; shown to people.
    pub currency: String,
    /// Of everything together.
    pub all: Budget,
    /// Of single agents.
    pub agents: BTreeMap<AgentId, Budget>,
    /// Of single credentials, by their names; `owner` stands for the owner's own.
    pub credentials: BTreeMap<TokenName, Budget>,
}

impl Budget {
    /// Its periods, with what may be used in each.
    pub fn allowances(&self) -> impl Iterator<Item = (Period, Allowance)> {
        let each = [(Period::Session, self.session), (Period::Day, self.day), (Period::Month, self.month)];
        each.into_iter().filter_map(|(period, allowance)| Some((period, allowance?)))
    }

    fn bounds_money(&self) -> bool {
        self.allowances().any(|(_, allowance)| allowance.money.is_some())
    }
}

impl Budgets {
    /// Steps of this agent may count against a budget of money, so that its model needs a price.
    pub fn bound_money_of(&self, agent: &AgentId) -> bool {
        let own = self.agents.get(agent).into_iter();
        own.chain(self.credentials.values()).chain([&self.all]).any(Budget::bounds_money)
    }
}
