//! Runtime and store as they are, with a model by rule, under faults: one process after the other, each of which may die or
//! lose its store at any call of the store, until every message is answered.
//!
//! A case is a number: it decides on messages, answers and faults, and time is paused, so that it comes again whenever it is
//! asked for. `EXOCLAW_SEED` asks for one, `EXOCLAW_HISTORIES` for more of the random ones.
#![expect(clippy::print_stdout, reason = "tests print their seed")]

mod check;
mod client;
mod crowd;
mod faulty;
mod model;

use std::{collections::HashMap, sync::Arc};

use exoclaw_runtime::{AgentConfig, Parts, PluginSlot, Plugins, ReadyPlugin, Runtime, RuntimeConfig, StartError};
use exoclaw_sandbox::Plugin;
use exoclaw_store::MemoryStore;
use exoclaw_tests::random::Random;
use futures::future::join_all;
use proptest::prelude::*;

use crate::{
    guest::{permit, plugin},
    support::{PATIENCE, TestClock, router},
};
use client::Client;
use crowd::Crowd;
use faulty::{Faults, FaultyStore, Strike};
use model::Model;

/// Processes that one case may take: each fault ends one, and a run is given up after a few.
const PROCESSES: u32 = 40;

/// What outlives processes.
struct World {
    store: Arc<MemoryStore>,
    faults: Arc<Faults>,
    clock: Arc<TestClock>,
    /// There when the model may call tools that do something.
    guest: Option<Plugin>,
    /// Calls of what may run once wait until a client allows them.
    asks: bool,
    clients: Vec<Client>,
    crowds: Vec<Crowd>,
}

/// How a process ended.
#[derive(Debug, PartialEq)]
enum End {
    AllAnswered,
    /// It can't go on: whoever runs it starts it again.
    Stuck,
}

impl World {
    /// Several sessions without tools, or one with tools: guests run by the machine's clock, which no seed decides on.
    fn new(chance: &mut Random, guest: Option<Plugin>, faults: Vec<(u64, Strike)>) -> Self {
        let sessions = if guest.is_some() { 1 } else { 3 };
        let clients = (0..sessions).map(|number| Client::new(number, guest.is_some(), chance)).collect();
        let faults = Arc::new(Faults::new(faults));
        Self {
            store: Arc::new(MemoryStore::new()),
            faults,
            clock: Arc::default(),
            guest,
            asks: false,
            clients,
            crowds: Vec::new(),
        }
    }

    /// Sessions whose messages come all at once.
    fn crowded(chance: &mut Random, faults: Vec<(u64, Strike)>) -> Self {
        let crowds = (0..2).map(|number| Crowd::new(number, chance)).collect();
        Self { clients: Vec::new(), crowds, ..Self::new(chance, None, faults) }
    }

    fn asking(self) -> Self {
        Self { asks: true, ..self }
    }

    /// One process after the other until all messages are answered; what the journals say then, with nothing in it that a
    /// seed does not decide on.
    fn live(&mut self) -> String {
        for _ in 0..PROCESSES {
            let process =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let store = Arc::new(FaultyStore::new(self.store.clone(), self.faults.clone()));
            let dead = store.dead();
            let ended = process.block_on(dead.run_until_cancelled(self.process(store)));
            drop(process);
            if ended == Some(End::AllAnswered) {
                self.crowds.iter().for_each(|crowd| crowd.check(&self.store, self.faults.unread()));
                return check::journals(&self.store, &self.clients, &self.faults.effects(), self.asks);
            }
        }
        panic!("not all messages are answered after {PROCESSES} processes");
    }

