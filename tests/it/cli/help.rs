//! What `--help` says, of every command.

use super::{home, run};

#[test]
fn every_command_explains_itself() {
    let commands: &[&[&str]] = &[
        &[],
        &["gateway"],
        &["status"],
        &["usage"],
        &["chat"],
        &["approval"],
        &["approval", "list"],
        &["approval", "allow"],
        &["approval", "deny"],
        &["channel"],
        &["channel", "list"],
        &["device"],
        &["device", "list"],
        &["device", "approve"],
        &["device", "reject"],
        &["device", "remove"],
        &["cron"],
        &["cron", "list"],
        &["cron", "runs"],
        &["cron", "add"],
        &["cron", "update"],
        &["cron", "remove"],
        &["cron", "run"],
        &["open"],
        &["tls"],
        &["tls", "self-signed"],
        &["token"],
        &["token", "create"],
        &["token", "list"],
        &["token", "rotate"],
        &["token", "revoke"],
        &["onboard"],
        &["plugin"],
        &["plugin", "new"],
        &["plugin", "pack"],
        &["plugin", "inspect"],
        &["plugin", "call"],
        &["plugin", "add"],
        &["plugin", "list"],
        &["plugin", "remove"],
        &["sandbox"],
        &["sandbox", "verify"],
        &["secret"],
        &["secret", "set"],
        &["secret", "remove"],
        &["config"],
        &["config", "check"],
        &["config", "show"],
        &["session"],
        &["session", "export"],
        &["session", "import"],
        &["run"],
        &["run", "show"],
        &["run", "replay"],
        &["import"],
        &["import", "openclaw"],
        &["store"],
        &["store", "check"],
        &["store", "rebuild"],
        &["store", "backup"],
        &["store", "restore"],
        &["audit"],
        &["audit", "tail"],
        &["audit", "verify"],
        &["audit", "export"],
    ];
    let home = home();
    let mut text = String::new();
    for command in commands {
        let args = [*command, &["--help"]].concat();
        let help = run(home.path(), &args).ok().out;
        let lines: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        text.push_str(&format!("$ exoclawd {}\n{lines}\n", args.join(" ")));
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn a_command_line_that_is_wrong_ends_with_2() {
    let home = home();
    run(home.path(), &["gatway"]).failed(2, &["'gatway'", "'gateway'"]);
    run(home.path(), &["chat", "--sesion", "x"]).failed(2, &["'--session'"]);
    run(home.path(), &["chat", "--session", "agent:"]).failed(2, &["want agent:{agent}:{name}"]);
}
