//! Whatever the order of what clients do: numbers without gaps, one end per run, and snapshots that fit their events.

use std::collections::HashMap;

use exoclaw_agent::{ProviderErrorKind, test_util::Answer};
use exoclaw_protocol::{Block, Event, HistoryMessage, Role, RunId, SessionEvent, SessionSubscribeResult};
use exoclaw_runtime::Subscription;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{World, settle};

#[derive(Debug, Clone)]
enum Act {
    Send(Plan),
    Burst(Plan),
    AbortAll,
    AbortOne(prop::sample::Index),
    Watch,
    Resume(prop::sample::Index),
    Yield(u8),
    Settle,
}

#[derive(Debug, Clone, Copy)]
enum Plan {
    Answer,
    Tool,
    Fail,
    Hang,
}

fn plan() -> impl Strategy<Value = Plan> {
    prop_oneof![3 => Just(Plan::Answer), 2 => Just(Plan::Tool), 1 => Just(Plan::Fail), 1 => Just(Plan::Hang)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => plan().prop_map(Act::Send),
        2 => plan().prop_map(Act::Burst),
        1 => Just(Act::AbortAll),
        2 => any::<prop::sample::Index>().prop_map(Act::AbortOne),
        3 => Just(Act::Watch),
        2 => any::<prop::sample::Index>().prop_map(Act::Resume),
        4 => (0..40u8).prop_map(Act::Yield),
        1 => Just(Act::Settle),
    ]
}

/// Answers whichever run comes next: the script is shared by all of them.
fn script(world: &World, plan: Plan) {
    let words = || Answer::text(["so ", "it ", "is"]);
    match plan {
        Plan::Answer => world.script.answer(words()),
        Plan::Tool => {
            world.script.answer(Answer::call("c", "t", json!({})).and_call("d", "t", json!({}))).answer(words())
        }
        Plan::Fail => world.script.answer(Answer::error(ProviderErrorKind::Refused, "no")),
        Plan::Hang => world.script.answer(Answer::text(["hm"]).then_never()),
    };
}

/// What a client knows: the snapshot it started from, and each event since.
struct Client {
    start: SessionSubscribeResult,
    subscription: Subscription,
    heard: Vec<SessionEvent>,
}

impl Client {
    fn listen(&mut self) {
        while let Some(event) = self.subscription.try_next().unwrap() {
            self.heard.push(event.event().clone());
        }
    }

    /// The text of each run's whole steps and its present one, as this client would show it.
    fn shown(&self) -> HashMap<RunId, String> {
        let mut shown: HashMap<RunId, String> = HashMap::new();
        if let Some(snapshot) = &self.start.snapshot {
            for message in &snapshot.messages {
                shown.entry(message.run_id.clone()).or_default().push_str(&text(message));
            }
            if let Some(run) = &snapshot.run {
                shown.entry(run.run_id.clone()).or_default().push_str(&run.text);
            }
        }
        for event in &self.heard {
            let shown = shown.entry(event.run_id.clone()).or_default();
            match &event.event {
                Event::Accepted { message } => shown.push_str(&format!("<{}>", message.text())),
                Event::Delta { text } => shown.push_str(text),
                Event::ToolFinished { call_id, .. } => shown.push_str(&format!("[{call_id}]")),
                _ => {}
            }
        }
        shown
    }
}

fn text(message: &HistoryMessage) -> String {
    let block = |block: &Block| match block {
        Block::Text { text } if message.role == Role::User => format!("<{text}>"),
        Block::Text { text } => text.clone(),
        Block::ToolResult { id, .. } => format!("[{id}]"),
        _ => String::new(),
    };
    message.content.iter().map(block).collect()
}

async fn play(acts: Vec<Act>) {
    let world = World::new().await;
    let (start, subscription) = world.subscribe(None).await;
    let mut clients = vec![Client { start, subscription, heard: Vec::new() }];
    let mut runs: Vec<RunId> = Vec::new();
    for act in acts {
        match act {
            Act::Send(plan) => {
                script(&world, plan);
                runs.push(world.send("hi").await.0.run_id);
            }
            Act::Burst(plan) => {
                script(&world, plan);
                script(&world, Plan::Answer);
                let (one, two) = futures::join!(world.send("a"), world.send("b"));
                runs.extend([one.0.run_id, two.0.run_id]);
            }
            Act::AbortAll => drop(world.abort(None).await),
            Act::AbortOne(index) if !runs.is_empty() => drop(world.abort(Some(index.get(&runs))).await),
            Act::AbortOne(_) => {}
            Act::Watch => {
                let (start, subscription) = world.subscribe(None).await;
                clients.push(Client { start, subscription, heard: Vec::new() });
            }
            Act::Resume(index) => {
                let index = index.index(clients.len());
                let client = &mut clients[index];
                client.listen();
                let (result, subscription) = world.subscribe(Some(client.subscription.position())).await;
                assert!(result.recovered);
                client.subscription = subscription;
            }
            Act::Yield(times) => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            }
            Act::Settle => settle().await,
        }
    }
    // Runs that hang and all behind them are stopped; then nothing is left open.
    loop {
        settle().await;
        if world.abort(None).await.is_empty() {
            break;
        }
    }
    settle().await;
    assert!(world.store.inner().open_runs().await.unwrap().is_empty());
    assert_eq!(world.runtime.status().await.unwrap().active_runs, 0);

    for client in &mut clients {
        client.listen();
        let first = client.start.seq + 1;
        assert!(client.heard.iter().map(|event| event.seq).eq(first..first + client.heard.len() as u64), "a gap");
    }
    let witness = &clients[0];
    for run_id in &runs {
        let of_run: Vec<_> = witness.heard.iter().filter(|event| event.run_id == *run_id).collect();
        assert!(matches!(of_run.first().unwrap().event, Event::Accepted { .. }));
        assert!(of_run.last().unwrap().event.is_terminal());
        assert_eq!(of_run.iter().filter(|event| event.event.is_terminal()).count(), 1, "{of_run:?}");
    }
    let truth = witness.shown();
    for client in &clients {
        assert_eq!(client.shown(), truth, "a client that began at {} saw another story", client.start.seq);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_acts_tells_one_story(acts in prop::collection::vec(act(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(acts));
    }
}
