//! The method table: every call that a client can make, with its scope. Both dialects are made from it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    ErrorCode, RpcError, approval::*, channel::*, cron::*, device::*, error::brief, params::*, run::*, search::*,
    session::*, spending::*, token::*,
};

/// What a credential allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look, but not act.
    Read,
    /// Talk to agents; includes `read`.
    Chat,
    /// Allow or deny calls that wait for it; includes `read`, and not `chat`, nor the other way round: whoever talks to an
    /// agent does not also answer for it.
    Approve,
    /// Everything.
    Admin,
}

impl Scope {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Chat => "chat",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }

    /// Whoever holds `self` may do what asks for `needed`.
    pub fn covers(self, needed: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Chat | Self::Approve => needed == self || needed == Self::Read,
            Self::Read => needed == Self::Read,
        }
    }
}

/// One method, by its parameters' type.
pub trait Method: Serialize + DeserializeOwned {
    /// Name on the wire.
    const NAME: &'static str;
    /// What the caller's credential must allow.
    const SCOPE: Scope;
    /// What it answers.
    type Output: Serialize + DeserializeOwned;
}

/// A row of the method table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodInfo {
    /// Name on the wire.
    pub name: &'static str,
    /// What the caller's credential must allow.
    pub scope: Scope,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $scope:ident, $params:ident -> $result:ident;)*) => {
        /// A request that was understood.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Call { $($(#[$doc])* $name($params),)* }

        impl Call {
            /// The method table.
            pub const METHODS: &[MethodInfo] = &[$(MethodInfo { name: $wire, scope: Scope::$scope },)*];

            /// Name on the wire.
            pub fn method(&self) -> &'static str {
                match self { $(Self::$name(_) => $wire,)* }
            }

            /// What the caller's credential must allow.
            pub fn scope(&self) -> Scope {
                match self { $(Self::$name(_) => Scope::$scope,)* }
            }

            /// Reads the parameters of a method. Parameters are taken by name; absent and empty ones are the same.
            ///
            /// # Errors
            /// `method_not_found`, or `invalid_params` with the field that does not fit.
            pub fn parse(method: &str, params: Option<&RawValue>) -> Result<Self, RpcError> {
                match method {
                    $($wire => read(method, params).map(Self::$name),)*
                    _ => {
                        let name: String = method.chars().take(64).collect();
                        Err(RpcError::new(ErrorCode::MethodNotFound, format!("there is no method {name:?}")))
                    }
                }
            }
        }

        $(impl Method for $params {
            const NAME: &'static str = $wire;
            const SCOPE: Scope = Scope::$scope;
            type Output = $result;
        })*
    };
}

