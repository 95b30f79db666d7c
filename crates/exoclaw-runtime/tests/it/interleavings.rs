//! Whatever the order of what clients do: numbers without gaps, one end per run, and snapshots that fit their events.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
};

use exoclaw_agent::{ProviderErrorKind, test_util::Answer};
use exoclaw_protocol::{
    Block, CallId, ChatSendParams, Event, QueueMode, Role, RunId, SessionEvent, SessionSubscribeResult,
};
use exoclaw_runtime::Subscription;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Fault, World, message, settle};

#[derive(Debug, Clone)]
enum Act {
    Send(Plan, QueueMode),
    Burst(Plan),
    StopWord,
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

fn queue() -> impl Strategy<Value = QueueMode> {
    use QueueMode::{Collect, Interrupt, Queue, Steer};
    prop_oneof![3 => Just(Queue), 2 => Just(Collect), 1 => Just(Interrupt), 2 => Just(Steer)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (plan(), queue()).prop_map(|(plan, queue)| Act::Send(plan, queue)),
        1 => Just(Act::StopWord),
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

    fn shown(&self) -> HashMap<RunId, Shown> {
        let mut shown: HashMap<RunId, Shown> = HashMap::new();
        if let Some(snapshot) = &self.start.snapshot {
            for message in &snapshot.messages {
                shown.entry(message.run_id.clone()).or_default().add(message.role, &message.content);
            }
            if let Some(run) = &snapshot.run {
                shown.entry(run.run_id.clone()).or_default().text.push_str(&run.text);
            }
        }
        for event in &self.heard {
            let shown = shown.entry(event.run_id.clone()).or_default();
            match &event.event {
                Event::Accepted { message } => shown.add(message.role, &message.content),
                Event::Delta { text } => shown.text.push_str(text),
                Event::ToolFinished { call_id, .. } => shown.results.push(call_id.clone()),
                _ => {}
            }
        }
        shown.values_mut().for_each(|shown| shown.results.sort());
        shown
    }
}

/// A run as a client shows it.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    text: String,
    /// Calls of one step have no order among themselves.
    results: Vec<CallId>,
}

impl Shown {
    fn add(&mut self, role: Role, content: &[Block]) {
        for block in content {
            match block {
                Block::Text { text } if role == Role::User => self.text.push_str(&format!("<{text}>")),
                Block::Text { text } => self.text.push_str(text),
                Block::ToolResult { id, .. } => self.results.push(id.clone()),
                _ => {}
            }
        }
    }
}

async fn play(acts: Vec<Act>, slowness: u32) {
    let world = World::new().await;
    let turn = AtomicU32::new(0);
    world.store.on_append(move |_| {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        (slowness > 0).then(|| Fault::Dawdle(turn % slowness, turn * 7 % slowness))
    });
    let (start, subscription) = world.subscribe(None).await;
    let mut clients = vec![Client { start, subscription, heard: Vec::new() }];
    let mut runs: Vec<RunId> = Vec::new();
    for act in acts {
        match act {
            Act::Send(plan, queue) => {
                script(&world, plan);
                let params = ChatSendParams { queue: Some(queue), ..message("main", "hi") };
                runs.push(world.runtime.send(params).await.unwrap().run_id);
            }
            Act::StopWord => drop(world.runtime.send(message("main", "/stop")).await.unwrap()),
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
        let mut seen = client.start.seq;
        for event in &client.heard {
            assert_eq!(event.follows(), seen, "a gap");
            seen = event.seq;
        }
    }
    let witness = &clients[0];
    for run_id in &runs {
        let of_run: Vec<_> = witness.heard.iter().filter(|event| event.run_id == *run_id).collect();
        assert!(matches!(of_run.first().unwrap().event, Event::Accepted { .. }));
        assert!(of_run.last().unwrap().event.is_terminal());
        assert_eq!(of_run.iter().filter(|event| event.event.is_terminal()).count(), 1, "{of_run:?}");
    }
    let aborted = |run_id: &RunId| {
        let mut of_run = witness.heard.iter().filter(|event| event.run_id == *run_id);
        of_run.any(|event| matches!(event.event, Event::Aborted { .. }))
    };
    let truth = witness.shown();
    for client in &clients {
        let seen = client.shown();
        assert_eq!(seen.len(), truth.len(), "a client that began at {} missed a run", client.start.seq);
        for (run_id, shown) in seen {
            let told = &truth[&run_id];
            assert_eq!(shown.text, told.text, "a client that began at {} read something else", client.start.seq);
            // A tool may have finished at the moment in which its run was stopped: that is remembered, but no event.
            let unheard = shown.results.iter().filter(|call| !told.results.contains(call)).count();
            assert_eq!(shown.results.len(), told.results.len() + unheard);
            assert!(unheard == 0 || aborted(&run_id), "a result came from nowhere: {shown:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_acts_tells_one_story(acts in prop::collection::vec(act(), 1..20), slowness in 0..30u32) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(acts, slowness));
    }
}
