//! Every bound that a peer can run into, with what it protects and from whom.

use std::time::Duration;

/// Largest WebSocket message before a credential was shown: keeps strangers from filling memory.
pub const UNAUTHENTICATED_MESSAGE_BYTES: usize = 64 * 1024;

/// Largest WebSocket message of an authenticated client: room for a few images, a bound for everyone else.
pub const MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// Read buffer of one socket: ten thousand idle sockets must stay small.
pub const SOCKET_READ_BUFFER_BYTES: usize = 4 * 1024;

/// What may wait to be written to one socket before its client counts as too slow and is closed.
pub const SOCKET_OUTBOX_BYTES: usize = 256 * 1024;

/// How many messages may wait to be written to one socket.
pub const SOCKET_OUTBOX_MESSAGES: usize = 1024;

/// Time for a client to show its credential after the upgrade: holds back strangers who only connect.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Time for a request's head to arrive: holds back slow-header attacks.
pub const HEADER_DEADLINE: Duration = Duration::from_secs(10);

/// Largest head of an HTTP request, in bytes.
pub const HEADER_BYTES: usize = 16 * 1024;

/// Largest body of an HTTP request, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;

/// Largest body of a webhook, in bytes.
pub const WEBHOOK_BYTES: usize = 1024 * 1024;

/// Time for the body of a webhook to arrive: anybody may send one.
pub const WEBHOOK_DEADLINE: Duration = Duration::from_secs(10);

/// Webhooks of one channel that are read at the same time; a further one is told to come again, which costs nothing.
pub const WEBHOOKS: usize = 8;

/// Time between pings to a client.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);

/// Time for a client to answer a ping: finds half-open sockets.
pub const PONG_DEADLINE: Duration = Duration::from_secs(25);

/// Sockets that have not yet shown a credential, in all.
pub const UNAUTHENTICATED_SOCKETS: usize = 256;

/// Sockets that have not yet shown a credential, of one address (an IPv6 network of 64 bits counts as one).
pub const UNAUTHENTICATED_SOCKETS_OF_SOURCE: usize = 64;

/// Open sockets in all.
pub const SOCKETS: usize = 16_384;

/// Requests of one batch (JSON-RPC 2.0, section 6).
pub const BATCH_REQUESTS: usize = 64;

/// Requests of one socket that are being answered at the same time; the next one is read when one is done.
pub const REQUESTS_IN_FLIGHT: usize = 32;

/// Sessions that one socket may watch.
pub const SUBSCRIPTIONS: usize = 256;

/// Depth of JSON that is read; `serde_json` refuses more.
pub const JSON_DEPTH: usize = 128;

/// Longest session key in bytes: that of the longest origin, each byte of it escaped, fits.
pub const SESSION_KEY_BYTES: usize = 2048;

/// Longest field of an origin, or bare session name, in bytes.
pub const ORIGIN_FIELD_BYTES: usize = 128;

/// Longest idempotency key in bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 256;

/// Time for which sending again with the same key is known to be sending again, at least.
pub const IDEMPOTENCY_KEY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest tool call id in bytes; models choose them.
pub const CALL_ID_BYTES: usize = 256;

/// Content blocks of one sent message.
pub const CONTENT_BLOCKS: usize = 64;

/// Messages of one history answer, at most; also where the client names no limit.
pub const HISTORY_MESSAGES: u32 = 1_000;

/// Bytes of one history answer, at most; also where the client names no limit.
pub const HISTORY_BYTES: u32 = 4 * 1024 * 1024;

/// Sessions of one list answer.
pub const SESSION_LIST: u32 = 1_000;

/// Messages of one session that wait for their run.
pub const SESSION_QUEUE: usize = 32;

/// Events of one session that are kept for clients which come back.
pub const EVENT_RING: usize = 4_096;

/// Bytes of events of one session that are kept for clients which come back.
pub const EVENT_RING_BYTES: usize = 1024 * 1024;

/// Calls that wait to be allowed, in all; a further one is refused.
pub const APPROVALS: usize = 1_024;

/// Those of them that clients asked outside of runs, so that runs always have room; and so many of which is known what
/// became of them.
pub const ASKED_APPROVALS: usize = 256;

/// Output of one tool call that reaches the model, in bytes.
pub const TOOL_OUTPUT_BYTES: usize = 256 * 1024;

/// Longest label of a session, and name of its model, in bytes.
pub const LABEL_BYTES: usize = 256;

/// Words of one search: each is looked up in every conversation that there is.
pub const SEARCH_WORDS: usize = 16;

/// Longest text of a search, in bytes.
pub const SEARCH_BYTES: usize = 4_096;

/// Places of one answer to a search.
pub const SEARCH_HITS: u32 = 50;

/// Sessions that one search may be limited to.
pub const SEARCH_SESSIONS: usize = 200;

/// Sessions of one question for previews.
pub const PREVIEWS: usize = 64;

/// Texts of one preview.
pub const PREVIEW_TEXTS: u32 = 64;

/// Characters of one text of a preview.
pub const PREVIEW_CHARS: u32 = 4_096;

/// Time for which one may wait for the end of a run at most.
pub const RUN_WAIT: Duration = Duration::from_secs(10 * 60);

/// Images and files of one sent message.
pub const ATTACHMENTS: usize = 20;

/// Bytes of one image: what the stricter vendor takes (Anthropic Messages API, "Vision"), a little less than 5 MiB.
pub const IMAGE_BYTES: usize = 5 * 1000 * 1000;

/// Bytes of one file of text.
pub const FILE_BYTES: usize = 512 * 1024;

/// Days of one answer of `usage`.
pub const USAGE_DAYS: u32 = 366;

/// Jobs of the scheduler; a further one is refused.
pub const CRON_JOBS: usize = 256;

/// What became of a job is kept for so many of its times; the oldest goes.
pub const CRON_RUNS: usize = 32;

/// Longest message of a job, in bytes.
pub const CRON_TEXT_BYTES: usize = 64 * 1024;

/// Longest expression or time zone of a job, in bytes.
pub const CRON_EXPRESSION_BYTES: usize = 256;

/// Shortest time between two times of a job.
pub const CRON_INTERVAL: Duration = Duration::from_secs(1);

/// A job that is later than that is not run for the time it missed.
pub const CRON_LATENESS: Duration = Duration::from_secs(60 * 60);

/// Devices that are let in at the same time; a further one is refused.
pub const DEVICES: usize = 256;

/// Devices that wait to be let in; the one that asked first goes.
pub const DEVICES_WAITING: usize = 64;

/// Time that a device waits without asking again.
pub const DEVICE_WAIT: Duration = Duration::from_secs(10 * 60);

/// Characters of each text that a device says of itself; the rest is cut off.
pub const DEVICE_TEXT: usize = 64;
