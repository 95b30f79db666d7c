//! Routing with 10,000 bindings over all 31 sets of fields. Aim: at most 2 µs.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop where it stands")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use exoclaw_protocol::{AgentId, Origin, Peer, PeerKind};
use exoclaw_router::{Binding, Router};

const BINDINGS: usize = 10_000;

/// Sets the fields whose bits are set in a number from 1 to 31.
fn binding(i: usize) -> Binding {
    let mask = i % 31 + 1;
    let field = |bit: usize, name: &str| (mask & (1 << bit) != 0).then(|| format!("{name}-{i}"));
    Binding {
        channel: field(0, "channel"),
        account: field(1, "account"),
        team: field(2, "team"),
        guild: field(3, "guild"),
        peer: field(4, "peer").map(|id| Peer { kind: PeerKind::Dm, id }),
        ..Binding::to(format!("agent-{}", i % 100).parse().unwrap())
    }
}

/// An origin of known fields, so that every set of fields is looked up until `i` decides.
fn origin(i: usize, channel: usize) -> Origin {
    Origin {
        channel: format!("channel-{channel}"),
        account: Some(format!("account-{i}")),
        team: Some(format!("team-{i}")),
        guild: Some(format!("guild-{i}")),
        peer: Some(Peer { kind: PeerKind::Dm, id: format!("peer-{i}") }),
    }
}

fn route(c: &mut Criterion) {
    let agents: Vec<AgentId> = (0..100).map(|i| format!("agent-{i}").parse().unwrap()).collect();
    let router = Router::new(agents.clone(), agents[0].clone(), (0..BINDINGS).map(binding).collect()).unwrap();
    let mut group = c.benchmark_group("route");
    // 30 sets all five fields; 0 only the channel, with the fields of 30 around it: all 31 sets are looked up.
    let cases = [("first set", origin(30, 30)), ("last set", origin(30, 0)), ("no binding", Origin::channel("web"))];
    for (name, origin) in cases {
        group.bench_function(name, |b| b.iter(|| router.route(black_box(&origin)).unwrap()));
    }
    group.finish();
}

criterion_group!(benches, route);
criterion_main!(benches);
