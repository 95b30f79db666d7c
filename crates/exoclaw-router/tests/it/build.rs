//! What makes no router, and how it is said.

use exoclaw_router::{Binding, BuildError, Router};

use crate::strategies::{agent, agents};

fn slack(to: &str, place: &str) -> Binding {
    Binding { channel: Some("slack".into()), place: Some(place.into()), ..Binding::to(agent(to)) }
}

#[track_caller]
fn refused(bindings: Vec<Binding>, message: &str) -> BuildError {
    let error = Router::new(agents(), agent("main"), bindings).unwrap_err();
    assert_eq!(error.to_string(), message);
    error
}

#[test]
fn conflicts_name_both_places() {
    refused(
        vec![slack("a", "config.toml:7"), slack("b", "config.toml:12")],
        "config.toml:7 and config.toml:12 match the same messages, for \"a\" and \"b\": remove one",
    );
}

#[test]
fn the_same_binding_twice_is_no_conflict() {
    let twice = vec![slack("a", "config.toml:7"), slack("a", "config.toml:12")];
    assert!(Router::new(agents(), agent("main"), twice).is_ok());
}

#[test]
fn different_fields_never_conflict() {
    let with_team = Binding { team: Some("T".into()), ..slack("b", "2") };
    assert!(Router::new(agents(), agent("main"), vec![slack("a", "1"), with_team]).is_ok());
}

#[test]
fn unknown_agent_names_its_place() {
    refused(
        vec![slack("a", "config.toml:7"), slack("suport", "config.toml:12")],
        "config.toml:12: agent \"suport\" is not there: known agents are main, a, b",
    );
}

#[test]
fn a_binding_without_fields() {
    let nothing = Binding { place: Some("config.toml:9".into()), ..Binding::to(agent("a")) };
    refused(vec![nothing], "config.toml:9: the binding to \"a\" sets none of channel, account, peer, guild, team");
}

#[test]
fn a_field_that_no_origin_can_have() {
    let empty = Binding { team: Some(String::new()), place: None, ..slack("a", "") };
    let error = refused(vec![empty], "binding 1: no message can match this binding");
    assert!(matches!(error, BuildError::Field { source, .. } if source.kind == "origin team"));
}

#[test]
fn agents_must_be_there_once() {
    let twice = Router::new(vec![agent("a"), agent("b"), agent("a")], agent("a"), vec![]).unwrap_err();
    assert_eq!(twice.to_string(), "agents 1 and 3 both have the id \"a\": give each its own");
    let unknown = Router::new(agents(), agent("c"), vec![]).unwrap_err();
    assert_eq!(unknown.to_string(), "the default agent \"c\" is not there: known agents are main, a, b");
    let none = Router::new(vec![], agent("c"), vec![]).unwrap_err();
    assert_eq!(none.to_string(), "the default agent \"c\" is not there: there are no agents");
}

#[test]
fn bindings_read_as_the_config_writes_them() {
    let text = "agent = 'support'\nchannel = 'slack'\npeer = 'group:C7'\nteam = 'T123'";
    let read: Binding = toml::from_str(text).unwrap();
    let expected = Binding {
        channel: Some("slack".into()),
        peer: Some("group:C7".parse().unwrap()),
        team: Some("T123".into()),
        ..Binding::to(agent("support"))
    };
    assert_eq!(read, expected);
    assert!(toml::from_str::<Binding>("agent = 'support'\nchanel = 'slack'").is_err());
}

#[test]
fn bindings_have_a_bound() {
    let one_too_many = vec![slack("a", "1"); exoclaw_router::MAX_BINDINGS as usize + 1];
    assert_eq!(Router::new(agents(), agent("main"), one_too_many).unwrap_err(), BuildError::TooMany);
}
