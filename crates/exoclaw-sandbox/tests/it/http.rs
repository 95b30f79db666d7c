//! HTTP: what is granted is sent, and nothing else leaves.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use exoclaw_sandbox::{
    Called, Grants, Host, HttpConfig, Limits, Permit, Plugin, Resolve, Sandbox, SandboxConfig, pack,
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::json;

use crate::{
    guest::{Guest, request, text},
    log,
    server::{Server, respond},
};

// Numbers of WASI's error codes.
const PROHIBITED: &str = "E04";
const NO_ADDRESS: &str = "E01";
const REFUSED: &str = "E06";
const TIMED_OUT: &str = "E09";
const UNTRUSTED: &str = "E13";
const DENIED: &str = "E15";
const URI_INVALID: &str = "E19";
const TOO_LARGE: &str = "E93";

/// Requests all that could be asked for, so that the grants alone decide.
const ALL: &str = r#"http = ["* http://127.0.0.1:PORT/*", "* http://app.test:PORT/*", "* https://app.test:PORT/*", "* http://other.test:PORT/*", "* http://[::1]:PORT/*"]"#;

/// Gives names their addresses, the next ones at each asking, and counts.
#[derive(Debug, Default)]
struct Names {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Names {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Names {
    fn resolve(&self, _: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        let asked = self.asked.fetch_add(1, SeqCst);
        let answer = self.answers.get(asked).or(self.answers.last()).cloned();
        async move { answer.ok_or_else(|| io::ErrorKind::NotFound.into()) }.boxed()
    }
}

/// A plugin that asks for all of [`ALL`], in a sandbox of its own.
fn plugin(port: u16, config: HttpConfig, effect: &str) -> Plugin {
    let sandbox = SandboxConfig { concurrency: 8, http: config, ..SandboxConfig::default() };
    let requests = ALL.replace("PORT", &port.to_string());
    let guest = Guest { requests: &requests, ..Guest::FETCH };
    let mut manifest = guest.manifest();
    manifest.tools[0].effect = serde_json::from_value(json!(effect)).unwrap();
    Sandbox::new(sandbox).unwrap().load_bytes(&pack(&guest.component(), &manifest).unwrap(), None).unwrap()
}

async fn fetch(plugin: &Plugin, grants: &str, line: &str) -> String {
    let called = call(plugin, grants, line, &Limits::default()).await;
    text(&called).to_owned()
}

async fn call(plugin: &Plugin, grants: &str, line: &str, limits: &Limits) -> Called {
    let grants: Grants = toml::from_str(grants).unwrap();
    let permit = Permit::new(plugin.manifest(), &grants, limits).unwrap();
    plugin.call(&permit, request(json!({ "text": line })), Host::default()).await
}

/// Grants for everything on this port of the loopback.
fn all(port: u16) -> String {
    format!("{}\nhttp-private = [\"127.0.0.1:{port}\", \"[::1]:{port}\"]", ALL.replace("PORT", &port.to_string()))
}

#[tokio::test]
async fn a_request_needs_its_grant_and_its_address() {
    let server = Server::saying("hello");
    let port = server.address.port();
    let plugin = plugin(port, HttpConfig::default(), "read");
    let line = format!("GET http://127.0.0.1:{port}/a/b?c=d");
    let granted = format!("http = [\"GET http://127.0.0.1:{port}/a/*\"]");
    let private = format!("http-private = [\"127.0.0.1:{port}\"]");
    assert_eq!(fetch(&plugin, "", &line).await, DENIED);
    assert_eq!(fetch(&plugin, &private, &line).await, DENIED, "an address is no grant");
    assert_eq!(fetch(&plugin, &granted, &line).await, PROHIBITED, "a grant is no address");
    let other = format!("{granted}\nhttp-private = [\"127.0.0.1:{}\"]", port.wrapping_add(1));
    assert_eq!(fetch(&plugin, &other, &line).await, PROHIBITED, "of another port");
    let both = format!("{granted}\n{private}");
    for wrong in [
        format!("POST http://127.0.0.1:{port}/a/b"),
        format!("GET http://127.0.0.1:{port}/b"),
        format!("GET http://127.0.0.1:{port}/a/../b"),
        format!("GET http://[::1]:{port}/a/b"),
        format!("GET https://127.0.0.1:{port}/a/b"),
        format!("GET http://app.test:{port}/a/b"),
    ] {
        let answer = fetch(&plugin, &both, &wrong).await;
        assert!([DENIED, URI_INVALID].contains(&answer.as_str()), "{wrong}: {answer}");
    }
    assert_eq!(server.seen(), [""; 0]);
    assert_eq!(fetch(&plugin, &both, &line).await, "200 hello");
    let [seen] = &server.seen()[..] else { panic!("once") };
    assert!(seen.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{seen}");
}

#[tokio::test]
async fn a_grant_without_a_request_sends_nothing() {
    let server = Server::saying("hello");
    let port = server.address.port();
    let guest = Guest { requests: "", ..Guest::FETCH };
    let plugin = guest.load();
    assert_eq!(fetch(&plugin, &all(port), &format!("GET http://127.0.0.1:{port}/")).await, DENIED);
    assert_eq!(server.seen(), [""; 0]);
}

/// The name is looked up once, and the connection goes to the address that was checked: a resolver that answers otherwise
/// the second time gains nothing.
#[tokio::test]
async fn names_are_looked_up_once_and_checked() {
    let server = Server::saying("inside");
    let port = server.address.port();
    let line = format!("GET http://app.test:{port}/");
    let public = ALL.replace("PORT", &port.to_string());
    let check = async |answers: &[&[&str]], grants: &str| {
        let names = Names::new(answers);
        let http = HttpConfig { resolver: names.clone(), ..HttpConfig::default() };
        let answer = fetch(&plugin(port, http, "read"), grants, &line).await;
        (answer, names.asked.load(SeqCst))
    };
    // Every address counts, not the first alone, in whichever form.
    for inside in [
        &["127.0.0.1"][..],
        &["93.184.216.34", "127.0.0.1"],
        &["127.0.0.1", "93.184.216.34"],
        &["::ffff:127.0.0.1"],
        &["::1"],
        &["169.254.169.254"],
        &["10.0.0.1"],
        &["0.0.0.0"],
    ] {
        assert_eq!(check(&[inside], &public).await, (PROHIBITED.to_owned(), 1), "{inside:?}");
    }
    assert_eq!(server.seen(), [""; 0]);
    assert_eq!(check(&[], &public).await, (NO_ADDRESS.to_owned(), 1));
    assert_eq!(check(&[&[]], &public).await, (NO_ADDRESS.to_owned(), 1));
    // Granted by address, it is reached; a resolver that would answer with another address is not asked again.
    assert_eq!(check(&[&["127.0.0.1"], &["10.0.0.1"]], &all(port)).await, ("200 inside".to_owned(), 1));
}

#[tokio::test]
async fn redirects_are_the_guests_to_follow() {
    let inside = Server::saying("inside");
    let port = inside.address.port();
    let server = Server::start(move |_, out| {
        respond(out, "302 Found", &format!("location: http://127.0.0.1:{port}/\r\n"), "");
    });
    let from = server.address.port();
    let answer = fetch(
        &plugin(from, HttpConfig::default(), "read"),
        &all(from),
        &format!("GET http://127.0.0.1:{from}/ show:location"),
    )
    .await;
    assert_eq!(answer, format!("302 http://127.0.0.1:{port}/"));
    assert_eq!(inside.seen(), [""; 0]);
}

#[tokio::test]
async fn changes_carry_the_key_of_the_call() {
    let server = Server::saying("done");
    let port = server.address.port();
    for (effect, method, carries) in
        [("once", "POST", true), ("idempotent", "PUT", true), ("once", "GET", false), ("read", "POST", false)]
    {
        let plugin = plugin(port, HttpConfig::default(), effect);
        let line = format!("{method} http://127.0.0.1:{port}/ x-own:1 body");
        assert_eq!(fetch(&plugin, &all(port), &line).await, "200 done");
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.contains("idempotency-key: key-1\r\n"), carries, "{effect} {method}: {seen}");
        assert!(seen.contains("x-own: 1\r\n") && (method == "GET" || seen.contains("body")), "{seen}");
    }
    // The guest's own key does not stand in for it.
    let plugin = plugin(port, HttpConfig::default(), "once");
    fetch(&plugin, &all(port), &format!("POST http://127.0.0.1:{port}/ idempotency-key:mine body")).await;
    let seen = server.seen().pop().unwrap();
    assert!(seen.contains("idempotency-key: key-1\r\n") && !seen.contains("mine"), "{seen}");
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = Server::start(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok();
        let block = [b'x'; 65536];
        for _ in 0..300 {
            if out.write_all(&block).is_err() {
                return;
            }
        }
    });
    let port = server.address.port();
    let called = call(
        &plugin(port, HttpConfig::default(), "read"),
        &all(port),
        &format!("GET http://127.0.0.1:{port}/"),
        &Limits::default(),
    )
    .await;
    assert_eq!(text(&called), TOO_LARGE);
    let received = called.metering.bytes_in;
    assert!((16 << 20..17 << 20).contains(&received), "{received}");
}

#[tokio::test]
async fn waiting_for_a_server_counts_against_the_time() {
    // Reads the request and says a byte, then nothing.
    let server = Server::start(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx").and_then(|()| out.flush()).ok();
        std::thread::park();
    });
    let port = server.address.port();
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let called = call(
        &plugin(port, HttpConfig::default(), "read"),
        &all(port),
        &format!("GET http://127.0.0.1:{port}/"),
        &limits,
    )
    .await;
    assert!(matches!(called.detail, Some(exoclaw_sandbox::CallError::TimedOut { .. })), "{called:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let answer =
        fetch(&plugin(free, HttpConfig::default(), "read"), &all(free), &format!("GET http://127.0.0.1:{free}/")).await;
    assert!([REFUSED, TIMED_OUT].contains(&answer.as_str()), "{answer}");
}

#[tokio::test]
async fn tls_is_verified_against_the_name() {
    let server_for = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (certificate, key) = (made.cert.der().to_vec(), made.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone().into()], rustls::pki_types::PrivatePkcs8KeyDer::from(key).into())
            .unwrap();
        let config = Arc::new(config);
        let wrap = move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(rustls::StreamOwned::new(connection, stream)) as Box<dyn crate::server::Stream>
        };
        (Server::wrapped("127.0.0.1:0", wrap, |_, out| respond(out, "200 OK", "", "over tls")), certificate)
    };
    for (name, trusted, expected) in
        [("app.test", true, "200 over tls"), ("app.test", false, UNTRUSTED), ("other.test", true, UNTRUSTED)]
    {
        let (server, certificate) = server_for(name);
        let port = server.address.port();
        let extra_roots = trusted.then_some(certificate).into_iter().collect();
        let http = HttpConfig { resolver: Names::new(&[&["127.0.0.1"]]), extra_roots };
        let answer = fetch(&plugin(port, http, "read"), &all(port), &format!("GET https://app.test:{port}/")).await;
        assert_eq!(answer, expected, "{name} {trusted}");
    }
}

#[tokio::test]
async fn what_is_denied_is_told_to_the_operator() {
    log::listen();
    let plugin = plugin(80, HttpConfig::default(), "read");
    fetch(&plugin, "", "GET http://127.0.0.1:80/a?token=hidden").await;
    let told = log::said();
    for part in [
        "exoclaw::audit",
        "http_denied",
        "plugin=\"guest\"",
        "call=\"call-1\"",
        "GET http://127.0.0.1/a",
        "not granted",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("hidden"), "{told}");
}
