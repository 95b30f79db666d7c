//! `run show`: a run as a timeline.

use std::{collections::HashMap, time::Duration};

use exoclaw_protocol::{Block, CallId, Decision, Metering, Money, RunId, Usage};
use exoclaw_runtime::{Clock, SystemClock, display_name};
use exoclaw_store::{Entry, Record, RunOutcome, upkeep::StoredRun};
use serde_json::{Value, json};

use super::{super::plugin::cost, Context, read, text};
use crate::{
    error::{CliError, Exit},
    terminal::{Palette, Style, duration, shortened},
};

/// Characters of a text that are shown on its line.
const SHOWN: usize = 160;

pub(super) fn run(run: &RunId, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let StoredRun { session, entries, damaged } = read(run, context)?;
    let timeline = Timeline::of(&entries);
    let exit = if damaged.is_empty() { Exit::Ok } else { Exit::Data };
    let terminal = &mut *context.terminal;
    if terminal.json {
        let records: Vec<Value> = entries
            .iter()
            .map(|Entry { seq, at_ms, record }| json!({ "seq": seq, "atMs": at_ms, "record": record }))
            .collect();
        let Timeline { usage, cost, metering, steps, calls, .. } = &timeline;
        let totals = json!({ "steps": steps, "usage": usage, "cost": cost, "calls": calls, "metering": metering });
        terminal.value(&json!({ "runId": run, "session": session, "records": records, "totals": totals }))?;
        return Ok(exit);
    }
    let colour = terminal.out_colour;
    let began = entries.first().map_or(0, |entry| entry.at_ms);
    let ago = duration(Duration::from_millis(SystemClock.now_ms().saturating_sub(began)));
    terminal.line(format_args!("run {} of {session}, {ago} ago", colour.paint(Style::Bold, run)))?;
    for row in &timeline.rows {
        let after = since(row.at_ms.saturating_sub(began));
        let what = colour.paint(row.style, format!("{:<8}", row.what));
        terminal.line(format_args!("{after:>9}  {what}  {}", shortened(&row.text, SHOWN)))?;
        if let Some(detail) = &row.detail {
            terminal.line(format_args!("{:>9}  {:<8}  {}", "", "", colour.paint(Style::Dim, detail)))?;
        }
    }
    terminal.line(timeline.total(colour))?;
    Ok(exit)
}

/// Time since the beginning.
fn since(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { duration(Duration::from_millis(ms)) }
}

struct Row {
    at_ms: u64,
    what: &'static str,
    style: Style,
    text: String,
    detail: Option<String>,
}

/// What happened, line by line, and what all of it cost.
#[derive(Default)]
struct Timeline {
    rows: Vec<Row>,
    /// Tools of the calls, as people name them.
    tools: HashMap<(u32, CallId), String>,
    usage: Usage,
    /// None where no model had a price.
    cost: Option<Money>,
    metering: Metering,
    steps: u32,
    calls: u32,
}

impl Timeline {
    fn of(entries: &[Entry]) -> Self {
        let mut timeline = Self::default();
        for entry in entries {
            timeline.add(entry);
        }
        timeline
    }

    fn add(&mut self, Entry { at_ms, record, .. }: &Entry) {
        let mut row = |what, style, text, detail| self.rows.push(Row { at_ms: *at_ms, what, style, text, detail });
        match record {
            Record::Accepted { message, .. } => row("message", Style::Bold, message.text(), None),
            Record::RunStarted { .. } => row("started", Style::Dim, String::new(), None),
            Record::RunResumed { .. } => row("resumed", Style::Note, "by a later process".to_owned(), None),
            Record::RunSuspended { .. } => {
                row("stopped", Style::Note, "with the daemon, to go on later".to_owned(), None)
            }
            Record::Step { step, content, stop_reason, usage, cost: step_cost, .. } => {
                let said: String = content.iter().filter_map(Block::as_text).collect::<Vec<_>>().join(" ");
                let reason = json!(stop_reason);
                let price = step_cost.map_or_else(String::new, |price| format!(", cost {price}"));
                let detail = format!(
                    "{} tokens in, {} out{price}, {}",
                    usage.input_tokens,
                    usage.output_tokens,
                    reason.as_str().unwrap_or_default()
                );
                row("model", Style::Good, said, Some(detail));
                for block in content {
                    if let Block::ToolCall { id, name, input } = block {
                        row("call", Style::Bold, format!("{} {input}", display_name(name)), None);
                        self.tools.insert((*step, id.clone()), display_name(name));
                    }
                }
                self.usage += *usage;
                if let Some(price) = step_cost {
                    *self.cost.get_or_insert_default() += *price;
                }
                self.steps += 1;
            }
            Record::ApprovalRequested { tool, .. } => {
                row("asked", Style::Note, format!("may {} be called?", display_name(tool)), None);
            }
            Record::ApprovalResolved { decision, by, .. } => {
                let (what, style) = match decision {
                    Decision::Allowed => ("allowed", Style::Good),
                    Decision::Denied => ("denied", Style::Bad),
                    Decision::Expired => ("expired", Style::Bad),
                };
                let by = by.as_ref().map_or_else(String::new, |by| format!("by {by}"));
                row(what, style, by, None);
            }
            Record::Intent { tool, effect, .. } => {
                let effect = json!(effect);
                let text = format!("{}, {}", display_name(tool), effect.as_str().unwrap_or_default());
                row("intent", Style::Dim, text, None);
            }
            Record::ToolResult { step, call_id, output, metering, .. } => {
                let tool = self.tools.get(&(*step, call_id.clone())).map_or("?", String::as_str);
                let (what, style) = if output.is_error { ("failed", Style::Bad) } else { ("result", Style::Good) };
                row(what, style, format!("{tool}: {}", text(output)), Some(cost(metering)));
                self.calls += 1;
                self.metering += *metering;
            }
            Record::RunEnded { outcome, .. } => match outcome {
                RunOutcome::Ok => row("ended", Style::Good, "ok".to_owned(), None),
                RunOutcome::Aborted { text, .. } => row("aborted", Style::Bad, text.clone(), None),
                RunOutcome::Joined { into, .. } => row("joined", Style::Dim, format!("the run {into} answers"), None),
                RunOutcome::Failed { code, message, .. } => {
                    row("failed", Style::Bad, format!("{code}: {message}"), None)
                }
            },
            Record::Delivered { failure: None, .. } => {
                row("told", Style::Good, "the answer was delivered".to_owned(), None);
            }
            Record::Delivered { failure: Some(failure), .. } => {
                row("untold", Style::Bad, format!("the answer was not delivered: {failure}"), None);
            }
            _ => {}
        }
    }

    fn total(&self, colour: Palette) -> String {
        let Self { steps, usage, calls, .. } = self;
        let price = self.cost.map_or_else(String::new, |cost| format!(", cost {cost}"));
        let tokens = format!("{} tokens in, {} out{price}", usage.input_tokens, usage.output_tokens);
        let tools = if *calls > 0 { format!("; in tools {}", cost(&self.metering)) } else { String::new() };
        colour.paint(Style::Dim, format_args!("model steps {steps}, {tokens}; tool calls {calls}{tools}")).to_string()
    }
}
