//! What one run may spend.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use exoclaw_agent::{ModelRequest, OverBudget};
use exoclaw_protocol::{AgentId, ErrorCode, Message, Money, Period, RpcError, SessionKey, Spent, TokenName, Usage};
use exoclaw_store::{
    ReadError, Store,
    audit::{Audit, Decision, Entry, What},
};
use serde::Serialize;

use super::{
    calendar::Day,
    ledger::{Amount, Exhausted, Figure, Ledger, Payer, of_step},
};
use crate::{config::AgentConfig, price::Price};

/// Tokens that a step may write where neither agent nor provider says, once a budget applies: without a bound on a step
/// nobody could say whether there is room for it.
const OUTPUT_TOKENS: u32 = 8_192;

/// Takes from the ledger for one run. What is held and not spent goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Purse {
    ledger: Arc<Ledger>,
    audit: Audit,
    agent: AgentId,
    payers: Vec<Payer>,
    price: Option<Price>,
    /// A budget applies.
    is_bound: bool,
    max_tokens: Option<u32>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the session has spent: in all, and for the run's credential.
    session: [Spent; 2],
    held: Option<Amount>,
}

impl Purse {
    pub(crate) async fn open(
        ledger: &Arc<Ledger>,
        audit: &Audit,
        store: &dyn Store,
        session: &SessionKey,
        agent: &AgentConfig,
        by: Option<&TokenName>,
    ) -> Result<Self, ReadError> {
        let mut payers = vec![Payer::All, Payer::Agent(agent.id.clone())];
        payers.extend(by.cloned().map(Payer::Credential));
        let allowances = || payers.iter().filter_map(|payer| ledger.budget(payer)).flat_map(|of| of.allowances());
        let is_bound = allowances().next().is_some();
        let mut spent = [Spent::default(); 2];
        if allowances().any(|(period, _)| period == Period::Session) {
            for found in store.spending(Some(session), 0).await? {
                spent[0] += found.spent;
                if found.credential.as_ref() == by {
                    spent[1] += found.spent;
                }
            }
        }
        let max_tokens = agent.max_tokens.or(is_bound.then_some(OUTPUT_TOKENS));
        let state = Mutex::new(State { session: spent, held: None });
        let (ledger, audit, agent, price) = (ledger.clone(), audit.clone(), agent.id.clone(), agent.price);
        Ok(Self { ledger, audit, agent, payers, price, is_bound, max_tokens, state })
    }

    /// Tokens that a step may write.
    pub(crate) fn max_tokens(&self) -> Option<u32> {
        self.max_tokens
    }

    /// What a step cost, if the model has a price.
    pub(crate) fn cost(&self, usage: &Usage) -> Option<Money> {
        self.price.as_ref().map(|price| price.cost(usage))
    }

    /// Refuses a message whose first step can't be paid, whatever else is under way.
    pub(crate) fn check(&self, message: &Message, now_ms: u64) -> Result<(), RpcError> {
        if !self.is_bound {
            return Ok(());
        }
        let asked = self.most(written(message));
        let exhausted = self.find_room(&self.ledger.at(now_ms), &self.lock().session, asked, false);
        exhausted.map_err(|exhausted| {
            self.note("message", &exhausted);
            let retry_after_ms = exhausted.resets.map(|day| day.begin_ms().saturating_sub(now_ms));
            RpcError { retry_after_ms, ..RpcError::new(ErrorCode::BudgetExceeded, self.words(&exhausted)) }
        })
    }

    /// Holds the most that a step may take, or refuses it.
    pub(crate) fn admit(&self, request: &ModelRequest, now_ms: u64) -> Result<(), OverBudget> {
        if !self.is_bound {
            return Ok(());
        }
        let system = request.system.as_ref().map_or(0, String::len) as u64;
        let asked = self.most(written(&request.messages) + written(&*request.tools) + system);
        let (mut own, mut ledger) = (self.lock(), self.ledger.at(now_ms));
        if let Some(held) = own.held.take() {
            ledger.release(&self.payers, held);
        }
        self.find_room(&ledger, &own.session, asked, true).map_err(|exhausted| {
            self.note("step", &exhausted);
            let retry_after = exhausted.resets.map(|day| Duration::from_millis(day.begin_ms().saturating_sub(now_ms)));
            OverBudget { message: self.words(&exhausted), retry_after }
        })?;
        ledger.hold(&self.payers, asked);
        own.held = Some(asked);
        Ok(())
    }

