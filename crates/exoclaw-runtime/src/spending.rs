//! What models may cost: budgets, what was spent of them, and what steps under way may still take.

mod budget;
mod calendar;
mod ledger;
mod purse;
mod report;

pub use budget::{Allowance, Budget, Budgets};
pub(crate) use calendar::Day;
pub(crate) use ledger::Ledger;
pub(crate) use purse::Purse;
