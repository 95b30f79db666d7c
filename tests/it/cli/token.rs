//! Tokens, the daemon's own socket, and starting without credentials.

use std::process::Command;

use exoclaw_client::{Client, Endpoint, Options, State};
use exoclaw_protocol::{ChatHistoryParams, ChatSendParams, Secret, StatusParams};
use exoclaw_tests::daemon::{Daemon, Setup, exoclawd, output};

use super::{Ended, home, run, run_beside};

/// A command of whoever owns the daemon, who names no token.
fn of_owner(daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = exoclawd(daemon.home());
    command.args(args);
    command
}

fn client(daemon: &Daemon, token: &str) -> Client {
    let endpoint = Endpoint::new(format!("ws://{}/ws", daemon.address())).with_token(Secret::new(token));
    Client::connect(endpoint, Options::default())
}

#[test]
fn commands_of_the_same_user_need_no_token() {
    let daemon = Setup::demo().start();
    let status = Ended::of(&output(&mut of_owner(&daemon, &["status", "--json"]))).ok();
    assert_eq!(status.json()["demo"], true);
    assert!(!daemon.home().join("credentials").exists(), "this daemon was started with a token by variable");
    let wrong = Ended::of(&output(of_owner(&daemon, &["status"]).env("EXOCLAW_TOKEN", "another-token-0123")));
    wrong.failed(77, &["does not take this token"]);
}

#[tokio::test]
async fn a_token_lets_in_as_far_as_its_scope_until_it_is_revoked() {
    let daemon = Setup::demo().start();
    let made = run_beside(of_owner(&daemon, &["token", "create", "phone", "--scope", "read"])).await.ok();
    let token = made.out.trim();
    assert!(made.talk.contains("not shown again"), "{made:#?}");
    let phone = client(&daemon, token);
    assert!(phone.request(StatusParams {}).await.unwrap().demo);
    let history = ChatHistoryParams::new("main".parse().unwrap());
    phone.request(history).await.unwrap();
    let refused = phone.request(ChatSendParams::text("main".parse().unwrap(), "hi")).await.unwrap_err();
    assert!(refused.to_string().contains("does not allow chat.send"), "{refused}");

    let list = run_beside(of_owner(&daemon, &["token", "list"])).await.ok();
    assert!(list.out.starts_with("phone  read, used"), "{list:#?}");
    assert!(!list.out.contains(token) && !daemon.log().contains(token));

    run_beside(of_owner(&daemon, &["token", "revoke", "phone"])).await.ok();
    assert!(phone.request(StatusParams {}).await.is_err());
    assert!(matches!(phone.state(), State::Closed { .. }), "{:?}", phone.state());
    run_beside(of_owner(&daemon, &["token", "revoke", "phone"])).await.failed(65, &["there is no token phone"]);
}

#[tokio::test]
async fn a_token_is_rotated_while_its_users_change_over() {
    let mut daemon = Setup::demo().start();
    let text = |ended: Ended| ended.ok().out.trim().to_owned();
    let old = text(run_beside(of_owner(&daemon, &["token", "create", "ci", "--expires", "30d"])).await);
    let new = text(run_beside(of_owner(&daemon, &["token", "rotate", "ci"])).await);
    for token in [&old, &new] {
        client(&daemon, token).request(StatusParams {}).await.unwrap();
    }
    daemon.terminate();
    daemon.restart();
    run_beside(of_owner(&daemon, &["token", "rotate", "ci", "--finish"])).await.ok();
    client(&daemon, &new).request(StatusParams {}).await.unwrap();
    assert!(client(&daemon, &old).request(StatusParams {}).await.is_err());
}

