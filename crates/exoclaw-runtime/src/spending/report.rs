//! What people are told of spending.

use std::collections::BTreeMap;

use exoclaw_protocol::{BudgetInfo, Period, SessionSpent, Spent, SpentBy, SpentLately, UsageResult};

use super::{
    Budget,
    ledger::{Ledger, Payer},
};

impl Ledger {
    /// Everything that was spent in the present day and month, and the budgets. Those of sessions are told of one session:
    /// what it spent in all.
    pub(crate) fn report(&self, session: Option<SessionSpent>, now_ms: u64) -> UsageResult {
        let (today, accounts) = {
            let state = self.at(now_ms);
            let lately = |account: &super::ledger::Account| SpentLately { day: account.day, month: account.month };
            let accounts: BTreeMap<Payer, SpentLately> =
                state.accounts.iter().map(|(payer, account)| (payer.clone(), lately(account))).collect();
            (state.day, accounts)
        };
        let of = |payer: &Payer| accounts.get(payer).copied().unwrap_or_default();
        let (mut agents, mut credentials) = (Vec::new(), Vec::new());
        for (payer, spent) in &accounts {
            match payer {
                Payer::All => {}
                Payer::Agent(agent) => agents.push(SpentBy { name: agent.to_string(), spent: *spent }),
                Payer::Credential(name) => credentials.push(SpentBy { name: name.to_string(), spent: *spent }),
            }
        }
        let mut budgets = Vec::new();
        let mut tell = |payer: &Payer, budget: &Budget| {
            for (period, allowance) in budget.allowances() {
                let (spent, resets): (Spent, _) = match (period, payer, &session) {
                    (Period::Day, ..) => (of(payer).day, Some(today.next())),
                    (Period::Month, ..) => (of(payer).month, Some(today.next_month())),
                    (Period::Session, Payer::All, Some(session)) => (session.spent, None),
                    (Period::Session, Payer::Agent(agent), Some(session))
                        if agent.as_str() == session.session.agent() =>
                    {
                        (session.spent, None)
                    }
                    (Period::Session, ..) => continue,
                };
                let resets_ms = resets.map(super::calendar::Day::begin_ms);
                let (tokens, money) = (allowance.tokens, allowance.money);
                budgets.push(BudgetInfo { of: payer.to_string(), period, tokens, money, spent, resets_ms });
            }
        };
        tell(&Payer::All, &self.budgets.all);
        for (agent, budget) in &self.budgets.agents {
            tell(&Payer::Agent(agent.clone()), budget);
        }
        for (name, budget) in &self.budgets.credentials {
            tell(&Payer::Credential(name.clone()), budget);
        }
        UsageResult {
            currency: self.budgets.currency.clone(),
            day: today.to_string(),
            month: today.month_text(),
            total: of(&Payer::All),
            agents,
            credentials,
            session,
            budgets,
            days: Vec::new(),
        }
    }
}
