//! `plugin` with components of other hosts, and their policies.

use std::path::{Path, PathBuf};

use exoclaw_tests::plugins;

use super::{home, home_with, run};

#[path = "../../../crates/exoclaw-sandbox/guests/plain.rs"]
#[expect(dead_code, reason = "tests of the sandbox use more of it")]
mod guest;

const AGENT: &str = "\
[providers.p]
kind = \"demo\"

[[agents]]
id = \"main\"
provider = \"p\"
model = \"m\"
";

/// A component that greets, in a folder with this policy.
fn greeter(folder: &Path, policy: &str) -> PathBuf {
    let wit = "package local:greeter@0.2.0; interface words { greet: func(name: string) -> string; }
        world plain { export words; }";
    let greet = r#"(func (export "local:greeter/words@0.2.0#greet") (param i32 i32) (result i32)
        (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))"#;
    std::fs::create_dir(folder).unwrap();
    if !policy.is_empty() {
        std::fs::write(folder.join("policy.yaml"), policy).unwrap();
    }
    let file = folder.join("Friendly_Greeter.wasm");
    std::fs::write(&file, guest::plain(wit, "", greet).unwrap()).unwrap();
    file
}

const POLICY: &str = r#"
version: "1.0"
description: "Greets people"
permissions:
  storage: { allow: [{ uri: "fs:///cards/**", access: ["read"] }] }
  network: { allow: [{ host: "https://example.org" }] }
  environment: { allow: [{ key: "LANG" }] }
  resources: { memory: 16 }
"#;

#[test]
fn a_component_with_a_policy_becomes_a_plugin() {
    let home = home_with(AGENT);
    let file = greeter(&home.path().join("built"), POLICY);
    let file = file.to_str().unwrap();
    let config = || std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    let before = config();

    // What it is and asks for is shown, and nothing is granted before somebody agrees.
    let shown = run(home.path(), &["plugin", "inspect", file]).ok().out;
    for words in
        ["friendly-greeter 0.2.0: Greets people", "greet ", "once", "http * https://example.org/*", "read /cards"]
    {
        assert!(shown.contains(words), "{words:?} is missing in {shown}");
    }
    run(home.path(), &["plugin", "add", file]).failed(2, &["nobody can be asked here"]);
    assert_eq!(config(), before);

    let cards = home.path().join("my cards");
    let dir = format!("/cards={}", cards.display());
    let added = run(home.path(), &["plugin", "add", "--yes", "--agent", "main", "--dir", &dir, file]).ok();
    for words in ["policy    ", "policy.yaml", "env LANG"] {
        assert!(added.out.contains(words), "{words:?} is missing in {added:#?}");
    }
    assert!(added.talk.contains("limits.memory will be 16 MiB"), "{added:#?}");
    let written = config();
    for words in [
        "https://example.org/*",
        "\"/cards\"",
        "memory = \"16 MiB\"",
        "env = [\"LANG\"]",
        "tools = [\"friendly-greeter\"]",
    ] {
        assert!(written.contains(words), "{words:?} is missing in {written}");
    }
    let greet = ["plugin", "call", "friendly-greeter", "greet", "{\"name\":\"you\"}"];
    assert_eq!(run(home.path(), &greet).ok().out, "you\n");
    run(home.path(), &["plugin", "call", "friendly-greeter", "greet", "{\"name\":7}"]).failed(1, &["/name"]);

    // The policy has been read: from now on the config counts.
    std::fs::remove_file(home.path().join("built/policy.yaml")).unwrap();
    let listed = run(home.path(), &["plugin", "inspect", "friendly-greeter"]).ok().out;
    assert!(listed.contains("(pinned)") && listed.contains("granted   http * https://example.org/*"), "{listed}");
}

#[test]
fn a_policy_can_be_named_or_missing() {
    let home = home_with(AGENT);
    let file = greeter(&home.path().join("built"), "");
    let file = file.to_str().unwrap();
    let nothing = run(home.path(), &["plugin", "add", "--yes", file]).ok().out;
    assert!(nothing.contains("asks for  nothing") && nothing.contains("--policy FILE"), "{nothing}");
    assert_eq!(run(home.path(), &["plugin", "call", file, "greet", "{\"name\":\"you\"}"]).ok().out, "you\n");

    let policy = home.path().join("other.yaml");
    std::fs::write(&policy, "version: \"1.0\"\npermissions: {environment: {allow: [{key: TZ}]}}").unwrap();
    let policy = policy.to_str().unwrap();
    let named = run(home.path(), &["plugin", "add", "--yes", "--policy", policy, "--name", "hello", file]).ok().out;
    assert!(named.contains("env TZ") && named.contains("added hello"), "{named}");

    let echo = plugins::example("echo");
    run(home.path(), &["plugin", "add", "--yes", "--policy", policy, echo.to_str().unwrap()])
        .failed(2, &["has a manifest", "--policy"]);
}

#[test]
fn a_core_module_with_component_types_becomes_a_plugin() {
    let home = home_with(AGENT);
    let wit = "package local:lots; world plain { export draw: func() -> u64; }";
    let random = r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#;
    let draw = r#"(func (export "draw") (result i64)
        (if (call $random (i32.const 16) (i32.const 8)) (then unreachable))
        (i64.load (i32.const 16)))"#;
    let file = home.path().join("lots.wasm");
    std::fs::write(&file, guest::module(wit, random, draw).unwrap()).unwrap();
    run(home.path(), &["plugin", "add", "--yes", file.to_str().unwrap()]).ok();
    let drawn = || run(home.path(), &["plugin", "call", "lots", "draw"]).ok().out.trim().parse::<u64>().unwrap();
    assert_ne!(drawn(), drawn());

    std::fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    run(home.path(), &["plugin", "add", "--yes", file.to_str().unwrap()])
        .failed(65, &["is no component", "without component types", "wasm32-wasip2"]);
}

#[test]
fn what_can_not_be_kept_is_refused_by_name() {
    let home = home();
    let refused = |number: usize, policy: &str, said: &[&str]| {
        let file = greeter(&home.path().join(number.to_string()), policy);
        run(home.path(), &["plugin", "add", "--yes", file.to_str().unwrap()]).failed(65, said);
    };
    let version = "version: \"1.0\"\npermissions:";
    refused(
        0,
        &format!("{version} {{network: {{allow: [{{cidr: 10.0.0.0/8}}]}}}}"),
        &["network.allow[0].cidr", "--policy"],
    );
    refused(1, &format!("{version} {{resources: {{cpu: 50}}}}"), &["permissions.resources.cpu"]);
    refused(2, &format!("{version} {{resources: {{memory: 600}}}}"), &["memory = 600 MiB", "at most 512 MiB"]);
    refused(3, &format!("{version} {{rights: all}}"), &["rights"]);
    refused(4, "version: [", &["line "]);
    let odd = home.path().join("1/!.wasm");
    std::fs::rename(home.path().join("1/Friendly_Greeter.wasm"), &odd).unwrap();
    std::fs::remove_file(home.path().join("1/policy.yaml")).unwrap();
    run(home.path(), &["plugin", "add", "--yes", odd.to_str().unwrap()]).failed(2, &["--name NAME"]);
}

#[test]
fn whoever_wants_signatures_packs_and_signs_first() {
    let home = home_with(&format!(
        "{AGENT}\n[sandbox]\nrequire_signed = true\n[sandbox.trusted_keys]\nme = \"ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n"
    ));
    let file = greeter(&home.path().join("built"), "");
    run(home.path(), &["plugin", "add", "--yes", file.to_str().unwrap()]).failed(65, &["not signed"]);
}
