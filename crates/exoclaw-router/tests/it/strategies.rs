//! Origins and bindings over few names, so that they meet often.

use exoclaw_protocol::{AgentId, Origin, Peer, PeerKind};
use exoclaw_router::Binding;
use proptest::{option, prelude::*, sample::select};

pub(crate) const AGENTS: [&str; 3] = ["main", "a", "b"];

pub(crate) fn agent(id: &str) -> AgentId {
    id.parse().unwrap()
}

pub(crate) fn agents() -> Vec<AgentId> {
    AGENTS.map(agent).to_vec()
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["x", "y"]).prop_map(str::to_owned)
}

fn peer(id: impl Strategy<Value = String>) -> impl Strategy<Value = Peer> {
    (select(PeerKind::ALL.to_vec()), id).prop_map(|(kind, id)| Peer { kind, id })
}

pub(crate) fn origin() -> impl Strategy<Value = Origin> {
    fields(|| name().boxed())
}

/// Origins with any text that is valid, lookalikes of key syntax among it.
pub(crate) fn wild_origin() -> impl Strategy<Value = Origin> {
    fields(|| {
        prop_oneof![
            "\\PC{1,16}",
            "[a-z:%0-9]{1,12}",
            select(vec!["main", "dm", "group", "channel", "account", "team", "guild", ":", "%3A", "agent:main:main"])
                .prop_map(str::to_owned),
            Just("é".repeat(64)),
        ]
        .boxed()
    })
}

fn fields(text: fn() -> BoxedStrategy<String>) -> impl Strategy<Value = Origin> {
    (text(), option::of(text()), option::of(peer(text())), option::of(text()), option::of(text()))
        .prop_map(|(channel, account, peer, guild, team)| Origin { channel, account, peer, guild, team })
}

fn binding() -> impl Strategy<Value = Binding> {
    let agent = select(AGENTS.to_vec()).prop_map(agent);
    let fields =
        (option::of(name()), option::of(name()), option::of(peer(name())), option::of(name()), option::of(name()));
    (agent, fields)
        .prop_map(|(agent, (channel, account, peer, guild, team))| Binding {
            agent,
            channel,
            account,
            peer,
            guild,
            team,
            place: None,
        })
        .prop_filter("sets a field", |b| specificity(b) != [false; 5])
}

/// Fields that are set, the most specific first: compared in this order they say which of two bindings wins.
pub(crate) fn specificity(b: &Binding) -> [bool; 5] {
    [b.peer.is_some(), b.guild.is_some(), b.team.is_some(), b.account.is_some(), b.channel.is_some()]
}

/// The match of a binding without its agent.
pub(crate) fn pattern(b: &Binding) -> Binding {
    Binding { agent: agent("main"), ..b.clone() }
}

/// Bindings without conflicts.
pub(crate) fn bindings() -> impl Strategy<Value = Vec<Binding>> {
    prop::collection::vec(binding(), 0..40).prop_map(|all| {
        let mut kept: Vec<Binding> = Vec::new();
        for one in all {
            if !kept.iter().any(|other| pattern(other) == pattern(&one)) {
                kept.push(one);
            }
        }
        kept
    })
}
