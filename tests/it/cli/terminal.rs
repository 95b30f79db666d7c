//! A person at a terminal: a real one, with the daemon's command at its other end.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use exoclaw_tests::{
    daemon::Setup,
    model::{Answer, ModelServer},
    plugins,
};
use serde_json::json;

/// What a person sees and types.
struct Terminal {
    keyboard: ChildStdin,
    picture: ChildStdout,
    /// What was drawn and not looked at yet.
    screen: String,
    program: Child,
}

impl Terminal {
    /// `script` of util-linux makes the terminal.
    fn of(command: &Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted = words.map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''")));
        let line = quoted.collect::<Vec<_>>().join(" ");
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("NO_COLOR", "1");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let mut program = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keyboard, picture) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
        Self { keyboard, picture, screen: String::new(), program }
    }

    fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until that stands on the screen, and gives what came before it.
    fn until(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.screen.find(words) {
                let rest = self.screen.split_off(at + words.len());
                return std::mem::replace(&mut self.screen, rest);
            }
            let mut bytes = [0; 1_024];
            let read = self.picture.read(&mut bytes).unwrap();
            assert!(read > 0, "it ended without {words:?}: {}", self.screen);
            self.screen += &String::from_utf8_lossy(&bytes[..read]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_made_where_the_person_says_yes_and_nowhere_else() {
    let notes = tempfile::tempdir().unwrap();
    let file = notes.path().join("notes.md");
    let model = ModelServer::start().await;
    for (id, text) in [("a", "milk"), ("b", "eggs"), ("c", "rum")] {
        model.answer(Answer::call(id, "notes__append", &json!({ "text": text }))).answer(Answer::text(["So be it."]));
    }
    let fs = format!(r#"fs = [{{ host = {:?}, guest = "/notes", access = "read-write" }}]"#, notes.path());
    let setup = Setup::with_model("openai", &model.openai_url()).tools(&["notes"]);
    let setup = setup.plugin("notes", &plugins::example("notes"), &fs);
    let daemon = setup.and_config("[approvals]\nask = [\"notes.append\"]\n").start();

    tokio::task::block_in_place(|| {
        let mut terminal = Terminal::of(&daemon.command(&["chat"]));
        for (keys, note) in [("y\n", "milk"), ("n\n", "eggs"), ("\n", "rum")] {
            terminal.until("> ");
            terminal.type_in(&format!("remember {note}\n"));
            let shown = terminal.until("allow this call, once? [y/N] ");
            assert!(shown.contains("notes.append") && shown.contains(note), "{shown}");
            terminal.type_in(keys);
            terminal.until("So be it.");
        }
        terminal.until("> ");
        // Ctrl-D.
        terminal.type_in("\u{4}");
        assert!(terminal.program.wait().unwrap().success());
    });
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "- milk\n");
}
