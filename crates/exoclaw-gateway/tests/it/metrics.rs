//! What is counted, and who may see it.

use exoclaw_agent::test_util::Answer;
use exoclaw_gateway::{BindError, Gateway, GatewayConfig, NoAssets};
use exoclaw_protocol::{Call, Scope, Secret, TokenCreateParams};

use crate::support::{TOKEN, World};

async fn scrape(world: &World, token: &str) -> crate::support::Answer {
    let head = format!("GET /metrics HTTP/1.1\nHost: {{host}}\nAuthorization: Bearer {token}\nConnection: close\n\n");
    world.http(&head).await
}

#[tokio::test]
async fn what_happened_is_counted() {
    let world = World::start().await;
    let mut client = world.client().await;
    world.script.answer(Answer::text(["hello"]));
    client.send("main", "hi").await;
    client.events_until("final").await;
    client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    for method in ["no.such", "\\u0000\\\"", "ping2"] {
        client.ask(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).await;
    }
    world.upgrade(&[("authorization", "Bearer nope")]).await.err().unwrap();
    let answer = scrape(&world, TOKEN).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.body();
    for line in [
        "exoclaw_build_info{version=\"1.2.3\"} 1",
        "exoclaw_connections_total{decision=\"accepted\"} 3",
        "exoclaw_authentications_total{decision=\"allowed\"} 2",
        "exoclaw_authentications_total{decision=\"refused\"} 1",
        "exoclaw_requests_total{method=\"chat.send\",outcome=\"ok\"} 1",
        "exoclaw_requests_total{method=\"ping\",outcome=\"ok\"} 1",
        "exoclaw_requests_total{method=\"other\",outcome=\"error\"} 3",
        "exoclaw_request_seconds_count 5",
        "exoclaw_request_seconds_bucket{le=\"+Inf\"} 5",
        "exoclaw_runs_total{outcome=\"ok\"} 1",
        "exoclaw_model_steps_total 1",
        "exoclaw_store_read_only 0",
        "# TYPE exoclaw_run_seconds histogram",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[tokio::test]
async fn only_who_may_read_sees_it() {
    let world = World::start().await;
    assert_eq!(world.get("/metrics").await.status(), 401);
    assert_eq!(scrape(&world, "nope").await.status(), 401);
    let params = TokenCreateParams { name: "prometheus".parse().unwrap(), scope: Scope::Read, expires_in_s: None };
    let token = world.tokens.create(params, 1_800_000_000_000).unwrap().token;
    assert_eq!(scrape(&world, token.expose()).await.status(), 200);
}

/// Without a credential where nobody else can reach it, and nothing but metrics.
#[tokio::test]
async fn a_listener_of_its_own_has_metrics_alone() {
    let local: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    let config = GatewayConfig::new(local).with_token(Secret::new(TOKEN));
    let world = World::with(GatewayConfig { metrics: Some(local), ..config.clone() }).await;
    let at = world.metrics.unwrap();
    let get = async |path: &str, head: &str| {
        world.http_at(at, &format!("GET {path} HTTP/1.1\n{head}\nConnection: close\n\n")).await
    };
    let scraped = get("/metrics", "Host: {host}").await;
    assert_eq!((scraped.status(), scraped.body().contains("exoclaw_build_info")), (200, true));
    for path in ["/", "/index.html", "/livez", "/login", "/ws"] {
        assert_eq!(get(path, &format!("Host: {{host}}\nAuthorization: Bearer {TOKEN}")).await.status(), 404, "{path}");
    }
    for head in ["Host: rebound.example", "Host: {host}\nOrigin: http://evil.example"] {
        assert_eq!(get("/metrics", head).await.status(), 403, "{head}");
    }
    assert_eq!(world.get("/metrics").await.status(), 401, "the other listener asks as before");

    let open: std::net::SocketAddr = ([0, 0, 0, 0], 0).into();
    let bound = async |config| {
        let (runtime, ..) = crate::support::runtime(std::sync::Arc::new(exoclaw_store::MemoryStore::new())).await;
        Gateway::bind(config, runtime, std::sync::Arc::new(NoAssets)).await
    };
    let refused = bound(GatewayConfig { metrics: Some(open), ..config.clone() }).await;
    assert!(matches!(refused, Err(BindError::NoTls { .. })), "{refused:?}");
    let refused = bound(GatewayConfig { metrics: Some(open), token: None, ..config.clone() }).await;
    assert!(matches!(refused, Err(BindError::NoToken { .. })), "{refused:?}");
    // Behind a proxy that speaks TLS, it asks for a credential.
    let proxies = vec![[127, 0, 0, 1].into()];
    let world = World::with(GatewayConfig { metrics: Some(open), proxies, ..config }).await;
    let at = (std::net::Ipv4Addr::LOCALHOST, world.metrics.unwrap().port()).into();
    let head = "GET /metrics HTTP/1.1\nHost: {host}\nConnection: close\n";
    assert_eq!(world.http_at(at, &format!("{head}\n")).await.status(), 401);
    assert_eq!(world.http_at(at, &format!("{head}Authorization: Bearer {TOKEN}\n\n")).await.status(), 200);
}

/// The names that `specs/telemetry.md` promises are those that are told.
#[tokio::test]
async fn every_metric_is_specified() {
    let world = World::start().await;
    let specification = include_str!("../../../../specs/telemetry.md");
    let families = world.runtime.measure();
    for family in &families {
        assert!(specification.contains(&format!("| `{}`", family.name)), "{} is not specified", family.name);
    }
    let named = specification.lines().filter(|line| line.starts_with("| `exoclaw_")).count();
    assert_eq!(named, families.len());
    // As many points as there can ever be: the labels come from tables.
    let points = |families: &[exoclaw_runtime::metrics::Family]| {
        families.iter().map(|family| family.points.len()).sum::<usize>()
    };
    let mut client = world.client().await;
    for n in 0..500 {
        client.ask(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m{n}"}}"#)).await;
    }
    assert!(points(&world.runtime.measure()) <= points(&families) + 2 * (Call::METHODS.len() + 1));
}
