//! Policies of Wassette: what is asked for, and what is refused by its place.

use exoclaw_plugin_format::{ByteSize, Policy, PolicyError, limits};
use proptest::prelude::*;

/// A policy with these permissions, each line at its place.
fn policy(permissions: &str) -> Result<Policy, PolicyError> {
    Policy::from_yaml(&format!("version: \"1.0\"\ndescription: \"A test\"\npermissions:\n{permissions}"))
}

#[track_caller]
fn asks_for(permissions: &str, lines: &[&str]) {
    assert_eq!(policy(permissions).unwrap().requests.lines(), lines);
}

/// Refused with this at the start of its place.
#[track_caller]
fn refused(permissions: &str, wanted: &str) {
    match policy(permissions) {
        Err(PolicyError::Unsupported { place, .. }) => assert_eq!(place, wanted),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_policy_is_read_as_requests() {
    let policy = Policy::from_yaml(
        r#"
version: "1.0"
description: "Weather"   # for people
permissions:
  storage:
    allow:
    - uri: "fs:///data/notes/**"
      access: ["read", "write"]
    - uri: fs://data/agent
      access:
      - read
    deny:
    - uri: "fs:///etc/**"
      access: ["read"]
  network:
    allow:
    - host: api.openweathermap.org
    - host: "https://*.example.com:8443/"
    deny:
    - host: "*.ads.example.org"
  environment: {allow: [{key: OPENWEATHER_API_KEY}]}
  runtime:
    docker: ~
    hyperlight:
  resources: { memory: 128 }
  ipc:
    deny: [{ uri: "pipe://system" }]
"#,
    )
    .unwrap();
    assert_eq!(policy.description.as_deref(), Some("Weather"));
    assert_eq!(policy.memory, Some(ByteSize(128 << 20)));
    assert_eq!(
        policy.requests.lines(),
        [
            "http * https://api.openweathermap.org/*",
            "http * http://api.openweathermap.org/*",
            "http * https://*.example.com:8443/*",
            "fs read /data/agent",
            "fs read-write /data/notes",
            "env OPENWEATHER_API_KEY",
        ]
    );
}

#[test]
fn a_policy_may_ask_for_nothing() {
    for text in ["version: \"1.0\"", "version: \"1.1\"\npermissions: {}", "version: '1.0'\npermissions:\n"] {
        assert_eq!(Policy::from_yaml(text).unwrap(), Policy::default(), "{text}");
    }
}

#[test]
fn two_rules_for_one_thing_are_one_request() {
    asks_for(
        "  storage: {allow: [{uri: 'fs:///a', access: [read]}, {uri: 'fs:///a/**', access: [write, read]}]}",
        &["fs read-write /a"],
    );
    asks_for("  network: {allow: [{host: 'http://a.org'}, {host: 'http://a.org/'}]}", &["http * http://a.org/*"]);
    asks_for("  environment: {allow: [{key: A}, {key: A}]}", &["env A"]);
}

#[test]
fn what_is_denied_beside_what_is_allowed_is_no_matter() {
    asks_for(
        "  storage: {allow: [{uri: 'fs:///a', access: [read]}], deny: [{uri: 'fs:///ab/*.log', access: [read]}]}",
        &["fs read /a"],
    );
}

#[test]
fn rules_that_nothing_would_hold_are_refused() {
    let storage = |uri: &str, access: &str| format!("  storage: {{allow: [{{uri: '{uri}', access: [{access}]}}]}}");
    for uri in
        ["fs:///", "fs://", "fs:///a/*", "fs:///a/*/b", "fs:///a/../b", "fs:///a/**/b", "https://a.org", "/a", ""]
    {
        refused(&storage(uri, "read"), "permissions.storage.allow[0].uri");
    }
    refused(&storage("fs:///a", "write"), "permissions.storage.allow[0].access");
    refused(&storage("fs:///a", ""), "permissions.storage.allow[0].access");
    for deny in ["fs:///a", "fs:///a/b/**", "fs:///", "fs:///a/*.log"] {
        let rule = format!(
            "{}, deny: [{{uri: '{deny}', access: [read]}}]}}",
            &storage("fs:///a", "read").strip_suffix('}').unwrap()
        );
        refused(&rule, "permissions.storage.deny[0]");
    }
    let network = |rule: &str| format!("  network: {{allow: [{{host: ok.org}}, {{{rule}}}]}}");
    for host in ["*", "*.com", "a.*.org", "a b", "https://a.org/path", "ftp://a.org", "https://user@a.org", ""] {
        refused(&network(&format!("host: '{host}'")), "permissions.network.allow[1].host");
    }
    refused(&network("cidr: 10.0.0.0/8"), "permissions.network.allow[1].cidr");
    refused(&network("defaults: true"), "permissions.network.allow[1].defaults");
    refused(&network("host: a.org, cidr: 10.0.0.0/8"), "permissions.network.allow[1]");
    let deny = |rule: &str| format!("  network: {{allow: [{{host: a.example.org}}], deny: [{{{rule}}}]}}");
    refused(&deny("host: '*.example.org'"), "permissions.network.deny[0]");
    refused(&deny("host: 'http://a.example.org'"), "permissions.network.deny[0]");
    refused(&deny("cidr: 0.0.0.0/0"), "permissions.network.deny[0].cidr");
    refused("  environment: {allow: [{key: 'A_*'}]}", "permissions.environment.allow[0].key");
    refused("  environment: {deny: []}", "permissions.environment.deny");
    refused("  runtime: {docker: {security: {privileged: false}}}", "permissions.runtime");
    refused("  resources: {cpu: 50.0}", "permissions.resources.cpu");
    refused("  resources: {io: 100}", "permissions.resources.io");
    refused("  resources: {memory: 0}", "permissions.resources.memory");
    refused("  ipc: {allow: [{uri: 'pipe://a'}]}", "permissions.ipc.allow");
    let version = Policy::from_yaml("version: \"2.0\"").unwrap_err();
    assert!(matches!(&version, PolicyError::Unsupported { place, .. } if place == "version"), "{version:?}");
}

#[test]
fn keys_that_nobody_knows_are_refused() {
    for text in [
        "permissions: {}",
        "version: 1.0",
        "version: \"1.0\"\npermissons: {}",
        "version: \"1.0\"\npermissions: {files: {}}",
        "version: \"1.0\"\npermissions: {network: {allow: [{host: a.org, port: 1}]}}",
        "version: \"1.0\"\npermissions: {storage: {allow: [{uri: 'fs:///a', access: [execute]}]}}",
        "- version",
        "",
    ] {
        assert!(matches!(Policy::from_yaml(text), Err(PolicyError::Form(_))), "{text}");
    }
}

#[test]
fn yaml_that_says_more_than_json_is_refused() {
    let deep = format!("version: {}{}", "[".repeat(17), "]".repeat(17));
    let endless = format!("version: {}", "[".repeat(60_000));
    for text in [
        "version: &a \"1.0\"",
        "version: \"1.0\"\npermissions: *a",
        "version: !!str 1.0",
        "version: \"1.0\"\nversion: \"1.0\"",
        "version: \"1.0\"\n---\nversion: \"1.0\"",
        "? [version]\n: \"1.0\"",
        "version: \"1.0",
        "a: {b",
        &deep,
        &endless,
    ] {
        let error = Policy::from_yaml(text).unwrap_err();
        assert!(matches!(error, PolicyError::Yaml { .. }), "{text:.60}: {error:?}");
    }
    let large = format!("version: \"1.0\" #{}", "x".repeat(limits::POLICY_BYTES));
    assert!(matches!(Policy::from_yaml(&large), Err(PolicyError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn whatever_it_says_it_is_read_or_refused(text in "[-:a-z\"'{}\\[\\], \n&*!?|>#~0-9.%@`]{0,200}") {
        drop(Policy::from_yaml(&text));
        drop(Policy::from_yaml(&format!("version: \"1.0\"\npermissions:\n  network: {text}")));
    }
}
