//! `usage`: what models used and cost.

use std::time::Duration;

use exoclaw_protocol::{BudgetInfo, Period, SessionRef, Spent, UsageParams, UsageResult};
use exoclaw_runtime::{Clock, SystemClock};

use super::Context;
use crate::{
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    terminal::{Palette, Style, Terminal, duration},
};

pub(super) async fn run(session: Option<SessionRef>, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let link = DaemonLink::open(context).await?;
    let usage = link.request(UsageParams { session, days: None }).await?;
    let terminal = &mut *context.terminal;
    if terminal.json {
        terminal.value(&usage)?;
        return Ok(Exit::Ok);
    }
    let colour = terminal.out_colour;
    let mut row = |what: &str, name: &str, spent: &Spent| {
        let label = colour.paint(Style::Bold, format!("{what:<10}  {name:<20}"));
        terminal.line(format_args!("{label}  {}", words(spent, &usage.currency)))
    };
    row("today", &usage.day, &usage.total.day)?;
    row("month", &usage.month, &usage.total.month)?;
    for (what, each) in [("agent", &usage.agents), ("credential", &usage.credentials)] {
        for by in each {
            row(what, &by.name, &by.spent.month)?;
        }
    }
    if let Some(session) = &usage.session {
        row("session", session.session.as_str(), &session.spent)?;
    }
    budgets(&usage, terminal)?;
    Ok(Exit::Ok)
}

/// A line for each budget.
pub(super) fn budgets(usage: &UsageResult, terminal: &mut Terminal) -> Result<(), CliError> {
    let colour = terminal.out_colour;
    for budget in &usage.budgets {
        terminal.line(budget_line(budget, &usage.currency, colour))?;
    }
    Ok(())
}

fn budget_line(budget: &BudgetInfo, currency: &str, colour: Palette) -> String {
    let BudgetInfo { of, period, tokens, money, spent, resets_ms } = budget;
    let period = match period {
        Period::Session => "session",
        Period::Day => "day",
        Period::Month => "month",
    };
    let tokens =
        tokens.map(|limit| (format!("{} of {limit} tokens", spent.usage.tokens()), spent.usage.tokens() >= limit));
    let money = money.map(|limit| (format!("{} of {limit} {currency}", spent.cost), spent.cost >= limit));
    let figures = [tokens, money].into_iter().flatten();
    let shown: Vec<String> = figures
        .map(|(text, used_up)| if used_up { colour.paint(Style::Bad, text).to_string() } else { text })
        .collect();
    let left = resets_ms.map(|at| Duration::from_millis(at.saturating_sub(SystemClock.now_ms())));
    let anew = left.map_or_else(String::new, |left| format!(", anew in {}", duration(left)));
    let label = colour.paint(Style::Bold, format!("{:<10}  {:<20}", "budget", format!("{of}, {period}")));
    format!("{label}  {}{anew}", shown.join(", "))
}

/// What was used and what it cost.
pub(super) fn words(spent: &Spent, currency: &str) -> String {
    let Spent { steps, usage, cost } = spent;
    format!("{cost} {currency}, {} tokens in {steps} model steps", usage.tokens())
}
