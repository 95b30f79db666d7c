//! `plugin` with the real examples.

use std::path::Path;

use exoclaw_tests::{daemon::exoclawd, plugins};
use serde_json::json;

use super::{Ended, home, home_with, run};

const AGENT: &str = "\
# my agents
[providers.p]
kind = \"demo\"

[[agents]] # the first
id = \"main\"
provider = \"p\"
model = \"m\"
";

#[test]
fn inspect_says_what_a_file_offers_and_asks_for() {
    let home = home();
    let notes = plugins::example("notes");
    let shown = run(home.path(), &["plugin", "inspect", notes.to_str().unwrap()]).ok().out;
    for words in ["notes 0.1.0: Keeps notes", "sha256 ", "append", "once", "read-write /notes"] {
        assert!(shown.contains(words), "{words:?} is missing in {shown}");
    }
    let described = run(home.path(), &["plugin", "inspect", "--json", notes.to_str().unwrap()]).ok().json();
    assert_eq!(described["tools"][0]["name"], "append");
    assert_eq!(described["granted"], json!(null));
}

#[test]
fn a_file_that_is_no_plugin_is_named() {
    let home = home();
    let file = home.path().join("x.wasm");
    run(home.path(), &["plugin", "inspect", file.to_str().unwrap()]).failed(74, &["x.wasm"]);
    std::fs::write(&file, b"\0asm\x0d\0\x01\0").unwrap();
    run(home.path(), &["plugin", "inspect", file.to_str().unwrap()])
        .failed(65, &["x.wasm is no plugin", "plugin pack"]);
    run(home.path(), &["plugin", "inspect", "ecko"]).failed(65, &["no plugin \"ecko\""]);
}

#[test]
fn call_runs_one_tool_and_shows_its_cost() {
    let home = home();
    let echo = plugins::example("echo");
    let echo = echo.to_str().unwrap();
    let ended = run(home.path(), &["plugin", "call", echo, "echo", "{\"text\":\"hello\"}"]).ok();
    assert_eq!(ended.out, "hello\n");
    assert!(ended.talk.contains("fuel ") && ended.talk.contains("host calls "), "{ended:#?}");
    let json = run(home.path(), &["plugin", "call", "--json", echo, "echo", "{\"text\":\"hello\"}"]).ok().json();
    assert_eq!(json["output"]["content"][0]["text"], "hello");
    assert!(json["metering"]["fuel"].as_u64().unwrap() > 0);

    run(home.path(), &["plugin", "call", echo, "ecko"]).failed(65, &["no tool \"ecko\"", "did you mean \"echo\"?"]);
    run(home.path(), &["plugin", "call", echo, "echo", "{"]).failed(2, &["no JSON"]);
    let wrong = run(home.path(), &["plugin", "call", echo, "echo", "{\"text\":7}"]);
    assert_eq!(wrong.code, Some(1), "{wrong:#?}");
}

#[test]
fn add_grants_what_is_named_and_keeps_the_rest_of_the_config() {
    let home = home_with(AGENT);
    let notes = plugins::example("notes");
    let folder = home.path().join("my notes");
    let dir = format!("/notes={}", folder.display());
    let args = ["plugin", "add", "--yes", "--agent", "main", "--dir", &dir, notes.to_str().unwrap()];
    run(home.path(), &args).ok();
    let config = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    assert!(config.starts_with("# my agents\n") && config.contains("[[agents]] # the first"), "{config}");
    let called = run(home.path(), &["plugin", "call", "notes", "append", "{\"text\":\"milk\"}"]).ok();
    assert_eq!(called.code, Some(0));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let listed = run(home.path(), &["plugin", "list"]).ok().out;
    assert!(listed.contains("notes 0.1.0") && listed.contains("fs read-write /notes"), "{listed}");

    // A changed file is another plugin than the one that was approved.
    let file = home.path().join("plugins/notes.wasm");
    std::fs::copy(plugins::example("echo"), &file).unwrap();
    run(home.path(), &["plugin", "call", "notes", "append", "{\"text\":\"x\"}"]).failed(65, &["pinned is"]);

    let removed = run(home.path(), &["plugin", "remove", "notes"]).ok();
    assert!(removed.talk.contains("from: main"), "{removed:#?}");
    let config = std::fs::read_to_string(home.path().join("config.toml")).unwrap();
    assert!(!config.contains("notes") && config.starts_with("# my agents\n"), "{config}");
    assert!(!file.exists());
    run(home.path(), &["config", "check"]).ok();
    run(home.path(), &["plugin", "remove", "notes"]).failed(65, &["no plugin \"notes\""]);
}

#[test]
fn without_its_directory_a_plugin_can_not_write() {
    let home = home_with(AGENT);
    let notes = plugins::example("notes");
    let added = run(home.path(), &["plugin", "add", "--yes", notes.to_str().unwrap()]).ok();
    assert!(added.talk.contains("--dir /notes=DIRECTORY"), "{added:#?}");
    let called = run(home.path(), &["plugin", "call", "notes", "append", "{\"text\":\"milk\"}"]);
    assert_eq!(called.code, Some(1), "{called:#?}");
}

