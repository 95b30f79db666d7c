//! Every method with every kind of credential: what is allowed follows from the method table and the stored record alone.

use std::{sync::atomic::Ordering, time::Duration};

use exoclaw_gateway::GatewayConfig;
use exoclaw_protocol::{
    Call, Rotation, Scope, Secret, TokenCreateParams, TokenName, TokenRevokeParams, TokenRotateParams,
};
use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::support::{Socket, TOKEN, World};

/// A way to come in, and what it is good for: `None` for nothing.
struct State<'a> {
    name: &'static str,
    headers: Vec<(&'a str, String)>,
    first: Option<String>,
    good_for: Option<Scope>,
}

fn state(name: &'static str, good_for: Option<Scope>) -> State<'static> {
    State { name, headers: Vec::new(), first: None, good_for }
}

impl<'a> State<'a> {
    fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    fn first(mut self, message: Value) -> Self {
        self.first = Some(message.to_string());
        self
    }
}

/// `allowed`, or why not.
async fn outcome(world: &World, state: &State<'_>, method: &str) -> String {
    let headers: Vec<(&str, &str)> = state.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut socket = match world.upgrade_afresh(&headers).await {
        Ok(socket) => socket,
        Err(status) => return format!("status {status}"),
    };
    if let Some(first) = &state.first {
        let answer = socket.ask(first).await;
        if answer != json!({ "ok": true }) {
            return format!("error {}", answer["error"]["data"]["kind"]);
        }
    }
    ask(&mut socket, method).await
}

/// Asks without parameters, so that nothing is done where the method needs some.
async fn ask<S>(socket: &mut Socket<S>, method: &str) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let answer = socket.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": method }).to_string()).await;
    match answer["error"]["data"]["kind"].as_str() {
        None | Some("invalid_params") => "allowed".to_owned(),
        Some(kind) => format!("error {kind}"),
    }
}

#[tokio::test]
async fn every_method_with_every_credential() {
    let world = World::start().await;
    let named = |name: &str| name.parse::<TokenName>().unwrap();
    let token = |name: &str, scope, expires_in_s| {
        let params = TokenCreateParams { name: named(name), scope, expires_in_s };
        world.tokens.create(params, 1_800_000_000_000).unwrap().token.expose().to_owned()
    };
    let (read, chat, admin) =
        (token("r", Scope::Read, None), token("c", Scope::Chat, None), token("a", Scope::Admin, None));
    let approve = token("p", Scope::Approve, None);
    let expired = token("expired", Scope::Admin, Some(1));
    world.clock.passed_ms.store(1_000, Ordering::Relaxed);
    let revoked = token("revoked", Scope::Admin, None);
    world.tokens.revoke(&TokenRevokeParams { name: named("revoked") }).unwrap();
    let rotated = token("rotated", Scope::Admin, None);
    let rotation = TokenRotateParams { name: named("rotated"), step: Rotation::Now };
    let next = world.tokens.rotate(&rotation).unwrap().token.unwrap().expose().to_owned();
    let cookie = world.log_in().await;
    let (own, evil) = ("http://{host}", "http://evil.example");

    let states = [
        state("nothing", None),
        state("nothing, on a page of our own", None).header("origin", own),
        state("an empty bearer", None).bearer(""),
        state("a wrong bearer", None).bearer("exo_0000"),
        state("the digest of a token", None).bearer(&"0".repeat(64)),
        state("an empty first message", None).first(json!({ "token": "" })),
        state("a wrong first message", None).first(json!({ "token": "wrong" })),
        state("expired", None).bearer(&expired),
        state("revoked", None).bearer(&revoked),
        state("rotated out", None).bearer(&rotated),
        state("rotated in", Some(Scope::Admin)).bearer(&next),
        state("read", Some(Scope::Read)).bearer(&read),
        state("chat", Some(Scope::Chat)).bearer(&chat),
        state("approve", Some(Scope::Approve)).bearer(&approve),
        state("admin", Some(Scope::Admin)).bearer(&admin),
        state("read, first message", Some(Scope::Read)).first(json!({ "token": read })),
        state("chat, first message", Some(Scope::Chat)).first(json!({ "token": chat })),
        state("read, and says it is more", Some(Scope::Read)).first(
            json!({ "token": read, "scope": "admin", "scopes": ["admin"], "role": "operator", "name": "owner" }),
        ),
        state("read, and its header says more", Some(Scope::Read)).bearer(&read).header("x-exoclaw-scope", "admin"),
        state("read after chat", Some(Scope::Read)).bearer(&chat).first(json!({ "token": read })),
        state("the owner's", Some(Scope::Admin)).bearer(TOKEN),
        state("the owner's, from a foreign page", None).bearer(TOKEN).header("origin", evil),
        state("the owner's, from nowhere", None).bearer(TOKEN).header("origin", "null"),
        state("the owner's, for a foreign host", None).bearer(TOKEN).header("host", "evil.example"),
        state("a cookie", Some(Scope::Admin)).header("cookie", cookie.clone()).header("origin", own),
        state("a cookie of no page", None).header("cookie", cookie.clone()),
        state("a cookie on a foreign page", None).header("cookie", cookie).header("origin", evil),
    ];
    for state in states {
        for info in Call::METHODS {
            let got = outcome(&world, &state, info.name).await;
            let place = format!("{} with {}", info.name, state.name);
            match state.good_for {
                Some(scope) if scope.covers(info.scope) => assert_eq!(got, "allowed", "{place}"),
                Some(_) => assert_eq!(got, "error forbidden", "{place}"),
                None => assert_ne!(got, "allowed", "{place}"),
            }
        }
    }
}

