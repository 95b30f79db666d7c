//! Secrets of every kind, put where they belong, and a day of use: they are seen nowhere else.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use exoclaw_tests::{
    daemon::{Daemon, Setup, TOKEN},
    model::{Answer, ModelServer},
    ws::{self, Frame, RawSocket, opcode},
};
use serde_json::{Value, json};

use crate::{
    cli::{Ended, run_beside},
    network::{Server, packed_for},
    openclaw::{Claw, Device},
};

/// Everything but what the compiler says, which would hide the rest.
const LOG: &str = "trace,wasmtime=info,cranelift_frontend=info,cranelift_codegen=info,wasmtime_internal_cranelift=info,regalloc2=info";

/// A text that nothing else holds.
fn canary(name: &str) -> String {
    format!("canary-{name}-7f3a9c51e8")
}

/// Everything that came out of the daemon and its commands, by where.
#[derive(Default)]
struct Seen(BTreeMap<String, String>);

impl Seen {
    fn add(&mut self, place: &str, text: &str) {
        self.0.entry(place.to_owned()).or_default().push_str(text);
    }

    /// Adds what a command prints, however it ends.
    async fn command(&mut self, daemon: &Daemon, args: &[&str]) -> String {
        let ended = run_beside(daemon.command(args)).await;
        let text = printed(&ended);
        self.add(&args.join(" "), &text);
        text
    }

    /// Adds every file below a folder but those that `keep` names.
    fn files(&mut self, folder: &Path, keep: &[PathBuf]) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if keep.contains(&path) {
            } else if path.is_dir() {
                self.files(&path, keep);
            } else if path.is_file() {
                self.add(&path.display().to_string(), &String::from_utf8_lossy(&fs::read(&path).unwrap()));
            }
        }
    }

    fn places_of(&self, canary: &str) -> Vec<&str> {
        let holds = |text: &str| text.contains(canary);
        self.0.iter().filter(|(_, text)| holds(text)).map(|(place, _)| place.as_str()).collect()
    }
}

/// What a command said.
fn printed(ended: &Ended) -> String {
    format!("{}{}", ended.out, ended.talk)
}

/// Says something in a session over a socket, and adds every frame until the run has ended.
async fn say(seen: &mut Seen, socket: &mut RawSocket, session: &str, text: &str) {
    let params = json!({ "session": session, "text": text });
    socket.send_text(&json!({ "jsonrpc": "2.0", "id": 1, "method": "chat.send", "params": params }).to_string()).await;
    loop {
        let frame = socket.recv().await.expect("the daemon goes on");
        if frame.opcode != opcode::TEXT {
            continue;
        }
        let text = String::from_utf8(frame.payload).unwrap();
        seen.add("frames", &text);
        let message: Value = serde_json::from_str(&text).unwrap();
        if matches!(message["params"]["type"].as_str(), Some("final" | "error" | "aborted")) {
            return;
        }
    }
}

/// Asks over HTTP; the head's lines but that of the host.
async fn ask(daemon: &Daemon, head: &str, body: &str) -> String {
    let (address, length) = (daemon.address(), body.len());
    let head = head.replace('\n', "\r\n");
    let request = format!("{head}\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}");
    ws::http(address, &request).await.text
}

