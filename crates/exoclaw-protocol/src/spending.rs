//! What models used and cost, and what they may.

use serde::{Deserialize, Serialize};

use crate::{Money, SessionKey, SessionRef, Usage};

/// What model steps used and cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spent {
    /// How many there were.
    pub steps: u64,
    /// Their tokens.
    pub usage: Usage,
    /// Their cost; steps of models without a price cost nothing.
    pub cost: Money,
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.steps = self.steps.saturating_add(other.steps);
        self.usage += other.usage;
        self.cost += other.cost;
    }
}

/// Parameters of `usage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageParams {
    /// A session to be told of as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRef>,
    /// So many of the last days to be told of one by one, up to [`limits::USAGE_DAYS`](crate::limits::USAGE_DAYS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// Result of `usage`. Days and months are those of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageResult {
    /// What costs are in, by its code in ISO 4217.
    pub currency: String,
    /// The present day, such as `2026-11-21`.
    pub day: String,
    /// The present month, such as `2026-11`.
    pub month: String,
    /// All together.
    pub total: SpentLately,
    /// By agent.
    pub agents: Vec<SpentBy>,
    /// By the credential that sent the message.
    pub credentials: Vec<SpentBy>,
    /// The session that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionSpent>,
    /// The budgets of the config; those of single sessions only where one was asked for.
    pub budgets: Vec<BudgetInfo>,
    /// The last days that were asked for, the oldest first and the present one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<SpentOn>,
}

/// What was spent on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentOn {
    /// The day in UTC, such as `2026-11-21`.
    pub day: String,
    /// What was spent on it.
    pub spent: Spent,
}

/// What was spent in the present day and month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentLately {
    /// In the present day.
    pub day: Spent,
    /// In the present month.
    pub month: Spent,
}

/// What one of several spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentBy {
    /// The agent or credential.
    pub name: String,
    /// What it spent.
    pub spent: SpentLately,
}

/// What a session spent in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSpent {
    /// The session, in canonical form.
    pub session: SessionKey,
    /// What it spent.
    pub spent: Spent,
}

/// The time that a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// The life of each session.
    Session,
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
}

/// A budget and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetInfo {
    /// Whose it is: `all`, `agent NAME` or `credential NAME`.
    pub of: String,
    /// What time it is for.
    pub period: Period,
    /// Tokens that may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Money that may be spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
    /// What is used of it.
    pub spent: Spent,
    /// When it starts anew, in milliseconds since 1970; that of a session never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_ms: Option<u64>,
}