#[test]
fn add_asks_before_it_changes_anything() {
    let home = home_with(AGENT);
    let echo = plugins::example("echo");
    run(home.path(), &["plugin", "add", echo.to_str().unwrap()]).failed(2, &["nobody can be asked here", "--yes"]);
    assert_eq!(std::fs::read_to_string(home.path().join("config.toml")).unwrap(), AGENT);
    assert!(!home.path().join("plugins").exists());
    let dir = ["plugin", "add", "--yes", "--dir", "/other=x", echo.to_str().unwrap()];
    run(home.path(), &dir).failed(2, &["--dir /other=x fits no request"]);
}

#[test]
fn a_project_in_each_language_is_made_and_names_the_tool_that_is_missing() {
    for (lang, file, tool, remedy) in [
        ("rust", "src/lib.rs", "rustc", "https://rustup.rs"),
        ("js", "plugin.js", "npm", "Node.js 20"),
        ("python", "plugin.py", "python3", "python3-venv"),
    ] {
        let home = home();
        let mut made = exoclawd(home.path());
        Ended::of(&made.args(["plugin", "new", "a-b", "--lang", lang]).current_dir(home.path()).output().unwrap()).ok();
        let project = home.path().join("a-b");
        let manifest = std::fs::read_to_string(project.join("plugin.toml")).unwrap();
        assert!(manifest.contains("name = \"a-b\"") && manifest.contains("name = \"a_b\""), "{manifest}");
        for path in [file, "README.md", "wit/plugin.wit"] {
            let text = std::fs::read_to_string(project.join(path)).unwrap();
            assert!(!text.contains("{{"), "{path}: {text}");
        }
        let mut build = exoclawd(home.path());
        build.args(["plugin", "build"]).current_dir(&project).env("PATH", "/nowhere");
        Ended::of(&build.output().unwrap()).failed(69, &[&format!("start {tool}"), remedy]);
    }
    let home = home();
    let folder = home.path().to_str().unwrap();
    run(home.path(), &["plugin", "build", folder]).failed(65, &["no Cargo.toml, package.json or requirements.txt"]);
}

#[test]
fn call_many_times_says_how_long_they_took() {
    let home = home();
    let echo = plugins::example("echo");
    let args = ["plugin", "call", "--times", "20", echo.to_str().unwrap(), "echo", "{\"text\":\"hello\"}"];
    let ended = run(home.path(), &args).ok();
    assert_eq!(ended.out, "hello\n");
    assert!(ended.talk.contains("20 calls: median "), "{ended:#?}");
    let json = run(home.path(), &[&args[..], &["--json"]].concat()).ok().json();
    assert_eq!(json["calls"]["count"], 20);
    run(home.path(), &["plugin", "call", "--times", "0", echo.to_str().unwrap(), "echo"]).failed(2, &["--times"]);
}

/// A component with as much in it as one with a language's runtime.
#[test]
fn a_large_component_is_allowed_by_its_operator_alone() {
    let home = home_with(AGENT);
    let mut bytes = std::fs::read(plugins::example("echo")).unwrap();
    // A custom section `x` of zeros, which means nothing.
    let size: u32 = 17 << 20;
    bytes.extend([0, size as u8 | 0x80, (size >> 7) as u8 | 0x80, (size >> 14) as u8 | 0x80, (size >> 21) as u8]);
    bytes.extend([1, b'x']);
    bytes.resize(bytes.len() + size as usize - 2, 0);
    let file = home.path().join("large.wasm");
    std::fs::write(&file, &bytes).unwrap();
    let hello = ["plugin", "call", "echo", "echo", "{\"text\":\"hello\"}"];

    let added = run(home.path(), &["plugin", "add", "--yes", file.to_str().unwrap()]).ok();
    assert!(added.talk.contains("larger than 16 MiB, 17.1 MiB: limits.component will be 18 MiB"), "{added:#?}");
    assert_eq!(run(home.path(), &hello).ok().out, "hello\n");
    let path = home.path().join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("component = \"18 MiB\"", "component = \"16 MiB\"")).unwrap();
    run(home.path(), &hello).failed(65, &["its limit is 16 MiB", "limits.component"]);
    std::fs::write(&path, config.replace("component = \"18 MiB\"", "component = \"65 MiB\"")).unwrap();
    run(home.path(), &hello).failed(65, &["limit component = 65 MiB", "at most 64 MiB"]);
}

