//! Approvals: calls that wait until somebody allows them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ApprovalId, CallId, Effect, RunId, SessionKey, SessionRef, TokenName};

/// A call that waits to be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Names the question; another call, or the same with other arguments, has another id.
    pub id: ApprovalId,
    /// The session that it belongs to.
    pub session: SessionKey,
    /// The run that it belongs to.
    pub run_id: RunId,
    /// The call.
    pub call_id: CallId,
    /// The tool, `plugin.tool`.
    pub tool: String,
    /// The arguments, exactly.
    pub input: Value,
    /// SHA-256 of the arguments in hexadecimal, which an answer repeats.
    pub digest: String,
    /// What the tool does to the world.
    pub effect: Effect,
    /// When it counts as denied, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// What became of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The call is made.
    Allowed,
    /// It is not made.
    Denied,
    /// Nobody answered in time: it is not made.
    Expired,
}

/// What somebody says to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The call may be made, this once.
    Allow,
    /// It may not.
    Deny,
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allowed,
            Verdict::Deny => Self::Denied,
        }
    }
}

/// Parameters of `approval.list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalListParams {
    /// Only those of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRef>,
}

/// Result of `approval.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalListResult {
    /// Those that wait, the ones that expire first at the front.
    pub approvals: Vec<Approval>,
}

/// Parameters of `approval.resolve`: which question is answered, as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalResolveParams {
    /// The approval.
    pub id: ApprovalId,
    /// Its session.
    pub session: SessionRef,
    /// Its tool, `plugin.tool`.
    pub tool: String,
    /// Its digest: that of the arguments that were seen.
    pub digest: String,
    /// The answer.
    pub verdict: Verdict,
}

impl ApprovalResolveParams {
    /// The answer to an approval as it was shown.
    pub fn new(approval: &Approval, verdict: Verdict) -> Self {
        let Approval { id, session, tool, digest, .. } = approval.clone();
        Self { id, session: session.into(), tool, digest, verdict }
    }
}

/// Result of `approval.resolve`, which is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalResolveResult {
    /// What became of it.
    pub decision: Decision,
    /// The credential that answered, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<TokenName>,
}
