use std::{fmt::Debug, str::FromStr};

use exoclaw_protocol::{
    AgentId, CallId, ChannelName, IdError, IdempotencyKey, Origin, Peer, PluginName, RunId, TokenName, ToolName, limits,
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

#[track_caller]
fn check<T>(good: &[&str], bad: &[&str])
where
    T: FromStr<Err = IdError> + ToString + Serialize + DeserializeOwned + PartialEq + Debug,
{
    for text in good {
        let id: T = text.parse().unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, serde_json::to_string(text).unwrap());
        assert_eq!((id.to_string().as_str(), serde_json::from_str::<T>(&json).unwrap()), (*text, id));
    }
    for text in bad {
        assert!(text.parse::<T>().is_err(), "{text:?}");
        assert!(serde_json::from_str::<T>(&serde_json::to_string(text).unwrap()).is_err(), "{text:?}");
    }
}

#[test]
fn what_each_id_takes() {
    let a = |count: usize| "a".repeat(count);
    let never = ["", " ", "a b", "a\n", "\u{7f}", "a:b", "a/b", "../a", "é"];
    check::<AgentId>(&["a", "0", "a_b-c", &a(64)], &[&never[..], &["-a", "_a", "A", &a(65)]].concat());
    check::<TokenName>(&["a", "0", "ci_2-b", &a(64)], &[&never[..], &["-a", "_a", "A", &a(65)]].concat());
    check::<ChannelName>(&["telegram", "0", "my-slack", &a(32)], &["-a", "a_b", "a/b", "A", &a(33)]);
    check::<PluginName>(&["a", "0", "my-notes", &a(32)], &[&never[..], &["-a", "a_b", "A", &a(33)]].concat());
    check::<ToolName>(&["a", "0", "append_line", &a(30)], &[&never[..], &["_a", "a-b", "A", &a(31)]].concat());
    check::<RunId>(&["a", "-", "A_b-9", &a(64)], &[&never[..], &[a(65).as_str()]].concat());
    check::<CallId>(
        &["toolu_01", "call:1 x", "é", &a(limits::CALL_ID_BYTES)],
        &["", "a\n", "\0", &a(limits::CALL_ID_BYTES + 1)],
    );
    let key = limits::IDEMPOTENCY_KEY_BYTES;
    check::<IdempotencyKey>(&["k", "any text", "é", &a(key)], &["", "\u{85}", &a(key + 1)]);
}

/// Models take names of 64 characters: plugin, two underscores, tool.
#[test]
fn the_longest_tool_of_the_longest_plugin_fits() {
    let plugin: PluginName = "p".repeat(32).parse().unwrap();
    let tool: ToolName = "t".repeat(30).parse().unwrap();
    assert_eq!(format!("{plugin}__{tool}").len(), 64);
}

#[test]
fn errors_quote_only_the_start() {
    let error = "X".repeat(10_000).parse::<AgentId>().unwrap_err();
    assert!(error.to_string().len() < 200);
}

#[test]
fn peers_in_text() {
    for (text, canonical) in [("U1", "dm:U1"), ("dm:U1", "dm:U1"), ("group:C:7", "group:C:7"), ("room:1", "dm:room:1")]
    {
        assert_eq!(text.parse::<Peer>().unwrap().to_string(), canonical);
    }
    for text in ["", "dm:", "group:", "channel:"] {
        assert!(text.parse::<Peer>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_peer_is_read_as_it_was_written(text in "\\PC{1,20}") {
        if let Ok(peer) = text.parse::<Peer>() {
            prop_assert_eq!(peer.to_string().parse::<Peer>().unwrap(), peer);
        }
    }

    #[test]
    fn an_origin_is_read_as_it_was_written(channel in "\\PC{1,9}", account in proptest::option::of("\\PC{1,9}"), peer in "\\PC{1,9}") {
        let origin = Origin { account, peer: peer.parse().ok(), ..Origin::channel(channel) };
        let json = serde_json::to_string(&origin).unwrap();
        prop_assert!(!json.contains("null"));
        prop_assert_eq!(serde_json::from_str::<Origin>(&json).unwrap(), origin);
    }

    #[test]
    fn ids_never_hold_what_could_leave_a_path(text in "\\PC{0,12}") {
        if text.parse::<AgentId>().is_ok() || text.parse::<RunId>().is_ok() || text.parse::<PluginName>().is_ok() {
            prop_assert!(!text.contains(['/', '\\', '.', '\0', ':']));
        }
    }
}
