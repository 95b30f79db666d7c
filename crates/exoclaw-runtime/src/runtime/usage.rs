//! What models used and cost.

use std::collections::BTreeMap;

use exoclaw_protocol::{RpcError, SessionSpent, Spent, SpentOn, UsageParams, UsageResult, limits};

use super::Runtime;
use crate::{journal::read_refusal, spending::Day};

impl Runtime {
    /// Answers `usage`.
    ///
    /// # Errors
    /// When the session names an unknown agent, or can't be read.
    pub async fn usage(&self, params: UsageParams) -> Result<UsageResult, RpcError> {
        let inner = &self.inner;
        let session = match &params.session {
            None => None,
            Some(session) => {
                let session = inner.resolve(session)?;
                let found = inner.store.spending(Some(&session), 0).await.map_err(|error| read_refusal(&error))?;
                let mut spent = Spent::default();
                found.into_iter().for_each(|part| spent += part.spent);
                Some(SessionSpent { session, spent })
            }
        };
        let mut usage = inner.ledger.report(session, inner.clock.now_ms());
        if let Some(days) = params.days {
            let spent = self.spent_by_day(days).await?;
            usage.days = spent.into_iter().map(|(day, spent)| SpentOn { day, spent }).collect();
        }
        Ok(usage)
    }

    /// What was spent on each of the last days of UTC, such as `2026-11-21`, the oldest first and this one last.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn spent_by_day(&self, days: u32) -> Result<Vec<(String, Spent)>, RpcError> {
        let today = Day::of(self.inner.clock.now_ms());
        let first = Day(today.0.saturating_sub(u64::from(days.clamp(1, limits::USAGE_DAYS)) - 1));
        let found = self.inner.store.spending(None, first.0).await.map_err(|error| read_refusal(&error))?;
        let mut by_day: BTreeMap<u64, Spent> = (first.0..=today.0).map(|day| (day, Spent::default())).collect();
        for part in found {
            if let Some(spent) = by_day.get_mut(&part.day) {
                *spent += part.spent;
            }
        }
        Ok(by_day.into_iter().map(|(day, spent)| (Day(day).to_string(), spent)).collect())
    }
}
