use exoclaw_protocol::{Origin, Peer, PeerKind, SessionKey, SessionRef, limits};
use exoclaw_router::{ResolveError, Router, origin_of, session_key};
use proptest::prelude::*;

use crate::strategies::{agent, agents, wild_origin};

fn key(origin: &Origin) -> SessionKey {
    session_key(&agent("main"), origin).unwrap()
}

#[test]
fn keys_say_where_a_message_came_from() {
    let web = Origin::channel("web");
    assert_eq!(key(&web).as_str(), "agent:main:web:main");
    let full = Origin {
        channel: "slack".into(),
        account: Some("bot 1".into()),
        peer: Some("group:C:7".parse().unwrap()),
        guild: Some("G".into()),
        team: Some("T".into()),
    };
    assert_eq!(key(&full).as_str(), "agent:main:slack:account:bot%201:team:T:guild:G:group:C%3A7");
}

#[test]
fn the_longest_origin_has_a_key() {
    let longest = "\u{2603}".repeat(limits::ORIGIN_FIELD_BYTES / 3);
    let origin = Origin {
        channel: longest.clone(),
        account: Some(longest.clone()),
        peer: Some(Peer { kind: PeerKind::Channel, id: longest.clone() }),
        guild: Some(longest.clone()),
        team: Some(longest),
    };
    let key = session_key(&agent(&"a".repeat(64)), &origin).unwrap();
    assert_eq!(origin_of(&key), Some(origin));
}

#[test]
fn keys_that_no_origin_has() {
    for text in [
        "agent:main:main",
        "agent:main:web",
        "agent:main:web:other",
        "agent:main:web:main:main",
        "agent:main:web:team:T:account:A",
        "agent:main:web:team:T:team:U",
        "agent:main:web:dm:1:group:2",
        "agent:main:web:dm:1:main",
        "agent:main:web:room:1",
        "agent:main:%0A:main",
    ] {
        assert_eq!(origin_of(&text.parse().unwrap()), None, "{text}");
    }
}

#[test]
fn main_is_the_default_agents() {
    let router = Router::new(agents(), agent("a"), vec![]).unwrap();
    let resolve = |text: &str| router.resolve(&text.parse::<SessionRef>().unwrap());
    assert_eq!(resolve("main").unwrap().as_str(), "agent:a:main");
    assert_eq!(resolve("main"), resolve("agent:a:main"));
    assert_eq!(resolve("agent:b:main").unwrap().as_str(), "agent:b:main");
    let error = resolve("agent:nobody:main").unwrap_err();
    assert!(matches!(&error, ResolveError::UnknownAgent { agent, .. } if agent == "nobody"));
    assert_eq!(error.to_string(), "agent \"nobody\" is not there: known agents are main, a, b");
}

proptest! {
    #[test]
    fn a_key_parses_back_to_its_origin(origin in wild_origin()) {
        let key = key(&origin);
        let read: SessionKey = key.as_str().parse().unwrap();
        prop_assert_eq!(&read, &key);
        prop_assert_eq!(origin_of(&read), Some(origin));
    }

    #[test]
    fn different_origins_have_different_keys(one in wild_origin(), other in wild_origin()) {
        prop_assert_eq!(one == other, key(&one) == key(&other));
    }

    #[test]
    fn no_origin_takes_a_session_that_a_client_names(origin in wild_origin(), name in "\\PC{1,16}") {
        let session: SessionRef = name.parse().unwrap_or(SessionRef::Name(name));
        if let SessionRef::Name(_) = session {
            prop_assert_ne!(session.resolve(&agent("main")).unwrap(), key(&origin));
        }
    }
}
