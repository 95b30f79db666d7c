//! `config` on the command line; what a config may hold is tested beside its code.

use exoclaw_tests::daemon::exoclawd;
use serde_json::json;

use super::{Ended, home, home_with, run};

#[test]
fn a_typo_is_named_with_line_and_remedy() {
    let home = home_with("[gateway]\nport = 7300\n\n[providers.local]\nkind = \"openai\"\nbase_ulr = \"x\"\n");
    let place = home.path().join("config.toml");
    let message = format!("{}:6: unknown key \"base_ulr\" in providers.local", place.display());
    run(home.path(), &["config", "check"]).failed(78, &[&message, "hint: did you mean \"base_url\"?"]);
    let json = run(home.path(), &["config", "check", "--json"]);
    assert_eq!(json.code, Some(78));
    assert_eq!(
        json.json(),
        json!({ "error": { "kind": "config", "message": message, "hints": ["did you mean \"base_url\"?"] } })
    );
    // Every command that needs the config says so, too.
    run(home.path(), &["gateway"]).failed(78, &[&message]);
    run(home.path(), &["plugin", "list"]).failed(78, &[&message]);
}

#[test]
fn values_come_from_default_file_variable_and_flag() {
    let home = home_with("[gateway]\nport = 7300\n");
    let file = home.path().join("config.toml");
    let mut command = exoclawd(home.path());
    command.args(["config", "show"]).env("EXOCLAW_GATEWAY_BIND", "::1");
    let shown = Ended::of(&command.output().unwrap()).ok().out;
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    let from_file = format!("{}:2", file.display());
    let line = |key: &str| lines.iter().find(|line| line[0] == key).map(|line| &line[1..]).unwrap_or_default();
    assert_eq!(line("gateway.bind"), ["=", "\"::1\"", "#", "EXOCLAW_GATEWAY_BIND"]);
    assert_eq!(line("gateway.hosts"), ["=", "[]", "#", "default"]);
    assert_eq!(line("gateway.port"), ["=", "7300", "#", &from_file]);
}

#[test]
fn the_file_is_found_by_flag_then_variable_then_home() {
    let (home, other) = (home_with("[gateway]\nport = 1\n"), home());
    let (by_flag, by_variable) = (other.path().join("flag.toml"), other.path().join("variable.toml"));
    std::fs::write(&by_flag, "[gateway]\nport = 3\n").unwrap();
    std::fs::write(&by_variable, "[gateway]\nport = 2\n").unwrap();
    let port = |variable: bool, flag: bool| {
        let mut command = exoclawd(home.path());
        command.args(["config", "show", "--json"]);
        if variable {
            command.env("EXOCLAW_CONFIG", &by_variable);
        }
        if flag {
            command.arg("--config").arg(&by_flag);
        }
        let entries = Ended::of(&command.output().unwrap()).ok().json();
        let port = entries.as_array().unwrap().iter().find(|entry| entry["key"] == "gateway.port").unwrap().clone();
        port["value"].as_u64().unwrap()
    };
    assert_eq!([port(false, false), port(true, false), port(false, true), port(true, true)], [1, 2, 3, 3]);
}

#[test]
fn keys_are_refused_and_not_printed() {
    let home = home_with("[providers.local]\nkind = \"openai\"\napi_key = \"sk-do-not-print\"\n");
    let ended = run(home.path(), &["config", "check"]).failed(78, &["EXOCLAW_LOCAL_API_KEY", "exoclawd onboard"]);
    assert!(!format!("{ended:?}").contains("sk-do-not-print"));
}

#[test]
fn bindings_and_agents_name_their_lines() {
    let config = "[providers.p]\nkind = \"demo\"\n[[agents]]\nid = \"main\"\nprovider = \"p\"\nmodel = \"m\"\n";
    let home = home_with(&format!("{config}[[bindings]]\nagent = \"other\"\nchannel = \"slack\"\n"));
    run(home.path(), &["config", "check"]).failed(78, &["config.toml:7: agent \"other\" is not there"]);
    let twice = "[[bindings]]\nagent = \"main\"\nchannel = \"slack\"\n[[agents]]\nid = \"b\"\nprovider = \"p\"\nmodel = \"m\"\n[[bindings]]\nagent = \"b\"\nchannel = \"slack\"\n";
    let home = home_with(&format!("{config}{twice}"));
    run(home.path(), &["config", "check"]).failed(78, &["config.toml:7", "config.toml:14", "the same messages"]);
}

#[test]
fn no_config_is_no_error_but_a_named_one_is() {
    let home = home();
    let ended = run(home.path(), &["config", "check"]).ok();
    assert!(ended.out.contains("the built-in defaults are in force"), "{ended:#?}");
    let missing = home.path().join("own.toml");
    run(home.path(), &["--config", missing.to_str().unwrap(), "config", "check"])
        .failed(78, &["read config", "onboard"]);
}
