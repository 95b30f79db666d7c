//! The daemon's start and end.

use std::net::TcpListener;

use exoclaw_tests::{
    daemon::{Setup, TOKEN, exoclawd, output},
    plugins,
};

use super::{Ended, home, home_with, run};

const DEMO_AGENT: &str = "[providers.p]\nkind = \"demo\"\n[[agents]]\nid = \"main\"\nprovider = \"p\"\nmodel = \"m\"\n";

#[test]
fn a_taken_port_is_named_with_a_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = Setup::with_config(DEMO_AGENT).arg("--port").arg(&port).refused();
    let text = String::from_utf8(refused.stdout).unwrap();
    assert_eq!(refused.status.code(), Some(69), "{text}");
    assert!(text.contains(&format!("listen on 127.0.0.1:{port}")) && text.contains("--port"), "{text}");
}

#[test]
fn no_agents_is_a_config_error_that_shows_the_ways_out() {
    run(home().path(), &["gateway"]).failed(78, &["no agents", "exoclawd onboard", "--demo"]);
}

#[test]
fn a_home_that_can_not_be_made_is_named() {
    let home = home_with(DEMO_AGENT);
    let inside_a_file = home.path().join("config.toml/home");
    let config = home.path().join("config.toml");
    let args = ["--config", config.to_str().unwrap(), "gateway", "--port", "0"];
    run(&inside_a_file, &args).failed(74, &["create the home directory", inside_a_file.to_str().unwrap(), "--home"]);
}

#[test]
fn a_second_daemon_of_a_home_is_refused_and_harms_no_one() {
    let daemon = Setup::with_config(DEMO_AGENT).start();
    let second = output(&mut daemon.command(&["gateway", "--port", "0"]));
    Ended::of(&second).failed(69, &["is in use by another process"]);
    Ended::of(&output(&mut daemon.command(&["status"]))).ok();
}

#[test]
fn sigterm_ends_it_cleanly_and_it_starts_again() {
    let mut daemon = Setup::with_config(DEMO_AGENT).start();
    let file = daemon.home().join("gateway.json");
    assert!(file.is_file());
    assert_eq!(daemon.terminate().code(), Some(0), "{}", daemon.log());
    assert!(!file.exists());
    let nobody = Ended::of(&output(&mut daemon.command(&["status"])));
    nobody.failed(69, &["no daemon answers", "exoclawd gateway --demo"]);
    daemon.restart();
    Ended::of(&output(&mut daemon.command(&["status"]))).ok();
    daemon.kill9();
    daemon.restart();
    Ended::of(&output(&mut daemon.command(&["status"]))).ok();
}

#[test]
fn a_log_filter_that_is_wrong_is_named() {
    let refused = Setup::with_config(DEMO_AGENT).env("EXOCLAW_LOG", "exoclaw=lots").refused();
    let text = String::from_utf8(refused.stdout).unwrap();
    assert_eq!(refused.status.code(), Some(78), "{text}");
    assert!(text.contains("EXOCLAW_LOG=exoclaw=lots"), "{text}");
}

#[test]
fn plugins_that_are_missing_broken_or_changed_are_told_and_the_daemon_goes_on() {
    let folder = home();
    let broken = folder.path().join("broken.wasm");
    std::fs::write(&broken, b"no component").unwrap();
    let echo = plugins::example("echo");
    let pin = "0".repeat(64);
    let daemon = Setup::with_config(DEMO_AGENT)
        .and_config("tools = [\"echo\", \"absent\", \"broken\", \"pinned\"]\n")
        .plugin("echo", &echo, "")
        .plugin("absent", &folder.path().join("absent.wasm"), "")
        .plugin("broken", &broken, "")
        .and_config(&format!("[[plugins]]\nname = \"pinned\"\npath = {echo:?}\nsha256 = {pin:?}\n"))
        .plugin("other", &echo, "")
        .plugin("greedy", &echo, "http = [\"GET https://example.com/\"]")
        .start();
    let list = Ended::of(&output(&mut daemon.command(&["status"]))).ok().out;
    for words in [
        "1 ready, 5 failed",
        "absent.wasm",
        "broken.wasm",
        "pinned is 0000",
        "the file holds the plugin echo, not other",
    ] {
        assert!(list.contains(words), "{words:?} is missing in {list}");
    }
    assert!(daemon.log().contains("plugin not loaded"), "{}", daemon.log());
    let chat = Ended::of(&output(&mut daemon.command(&["chat", "echo still here"]))).ok();
    assert!(chat.out.contains("still here"), "{chat:#?}");
}

#[test]
fn neither_token_nor_messages_are_logged() {
    let daemon = Setup::demo().start();
    let said = "a-message-that-nobody-logs";
    Ended::of(&output(&mut daemon.command(&["chat", said]))).ok();
    let log = daemon.log();
    assert!(log.contains("listening"), "{log}");
    assert!(!log.contains(said) && !log.contains(TOKEN), "{log}");
}

#[test]
fn the_demo_says_that_it_is_one() {
    let home = home();
    let mut daemon = exoclawd(home.path());
    daemon.args(["gateway", "--demo", "--port", "0"]).stdout(std::process::Stdio::piped());
    let mut child = daemon.stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut text = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    while !text.contains("onboard") && std::io::BufRead::read_line(&mut out, &mut text).unwrap() > 0 {}
    child.kill().unwrap();
    child.wait().unwrap();
    for words in
        ["listens on http://127.0.0.1:", "/#code=", "chat \"what time is it?\"", "This is the demo", "no AI is asked"]
    {
        assert!(text.contains(words), "{words:?} is missing in {text}");
    }
}
