//! The methods that are served to OpenClaw's clients, with the scope that each asks for and what it takes.

use super::{
    OperatorScope, Version,
    shape::{ANY_TEXT, Kind, Shape, TEXT, optional, optional_v4, required},
};

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $scope:ident, $since:ident, [$($field:expr),* $(,)?];)*) => {
        /// A method that is served.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Method { $($(#[$doc])* $name,)* }

        impl Method {
            /// All of them, in the order in which they are told.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// What the connection must be allowed.
            pub fn scope(self) -> OperatorScope {
                match self { $(Self::$name => OperatorScope::$scope,)* }
            }

            /// The first version that knows it.
            pub fn since(self) -> Version {
                match self { $(Self::$name => Version::$since,)* }
            }

            /// What it takes.
            pub fn params(self) -> &'static Shape {
                match self { $(Self::$name => { const SHAPE: Shape = Shape(&[$($field),*]); &SHAPE })* }
            }
        }
    };
}

const COUNT: Kind = Kind::Int { min: 0, max: u64::MAX };
const NUMBER: Kind = Kind::Int { min: 1, max: u64::MAX };
const ATTACHMENTS: Kind = Kind::List { of: &Kind::Any, min: 0, max: usize::MAX };
const HISTORY_BYTES: Kind = Kind::Int { min: 1024, max: u64::MAX };
const RUNS: Kind = Kind::List { of: &Kind::Text { min: 1, max: 256 }, min: 1, max: 50 };
const NULLABLE: Kind = Kind::Nullable(&TEXT);
const NULLABLE_TEXT: Kind = Kind::Nullable(&ANY_TEXT);
const SESSION: Kind = Kind::Differs(&TEXT, &Kind::Text { min: 1, max: 512 });

