//! A real daemon in a home of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    time::Duration,
};

use exoclaw_client::{Client, Endpoint, Options};
use exoclaw_protocol::Secret;

/// A token that every daemon of the tests takes.
pub const TOKEN: &str = "test-token-of-no-value-0123456789abcdef";

/// How to start a daemon.
#[derive(Debug, Default)]
pub struct Setup {
    config: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
    within: Option<PathBuf>,
}

impl Setup {
    /// A daemon with this config.
    pub fn with_config(config: impl Into<String>) -> Self {
        Self { config: config.into(), ..Self::default() }
    }

    /// A daemon whose one agent, `main`, asks a model server that speaks `kind` at this address.
    pub fn with_model(kind: &str, base_url: &str) -> Self {
        Self::with_config(format!(
            "[providers.test]\nkind = \"{kind}\"\nbase_url = \"{base_url}\"\n\n\
             [[agents]]\nid = \"main\"\nprovider = \"test\"\nmodel = \"test-model\"\n"
        ))
    }

    /// A daemon with the demo model and plugins.
    pub fn demo() -> Self {
        Self { args: vec!["--demo".to_owned()], ..Self::default() }
    }

    /// More lines of config, at the end.
    #[must_use]
    pub fn and_config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self
    }

    /// The one agent may use these tools. Comes right after [`Setup::with_model`].
    #[must_use]
    pub fn tools(self, tools: &[&str]) -> Self {
        let line = format!("tools = {tools:?}\n");
        self.and_config(&line)
    }

    /// A plugin, with the lines of its `[plugins.grants]`.
    #[must_use]
    pub fn plugin(self, name: &str, path: &Path, grants: &str) -> Self {
        let path = path.display();
        self.and_config(&format!("\n[[plugins]]\nname = \"{name}\"\npath = \"{path}\"\n[plugins.grants]\n{grants}\n"))
    }

    /// Calls of this plugin are recorded.
    #[must_use]
    pub fn record(mut self, name: &str) -> Self {
        let plugin = format!("[[plugins]]\nname = \"{name}\"\n");
        assert!(self.config.contains(&plugin), "the config has no plugin {name}");
        self.config = self.config.replace(&plugin, &format!("{plugin}record = true\n"));
        self
    }

    /// One more argument of `exoclawd gateway`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// One more variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A secret of plugins, kept before the start.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its home is made in this folder instead of the system's temporary one.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.within = Some(folder.to_owned());
        self
    }

    /// Starts it on a free port and waits until it listens.
    ///
    /// # Panics
    /// With its log, when it ends instead.
    pub fn start(self) -> Daemon {
        let home = self.within.as_ref().map_or_else(tempfile::tempdir, tempfile::tempdir_in);
        let home = Arc::new(home.expect("a temporary folder"));
        if !self.config.is_empty() {
            std::fs::write(home.path().join("config.toml"), &self.config).expect("the config is written");
        }
        for (name, value) in &self.secrets {
            keep_secret(home.path(), name, value);
        }
        let running = Running::spawn(&self, home.path());
        Daemon { setup: self, home, running }
    }

    /// Runs it where it is expected not to come up, and says how it ended.
    pub fn refused(self) -> Output {
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(home.path().join("config.toml"), &self.config).expect("the config is written");
        output(&mut self.command(home.path()))
    }

    fn command(&self, home: &Path) -> Command {
        let mut command = exoclawd(home);
        let has_port = self.args.iter().any(|arg| arg == "--port");
        command.args(["gateway", "--json"]).args(if has_port { &[][..] } else { &["--port", "0"] }).args(&self.args);
        command.env("EXOCLAW_TOKEN", TOKEN).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Keeps a secret as people do.
fn keep_secret(home: &Path, name: &str, value: &str) {
    let mut command = exoclawd(home);
    let mut child = command
        .args(["secret", "set", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("exoclawd starts");
    child.stdin.take().expect("a pipe").write_all(value.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "the secret is kept");
}

/// A daemon that runs. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    setup: Setup,
    home: Arc<tempfile::TempDir>,
    running: Running,
}

impl Daemon {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Its home directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The link that logs a browser in.
    pub fn login_link(&self) -> &str {
        &self.running.login_link
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.running.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where clients find it, with its token.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(format!("ws://{}/ws", self.address())).with_token(Secret::new(TOKEN))
    }

    /// A real client of it.
    pub fn client(&self) -> Client {
        Client::connect(self.endpoint(), Options::default())
    }

    /// Another command of the same home.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = exoclawd(self.home());
        command.args(args).env("EXOCLAW_TOKEN", TOKEN);
        command
    }

    /// Asks it to end, as a service manager does, and waits.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success(), "the daemon is gone already:\n{}", self.log());
        self.ended()
    }

    /// Waits for the end of one that was told to end.
    pub fn ended(&mut self) -> ExitStatus {
        self.running.child.wait().expect("the daemon ends")
    }

    /// Ends it without asking.
    pub fn kill9(&mut self) {
        self.running.end();
    }

    /// Starts it again in the same home, on a free port. One that still runs is killed first.
    pub fn restart(&mut self) {
        self.running.end();
        self.running = Running::spawn(&self.setup, self.home.path());
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    address: SocketAddr,
    login_link: String,
    log: Arc<Mutex<String>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Greeting {
    address: SocketAddr,
    login_link: String,
}

impl Running {
    fn spawn(setup: &Setup, home: &Path) -> Self {
        let mut child =
            setup.command(home).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("exoclawd starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("a pipe");
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || keep(stderr, &log)
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("text");
        let Ok(greeting) = serde_json::from_str::<Greeting>(&line) else {
            let status = child.wait().expect("the daemon ended");
            reader.join().expect("the log is read");
            panic!("the daemon did not start ({status}), it said {line:?} and\n{}", log.lock().expect("the log"));
        };
        Self { child, address: greeting.address, login_link: greeting.login_link, log }
    }

    fn end(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("log of the daemon:\n{}", self.log.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Copies what is logged until the pipe closes.
fn keep(mut from: impl Read, log: &Mutex<String>) {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&chunk[..count]));
    }
}

/// How long a command may take that is no daemon: far more than any needs, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a command to its end.
///
/// # Panics
/// When it does not end, as a daemon that should have refused to start.
pub fn output(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("exoclawd starts");
    let pid = child.id().to_string();
    let (done, ended) = mpsc::sync_channel(1);
    let waiter = std::thread::spawn(move || done.send(child.wait_with_output()).ok());
    let Ok(output) = ended.recv_timeout(PATIENCE) else {
        Command::new("kill").args(["-KILL", &pid]).status().expect("kill runs");
        panic!("{command:?} does not end");
    };
    waiter.join().expect("the waiter has sent");
    output.expect("its output is read")
}

/// `exoclawd --home HOME`, without the variables of whoever runs the tests.
pub fn exoclawd(home: &Path) -> Command {
    let mut command = Command::new(binary());
    let ours = |name: &str| name.starts_with("EXOCLAW_") || name.ends_with("_API_KEY");
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| ours(name)) {
        command.env_remove(name);
    }
    // Unoptimised, compiling a plugin takes seconds: each is compiled once for all tests.
    command.env("EXOCLAW_CACHE", Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests-cache"));
    command.arg("--home").arg(home).env("HOME", home).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// The program under test: what `EXOCLAWD_BIN` names, else built here, once, in the profile of the tests.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("EXOCLAWD_BIN") {
            return path.into();
        }
        let own = std::env::current_exe().expect("this test has a path");
        let profile = own.ancestors().nth(2).expect("target/PROFILE/deps/it").to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "exoclawd"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.arg("--target-dir").arg(profile.parent().expect("target"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "exoclawd does not build");
        profile.join("exoclawd").with_extension(std::env::consts::EXE_EXTENSION)
    })
}