    async fn process(&mut self, store: Arc<FaultyStore>) -> End {
        let tools = if self.guest.is_some() { vec!["guest".to_owned()] } else { Vec::new() };
        let agent =
            AgentConfig { tools, ..AgentConfig::new("main".parse().unwrap(), "rule", Arc::new(Model), "model-1") };
        let slot = |plugin: &Plugin| PluginSlot {
            name: "guest".parse().unwrap(),
            state: Ok(ReadyPlugin::new(plugin.clone(), permit(plugin, r#"{ "kv": 1048576 }"#))),
        };
        let plugins = Plugins::new(self.guest.iter().map(slot).collect());
        let parts = Parts { router: router(), store, plugins, clock: self.clock.clone() };
        let mut config = RuntimeConfig::new(vec![agent]);
        if self.asks {
            config.approvals.ask = vec!["guest.once".to_owned()];
        }
        let runtime = match Runtime::start(config, parts).await {
            Ok(runtime) => runtime,
            Err(StartError::Store(_)) => return End::Stuck,
            Err(error) => panic!("{error}"),
        };
        let ends = join_all(self.clients.iter_mut().map(|client| client.go_on(&runtime))).await;
        let crowded = join_all(self.crowds.iter_mut().map(|crowd| crowd.go_on(&runtime))).await;
        let all_answered = ends.iter().chain(&crowded).all(|end| *end == End::AllAnswered);
        // A process that has to be started again is told to stop like any other.
        runtime.shutdown(PATIENCE).await;
        if all_answered { End::AllAnswered } else { End::Stuck }
    }
}

/// Keeps the arguments of each call under the call's key: a value that is written twice is an effect that took place twice.
/// `look` keeps nothing.
fn guest() -> Plugin {
    let tool = |name: &str, effect: &str| {
        format!(
            r#"{{ name = "{name}", description = "Keeps", effect = "{effect}", input_schema = {{ type = "object" }} }}"#
        )
    };
    let tools = [tool("once", "once"), tool("again", "idempotent"), tool("look", "read")].join(", ");
    let manifest = format!(
        "name = \"guest\"\nversion = \"1.0.0\"\ndescription = \"A guest of the tests\"\ntools = [{tools}]\n\
         requests = {{ kv = \"1 MiB\" }}"
    );
    let functions = r#"
        (import "exoclaw:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
        (data (i32.const 256) "kept")
    "#;
    let call = "
        (if (i32.eq (i32.load8_u (local.get $tool)) (i32.const 0x6c)) (then (return (call $text (i32.const 256) (i32.const 4)))))
        (call $set (local.get $key) (local.get $key_len) (local.get $arguments) (local.get $arguments_len) (i32.const 512))
        (if (i32.load8_u (i32.const 512)) (then (unreachable)))
        (call $text (i32.const 256) (i32.const 4))
    ";
    plugin(&manifest, functions, call)
}

/// Calls of the store that a case makes when nothing fails.
fn calls(seed: u64, guest: Option<&Plugin>) -> u64 {
    let mut world = World::new(&mut Random::new(seed), guest.cloned(), Vec::new());
    world.live();
    world.faults.calls()
}

fn seeds(test: &str) -> Vec<u64> {
    let asked = std::env::var_os("EXOCLAW_SEED").and_then(|seed| seed.into_string().ok()?.parse().ok());
    let another = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), test);
    let seeds = asked.map_or(vec![1, another], |seed| vec![seed]);
    println!("{test}: {seeds:?}");
    seeds
}

/// Random histories that are lived through: what `EXOCLAW_HISTORIES` says, or few.
fn cases() -> u32 {
    std::env::var_os("EXOCLAW_HISTORIES").and_then(|cases| cases.into_string().ok()?.parse().ok()).unwrap_or(64)
}

/// Says which case it was when it fails.
fn case(seed: u64, guest: Option<&Plugin>, faults: Vec<(u64, Strike)>) -> String {
    let named = format!("EXOCLAW_SEED={seed}, faults {faults:?}");
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        World::new(&mut Random::new(seed), guest.cloned(), faults).live()
    }));
    lived.unwrap_or_else(|panic| {
        println!("failed: {named}");
        std::panic::resume_unwind(panic)
    })
}