#[test]
fn a_plugin_is_signed_and_others_are_refused_where_that_is_wanted() {
    let home = home();
    let folder = home.path();
    let file = folder.join("echo.wasm");
    std::fs::copy(plugins::example("echo"), &file).unwrap();
    let (file, key) = (file.to_str().unwrap(), folder.join("alice.pem"));
    let key = key.to_str().unwrap();
    let public = run(folder, &["plugin", "keygen", key]).ok().out.trim().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    run(folder, &["plugin", "keygen", key]).failed(74, &["never overwritten"]);

    let trust = format!("[sandbox]\nrequire_signed = true\n[sandbox.trusted_keys]\nalice = \"{public}\"\n");
    std::fs::write(folder.join("config.toml"), AGENT.to_owned() + &trust).unwrap();
    let say = ["plugin", "call", file, "echo", "{\"text\":\"hello\"}"];
    run(folder, &say).failed(65, &["not signed", "require_signed"]);
    run(folder, &["plugin", "add", "--yes", file]).failed(65, &["not signed"]);
    assert_eq!(run(folder, &["plugin", "verify", file]).out, "not signed\n");

    run(folder, &["plugin", "sign", "--key", key, file]).ok();
    assert!(run(folder, &["plugin", "verify", file]).ok().out.contains("(alice)"));
    run(folder, &["plugin", "verify", "--key", &public, file]).ok();
    assert_eq!(run(folder, &say).ok().out, "hello\n");
    run(folder, &["plugin", "add", "--yes", file]).ok();
    let listed = run(folder, &["plugin", "list", "--json"]).ok().json();
    assert_eq!(listed[0]["signers"], json!([public]));

    let other = run(folder, &["plugin", "keygen", folder.join("bob.pem").to_str().unwrap()]).ok();
    let by_bob = run(folder, &["plugin", "verify", "--key", other.out.trim(), file]);
    assert_eq!((by_bob.code, by_bob.out.contains("not trusted")), (Some(1), true));
    let mut bytes = std::fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file, bytes).unwrap();
    run(folder, &["plugin", "verify", file]).failed(65, &["not what was signed"]);
    run(folder, &say).failed(65, &["the signature by"]);

    std::fs::write(folder.join("config.toml"), "[sandbox]\nrequire_signed = true\n").unwrap();
    run(folder, &["config", "check"]).failed(78, &["nobody is trusted", "config.toml:2"]);
}

#[test]
fn what_a_plugin_keeps_during_a_call_is_gone_after_it_or_in_the_named_file() {
    let home = home();
    let counter = plugins::example("counter");
    let counter = counter.to_str().unwrap();
    let call = ["plugin", "call", counter, "increment", "{\"name\":\"calls\"}"];
    let count = |more: &[&str]| run(home.path(), &[&call, more].concat()).ok().out;
    assert_eq!(count(&[]), count(&[]));
    let file = home.path().join("values.db");
    let store = ["--store", file.to_str().unwrap()];
    assert_ne!(count(&store), count(&store));
}

#[test]
fn a_new_project_builds_packs_and_runs() {
    let home = home();
    let in_folder = |folder: &Path, args: &[&str]| {
        Ended::of(&exoclawd(home.path()).args(args).current_dir(folder).output().unwrap())
    };
    in_folder(home.path(), &["plugin", "new", "hello-you", "--lang", "rust"]).ok();
    in_folder(home.path(), &["plugin", "new", "hello-you"]).failed(65, &["hello-you is there already"]);
    let project = home.path().join("hello-you");
    in_folder(&project, &["plugin", "pack"]).failed(74, &["exoclawd plugin build"]);

    // The lock file of the examples has the same dependencies: the build needs no network.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::copy(root.join("plugins-examples/Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let mut build = exoclawd(home.path());
    build.args(["plugin", "build"]).current_dir(&project).env("CARGO_NET_OFFLINE", "true");
    for name in ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"]
    {
        build.env_remove(name);
    }
    let built = Ended::of(&build.output().unwrap()).ok();
    assert!(built.talk.contains("$ cargo build --release --target wasm32-wasip2"), "{built:#?}");
    let ended = in_folder(&project, &["plugin", "call", "hello-you.wasm", "hello_you", "{\"name\":\"Ada\"}"]).ok();
    assert_eq!(ended.out, "Hello, Ada!\n");

    // The compiler's core module, which `wit-bindgen` gave its types, does as well.
    let mut core = std::process::Command::new("cargo");
    core.args(["build", "--release", "--offline", "--target", CORE, "--target-dir", "core"]).current_dir(&project);
    for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"] {
        core.env_remove(name);
    }
    let built = core.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let module = format!("core/{CORE}/release/hello_you.wasm");
    assert!(std::fs::read(project.join(&module)).unwrap().starts_with(b"\0asm\x01"));
    in_folder(&project, &["plugin", "add", "--yes", &module]).failed(65, &["built for exoclaw", "plugin pack"]);
    in_folder(&project, &["plugin", "pack", "--component", &module, "--out", "core.wasm"]).ok();
    let ended = in_folder(&project, &["plugin", "call", "./core.wasm", "hello_you", "{\"name\":\"Ada\"}"]).ok();
    assert_eq!(ended.out, "Hello, Ada!\n");
}

/// The target whose programs are core modules, and which the page is built for too.
const CORE: &str = "wasm32-unknown-unknown";
