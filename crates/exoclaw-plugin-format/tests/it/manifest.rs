use exoclaw_plugin_format::{Kind, Manifest, ManifestError, pack};

use crate::{EMPTY, NOTES, notes};

#[test]
fn requests_are_lines_for_people() {
    assert_eq!(
        notes().requests.lines(),
        [
            "http GET https://api.github.com/repos/*",
            "fs read-write /notes",
            "env TZ",
            "secret github towards api.github.com",
            "kv 1 MiB",
        ]
    );
}

/// Replaces text of the good manifest and names the field that is refused for it.
#[track_caller]
fn refused(from: &str, to: &str, field: &str) {
    assert!(NOTES.contains(from), "the good manifest has no {from:?}");
    match Manifest::from_toml(&NOTES.replacen(from, to, 1)) {
        Err(ManifestError::Field { field: found, .. }) => assert_eq!(found, field),
        other => panic!("{other:?}"),
    }
}

#[test]
fn broken_rules_name_their_field() {
    refused("\"0.1.0\"", "\"0 1\"", "version");
    refused("\"Keeps notes\"", "\" \"", "description");
    refused("\"Keeps notes\"", r#""a\u001B[2J""#, "description");
    refused("\"Add a line\"", &format!("\"{}\"", "x".repeat(5000)), "tools.append.description");
    refused("name = \"read\"", "name = \"append\"", "tools.append");
    refused("input_schema = { type = \"object\" }", "input_schema = { type = \"array\" }", "tools.read.input_schema");
    refused("input_schema = { type = \"object\" }", "input_schema = true", "tools.read.input_schema");
    refused("guest = \"/notes\"", "guest = \"notes\"", "requests.fs.guest");
    refused("guest = \"/notes\"", "guest = \"/notes/../etc\"", "requests.fs.guest");
    refused("guest = \"/notes\"", "guest = \"/\"", "requests.fs.guest");
    refused("[\"TZ\"]", "[\"TZ=1\"]", "requests.env");
    refused("\"Bearer {}\"", "\"Bearer\"", "requests.secrets.format");
}

const CHANNEL: &str = r#"
name = "telegram"
version = "0.1.0"
kind = "channel"
description = "Chats over Telegram"
[requests]
http = ["POST https://api.telegram.org/sendMessage"]
secrets = [
    { name = "telegram", path = "/bot{}", to = "api.telegram.org" },
    { name = "telegram-webhook", check = true },
]
"#;

#[test]
fn a_channel_has_no_tools() {
    let channel = Manifest::from_toml(CHANNEL).unwrap();
    assert_eq!(channel.kind, Kind::Channel);
    assert_eq!(
        channel.requests.lines()[1..],
        ["secret telegram in paths towards api.telegram.org", "secret telegram-webhook to check who wrote"]
    );
    let packed = pack(EMPTY, &channel).unwrap();
    assert_eq!(Manifest::of_component(&packed).unwrap(), channel);
    for (from, to, field) in [
        ("\"channel\"", "\"tools\"", "tools"),
        ("[requests]", "[requests]\nkv = \"1 KiB\"", "requests.kv"),
        ("/bot{}", "/bot", "requests.secrets.path"),
        ("/bot{}", "bot{}", "requests.secrets.path"),
        ("/bot{}", "/bot{}/", "requests.secrets.path"),
        ("/bot{}", "/../{}", "requests.secrets.path"),
        ("/bot{}", "/{}?a=b", "requests.secrets.path"),
        ("/bot{}", "/%2e{}", "requests.secrets.path"),
    ] {
        match Manifest::from_toml(&CHANNEL.replacen(from, to, 1)) {
            Err(ManifestError::Field { field: found, .. }) => assert_eq!(found, field, "{to}"),
            other => panic!("{to}: {other:?}"),
        }
    }
    for (from, to) in [("check = true", "check = false"), ("path = ", "format = "), (", to = \"api.telegram.org\"", "")]
    {
        assert!(matches!(Manifest::from_toml(&CHANNEL.replacen(from, to, 1)), Err(ManifestError::Toml(_))), "{to}");
    }
}

#[test]
fn unknown_fields_and_names_are_refused() {
    for (from, to) in [
        ("version =", "verson ="),
        ("kv =", "kvs ="),
        ("\"once\"", "\"twice\""),
        ("name = \"notes\"", "name = \"no_tes\""),
        ("access = \"read-write\"", "access = \"write\""),
    ] {
        let result = Manifest::from_toml(&NOTES.replacen(from, to, 1));
        assert!(matches!(result, Err(ManifestError::Toml(_))), "{to}: {result:?}");
    }
}

#[test]
fn a_plugin_without_tools_is_refused() {
    let text = "name = \"a\"\nversion = \"1\"\ndescription = \"d\"\ntools = []";
    assert!(matches!(Manifest::from_toml(text), Err(ManifestError::Field { field, .. }) if field == "tools"));
}