async fn log_in(daemon: &Daemon, code: &str) -> String {
    let origin = format!("Origin: http://{}", daemon.address());
    let head = format!("POST /login HTTP/1.1\n{origin}\nContent-Type: application/json\nConnection: close");
    ask(daemon, &head, &json!({ "code": code }).to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_secret_is_seen_nowhere_else() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (model, second) = (ModelServer::start().await, ModelServer::start().await);
    let port = server.port;
    let private = format!("http-private = [\"127.0.0.1:{port}\"]");
    let pages = format!("http = [\"GET http://127.0.0.1:{port}/page\"]\n{private}");
    let issues = format!(
        "http = [\"GET http://127.0.0.1:{port}/repos/me/*\"]\n{private}\nenv = [\"GITHUB_API\"]\nsecrets = [\"github\"]"
    );
    let mut canaries = BTreeMap::from([("owner's token", TOKEN.to_owned())]);
    for name in [
        "provider-key",
        "kept-key",
        "plugin-secret",
        "secret-of-nobody",
        "variable",
        "wrong-token",
        "wrong-cookie",
        "wrong-code",
        "in-the-query",
        "in-a-subprotocol",
        "proxy",
        "file",
        "wrong-method-param",
    ] {
        canaries.insert(name, canary(name));
    }
    let of = |name: &str| canaries[name].clone();
    fs::write(folder.path().join("outside.txt"), of("file")).unwrap();
    let mut daemon = Setup::with_model("openai", &model.openai_url())
        .tools(&["fetch", "github-issues"])
        .and_config(&format!(
            "\n[providers.second]\nkind = \"anthropic\"\nbase_url = \"{}\"\n\n[[agents]]\nid = \"other\"\n\
             provider = \"second\"\nmodel = \"test-model\"\n",
            second.anthropic_url()
        ))
        .plugin("fetch", &packed_for("fetch", port, folder.path()), &pages)
        .plugin("github-issues", &packed_for("github-issues", port, folder.path()), &issues)
        .record("fetch")
        .record("github-issues")
        .env("GITHUB_API", &format!("http://127.0.0.1:{port}"))
        .env("EXOCLAW_TEST_API_KEY", &of("provider-key"))
        .env("EXOCLAW_SECOND_API_KEY", &of("kept-key"))
        .env("HARMLESS", &of("variable"))
        .env("HTTPS_PROXY", &format!("http://user:{}@127.0.0.1:9", of("proxy")))
        .env("EXOCLAW_LOG", LOG)
        .secret("github", &of("plugin-secret"))
        .secret("unused", &of("secret-of-nobody"))
        .start();
    model.expect_key(&of("provider-key")).usually(Answer::text(["Nothing more."]));
    second.expect_key(&of("kept-key")).usually(Answer::text(["Nor here."]));
    let mut seen = Seen::default();
    let address = daemon.address();

    // Who is refused, with whatever they show.
    let token = of("in-the-query");
    let upgrade = "Connection: close, Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let headers = [
        format!("GET /ws?token={token} HTTP/1.1\n{upgrade}"),
        format!("GET /readyz?token={token} HTTP/1.1\nConnection: close"),
        format!("GET /ws HTTP/1.1\n{upgrade}\nSec-WebSocket-Version: 13\nAuthorization: Bearer {}", of("wrong-token")),
        format!("GET / HTTP/1.1\nConnection: close\nCookie: exoclaw_session={}", of("wrong-cookie")),
        format!("GET /ws HTTP/1.1\n{upgrade}\nSec-WebSocket-Protocol: token.{}", of("in-a-subprotocol")),
    ];
    for head in &headers {
        seen.add("http", &ask(&daemon, head, "").await);
    }
    seen.add("http", &log_in(&daemon, &of("wrong-code")).await);

    // A day of use: tools that reach the network and are denied, models that fail and say back what they were shown.
    let mut socket = RawSocket::with_token(address, TOKEN).await;
    model.answer(Answer::call("1", "github-issues__list_issues", &json!({ "repo": "me/project" })));
    model.answer(Answer::call("2", "fetch", &json!({ "url": format!("http://127.0.0.1:{port}/page") })));
    model.answer(Answer::call("3", "fetch", &json!({ "url": format!("http://127.0.0.1:{port}/inside") })));
    model.answer(Answer::text(["One issue."]));
    say(&mut seen, &mut socket, "main", "What is open?").await;
    let echo = |name: &str| json!({ "error": { "message": format!("Incorrect API key provided: {}", of(name)) } });
    model.answer(Answer::status(401, &echo("provider-key")));
    say(&mut seen, &mut socket, "main", "And now?").await;
    second.answer(Answer::status(400, &echo("kept-key")));
    say(&mut seen, &mut socket, "agent:other:main", "And you?").await;
    socket.send(&Frame::text("{\"jsonrpc\":\"2.0\",\"id\":")).await;
    seen.add("frames", &format!("{:?}", socket.recv().await));
    let wrong =
        json!({ "jsonrpc": "2.0", "id": 2, "method": "chat.send", "params": { "password": of("wrong-method-param") } });
    socket.send_text(&wrong.to_string()).await;
    seen.add("frames", &socket.recv_json().await.to_string());

    // What is made on the way is as secret.
    let made = run_beside(daemon.command(&["token", "create", "guest", "--scope", "chat", "--json"])).await.ok().json();
    let rotated = run_beside(daemon.command(&["token", "rotate", "guest", "--json"])).await.ok().json();
    let text = |value: &Value| value["token"].as_str().unwrap().to_owned();
    canaries.extend([("made token", text(&made)), ("rotated token", text(&rotated))]);
    let link = run_beside(daemon.command(&["open", "--print"])).await.ok();
    let code = link.out.split_once("code=").unwrap().1.trim().to_owned();
    canaries.insert("login code", code.clone());
    let answer = log_in(&daemon, &code).await;
    let cookie = answer.to_ascii_lowercase().find("set-cookie: ").map(|at| &answer[at..]);
    let cookie = cookie.and_then(|line| line.split(['=', ';']).nth(1)).unwrap_or_else(|| panic!("{answer}")).to_owned();
    canaries.insert("cookie", cookie);
    let mut guest = RawSocket::with_token(address, &text(&rotated)).await;
    guest.send_text(&json!({ "jsonrpc": "2.0", "id": 1, "method": "token.list" }).to_string()).await;
    seen.add("frames", &guest.recv_json().await.to_string());

    // A device's token, as it is given, shown and replaced.
    let device = Device::new(1);
    let claw = Claw::connect(&daemon, TOKEN, Some(&device)).await.unwrap();
    let own = claw.device_token();
    let mut again = Claw::connect(&daemon, &own, Some(&device)).await.unwrap();
    seen.add("frames", &again.hello.to_string());
    seen.add("frames", &again.call("device.pair.list", json!({})).await.to_string());
    let mut admin = Claw::connect(&daemon, TOKEN, None).await.unwrap();
    let id = json!({ "deviceId": device.id(), "role": "operator" });
    let rotated = text(&admin.call("device.token.rotate", id).await);
    assert!(Claw::connect(&daemon, &own, Some(&device)).await.is_err());
    assert!(Claw::connect(&daemon, &rotated, Some(&device)).await.is_ok());
    canaries.extend([("device's token", own), ("device's rotated token", rotated)]);

    for path in ["/", "/livez", "/readyz", "/metrics"] {
        let head = format!("GET {path} HTTP/1.1\nConnection: close\nAuthorization: Bearer {TOKEN}");
        seen.add("http", &ask(&daemon, &head, "").await);
    }
    let run = seen.command(&daemon, &["session", "export", "main"]).await;
    let run = run.split("\"run_id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for args in [
        &["status", "--json"][..],
        &["config", "show"],
        &["config", "check"],
        &["plugin", "list"],
        &["plugin", "inspect", "github-issues"],
        &["secret", "list"],
        &["token", "list"],
        &["device", "list"],
        &["run", "show", &run, "--json"],
        &["run", "replay", &run],
        &["chat", "--session", "other", "--json", "again"],
        &["store", "check"],
        &["audit", "export"],
    ] {
        seen.command(&daemon, args).await;
    }
    let process = format!("/proc/{}", daemon.pid());
    seen.add("command line", &fs::read_to_string(format!("{process}/cmdline")).unwrap());
    for request in model.requests().into_iter().chain(second.requests()) {
        seen.add("model requests", &request.body.to_string());
    }
    tokio::task::block_in_place(|| daemon.terminate());
    seen.add("log", &daemon.log());
    seen.files(daemon.home(), &[daemon.home().join("credentials")]);

    // The test sees: what is no secret is there.
    for (place, what) in [("frames", "One issue."), ("log", "\"what\":\"egress\""), ("model requests", "What is open?")]
    {
        assert!(seen.0[place].contains(what), "{what:?} is missing in {place}: {}", seen.0[place]);
    }
    let store = seen.0.iter().filter(|(place, _)| place.ends_with("store.db") || place.ends_with("store.db-wal"));
    assert!(store.into_iter().any(|(_, text)| text.contains("What is open?")));
    let found: Vec<_> = canaries.iter().map(|(name, canary)| (name, seen.places_of(canary))).collect();
    let found: Vec<_> = found.into_iter().filter(|(_, places)| !places.is_empty()).collect();
    assert!(found.is_empty(), "{found:#?}");
    assert!(canaries.len() >= 20);
}
