//! Session keys of origins: one key for each agent and origin, and back.

use exoclaw_protocol::{AgentId, IdError, Origin, Peer, PeerKind, SessionKey};

const ACCOUNT: &str = "account";
const TEAM: &str = "team";
const GUILD: &str = "guild";
/// Stands where an origin says no more than its channel.
const MAIN: &str = "main";

/// The session of an origin with an agent:
/// `agent:{agent}:{channel}[:account:{a}][:team:{t}][:guild:{g}][:{dm|group|channel}:{id}]`, and
/// `agent:{agent}:{channel}:main` for an origin that says no more than its channel.
///
/// Different origins have different keys, and [`origin_of`] reads the origin back.
///
/// # Errors
/// When the origin is not valid, as [`Origin::validate`] says.
pub fn session_key(agent: &AgentId, origin: &Origin) -> Result<SessionKey, IdError> {
    origin.validate()?;
    let labelled = [
        origin.account.as_deref().map(|id| [ACCOUNT, id]),
        origin.team.as_deref().map(|id| [TEAM, id]),
        origin.guild.as_deref().map(|id| [GUILD, id]),
        origin.peer.as_ref().map(|peer| [peer.kind.as_str(), &peer.id]),
    ];
    let has_more = labelled.iter().any(Option::is_some);
    let main = (!has_more).then_some(MAIN);
    SessionKey::new(
        agent,
        [origin.channel.as_str()].into_iter().chain(labelled.into_iter().flatten().flatten()).chain(main),
    )
}

/// The origin whose session this is; `None` for sessions that a client named, such as `agent:main:main`.
pub fn origin_of(key: &SessionKey) -> Option<Origin> {
    let mut segments = key.segments();
    let mut origin = Origin::channel(segments.next()?);
    let rest: Vec<String> = segments.collect();
    for pair in rest.chunks_exact(2) {
        let [label, id] = pair else { return None };
        let id = id.clone();
        match label.as_str() {
            ACCOUNT => origin.account = Some(id),
            TEAM => origin.team = Some(id),
            GUILD => origin.guild = Some(id),
            label => {
                let kind = PeerKind::ALL.into_iter().find(|kind| kind.as_str() == label)?;
                origin.peer = Some(Peer { kind, id });
            }
        }
    }
    // Labels twice or out of order, or a segment left over: not what `session_key` writes.
    let written = session_key(&key.agent().parse().ok()?, &origin).ok()?;
    (written == *key).then_some(origin)
}
