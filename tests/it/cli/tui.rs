//! The full screen of `chat --tui`, in a real terminal: tmux, whose picture of it is what a person would see.

use std::{
    io::Write,
    process::Command,
    time::{Duration, Instant},
};

use exoclaw_tests::{
    daemon::Setup,
    model::{Answer, Gate, ModelServer},
    plugins,
};
use serde_json::json;

use crate::recipe::ok;

/// Far longer than anything takes to show.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with a program in it. Ends when dropped.
struct Screen(tempfile::TempDir);

impl Screen {
    /// `None`, with a line that says so, where there is no tmux.
    fn of(command: &Command) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "there is no tmux: the full screen can't be tested");
            // Where nobody can read it there is nobody to tell.
            writeln!(std::io::stderr(), "skipped: there is no tmux").ok();
            return None;
        }
        let screen = Self(super::home());
        let mut start = screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "34"]);
        // What the program leaves on the screen can be looked at once it has ended.
        start.args(["sh", "-c", "\"$@\"; echo \"ended with $?\"; exec cat", "sh", "env"]);
        for (name, _) in command.get_envs().filter(|(_, value)| value.is_none()) {
            start.arg("-u").arg(name);
        }
        for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            start.arg([name, value].join("=".as_ref()));
        }
        ok(start.arg(command.get_program()).args(command.get_args()));
        Some(screen)
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.0.path().join("tmux")).args(args);
        tmux
    }

    fn press(&self, keys: &[&str]) {
        ok(self.tmux(&["send-keys"]).args(keys));
    }

    fn say(&self, text: &str) {
        self.press(&["-l", text]);
        self.press(&["Enter"]);
    }

    /// Looks until all of that is seen at once; gives the picture.
    #[track_caller]
    fn until(&self, shown: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let picture = ok(&mut self.tmux(&["capture-pane", "-p", "-J"]));
            if shown.iter().all(|words| picture.contains(words)) {
                return picture;
            }
            assert!(begun.elapsed() < PATIENCE, "no {shown:?} on\n{picture}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may be gone already.
        self.tmux(&["kill-server"]).output().ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_talks_allows_stops_and_comes_back() {
    let notes = super::home();
    let file = notes.path().join("notes.md");
    let model = ModelServer::start().await;
    model.answer(Answer::call("a", "notes__append", &json!({ "text": "milk\u{1b}[2J" })));
    model.answer(Answer::text(["It is **noted**.\u{1b}[2J\u{9b}31m"]));
    model.answer(Answer::call("b", "notes__append", &json!({ "text": "rum" }))).answer(Answer::text(["So be it."]));
    model.answer(Answer::text(["So far", " so good"]).gate(&Gate::new()));
    model.answer(Answer::text(["Welcome back."]));
    let fs = format!(r#"fs = [{{ host = {:?}, guest = "/notes", access = "read-write" }}]"#, notes.path());
    let setup = Setup::with_model("openai", &model.openai_url()).tools(&["notes"]);
    let setup = setup.plugin("notes", &plugins::example("notes"), &fs);
    // After a restart it is found where it was.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let setup = setup.arg("--port").arg(port.to_string());
    let mut daemon = setup.and_config("[approvals]\nask = [\"notes.append\"]\n").start();

    tokio::task::block_in_place(|| {
        let Some(screen) = Screen::of(&daemon.command(&["chat", "--tui"])) else { return };
        screen.until(&["connected", "A new conversation"]);
        screen.say("remember milk");
        let arguments = r#"{"text":"milk\u001b[2J"}"#;
        screen.until(&["remember milk", "wants to be called with exactly", arguments, "Ctrl-Y"]);
        screen.press(&["-l", "y"]);
        screen.until(&[" > y", "Ctrl-Y"]);
        assert!(!file.exists(), "a letter that is typed allows nothing");
        screen.press(&["BSpace", "C-y"]);
        // What the model says can't clear the screen.
        screen.until(&["✓ notes.append", "remember milk", "It is **noted**.\u{fffd}[2J\u{fffd}31m"]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "- milk\u{1b}[2J\n");

        screen.say("and rum");
        screen.until(&[r#"{"text":"rum"}"#, "Ctrl-N"]);
        screen.press(&["C-n"]);
        screen.until(&["✗ notes.append", "not allowed", "So be it."]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "- milk\u{1b}[2J\n");

        screen.say("go on for long");
        screen.until(&["So far so good", "Esc stop"]);
        screen.press(&["Escape"]);
        screen.until(&["So far so good", "stopped", "Enter send"]);

        daemon.kill9();
        screen.until(&["away, trying again"]);
        daemon.restart();
        screen.until(&["● connected", "the connection broke and came back", "So far so good"]);
        screen.say("are you there?");
        screen.until(&["Welcome back."]);

        // The conversation is in the list under its first words, and its line is the way back to it.
        screen.press(&["Tab"]);
        screen.until(&["conversations", "remember milk", "n new"]);
        screen.press(&["Tab", "C-c"]);
        screen.until(&["chat --tui --session agent:main:main", "ended with 0"]);
    });
}

#[tokio::test]
async fn without_a_terminal_it_says_what_to_do_instead() {
    let daemon = Setup::demo().start();
    super::run_beside(daemon.command(&["chat", "--tui"])).await.failed(2, &["at a terminal", "without --tui"]);
}