    /// Notes what a step took, in place of what was held for it.
    pub(crate) fn settle(&self, usage: &Usage, cost: Option<Money>, at_ms: u64) {
        let spent = of_step(usage, cost);
        let (mut own, mut ledger) = (self.lock(), self.ledger.at(at_ms));
        if let Some(held) = own.held.take() {
            ledger.release(&self.payers, held);
        }
        ledger.add(&self.payers, Day::of(at_ms), spent);
        own.session.iter_mut().for_each(|sum| *sum += spent);
    }

    /// The most that a step may take: a token is a byte at least, and no more are written than asked for.
    fn most(&self, bytes: u64) -> Amount {
        let output = u64::from(self.max_tokens.unwrap_or(OUTPUT_TOKENS));
        let money = self.price.map(|price| price.most(bytes, output)).unwrap_or_default();
        Amount { tokens: bytes.saturating_add(output), money }
    }

    fn find_room(
        &self,
        ledger: &super::ledger::State,
        session: &[Spent; 2],
        asked: Amount,
        with_held: bool,
    ) -> Result<(), Exhausted> {
        for payer in &self.payers {
            let in_session = &session[usize::from(matches!(payer, Payer::Credential(_)))];
            for allowance in self.ledger.budget(payer).into_iter().flat_map(super::Budget::allowances) {
                ledger.has_room(payer, allowance, in_session, asked, with_held)?;
            }
        }
        Ok(())
    }

    /// Records that something was refused. The same for the same budget, so that it is written once and counted.
    fn note(&self, action: &'static str, Exhausted { of, period, limit, .. }: &Exhausted) {
        let entry = Entry::new(What::Budget, action, Decision::Refused).who(format_args!("agent {}", self.agent));
        let reason = format_args!("the budget for {} is {}", time(*period), self.figure(limit));
        self.audit.note(entry.object(of).reason(reason));
    }

    fn figure(&self, figure: &Figure) -> String {
        match figure {
            Figure::Tokens(tokens) => format!("{tokens} tokens"),
            Figure::Money(money) => format!("{money} {}", self.ledger.budgets.currency),
        }
    }

    /// What people are told: whose budget, how much of it is used, and when it starts anew.
    fn words(&self, exhausted: &Exhausted) -> String {
        let Exhausted { of, period, limit, spent, held, asked, resets } = exhausted;
        let (figure, time) = (|figure| self.figure(figure), time(*period));
        let of = match of {
            Payer::All => String::new(),
            of => format!(" of {of}"),
        };
        let held = match held {
            Figure::Tokens(0) | Figure::Money(Money::ZERO) => String::new(),
            held => format!(" and {} held for other runs", figure(held)),
        };
        let anew = match resets {
            Some(day) => format!("it starts anew at {day}T00:00:00Z"),
            None => "go on in another session".to_owned(),
        };
        format!(
            "the budget{of} for {time} is {}: {} are spent{held}, and the next model step may take up to {}; {anew}, or \
             change [budgets] in the config",
            figure(limit),
            figure(spent),
            figure(asked),
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        let held = self.lock().held.take();
        if let Some(held) = held {
            // Of no time: nothing is added, and no day begins.
            self.ledger.at(0).release(&self.payers, held);
        }
    }
}

fn time(period: Period) -> &'static str {
    match period {
        Period::Session => "this session",
        Period::Day => "a day",
        Period::Month => "a month",
    }
}

/// Bytes of a value as JSON.
fn written(value: &(impl Serialize + ?Sized)) -> u64 {
    struct Count(u64);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What can't be written can't be asked for either.
    serde_json::to_writer(&mut count, value).map_or(u64::MAX, |()| count.0)
}