methods! {
    /// Is anyone there?
    Ping = "ping", Read, PingParams -> PingResult;
    /// How is the daemon?
    Status = "status", Read, StatusParams -> StatusResult;
    /// Makes a message durable and starts a run that answers it.
    ChatSend = "chat.send", Chat, ChatSendParams -> ChatSendResult;
    /// Stops runs.
    ChatAbort = "chat.abort", Chat, ChatAbortParams -> ChatAbortResult;
    /// The newest messages of a session.
    ChatHistory = "chat.history", Read, ChatHistoryParams -> ChatHistoryResult;
    /// Puts something into a conversation that no run answers.
    ChatInject = "chat.inject", Admin, ChatInjectParams -> ChatInjectResult;
    /// Waits for the end of a run.
    RunWait = "run.wait", Read, RunWaitParams -> RunWaitResult;
    /// The most recently used sessions.
    SessionList = "session.list", Read, SessionListParams -> SessionListResult;
    /// One session.
    SessionGet = "session.get", Read, SessionGetParams -> SessionInfo;
    /// The session with a key, id or label.
    SessionResolve = "session.resolve", Read, SessionResolveParams -> SessionInfo;
    /// The newest texts of sessions.
    SessionPreview = "session.preview", Read, SessionPreviewParams -> SessionPreviewResult;
    /// Where something was said.
    SessionSearch = "session.search", Read, SessionSearchParams -> SessionSearchResult;
    /// Sets how a session is treated.
    SessionPatch = "session.patch", Admin, SessionPatchParams -> SessionInfo;
    /// Begins a new conversation in a session.
    SessionReset = "session.reset", Admin, SessionResetParams -> SessionInfo;
    /// Makes a conversation begin later.
    SessionCompact = "session.compact", Admin, SessionCompactParams -> SessionCompactResult;
    /// Leaves nothing of a session behind.
    SessionDelete = "session.delete", Admin, SessionDeleteParams -> SessionDeleteResult;
    /// Events of a session as notifications from now on, or from an event on.
    SessionSubscribe = "session.subscribe", Read, SessionSubscribeParams -> SessionSubscribeResult;
    /// Calls that wait to be allowed.
    ApprovalList = "approval.list", Approve, ApprovalListParams -> ApprovalListResult;
    /// Allows or denies one call, once.
    ApprovalResolve = "approval.resolve", Approve, ApprovalResolveParams -> ApprovalResolveResult;
    /// Plugins with their tools and grants.
    PluginList = "plugin.list", Read, PluginListParams -> PluginListResult;
    /// How the scheduler is.
    CronStatus = "cron.status", Read, CronStatusParams -> CronStatusResult;
    /// The scheduler's jobs.
    CronList = "cron.list", Read, CronListParams -> CronListResult;
    /// One of them.
    CronGet = "cron.get", Read, CronGetParams -> Job;
    /// What became of a job at its times.
    CronRuns = "cron.runs", Read, CronRunsParams -> CronRunsResult;
    /// Makes a job.
    CronAdd = "cron.add", Admin, CronAddParams -> Job;
    /// Changes a job.
    CronUpdate = "cron.update", Admin, CronUpdateParams -> Job;
    /// Removes a job.
    CronRemove = "cron.remove", Admin, CronRemoveParams -> CronRemoveResult;
    /// Runs a job now, beside its times.
    CronRun = "cron.run", Admin, CronRunParams -> JobRun;
    /// Ways to agents from other platforms.
    ChannelList = "channel.list", Read, ChannelListParams -> ChannelListResult;
    /// Devices that are let in, and those that wait for it.
    DeviceList = "device.list", Admin, DeviceListParams -> DeviceListResult;
    /// Lets in a device that waits.
    DeviceApprove = "device.approve", Admin, DeviceApproveParams -> DeviceInfo;
    /// Sends away a device that waits.
    DeviceReject = "device.reject", Admin, DeviceRejectParams -> DeviceRejectResult;
    /// Ends a device.
    DeviceRemove = "device.remove", Admin, DeviceRemoveParams -> DeviceRemoveResult;
    /// What models used and cost, and what they may.
    Usage = "usage", Admin, UsageParams -> UsageResult;
    /// Makes a token, and shows it once.
    TokenCreate = "token.create", Admin, TokenCreateParams -> TokenCreateResult;
    /// The tokens, without their texts.
    TokenList = "token.list", Admin, TokenListParams -> TokenListResult;
    /// Gives a token a new text.
    TokenRotate = "token.rotate", Admin, TokenRotateParams -> TokenRotateResult;
    /// Ends a token and the connections that showed it.
    TokenRevoke = "token.revoke", Admin, TokenRevokeParams -> TokenRevokeResult;
    /// An address that logs one browser in.
    LoginLink = "login.link", Admin, LoginLinkParams -> LoginLinkResult;
}

fn read<T: DeserializeOwned>(method: &str, params: Option<&RawValue>) -> Result<T, RpcError> {
    let text = match params.map(RawValue::get) {
        None => "{}",
        Some(text) if serde_json::from_str::<[(); 0]>(text).is_ok() => "{}",
        Some(text) if text.starts_with('[') => {
            return Err(RpcError::invalid_params(format!("{method} takes its parameters by name, in an object")));
        }
        Some(text) => text,
    };
    serde_json::from_str(text).map_err(|error| RpcError::invalid_params(format!("{method}: {}", brief(&error))))
}
