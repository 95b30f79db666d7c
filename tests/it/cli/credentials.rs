//! Keys and tokens: found by themselves, refused where others could read them.

use std::os::unix::fs::PermissionsExt;

use exoclaw_tests::{
    daemon::{Setup, exoclawd, output},
    model::{Answer, ModelServer},
};

use super::{Ended, home, home_with, run, run_beside};

const OPENAI: &str =
    "[providers.llm]\nkind = \"openai\"\n[[agents]]\nid = \"main\"\nprovider = \"llm\"\nmodel = \"m\"\n";

#[test]
fn a_missing_key_names_all_three_places() {
    let home = home_with(OPENAI);
    let file = home.path().join("credentials/llm.key");
    let file = file.to_str().unwrap();
    run(home.path(), &["gateway", "--port", "0"])
        .failed(77, &["provider llm has no key", "EXOCLAW_LLM_API_KEY", "OPENAI_API_KEY", file, "exoclawd onboard"]);
}

#[tokio::test]
async fn a_key_of_the_vendor_goes_to_the_vendor_alone() {
    // The model server refuses requests with a key that it was not told of.
    let model = ModelServer::start().await;
    model.answer(Answer::text(["hello"]));
    let daemon = Setup::with_model("openai", &model.openai_url()).env("OPENAI_API_KEY", "sk-vendor").start();
    let ended = run_beside(daemon.command(&["chat", "hi"])).await.ok();
    assert_eq!(ended.out, "hello\n");
    assert!(!model.requests()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_key_is_taken_from_its_variable_or_its_file() {
    let model = ModelServer::start().await;
    model.expect_key("sk-own").answer(Answer::text(["one"])).answer(Answer::text(["two"]));
    let with_variable = Setup::with_model("openai", &model.openai_url()).env("EXOCLAW_TEST_API_KEY", "sk-own").start();
    assert_eq!(run_beside(with_variable.command(&["chat", "hi"])).await.ok().out, "one\n");

    let mut with_file = Setup::with_model("openai", &model.openai_url()).start();
    // The first start made it.
    let folder = with_file.home().join("credentials");
    std::fs::write(folder.join("test.key"), "sk-own\n").unwrap();
    std::fs::set_permissions(folder.join("test.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    with_file.restart();
    assert_eq!(run_beside(with_file.command(&["chat", "hi"])).await.ok().out, "two\n");
    assert!(!with_file.log().contains("sk-own"), "{}", with_file.log());
}

#[test]
fn a_credential_that_others_can_read_is_refused() {
    let home = home_with(OPENAI);
    let folder = home.path().join("credentials");
    let file = folder.join("llm.key");
    let mode =
        |path: &std::path::Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&file, "sk-own").unwrap();
    mode(&folder, 0o700);
    mode(&file, 0o644);
    let args = ["gateway", "--port", "0"];
    let token = "EXOCLAW_TOKEN";
    let start = || Ended::of(&output(exoclawd(home.path()).args(args).env(token, "0123456789abcdef")));
    start().failed(77, &["mode 644", "chmod 600"]);
    mode(&file, 0o600);
    mode(&folder, 0o755);
    start().failed(77, &["mode 755", "chmod 700"]);
}

#[test]
fn the_first_start_makes_a_token_that_commands_find() {
    let folder = home();
    let home = folder.path().join("new");
    let mut daemon = exoclawd(&home);
    daemon.args(["gateway", "--demo", "--port", "0", "--json"]).stdout(std::process::Stdio::piped());
    let mut child = daemon.stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    let status = run(&home, &["status", "--json"]);
    let foreign = exoclawd(&home).args(["status"]).env("EXOCLAW_TOKEN", "another-token-0123").output().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    assert_eq!(status.ok().json()["demo"], true);
    Ended::of(&foreign).failed(77, &["does not take this token", "EXOCLAW_TOKEN"]);
    let folder = home.join("credentials");
    let token = std::fs::read_to_string(folder.join("gateway.token")).unwrap();
    assert_eq!((token.len(), token.bytes().all(|byte| byte.is_ascii_hexdigit())), (64, true));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&home), mode(&folder), mode(&folder.join("gateway.token"))], [0o700, 0o700, 0o600]);
    assert!(!line.contains(&token));
}

#[test]
fn blank_and_short_tokens_are_refused() {
    let home = home();
    let start = |token| {
        let args = ["gateway", "--demo", "--port", "0"];
        Ended::of(&output(exoclawd(home.path()).args(args).env("EXOCLAW_TOKEN", token)))
    };
    start("").failed(78, &["EXOCLAW_TOKEN is too short"]);
    start("short").failed(78, &["EXOCLAW_TOKEN is too short", "random token"]);
    start("spaces are not allowed here").failed(78, &["EXOCLAW_TOKEN is empty, or holds spaces"]);
}
