use exoclaw_protocol::{AgentId, SessionKey, SessionRef, limits};
use proptest::prelude::*;

fn agent() -> AgentId {
    "main".parse().unwrap()
}

#[test]
fn text_that_is_no_key() {
    for text in [
        "",
        "main",
        "agent",
        "agent:",
        "agent:main",
        "agent:main:",
        "agent::main",
        "agent:Main:x",
        "agent:main:a:",
        "agent:main::a",
        "agent:main:a b",
        "agent:main:é",
        "agent:main:a/b",
        "agent:main:%",
        "agent:main:%4",
        "agent:main:%zz",
        "agent:main:%3a",
        "agent:main:%41",
        "agent:main:%FF",
        "Agent:main:a",
        " agent:main:a",
    ] {
        assert!(text.parse::<SessionKey>().is_err(), "{text:?}");
        assert!(serde_json::from_str::<SessionKey>(&serde_json::to_string(text).unwrap()).is_err(), "{text:?}");
    }
}

#[test]
fn parts_of_a_key() {
    let key: SessionKey = "agent:main:slack:dm:C%3A1".parse().unwrap();
    assert_eq!((key.agent(), key.tail()), ("main", "slack:dm:C%3A1"));
    assert_eq!(key.segments().collect::<Vec<_>>(), ["slack", "dm", "C:1"]);
}

#[test]
fn length_has_a_bound() {
    let fits = limits::SESSION_KEY_BYTES - "agent:main:".len();
    assert!(SessionKey::new(&agent(), ["x".repeat(fits).as_str()]).is_ok());
    assert!(SessionKey::new(&agent(), ["x".repeat(fits + 1).as_str()]).is_err());
    assert!(SessionKey::new(&agent(), []).is_err());
    assert!(SessionKey::new(&agent(), ["a", ""]).is_err());
}

#[test]
fn bare_names() {
    let resolve = |text: &str| text.parse::<SessionRef>().unwrap().resolve(&agent()).unwrap().to_string();
    assert_eq!(resolve("main"), "agent:main:main");
    assert_eq!(resolve("agent:main:main"), "agent:main:main");
    assert_eq!(resolve("my notes: July"), "agent:main:my%20notes%3A%20July");
    for text in ["", "a\n", "agent:", "agent:main", &"x".repeat(limits::ORIGIN_FIELD_BYTES + 1)] {
        assert!(text.parse::<SessionRef>().is_err(), "{text:?}");
    }
    // The longest name fits, all of it escaped.
    resolve(&" ".repeat(limits::ORIGIN_FIELD_BYTES));
}

fn segments() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof!["\\PC{1,8}", "[a-z:%0-9]{1,6}", any::<char>().prop_map(String::from)], 1..5)
}

fn key(segments: &[String]) -> SessionKey {
    SessionKey::new(&agent(), segments.iter().map(String::as_str)).unwrap()
}

proptest! {
    #[test]
    fn segments_survive(segments in segments()) {
        let key = key(&segments);
        prop_assert_eq!(key.segments().collect::<Vec<_>>(), segments);
        prop_assert_eq!(key.as_str().parse::<SessionKey>().unwrap(), key);
    }

    #[test]
    fn different_segments_make_different_keys(one in segments(), other in segments()) {
        prop_assert_eq!(one == other, key(&one) == key(&other));
    }

    /// One session has one text: whatever parses is what its parts would be written as.
    #[test]
    fn text_that_parses_is_canonical(tail in "[a-zA-F0-9:%@. ]{1,12}") {
        if let Ok(key) = format!("agent:main:{tail}").parse::<SessionKey>() {
            let segments: Vec<String> = key.segments().collect();
            prop_assert_eq!(self::key(&segments), key);
        }
    }
}
