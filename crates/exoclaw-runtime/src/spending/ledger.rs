//! What was spent in the present day and month, by whom, and what is held for steps under way.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::{AgentId, Money, Period, Spent, TokenName, Usage};
use exoclaw_store::{ReadError, Store};

use super::{
    budget::{Allowance, Budget, Budgets},
    calendar::Day,
};

/// Whose budgets a step counts against.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Payer {
    All,
    Agent(AgentId),
    Credential(TokenName),
}

impl fmt::Display for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Agent(agent) => write!(f, "agent {agent}"),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

/// Tokens and the money that they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) tokens: u64,
    pub(super) money: Money,
}

impl Amount {
    fn of(spent: &Spent) -> Self {
        Self { tokens: spent.usage.tokens(), money: spent.cost }
    }

    fn plus(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_add(other.tokens), money: self.money.plus(other.money) }
    }

    fn minus(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_sub(other.tokens), money: self.money.minus(other.money) }
    }
}

/// The one account of all runs. It is loaded from the store and kept in step with what is appended to it.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(super) budgets: Budgets,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) day: Day,
    /// One for each agent and credential that spent something in the month; the config and the owner bound both.
    pub(super) accounts: HashMap<Payer, Account>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Account {
    pub(super) day: Spent,
    pub(super) month: Spent,
    /// The most that steps under way may take.
    held: Amount,
}

/// A budget without room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exhausted {
    pub(super) of: Payer,
    pub(super) period: Period,
    pub(super) limit: Figure,
    pub(super) spent: Figure,
    /// For steps under way.
    pub(super) held: Figure,
    pub(super) asked: Figure,
    /// The day on which it starts anew.
    pub(super) resets: Option<Day>,
}

/// One of an amount's two figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    Tokens(u64),
    Money(Money),
}

impl Ledger {
    /// Reads what was spent in the present month.
    pub(crate) async fn load(budgets: Budgets, store: &dyn Store, now_ms: u64) -> Result<Self, ReadError> {
        let today = Day::of(now_ms);
        let mut state = State { day: today, accounts: HashMap::new() };
        for found in store.spending(None, today.month().0).await? {
            let mut payers = vec![Payer::All, Payer::Agent(found.agent)];
            payers.extend(found.credential.map(Payer::Credential));
            state.add(&payers, Day(found.day), found.spent);
        }
        Ok(Self { budgets, state: Mutex::new(state) })
    }

    /// What holds at this time.
    pub(super) fn at(&self, now_ms: u64) -> MutexGuard<'_, State> {
        // Every change is complete before the lock goes.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn_to(Day::of(now_ms));
        state
    }

    pub(super) fn budget(&self, payer: &Payer) -> Option<&Budget> {
        match payer {
            Payer::All => Some(&self.budgets.all),
            Payer::Agent(agent) => self.budgets.agents.get(agent),
            Payer::Credential(name) => self.budgets.credentials.get(name),
        }
    }
}

impl State {
    /// Begins a new day or month. A clock that goes back opens none a second time.
    fn turn_to(&mut self, today: Day) {
        if today <= self.day {
            return;
        }
        let is_new_month = today.month() > self.day.month();
        for account in self.accounts.values_mut() {
            account.day = Spent::default();
            if is_new_month {
                account.month = Spent::default();
            }
        }
        self.day = today;
    }

    /// Whether a budget has room for one more step.
    pub(super) fn has_room(
        &self,
        payer: &Payer,
        (period, allowance): (Period, Allowance),
        in_session: &Spent,
        asked: Amount,
        with_held: bool,
    ) -> Result<(), Exhausted> {
        let account = self.accounts.get(payer).copied().unwrap_or_default();
        let held = if with_held { account.held } else { Amount::default() };
        // The runs of a session come one after the other: of its budget, nothing is held by another.
        let (spent, held, resets) = match period {
            Period::Session => (in_session, Amount::default(), None),
            Period::Day => (&account.day, held, Some(self.day.next())),
            Period::Month => (&account.month, held, Some(self.day.next_month())),
        };
        let spent = Amount::of(spent);
        let wanted = spent.plus(held).plus(asked);
        let exhausted = |[limit, spent, held, asked]: [Figure; 4]| {
            Err(Exhausted { of: payer.clone(), period, limit, spent, held, asked, resets })
        };
        if let Some(limit) = allowance.tokens.filter(|limit| wanted.tokens > *limit) {
            return exhausted([limit, spent.tokens, held.tokens, asked.tokens].map(Figure::Tokens));
        }
        if let Some(limit) = allowance.money.filter(|limit| wanted.money > *limit) {
            return exhausted([limit, spent.money, held.money, asked.money].map(Figure::Money));
        }
        Ok(())
    }

    /// Keeps an amount for a step under way.
    pub(super) fn hold(&mut self, payers: &[Payer], amount: Amount) {
        for payer in payers {
            let account = self.accounts.entry(payer.clone()).or_default();
            account.held = account.held.plus(amount);
        }
    }

    /// Gives back what was held.
    pub(super) fn release(&mut self, payers: &[Payer], amount: Amount) {
        for payer in payers {
            if let Some(account) = self.accounts.get_mut(payer) {
                account.held = account.held.minus(amount);
            }
        }
    }

    /// Notes what was spent on a day.
    pub(super) fn add(&mut self, payers: &[Payer], day: Day, spent: Spent) {
        for payer in payers {
            let account = self.accounts.entry(payer.clone()).or_default();
            if day == self.day {
                account.day += spent;
            }
            if day.month() == self.day.month() {
                account.month += spent;
            }
        }
    }
}

/// What a step took.
pub(super) fn of_step(usage: &Usage, cost: Option<Money>) -> Spent {
    Spent { steps: 1, usage: *usage, cost: cost.unwrap_or_default() }
}
