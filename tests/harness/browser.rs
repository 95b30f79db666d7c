//! A real browser, driven over the Chrome DevTools Protocol, which needs nothing but the socket that the tests have anyway.

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// The longest that a test waits for the browser or for something to show in it.
const DEADLINE: Duration = Duration::from_secs(30);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(15);

/// Names under which Chromium is found.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Nothing of the machine it runs on: no profile, no sandbox of its own (it may run as root), no traffic in the background.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "about:blank",
];

/// A browser with a fresh profile. It ends when dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    profile: tempfile::TempDir,
}

/// One page of it, and everything that it complained about.
#[derive(Debug)]
pub struct Page {
    devtools: DevTools,
    port: u16,
    browser: Arc<Browser>,
}

impl Browser {
    /// Starts Chromium; `None`, with a line that says so, where there is none or the daemon is built without its page.
    ///
    /// # Panics
    /// When there is none and `CI` is set: there the tests of the page must run.
    pub async fn start() -> Option<Page> {
        let must_run = std::env::var_os("CI").is_some();
        if !must_run && std::env::var_os("EXOCLAW_UI_DIST").is_some_and(|dist| dist == "placeholder") {
            say("skipped: the daemon is built without its page");
            return None;
        }
        let profile = tempfile::tempdir().expect("a temporary folder");
        let spawned = NAMES.iter().find_map(|name| {
            let mut command = Command::new(name);
            command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path().display()));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        let Some(child) = spawned else {
            assert!(!must_run, "there is no Chromium: the tests of the page can't run");
            say(&format!("skipped: there is no Chromium (looked for {})", NAMES.join(", ")));
            return None;
        };
        let browser = Self { child, profile };
        let (port, path) = browser.door().await;
        let mut devtools = DevTools::connect(&format!("ws://127.0.0.1:{port}{path}")).await;
        let target = devtools.call("Target.createTarget", json!({ "url": "about:blank" })).await.expect("a page");
        let id = target["targetId"].as_str().expect("a page has an id");
        Some(Page::attach(id, port, Arc::new(browser)).await)
    }

