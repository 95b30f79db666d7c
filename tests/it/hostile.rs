//! A plugin that tries what none may do, as people would try it.

use std::fs;

use exoclaw_tests::{daemon::exoclawd, plugins};
use serde_json::{Value, json};

#[test]
fn a_plugin_gets_nowhere_without_grants() {
    let home = tempfile::tempdir().unwrap();
    let added =
        exoclawd(home.path()).args(["plugin", "add", "--yes"]).arg(plugins::example("hostile")).output().unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    // Less than its defaults, so that each attempt is over sooner.
    let config = home.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[plugins.limits]\ntime = \"5s\"\nfuel = 50000000\nhost_calls = 500\n"))
        .unwrap();
    let attempt = |what: &str| -> Value {
        let arguments = json!({ "what": what }).to_string();
        let called =
            exoclawd(home.path()).args(["plugin", "call", "--json", "hostile", "attempt", &arguments]).output();
        serde_json::from_slice(&called.unwrap().stdout).unwrap()
    };
    for (what, said) in [
        ("read", "refused: "),
        ("write", "refused: "),
        ("environment", "found 0 variables and 0 arguments"),
        ("connect", "refused: "),
    ] {
        let called = attempt(what);
        let text = called["output"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.starts_with(said), "{what}: {called}");
    }
    for (what, failure) in [
        ("spin", "exhausted"),
        ("allocate", "exhausted"),
        ("recurse", "crashed"),
        ("shout", "exhausted"),
        ("panic", "crashed"),
    ] {
        let called = attempt(what);
        assert_eq!(called["output"]["failure"], failure, "{what}: {called}");
    }
}
