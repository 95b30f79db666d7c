//! How fast event streams are read, and what a delta costs on its way through a turn.
#![expect(clippy::expect_used, reason = "a bench stops at the first surprise")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exoclaw_agent::{
    OpenAiProvider, ProviderConfig, Turn, TurnEvent, sse,
    test_util::{Answer, ScriptedProvider},
};
use exoclaw_protocol::Message;
use exoclaw_tests::model::{self, Gate, ModelServer};
use tokio::sync::mpsc;

fn decode(c: &mut Criterion) {
    let stream = include_bytes!("../tests/fixtures/llama-server/openai-text.sse");
    let mut group = c.benchmark_group("sse");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    for size in [64, 1_460, 16_384] {
        group.bench_function(format!("decode in chunks of {size}"), |bencher| {
            bencher.iter(|| {
                let mut decoder = sse::Decoder::default();
                let mut events = 0;
                for mut chunk in black_box(stream).chunks(size) {
                    while let Some(event) = decoder.next_event(&mut chunk).expect("a sound stream") {
                        black_box(event);
                        events += 1;
                    }
                }
                events
            });
        });
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A turn of a thousand deltas, its consumer beside it; the time of one turn.
fn in_memory(c: &mut Criterion) {
    const DELTAS: usize = 1_000;
    let runtime = runtime();
    let mut group = c.benchmark_group("turn");
    group.throughput(Throughput::Elements(DELTAS as u64));
    group.bench_function("deltas from memory", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let (provider, script) = ScriptedProvider::new();
                script.answer(Answer::text(vec!["token "; DELTAS]));
                let (events, mut watched) = mpsc::channel(64);
                let turn = Turn::new(provider, "model").run(vec![Message::user("hi")], events);
                let watch = async { while watched.recv().await.is_some() {} };
                tokio::join!(turn, watch).0.expect("an answer")
            })
        });
    });
}

/// From the moment that a model server may send a delta to the event of the turn.
fn over_a_socket(c: &mut Criterion) {
    let runtime = runtime();
    c.bench_function("turn/one delta over a socket", |bencher| {
        bencher.iter_custom(|deltas| runtime.block_on(latency(deltas)));
    });
}

async fn latency(deltas: u64) -> Duration {
    let server = ModelServer::start().await;
    let gates: Vec<Gate> = (0..deltas).map(|_| Gate::new()).collect();
    let answer = gates.iter().fold(model::Answer::empty(), |answer, gate| answer.gate(gate).and_text(["token "]));
    server.answer(answer);
    let provider = OpenAiProvider::new(&ProviderConfig::new("bench", server.openai_url())).expect("a provider");
    let (events, mut watched) = mpsc::channel(64);
    let turn = Turn::new(Arc::new(provider), "test-model").run(vec![Message::user("hi")], events);
    let watch = async {
        let mut taken = Duration::ZERO;
        for gate in gates {
            gate.reached().await;
            let start = Instant::now();
            gate.open();
            while !matches!(watched.recv().await, Some(TurnEvent::Text(_))) {}
            taken += start.elapsed();
        }
        while watched.recv().await.is_some() {}
        taken
    };
    let (end, taken) = tokio::join!(turn, watch);
    end.expect("an answer");
    taken
}

criterion_group!(benches, decode, in_memory, over_a_socket);
criterion_main!(benches);