#[test]
fn a_fault_at_any_call_of_the_store_loses_nothing() {
    for seed in seeds("fault at every call") {
        for at in 0..calls(seed, None) {
            for strike in Strike::ALL {
                case(seed, None, vec![(at, strike)]);
            }
        }
    }
}

#[test]
fn a_fault_at_any_call_repeats_no_effect() {
    let guest = guest();
    for seed in seeds("fault at every call, with tools") {
        for at in 0..calls(seed, Some(&guest)) {
            for strike in Strike::ALL {
                case(seed, Some(&guest), vec![(at, strike)]);
                // What was begun has to be read by the next process.
                case(seed, Some(&guest), vec![(at, strike), (at + 3, Strike::Fail)]);
            }
        }
    }
}

#[test]
fn a_fault_at_any_call_makes_no_call_without_approval_or_twice() {
    let guest = guest();
    let live = |seed, faults: Vec<(u64, Strike)>| {
        let named = format!("EXOCLAW_SEED={seed}, faults {faults:?}");
        let mut world = World::new(&mut Random::new(seed), Some(guest.clone()), faults).asking();
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.live()));
        let story = lived.unwrap_or_else(|panic| {
            println!("failed: {named}");
            std::panic::resume_unwind(panic)
        });
        (story, world.faults.calls())
    };
    for seed in seeds("approve and die at every call") {
        // One in which something is asked and allowed.
        let asks = |seed: &u64| live(*seed, Vec::new()).0.contains("Once");
        let seed =
            (0..100).map(|more| seed.wrapping_add(more)).find(asks).expect("some message calls what may run once");
        let (_, calls) = live(seed, Vec::new());
        for at in 0..calls {
            for strike in Strike::ALL {
                live(seed, vec![(at, strike)]);
                live(seed, vec![(at, strike), (at + 2, Strike::DieAfter)]);
            }
        }
    }
}

/// As [`case`], with a crowd; how many calls of the store it made.
fn crowd(seed: u64, faults: Vec<(u64, Strike)>) -> u64 {
    let named = format!("EXOCLAW_SEED={seed}, a crowd, faults {faults:?}");
    let mut world = World::crowded(&mut Random::new(seed), faults);
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.live()));
    if let Err(panic) = lived {
        println!("failed: {named}");
        std::panic::resume_unwind(panic);
    }
    world.faults.calls()
}

/// Each message is answered once, in order, however it is to be treated and whatever comes between.
#[test]
fn a_fault_at_any_call_answers_no_message_of_a_crowd_twice_or_never() {
    for seed in seeds("a crowd") {
        for at in 0..crowd(seed, Vec::new()) {
            for strike in Strike::ALL {
                crowd(seed, vec![(at, strike)]);
            }
            crowd(seed, vec![(at, Strike::DieAfter), (at + 2, Strike::Die)]);
        }
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    let story = |seed| {
        let mut chance = Random::new(seed);
        let faults = (0..4).map(|_| (chance.below(120), Strike::ALL[chance.below(4) as usize])).collect();
        case(seed, None, faults)
    };
    let mut stories = HashMap::new();
    for seed in 0..40 {
        let first = story(seed);
        assert_eq!(first, story(seed), "EXOCLAW_SEED={seed}");
        stories.insert(first, seed);
    }
    assert!(stories.len() > 30, "seeds decide on too little");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_crowd_with_any_faults_is_answered(
        seed in any::<u64>(),
        faults in prop::collection::vec((0..150u64, prop::sample::select(Strike::ALL.as_slice())), 0..6),
    ) {
        crowd(seed, faults);
    }

    /// The model is asked nothing that either vendor would refuse: `model::Model` looks at each request.
    #[test]
    fn any_history_with_any_faults_is_taken_up(
        seed in any::<u64>(),
        faults in prop::collection::vec((0..150u64, prop::sample::select(Strike::ALL.as_slice())), 0..6),
    ) {
        thread_local!(static GUEST: Plugin = guest());
        GUEST.with(|guest| case(seed, Some(guest), faults));
    }
}