    /// Where it listens: it writes a file once it does.
    async fn door(&self) -> (u16, String) {
        let file = self.profile.path().join("DevToolsActivePort");
        let end = Instant::now() + DEADLINE;
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Some((port, path)) = text.split_once('\n').filter(|(_, path)| !path.is_empty()) {
                return (port.parse().expect("a port"), path.trim().to_owned());
            }
            assert!(Instant::now() < end, "Chromium did not listen within {DEADLINE:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Says it also where the output of tests that pass is kept back.
fn say(line: &str) {
    // Where nobody can read it there is nobody to tell.
    writeln!(std::io::stderr(), "{line}").ok();
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Page {
    async fn attach(id: &str, port: u16, browser: Arc<Browser>) -> Self {
        let mut devtools = DevTools::connect(&format!("ws://127.0.0.1:{port}/devtools/page/{id}")).await;
        for domain in ["Page", "Runtime", "Log"] {
            devtools.call(&format!("{domain}.enable"), json!({})).await.expect("the domain is known");
        }
        let mut page = Self { devtools, port, browser };
        page.resize(1280, 860).await;
        page
    }

    /// Another page of the same browser, which is logged in where this one is.
    ///
    /// # Panics
    /// When the browser makes none.
    pub async fn another(&mut self) -> Self {
        let target = self.devtools.call("Target.createTarget", json!({ "url": "about:blank" })).await.expect("a page");
        let id = target["targetId"].as_str().expect("a page has an id");
        Self::attach(id, self.port, Arc::clone(&self.browser)).await
    }

    /// Opens an address.
    ///
    /// # Panics
    /// When it can't be opened.
    pub async fn open(&mut self, url: &str) {
        let opened = self.devtools.call("Page.navigate", json!({ "url": url })).await.expect("it can navigate");
        assert!(opened.get("errorText").is_none(), "{url}: {opened}");
    }

    /// Loads the page again.
    pub async fn reload(&mut self) {
        // What is on the page now must not pass for what will be.
        self.run("document.body.replaceChildren()").await;
        self.devtools.call("Page.reload", json!({})).await.expect("it can reload");
    }

    /// The value of a JavaScript expression, a promise's after it is kept.
    ///
    /// # Panics
    /// With what it throws.
    pub async fn run(&mut self, script: &str) -> Value {
        self.try_run(script).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    async fn try_run(&mut self, script: &str) -> Result<Value, String> {
        let params = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut outcome = self.devtools.call("Runtime.evaluate", params).await?;
        match outcome.get("exceptionDetails") {
            Some(exception) => Err(exception.to_string()),
            None => Ok(outcome["result"]["value"].take()),
        }
    }

    /// Waits until a JavaScript expression is true.
    ///
    /// # Panics
    /// With the page's text and complaints, when it is not within half a minute.
    pub async fn wait_for(&mut self, condition: &str) {
        let script = format!("Boolean({condition})");
        let end = Instant::now() + DEADLINE;
        loop {
            // While one page goes and the next one comes there is nobody to ask.
            let seen = self.try_run(&script).await;
            if seen == Ok(Value::Bool(true)) {
                return;
            }
            if Instant::now() > end {
                let text = self.try_run("document.body.innerText").await;
                let complaints = &self.devtools.complaints;
                panic!("{condition} was {seen:?} for {DEADLINE:?}\npage: {text:?}\ncomplaints: {complaints:#?}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until the page shows a text.
    ///
    /// # Panics
    /// When it does not.
    pub async fn wait_for_text(&mut self, text: &str) {
        self.wait_for(&format!("document.body.innerText.includes({})", json!(text))).await;
    }

    /// All text that matches a selector, an entry for each element; also of what is not drawn, because it is out of sight.
    ///
    /// # Panics
    /// When the selector is none.
    pub async fn texts(&mut self, selector: &str) -> Vec<String> {
        let script =
            format!("[...document.querySelectorAll({})].map(e => e.innerText || e.textContent)", json!(selector));
        serde_json::from_value(self.run(&script).await).expect("texts")
    }

    /// Clicks in the middle of the first element that matches.
    pub async fn click(&mut self, selector: &str) {
        let script = format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{block: 'nearest'}}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()",
            json!(selector)
        );
        let at = self.run(&script).await;
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1 });
            self.devtools.call("Input.dispatchMouseEvent", params).await.expect("it can click");
        }
    }

    /// Types text where the focus is.
    pub async fn insert(&mut self, text: &str) {
        self.devtools.call("Input.insertText", json!({ "text": text })).await.expect("it can type");
    }

    /// Presses Enter, with or without Shift.
    pub async fn press_enter(&mut self, shift: bool) {
        self.press(if shift { "Shift+Enter" } else { "Enter" }).await;
    }

    /// Presses a key, such as `Escape`, `?` or `Control+Shift+O`.
    ///
    /// # Panics
    /// When the browser does not know it.
    pub async fn press(&mut self, keys: &str) {
        let (held, key) = keys.rsplit_once('+').unwrap_or(("", keys));
        let bit = |name: &str| match name {
            "Alt" => 1,
            "Control" => 2,
            "Meta" => 4,
            _ => 8,
        };
        let modifiers: u32 = held.split('+').filter(|name| !name.is_empty()).map(bit).sum();
        let number = match key {
            "Enter" => 13,
            "Tab" => 9,
            "Escape" => 27,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            "F2" => 113,
            other => other.to_ascii_uppercase().bytes().next().map_or(0, u32::from),
        };
        let text = match key {
            "Enter" => "\r",
            // With Control or Alt it writes nothing.
            one if one.chars().count() == 1 && modifiers & 7 == 0 => one,
            _ => "",
        };
        for kind in ["keyDown", "keyUp"] {
            let params = json!({
                "type": kind, "key": key, "windowsVirtualKeyCode": number, "modifiers": modifiers,
                "text": if kind == "keyDown" { text } else { "" },
            });
            self.devtools.call("Input.dispatchKeyEvent", params).await.expect("it can press a key");
        }
    }

    /// Gives the page another size.
    pub async fn resize(&mut self, width: u32, height: u32) {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools.call("Emulation.setDeviceMetricsOverride", params).await.expect("it can resize");
    }

    /// Forgets every file that it was served.
    ///
    /// # Panics
    /// When it does not.
    pub async fn forget_files(&mut self) {
        self.devtools.call("Network.clearBrowserCache", json!({})).await.expect("it can forget");
    }

    /// Light or dark.
    pub async fn prefer(&mut self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        let params = json!({ "features": [feature] });
        self.devtools.call("Emulation.setEmulatedMedia", params).await.expect("it can emulate");
    }

    /// Writes what the page looks like into a PNG file.
    ///
    /// # Panics
    /// When the file can't be written.
    pub async fn screenshot(&mut self, file: &Path) {
        let shot = self.devtools.call("Page.captureScreenshot", json!({})).await.expect("it can take a picture");
        let png = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(file, png).expect("the picture is written");
    }

    /// What went wrong in the page so far: errors and warnings on the console, exceptions, violations of the content
    /// security policy, files that did not load.
    pub async fn complaints(&mut self) -> Vec<String> {
        // Whatever was on its way is here when a later answer is.
        self.run("1").await;
        self.devtools.complaints.clone()
    }
}

/// Serves an empty page until the test ends; gives its address.
///
/// # Panics
/// When there is no free port.
pub async fn foreign_page() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("the address that was bound");
    #[expect(clippy::disallowed_methods, reason = "it ends with the runtime of its test")]
    tokio::spawn(async move {
        const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<!doctype html>";
        while let Ok((mut stream, _)) = listener.accept().await {
            // A browser that hung up needs no answer.
            if stream.read(&mut [0; 4096]).await.is_ok() {
                stream.write_all(ANSWER.as_bytes()).await.ok();
            }
        }
    });
    format!("http://{address}/")
}

/// One connection to the browser.
#[derive(Debug)]
struct DevTools {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    complaints: Vec<String>,
}

impl DevTools {
    async fn connect(url: &str) -> Self {
        let (socket, _) = connect_async(url).await.expect("Chromium takes the connection");
        Self { socket, last_id: 0, complaints: Vec::new() }
    }

    /// Calls a method; events that come before its answer are looked at.
    async fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.last_id += 1;
        let request = json!({ "id": self.last_id, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(request)).await.expect("Chromium reads");
        loop {
            let message = tokio::time::timeout(DEADLINE, self.socket.next()).await;
            let message = message.unwrap_or_else(|_| panic!("{method} had no answer within {DEADLINE:?}"));
            let Message::Text(text) = message.expect("Chromium is there").expect("a frame") else { continue };
            let mut message: Value = serde_json::from_str(&text).expect("JSON");
            if message["id"] != json!(self.last_id) {
                self.look_at(&message);
                continue;
            }
            return match message.get("error") {
                Some(error) => Err(error.to_string()),
                None => Ok(message["result"].take()),
            };
        }
    }

    fn look_at(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => &params["exceptionDetails"],
            Some("Runtime.consoleAPICalled")
                if matches!(params["type"].as_str(), Some("error" | "warning" | "assert")) =>
            {
                &params["args"]
            }
            Some("Log.entryAdded") if matches!(params["entry"]["level"].as_str(), Some("error" | "warning")) => {
                &params["entry"]
            }
            _ => return,
        };
        self.complaints.push(complaint.to_string());
    }
}