methods! {
    /// How is the gateway?
    Health = "health", Read, V3, [optional("probe", Kind::Bool)];
    /// How is it, in more words?
    Status = "status", Read, V3, [optional_v4("includeChannelSummary", Kind::Bool)];
    /// Sends a message; its run is told in events.
    ChatSend = "chat.send", Write, V3, [
        required("sessionKey", SESSION),
        optional_v4("agentId", TEXT),
        optional_v4("sessionId", TEXT),
        required("message", Kind::Differs(&TEXT, &ANY_TEXT)),
        optional("thinking", ANY_TEXT),
        optional_v4("fastMode", Kind::Any),
        optional_v4("queueMode", Kind::OneOf(&["steer", "followup", "collect", "interrupt"])),
        optional("deliver", Kind::Bool),
        optional_v4("originatingChannel", ANY_TEXT),
        optional_v4("originatingTo", ANY_TEXT),
        optional_v4("originatingAccountId", ANY_TEXT),
        optional_v4("originatingThreadId", ANY_TEXT),
        optional("attachments", ATTACHMENTS),
        optional("timeoutMs", COUNT),
        optional_v4("suppressCommandInterpretation", Kind::Bool),
        required("idempotencyKey", TEXT),
    ];
    /// Stops one run of a session, or all.
    ChatAbort = "chat.abort", Write, V3, [
        required("sessionKey", TEXT),
        optional_v4("agentId", TEXT),
        optional("runId", TEXT),
        optional_v4("preserveSideRuns", Kind::Bool),
    ];
    /// The newest messages of a session.
    ChatHistory = "chat.history", Read, V3, [
        required("sessionKey", TEXT),
        optional("limit", Kind::Int { min: 1, max: 1000 }),
        optional_v4("agentId", TEXT),
        optional_v4("sessionId", TEXT),
        optional_v4("maxChars", Kind::Int { min: 1, max: 500_000 }),
        optional_v4("maxBytes", HISTORY_BYTES),
        optional_v4("inputRunIds", RUNS),
    ];
    /// Puts something into a conversation that no run answers.
    ChatInject = "chat.inject", Admin, V3, [
        required("sessionKey", TEXT),
        optional_v4("agentId", TEXT),
        required("message", TEXT),
        optional("label", Kind::Text { min: 0, max: 100 }),
    ];
    /// What a page needs to begin.
    ChatStartup = "chat.startup", Read, V4, [
        required("sessionKey", TEXT),
        optional("limit", Kind::Int { min: 1, max: 1000 }),
        optional("agentId", TEXT),
        optional("sessionId", TEXT),
        optional("maxChars", Kind::Int { min: 1, max: 500_000 }),
        optional("maxBytes", HISTORY_BYTES),
        optional("inputRunIds", RUNS),
    ];
    /// Models and commands.
    ChatMetadata = "chat.metadata", Read, V4, [optional("agentId", TEXT), optional("sessionKey", TEXT)];
    /// Sends a message, and answers twice: that it was accepted, and its end.
    Agent = "agent", Write, V3, [
        required("message", TEXT),
        optional("agentId", TEXT),
        optional("to", ANY_TEXT),
        optional("replyTo", ANY_TEXT),
        optional("sessionId", ANY_TEXT),
        optional("sessionKey", ANY_TEXT),
        optional("thinking", ANY_TEXT),
        optional("deliver", Kind::Bool),
        optional("attachments", ATTACHMENTS),
        optional("channel", ANY_TEXT),
        optional("replyChannel", ANY_TEXT),
        optional("accountId", ANY_TEXT),
        optional("replyAccountId", ANY_TEXT),
        optional("threadId", ANY_TEXT),
        optional("groupId", ANY_TEXT),
        optional("groupChannel", ANY_TEXT),
        optional("groupSpace", ANY_TEXT),
        optional("timeout", COUNT),
        optional("lane", ANY_TEXT),
        optional("label", TEXT),
        optional("spawnedBy", ANY_TEXT),
        required("idempotencyKey", TEXT),
    ];
    /// Waits for the end of a run.
    AgentWait = "agent.wait", Write, V3, [required("runId", TEXT), optional("timeoutMs", COUNT)];
    /// Name and face of an agent.
    AgentIdentity = "agent.identity.get", Read, V3, [optional("agentId", TEXT), optional("sessionKey", ANY_TEXT)];
    /// The agents.
    AgentsList = "agents.list", Read, V3, [];
    /// The models that agents ask.
    ModelsList = "models.list", Read, V3, [
        optional_v4("agentId", TEXT),
        optional_v4("sessionKey", TEXT),
        optional_v4("includeProviderCapabilities", Kind::Bool),
        optional_v4("preparedOnly", Kind::Bool),
        optional_v4("refresh", Kind::Bool),
        optional_v4("view", TEXT),
    ];
    /// The most recently used sessions.
    SessionsList = "sessions.list", Read, V3, [
        optional("limit", NUMBER),
        optional_v4("offset", COUNT),
        optional("activeMinutes", NUMBER),
        optional_v4("sortBy", TEXT),
        optional("includeGlobal", Kind::Bool),
        optional("includeUnknown", Kind::Bool),
        optional_v4("configuredAgentsOnly", Kind::Bool),
        optional("includeDerivedTitles", Kind::Bool),
        optional("includeLastMessage", Kind::Bool),
        optional_v4("includePeople", Kind::Bool),
        optional("label", TEXT),
        optional("spawnedBy", TEXT),
        optional("agentId", TEXT),
        optional("search", ANY_TEXT),
        optional_v4("archived", Kind::Any),
        optional_v4("ownerFirst", Kind::Bool),
    ];
    /// The last texts of sessions.
    SessionsPreview = "sessions.preview", Read, V3, [
        required("keys", Kind::List { of: &TEXT, min: 1, max: usize::MAX }),
        optional("limit", NUMBER),
        optional("maxChars", Kind::Int { min: 20, max: u64::MAX }),
    ];
    /// The session with a key, id or label.
    SessionsResolve = "sessions.resolve", Read, V3, [
        optional("key", TEXT),
        optional("sessionId", TEXT),
        optional("label", TEXT),
        optional("agentId", TEXT),
        optional("spawnedBy", TEXT),
        optional("includeGlobal", Kind::Bool),
        optional("includeUnknown", Kind::Bool),
        optional_v4("allowMissing", Kind::Bool),
    ];
    /// Where something was said.
    SessionsSearch = "sessions.search", Read, V4, [
        optional("agentId", TEXT),
        optional("sessionKeys", Kind::List { of: &TEXT, min: 1, max: 200 }),
        required("query", Kind::Text { min: 1, max: 4_096 }),
        optional("limit", Kind::Int { min: 1, max: 25 }),
    ];
    /// Makes a session, or finds it.
    SessionsCreate = "sessions.create", Write, V4, [
        optional("key", TEXT),
        optional("agentId", TEXT),
        optional("label", TEXT),
        optional("model", TEXT),
        optional("thinkingLevel", TEXT),
        optional("message", ANY_TEXT),
        optional("attachments", ATTACHMENTS),
        optional("idempotencyKey", TEXT),
    ];
    /// Sets how a session is treated.
    SessionsPatch = "sessions.patch", Admin, V3, [
        required("key", TEXT),
        optional_v4("agentId", TEXT),
        optional("label", NULLABLE),
        optional("thinkingLevel", NULLABLE),
        optional("verboseLevel", NULLABLE),
        optional("reasoningLevel", NULLABLE),
        optional("model", NULLABLE),
        optional("sendPolicy", Kind::Nullable(&Kind::OneOf(&["allow", "deny"]))),
        optional_v4("archived", Kind::Bool),
    ];
    /// Begins a new conversation in a session.
    SessionsReset = "sessions.reset", Admin, V3, [
        required("key", TEXT),
        optional_v4("agentId", TEXT),
        optional_v4("reason", Kind::OneOf(&["new", "reset"])),
    ];
    /// Leaves nothing of a session behind.
    SessionsDelete = "sessions.delete", Admin, V3, [
        required("key", TEXT),
        optional_v4("agentId", TEXT),
        optional("deleteTranscript", Kind::Bool),
    ];
    /// Makes a conversation begin later.
    SessionsCompact = "sessions.compact", Admin, V3, [
        required("key", TEXT),
        optional_v4("agentId", TEXT),
        optional("maxLines", NUMBER),
    ];
    /// One session.
    SessionsDescribe = "sessions.describe", Read, V4, [
        required("key", TEXT),
        optional("includeDerivedTitles", Kind::Bool),
        optional("includeLastMessage", Kind::Bool),
    ];
    /// The messages of a session.
    SessionsGet = "sessions.get", Read, V4, [
        required("key", TEXT),
        optional("agentId", TEXT),
        optional("limit", Kind::Int { min: 1, max: 1000 }),
    ];
    /// As `chat.send`.
    SessionsSend = "sessions.send", Write, V4, [
        required("key", SESSION),
        optional("agentId", TEXT),
        required("message", ANY_TEXT),
        optional("thinking", ANY_TEXT),
        optional("attachments", ATTACHMENTS),
        optional("timeoutMs", COUNT),
        optional("idempotencyKey", TEXT),
    ];
    /// As `chat.abort`.
    SessionsAbort = "sessions.abort", Write, V4, [
        optional("key", TEXT),
        optional("runId", TEXT),
        optional("agentId", TEXT),
        optional("clearQueued", Kind::Bool),
    ];
    /// Tells when sessions change.
    SessionsSubscribe = "sessions.subscribe", Read, V4, [];
    /// Tells that no more.
    SessionsUnsubscribe = "sessions.unsubscribe", Read, V4, [];
    /// Tells the events of one session, and its messages as they are kept.
    SessionsMessagesSubscribe = "sessions.messages.subscribe", Read, V4, [
        required("key", TEXT),
        optional("agentId", TEXT),
        optional("includeApprovals", Kind::Bool),
    ];
    /// Tells its messages no more.
    SessionsMessagesUnsubscribe = "sessions.messages.unsubscribe", Read, V4, [
        required("key", TEXT),
        optional("agentId", TEXT),
    ];
    /// The jobs of the scheduler.
    CronList = "cron.list", Read, V3, [
        optional("includeDisabled", Kind::Bool),
        optional_v4("enabled", Kind::OneOf(&["all", "enabled", "disabled"])),
        optional_v4("scheduleKind", Kind::OneOf(&["all", "at", "every", "cron"])),
        optional_v4("query", ANY_TEXT),
        optional_v4("agentId", TEXT),
        optional_v4("limit", Kind::Int { min: 1, max: 200 }),
        optional_v4("offset", COUNT),
        optional_v4("sortBy", Kind::OneOf(&["nextRunAtMs", "updatedAtMs", "name"])),
        optional_v4("sortDir", Kind::OneOf(&["asc", "desc"])),
        optional_v4("compact", Kind::Bool),
        optional_v4("includeDeliveryPreviews", Kind::Bool),
    ];
    /// One of them.
    CronGet = "cron.get", Read, V4, [optional("id", TEXT), optional("jobId", TEXT)];
    /// How the scheduler is.
    CronStatus = "cron.status", Read, V3, [];
    /// What became of a job at its times.
    CronRuns = "cron.runs", Read, V3, [
        optional("id", TEXT),
        optional("jobId", TEXT),
        optional("limit", Kind::Differs(&Kind::Int { min: 1, max: 5000 }, &Kind::Int { min: 1, max: 200 })),
        optional_v4("sortDir", Kind::OneOf(&["asc", "desc"])),
    ];
    /// Makes a job.
    CronAdd = "cron.add", Admin, V3, [
        required("name", TEXT),
        optional("agentId", NULLABLE),
        optional("description", ANY_TEXT),
        optional("enabled", Kind::Bool),
        optional("deleteAfterRun", Kind::Bool),
        required("schedule", Kind::Any),
        required("sessionTarget", Kind::OneOf(&["main", "isolated"])),
        required("wakeMode", Kind::OneOf(&["next-heartbeat", "now"])),
        required("payload", Kind::Any),
        optional_v4("delivery", Kind::Any),
    ];
    /// Changes a job.
    CronUpdate = "cron.update", Admin, V3, [optional("id", TEXT), optional("jobId", TEXT), required("patch", Kind::Any)];
    /// Removes a job.
    CronRemove = "cron.remove", Admin, V3, [optional("id", TEXT), optional("jobId", TEXT)];
    /// Runs a job now.
    CronRun = "cron.run", Admin, V3, [
        optional("id", TEXT),
        optional("jobId", TEXT),
        optional(
            "mode",
            Kind::Differs(&Kind::OneOf(&["due", "force"]), &Kind::OneOf(&["due", "force", "if-enabled"])),
        ),
    ];
    /// Ways in and out of the gateway, other than this one.
    ChannelsStatus = "channels.status", Read, V3, [optional("probe", Kind::Bool), optional("timeoutMs", COUNT)];
    /// Who is connected.
    SystemPresence = "system-presence", Read, V3, [];
    /// The last sign of an agent that wakes up by itself; there is none.
    LastHeartbeat = "last-heartbeat", Read, V3, [];
    /// Machines that do things for the gateway; there are none.
    NodeList = "node.list", Read, V3, [];
    /// Commands that begin with a slash.
    CommandsList = "commands.list", Read, V4, [optional("agentId", TEXT), optional("sessionKey", TEXT)];
    /// Tools that an agent has.
    ToolsCatalog = "tools.catalog", Read, V4, [optional("agentId", TEXT), optional("includePlugins", Kind::Bool)];
    /// Tools that a session's agent offers its model.
    ToolsEffective = "tools.effective", Read, V4, [required("sessionKey", TEXT), optional("agentId", TEXT)];
    /// Calls one.
    ToolsInvoke = "tools.invoke", Admin, V4, [
        required("name", TEXT),
        optional("args", Kind::Any),
        optional("sessionKey", TEXT),
        optional("agentId", TEXT),
    ];
    /// Instructions that lie in files; there are none.
    SkillsStatus = "skills.status", Read, V3, [optional_v4("agentId", TEXT), optional_v4("sessionKey", TEXT)];
    /// The config, without secrets.
    ConfigGet = "config.get", Read, V3, [];
    /// What can stand in it.
    ConfigSchema = "config.schema", Read, V3, [];
    /// The end of the log.
    LogsTail = "logs.tail", Admin, V3, [
        optional("cursor", COUNT),
        optional("limit", Kind::Int { min: 1, max: 5_000 }),
        optional("maxBytes", Kind::Int { min: 1, max: 1_000_000 }),
    ];
    /// Quotas of providers; none is known.
    UsageStatus = "usage.status", Read, V3, [];
    /// What was used and spent, by day.
    UsageCost = "usage.cost", Read, V3, [optional("days", Kind::Int { min: 1, max: 366 })];
    /// Devices that are let in, and those that wait for it.
    DevicePairList = "device.pair.list", Pairing, V3, [];
    /// Lets in a device that waits.
    DevicePairApprove = "device.pair.approve", Pairing, V3, [required("requestId", TEXT)];
    /// Sends it away.
    DevicePairReject = "device.pair.reject", Pairing, V3, [required("requestId", TEXT)];
    /// Ends a device.
    DevicePairRemove = "device.pair.remove", Pairing, V4, [required("deviceId", TEXT)];
    /// Gives a device a name.
    DevicePairRename = "device.pair.rename", Pairing, V4, [
        required("deviceId", TEXT),
        required("label", Kind::Text { min: 1, max: 64 }),
    ];
    /// Gives a device a new token.
    DeviceTokenRotate = "device.token.rotate", Pairing, V3, [
        required("deviceId", TEXT),
        required("role", Kind::OneOf(&["operator"])),
    ];
    /// Takes a device's token away.
    DeviceTokenRevoke = "device.token.revoke", Pairing, V3, [
        required("deviceId", TEXT),
        required("role", Kind::OneOf(&["operator"])),
    ];
    /// Calls that wait to be allowed.
    ApprovalsList = "exec.approval.list", Approvals, V4, [];
    /// One of them.
    ApprovalsGet = "exec.approval.get", Approvals, V4, [required("id", TEXT)];
    /// Asks for something that the client wants to do, and waits for the answer.
    ApprovalsRequest = "exec.approval.request", Approvals, V3, [
        optional("id", Kind::Text { min: 1, max: 128 }),
        optional("command", TEXT),
        optional_v4("commandArgv", Kind::List { of: &ANY_TEXT, min: 0, max: usize::MAX }),
        optional_v4("systemRunPlan", Kind::Any),
        optional_v4("commandSpans", Kind::Any),
        optional_v4("env", Kind::Map(&ANY_TEXT)),
        optional("cwd", NULLABLE_TEXT),
        optional_v4("nodeId", NULLABLE),
        optional("host", NULLABLE_TEXT),
        optional("security", NULLABLE_TEXT),
        optional("ask", NULLABLE_TEXT),
        optional_v4("warningText", NULLABLE_TEXT),
        optional("agentId", NULLABLE_TEXT),
        optional("resolvedPath", NULLABLE_TEXT),
        optional("sessionKey", NULLABLE_TEXT),
        optional_v4("sessionId", NULLABLE_TEXT),
        optional_v4("runId", NULLABLE_TEXT),
        optional_v4("toolCallId", NULLABLE_TEXT),
        optional_v4("turnSourceChannel", NULLABLE_TEXT),
        optional_v4("turnSourceTo", NULLABLE_TEXT),
        optional_v4("turnSourceAccountId", NULLABLE_TEXT),
        optional_v4("turnSourceThreadId", Kind::Any),
        optional_v4("unavailableDecisions", Kind::List { of: &Kind::OneOf(&["allow-always"]), min: 1, max: 1 }),
        optional("timeoutMs", NUMBER),
        optional_v4("twoPhase", Kind::Bool),
    ];
    /// Waits for the answer to what was asked.
    ApprovalsWait = "exec.approval.waitDecision", Approvals, V4, [required("id", TEXT)];
    /// Allows or denies one.
    ApprovalsResolve = "exec.approval.resolve", Approvals, V3, [
        required("id", TEXT),
        required("decision", Kind::OneOf(&["allow-once", "allow-always", "deny"])),
    ];
}

impl Method {
    /// The method of that name, where the version knows it.
    pub fn of(name: &str, version: Version) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.name() == name && method.since() <= version)
    }

    /// What must be allowed to call a method of that name, whether it is served or not: what nobody knows is for
    /// administrators.
    pub fn scope_of(name: &str, version: Version) -> OperatorScope {
        Self::of(name, version).map_or(OperatorScope::Admin, Self::scope)
    }
}
