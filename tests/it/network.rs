//! Plugins that reach the network, in a chat: what was granted is asked, the secret is sent, and nobody but the server sees it.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use exoclaw_client::{Push, Pushes};
use exoclaw_plugin_format::{Manifest, pack};
use exoclaw_protocol::{ChatSendParams, Event, FailureKind, ToolOutput};
use exoclaw_tests::{
    daemon::Setup,
    model::{Answer, ModelServer},
    plugins,
};
use futures::StreamExt;
use serde_json::json;

const SECRET: &str = "ghp_0123456789canary";

/// A server that has issues and a page, and says back which token it was shown.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = [0; 8192];
                let read = stream.read(&mut head).unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let token = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("nothing");
                let body = match head.split(' ').nth(1) {
                    Some(path) if path.starts_with("/repos/me/project/issues?") => {
                        json!([{ "number": 7, "title": format!("shown {token}") }]).to_string()
                    }
                    Some("/page") => "a page of the web".to_owned(),
                    _ => "inside".to_owned(),
                };
                write!(stream, "HTTP/1.1 200 OK\r\nx-shown: {token}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
                    .ok();
                log.lock().unwrap().push(head);
            }
        });
        Self { port, seen }
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// An example with another manifest, as its README tells people to make one for servers of their own.
pub(crate) fn packed_for(name: &str, port: u16, folder: &Path) -> PathBuf {
    let packed = fs::read(plugins::example(name)).unwrap();
    let manifest = Manifest::of_component(&packed).unwrap();
    let json = serde_json::to_string(&manifest).unwrap();
    // The manifest is the last section: its id, its size, its name's size, its name, the manifest.
    let payload = 1 + "exoclaw:manifest".len() + json.len();
    let size = if payload < 1 << 14 { 2 } else { 3 };
    let component = &packed[..packed.len() - payload - size - 1];
    assert_eq!(pack(component, &manifest).unwrap(), packed, "the section was cut off whole");
    let here = format!("http://127.0.0.1:{port}");
    let mut json = json.replace("https://example.com", &here);
    for host in ["api.github.com", "api.telegram.org", "slack.com"] {
        json = json.replace(&format!("https://{host}"), &here);
        json = json.replace(&format!("\"to\":\"{host}\""), &format!("\"to\":\"127.0.0.1:{port}\""));
    }
    let file = folder.join(format!("{name}.wasm"));
    fs::write(&file, pack(component, &serde_json::from_str(&json).unwrap()).unwrap()).unwrap();
    file
}

pub(crate) async fn tool_outputs(pushes: &mut Pushes) -> Vec<ToolOutput> {
    let mut outputs = Vec::new();
    loop {
        if let Push::Event(event) = pushes.next().await.expect("the client is open") {
            assert!(!serde_json::to_string(&event.event).unwrap().contains(SECRET), "{event:?}");
            match &event.event {
                Event::ToolFinished { output, .. } => outputs.push(output.clone()),
                event if event.is_terminal() => return outputs,
                _ => {}
            }
        }
    }
}

pub(crate) fn files_with(folder: &Path, text: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_with(&path, text, found);
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes())) {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_with_tools_that_reach_the_network() {
    let server = Server::start();
    let port = server.port;
    let folder = tempfile::tempdir().unwrap();
    let model = ModelServer::start().await;
    let private = format!("http-private = [\"127.0.0.1:{port}\"]");
    let pages = format!("http = [\"GET http://127.0.0.1:{port}/page\"]\n{private}");
    let issues = format!(
        "http = [\"GET http://127.0.0.1:{port}/repos/me/*\"]\n{private}\nenv = [\"GITHUB_API\"]\nsecrets = [\"github\"]"
    );
    let mut daemon = Setup::with_model("openai", &model.openai_url())
        .tools(&["fetch", "github-issues"])
        .plugin("fetch", &packed_for("fetch", port, folder.path()), &pages)
        .plugin("github-issues", &packed_for("github-issues", port, folder.path()), &issues)
        .env("GITHUB_API", &format!("http://127.0.0.1:{port}"))
        .secret("github", SECRET)
        .start();
    let client = daemon.client();
    let mut pushes = client.subscribe();

    model.answer(Answer::call("call_1", "github-issues__list_issues", &json!({ "repo": "me/project" })));
    model.answer(Answer::call("call_2", "fetch", &json!({ "url": format!("http://127.0.0.1:{port}/page") })));
    model.answer(Answer::call("call_3", "fetch", &json!({ "url": format!("http://127.0.0.1:{port}/inside") })));
    let comment = json!({ "repo": "me/project", "issue": 7, "text": "done" });
    model.answer(Answer::call("call_4", "github-issues__comment", &comment));
    model.answer(Answer::text(["There is one issue."]));
    client.request(ChatSendParams::text("main".parse().unwrap(), "What is open?")).await.unwrap();
    let outputs = tool_outputs(&mut pushes).await;

    let [listed, page, inside, comment] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(*listed, ToolOutput::text("#7 shown Bearer [secret github]"));
    assert_eq!(*page, ToolOutput::text("HTTP 200\n\na page of the web"));
    assert_eq!(inside.failure, Some(FailureKind::Denied), "{inside:?}");
    assert_eq!(comment.failure, Some(FailureKind::Denied), "a grant to read is none to write: {comment:?}");

    let [issues, page] = &server.seen()[..] else { panic!("{:?}", server.seen()) };
    assert!(issues.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{issues}");
    assert!(!page.contains(SECRET), "the other plugin was not granted it: {page}");

    for request in model.requests() {
        assert!(!request.body.to_string().contains(SECRET));
    }
    client.close().await;
    assert!(daemon.terminate().success(), "{}", daemon.log());
    let log = daemon.log();
    assert!(!log.contains(SECRET), "{log}");
    assert!(log.contains("exoclaw::audit") && log.contains("egress"), "{log}");
    let mut found = Vec::new();
    files_with(daemon.home(), SECRET, &mut found);
    assert_eq!(found, [daemon.home().join("credentials/github.secret")]);
    model.assert_clean();
}
