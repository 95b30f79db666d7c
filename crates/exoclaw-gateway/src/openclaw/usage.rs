//! What models used and cost.

use exoclaw_protocol::{Spent, openclaw::ErrorShape};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answers::{Reply, error_of},
    line::Line,
};
use crate::http::Door;

/// Days where a client names none.
const DAYS: u32 = 30;

#[derive(Deserialize)]
pub(super) struct Days {
    #[serde(default)]
    days: Option<u32>,
}

/// What providers say of their quotas: nothing that would be known here.
pub(super) fn status(door: &Door) -> Value {
    json!({ "updatedAt": door.runtime.clock().now_ms(), "providers": [] })
}

/// What was used and spent on each of the last days.
pub(super) async fn cost(door: &Door, line: &Line, params: Days) -> Result<Reply, ErrorShape> {
    let days = params.days.unwrap_or(DAYS);
    let spent = door.runtime.spent_by_day(days).await.map_err(|error| error_of(&error, line.version))?;
    let mut totals = Spent::default();
    let daily: Vec<Value> = spent
        .into_iter()
        .map(|(date, spent)| {
            totals += spent;
            let mut row = counted(&spent);
            row["date"] = date.into();
            row
        })
        .collect();
    let updated = door.runtime.clock().now_ms();
    Ok(json!({ "updatedAt": updated, "days": days, "daily": daily, "totals": counted(&totals) }).into())
}

fn counted(Spent { usage, cost, .. }: &Spent) -> Value {
    json!({
        "input": usage.input_tokens, "output": usage.output_tokens, "cacheRead": usage.cache_read_tokens,
        "cacheWrite": usage.cache_write_tokens, "totalTokens": usage.tokens(),
        "totalCost": in_units(cost.billionths()), "missingCostEntries": 0,
    })
}

/// Their clients count money in floating point.
#[expect(clippy::cast_precision_loss, reason = "exact sums are to be had by `usage` at /ws")]
fn in_units(billionths: u64) -> f64 {
    billionths as f64 / 1e9
}
