//! A writer from outside: started, heard, killed.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use crate::writer::{FLAG, Mode, WRITERS};

/// A writer process. Killed when dropped.
pub(crate) struct Watched {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The last number that each writer was told is durable.
    pub(crate) acknowledged: [u64; WRITERS],
    /// How often each writer was refused.
    pub(crate) refused: [u64; WRITERS],
    /// The reason that the store gave last.
    pub(crate) reason: String,
}

impl Watched {
    /// Starts it below `wrapper`, a command whose last arguments it becomes.
    pub(crate) fn start(wrapper: &[String], store: &Path, writers: usize, count: u64, mode: Mode) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut command = match wrapper {
            [] => Command::new(own),
            [program, args @ ..] => {
                let mut command = Command::new(program);
                command.args(args).arg(own);
                command
            }
        };
        command.args([FLAG.as_ref(), store.as_os_str()]).args([&writers.to_string(), &count.to_string(), mode.name()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, acknowledged: [0; WRITERS], refused: [0; WRITERS], reason: String::new() }
    }

    /// Takes one line in; says whether there was one.
    ///
    /// # Panics
    /// At a refusal without a reason, or with which something acknowledged can't be read any more.
    fn hear(&mut self) -> bool {
        let mut line = String::new();
        // Whoever is killed may leave half a line.
        if self.lines.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            return false;
        }
        let words: Vec<&str> = line.trim_end().splitn(4, ' ').collect();
        match words[..] {
            ["ack", writer, seq] => self.acknowledged[writer.parse::<usize>().unwrap()] = seq.parse().unwrap(),
            ["refused", writer, readable, reason] => {
                let (writer, readable): (usize, u64) = (writer.parse().unwrap(), readable.parse().unwrap());
                assert!(readable >= self.acknowledged[writer], "writer {writer} can't read what was acknowledged");
                self.refused[writer] += 1;
                reason.clone_into(&mut self.reason);
            }
            // A refusal without a reason, too.
            _ => panic!("{line:?}"),
        }
        true
    }

    /// Hears until it has heard enough, or nothing more comes; says which.
    pub(crate) fn hear_until(&mut self, enough: impl Fn(&Self) -> bool) -> bool {
        while !enough(self) {
            if !self.hear() {
                return false;
            }
        }
        true
    }

    /// Hears so many acknowledgements; fewer where it ends before.
    pub(crate) fn hear_acknowledgements(&mut self, count: u64) {
        let until = self.total() + count;
        self.hear_until(|writer| writer.total() >= until);
    }

    /// Records acknowledged to all writers.
    pub(crate) fn total(&self) -> u64 {
        self.acknowledged.iter().sum()
    }

    /// Hears all that is left and waits for the end.
    pub(crate) fn hear_out(&mut self) -> ExitStatus {
        self.hear_until(|_| false);
        self.child.wait().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.hear_out();
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `strace` that does this to these system calls of the command behind it. With `-D` that command has the process of its own
/// that was started, so that signals reach it.
pub(crate) fn strace(calls: &str, fault: &str) -> Vec<String> {
    let inject = format!("inject={calls}:{fault}");
    let trace = format!("trace={calls}");
    ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject].map(str::to_owned).to_vec()
}
