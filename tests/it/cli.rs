//! The command line, as people and scripts use it.

mod approval;
mod audit;
mod chat;
mod config;
mod credentials;
mod cron;
mod device;
mod gateway;
mod help;
mod import;
mod onboard;
mod plain;
mod plugin;
mod replay;
mod run;
mod store;
mod terminal;
mod token;
mod tui;
mod usage;

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use exoclaw_tests::daemon::{exoclawd, output};

/// How a command ended, as a person sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    code: Option<i32>,
    pub(crate) out: String,
    pub(crate) talk: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), talk: text(&output.stderr) }
    }

    /// Fails with all that was seen unless the command went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Fails unless the command ended with this code and said all of this on stderr.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for words in said {
            assert!(self.talk.contains(words), "{words:?} is missing in {self:#?}");
        }
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Runs a command of this home.
fn run(home: &Path, args: &[&str]) -> Ended {
    Ended::of(&output(exoclawd(home).args(args)))
}

/// Runs a command while the test's own servers go on.
pub(crate) async fn run_beside(mut command: Command) -> Ended {
    command.stdin(Stdio::null());
    Ended::of(&tokio::process::Command::from(command).output().await.unwrap())
}

/// Runs a command that reads this.
async fn run_with_input(command: Command, input: &str) -> Ended {
    use tokio::io::AsyncWriteExt;
    let mut command = tokio::process::Command::from(command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    Ended::of(&child.wait_with_output().await.unwrap())
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn home_with(config: &str) -> tempfile::TempDir {
    let home = home();
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    home
}