#[tokio::test]
async fn the_own_socket_needs_no_credential_and_takes_no_page() {
    let folder = std::env::temp_dir().join(format!("exoclaw-own-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("gateway.sock");
    // What an earlier daemon left is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
    let world = World::with(GatewayConfig { own_socket: Some(path.clone()), ..config }).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let connect = || UnixStream::connect(&path);
    let mut socket = world.upgrade_over(connect().await.unwrap(), &[]).await.unwrap_or_else(|_| panic!("refused"));
    for info in Call::METHODS {
        assert_eq!(ask(&mut socket, info.name).await, "allowed", "{}", info.name);
    }
    for foreign in [("origin", "http://evil.example"), ("origin", "null"), ("host", "evil.example")] {
        let refused = world.upgrade_over(connect().await.unwrap(), &[foreign]).await;
        assert_eq!(refused.err(), Some(403), "{foreign:?}");
    }
    world.runtime.shutdown(Duration::from_secs(5)).await;
    world.served.await.unwrap();
    assert!(!path.exists(), "it goes with the daemon");
    std::fs::remove_dir(&folder).unwrap();
}

/// What ends a token ends the connections that showed it, and no others.
#[tokio::test]
async fn connections_end_with_their_credential() {
    let revoke = ("token.revoke", json!({ "name": "t" }));
    let rotate = |step| ("token.rotate", json!({ "name": "t", "step": step }));
    for ends in [vec![revoke], vec![rotate("now")], vec![rotate("start"), rotate("finish")]] {
        let world = World::start().await;
        let made = owner(&world, "token.create", json!({ "name": "t", "scope": "chat" })).await;
        let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
        let mut by_header = world.upgrade(&[("authorization", &bearer)]).await.unwrap();
        let mut by_message = world.upgrade(&[]).await.unwrap();
        assert_eq!(by_message.ask(&json!({ "token": made["token"] }).to_string()).await["ok"], true);
        let mut other = world.client().await;
        assert_eq!(ask(&mut by_header, "ping").await, "allowed");

        for (method, params) in ends {
            owner(&world, method, params).await;
        }
        for socket in [&mut by_header, &mut by_message] {
            let closed = tokio::time::timeout(Duration::from_secs(1), socket.closed()).await;
            assert_eq!(closed.expect("within a second"), (1008, "the credential was revoked".to_owned()));
        }
        assert_eq!(ask(&mut other, "ping").await, "allowed");
        assert_eq!(world.upgrade(&[("authorization", &bearer)]).await.err(), Some(401));
    }
}

/// What the owner is answered.
async fn owner(world: &World, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = world.client().await.ask(&request.to_string()).await;
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

#[tokio::test]
async fn connections_end_when_their_credential_expires() {
    let world = World::start().await;
    let made = owner(&world, "token.create", json!({ "name": "brief", "scope": "read", "expiresInS": 5 })).await;
    assert_eq!(made["info"]["expiresMs"], 1_800_000_005_000_u64, "{made}");
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let mut socket = world.upgrade(&[("authorization", &bearer)]).await.unwrap();
    assert_eq!(ask(&mut socket, "ping").await, "allowed");
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    assert_eq!(socket.closed().await, (1008, "the credential has expired".to_owned()));
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
}