#[test]
fn tokens_are_made_without_a_daemon_too() {
    let home = home();
    let token = |args: &[&str]| run(home.path(), &[&["token"], args].concat());
    assert_eq!(token(&["list"]).ok().out, "");
    assert_eq!(token(&["create", "a", "--json"]).ok().json()["info"]["scope"], "chat");
    // Whose tokens these are is said: a token by variable may mean another daemon.
    let credentials = home.path().join("credentials").display().to_string();
    let mut elsewhere = exoclawd(home.path());
    elsewhere.args(["token", "create", "c"]).env("EXOCLAW_TOKEN", "another daemon's token");
    let said = Ended::of(&output(&mut elsewhere)).ok().talk;
    assert!(said.contains("no daemon of this home answers") && said.contains(&credentials), "{said}");
    token(&["revoke", "c"]).ok();
    token(&["create", "a"]).failed(65, &["there is a token a already"]);
    token(&["create", "owner"]).failed(65, &["choose another name"]);
    token(&["create", "b", "--expires", "30"]).failed(2, &["such as 30d"]);
    token(&["create", "../b"]).failed(2, &["token name"]);
    assert_eq!(token(&["list", "--json"]).ok().json()["tokens"][0]["name"], "a");
    token(&["rotate", "a", "--finish"]).failed(1, &["no new text"]);
    token(&["revoke", "a"]).ok();
    std::fs::write(home.path().join("credentials/tokens.json"), "{}").unwrap();
    token(&["list"]).failed(78, &["is no list of tokens"]);
}

#[test]
fn open_prints_an_address_that_works() {
    let daemon = Setup::demo().start();
    let opened = Ended::of(&output(&mut of_owner(&daemon, &["open"]))).ok();
    let start = format!("http://{}/#code=", daemon.address());
    assert!(opened.out.starts_with(&start) && opened.talk.contains("works once"), "{opened:#?}");
    assert!(!daemon.log().contains(opened.out.trim().split_once('=').unwrap().1), "{}", daemon.log());
}

#[test]
fn without_credentials_it_starts_on_loopback_alone_and_says_so_everywhere() {
    let daemon = Setup::demo().arg("--auth").arg("none").start();
    let words = "nobody is asked for a credential";
    assert!(daemon.log().contains(words), "{}", daemon.log());
    let status = Ended::of(&output(&mut of_owner(&daemon, &["status"]))).ok();
    assert!(status.out.contains("WARNING") && status.out.contains(words), "{status:#?}");

    let refused = Setup::demo().arg("--auth").arg("none").arg("--bind").arg("0.0.0.0").refused();
    assert_eq!(refused.status.code(), Some(78));
    let text = String::from_utf8(refused.stdout).unwrap();
    assert!(text.contains("can be reached from other machines"), "{text}");
    for blank in ["", "off", "false", "None"] {
        let refused = Setup::demo().arg("--auth").arg(blank).refused();
        assert_eq!(refused.status.code(), Some(2), "{blank:?}");
    }
}

#[test]
fn an_open_address_needs_tls_and_a_certificate_can_be_made() {
    let open = || Setup::demo().arg("--bind").arg("0.0.0.0");
    let refused = open().refused();
    assert_eq!(refused.status.code(), Some(78));
    let text = String::from_utf8(refused.stdout).unwrap();
    assert!(text.contains("would speak without TLS"), "{text}");

    let folder = home();
    let out = folder.path().join("tls");
    let make = || run(folder.path(), &["tls", "self-signed", "claw.local", "10.0.0.5", "--out", out.to_str().unwrap()]);
    let made = make().ok();
    assert!(made.talk.contains("--tls-cert"), "{made:#?}");
    make().failed(74, &["key.pem", "remove it first"]);
    let mode = |name: &str| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(out.join(name)).unwrap().permissions()) & 0o777
    };
    assert_eq!(mode("key.pem"), 0o600);
    let path = |name: &str| out.join(name).display().to_string();
    let daemon = open().arg("--tls-cert").arg(path("cert.pem")).arg("--tls-key").arg(path("key.pem")).start();
    assert!(daemon.login_link().starts_with("https://"), "{}", daemon.login_link());
    let status = Ended::of(&output(&mut daemon.command(&["status", "--json"]))).ok();
    assert_eq!(status.json()["demo"], true);
}
