//! The order of tiers, one row each.

use exoclaw_protocol::Origin;
use exoclaw_router::{Binding, Router, Tier};

use crate::strategies::agent;

fn full() -> Origin {
    Origin {
        channel: "slack".into(),
        account: Some("bot".into()),
        peer: Some("dm:U1".parse().unwrap()),
        guild: Some("G1".into()),
        team: Some("T1".into()),
    }
}

fn bindings() -> Vec<Binding> {
    let o = full();
    vec![
        Binding { channel: Some(o.channel), ..Binding::to(agent("channel")) },
        Binding { account: o.account, ..Binding::to(agent("account")) },
        Binding { team: o.team, ..Binding::to(agent("team")) },
        Binding { guild: o.guild, ..Binding::to(agent("guild")) },
        Binding { peer: o.peer, ..Binding::to(agent("peer")) },
    ]
}

#[track_caller]
fn check(origin: &Origin, expected: &str, tier: Tier) {
    let agents = ["main", "channel", "account", "team", "guild", "peer"].map(agent).to_vec();
    let router = Router::new(agents, agent("main"), bindings()).unwrap();
    let route = router.route(origin).unwrap();
    assert_eq!((route.agent.as_str(), route.matched), (expected, tier));
}

#[test]
fn peer_guild_team_account_channel_default() {
    let mut origin = full();
    check(&origin, "peer", Tier::Peer);
    origin.peer = Some("group:U1".parse().unwrap());
    check(&origin, "guild", Tier::Guild);
    origin.guild = Some("other".into());
    check(&origin, "team", Tier::Team);
    origin.team = None;
    check(&origin, "account", Tier::Account);
    origin.account = None;
    check(&origin, "channel", Tier::Channel);
    origin.channel = "Slack".into();
    check(&origin, "main", Tier::Default);
}

#[test]
fn every_field_must_match() {
    let both =
        Binding { channel: Some("slack".into()), peer: Some("dm:U1".parse().unwrap()), ..Binding::to(agent("a")) };
    let router = Router::new(vec![agent("main"), agent("a")], agent("main"), vec![both]).unwrap();
    assert_eq!(router.route(&full()).unwrap().agent, agent("a"));
    let elsewhere = Origin { channel: "discord".into(), ..full() };
    assert_eq!(router.route(&elsewhere).unwrap().agent, agent("main"));
    let other_kind = Origin { peer: Some("channel:U1".parse().unwrap()), ..full() };
    assert_eq!(router.route(&other_kind).unwrap().agent, agent("main"));
}

#[test]
fn invalid_origin_is_refused_by_name() {
    let router = Router::new(vec![agent("main")], agent("main"), vec![]).unwrap();
    let error = router.route(&Origin { team: Some(String::new()), ..full() }).unwrap_err();
    assert_eq!(error.kind, "origin team");
}
