//! Channels at their edges: answers that can't be told, stores that fail, and more requests than are read at once.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{ChannelInfo, SessionDeleteParams};
use exoclaw_runtime::{ChannelConfig, PluginSlot, Plugins, ReadyPlugin, RuntimeConfig, Webhook, WebhookError};
use exoclaw_store::{MemoryStore, Page, Record, RunOutcome, Store};
use tokio::sync::Semaphore;

use crate::{
    guest,
    support::{Fault, TestClock, World, name},
};

/// The session of whoever is called `a`.
const A: &str = "agent:main:web:dm:a";
const B: &str = "agent:main:web:dm:b";

fn plugins() -> Plugins {
    let plugin = guest::channel();
    let permit = guest::permit(&plugin, "{}");
    let state = Ok(ReadyPlugin { plugin, permit, record: false });
    Plugins::new(vec![PluginSlot { name: "guest".parse().unwrap(), state }])
}

fn connected(config: &mut RuntimeConfig) {
    let (name, plugin) = ("web".parse().unwrap(), "guest".parse().unwrap());
    config.channels = vec![ChannelConfig { name, plugin, account: None }];
}

async fn over(store: Arc<dyn Store>, clock: Arc<TestClock>) -> World {
    World::of(store, clock, plugins(), [], connected).await.unwrap()
}

async fn world() -> World {
    over(Arc::new(MemoryStore::new()), Arc::default()).await
}

impl World {
    async fn hears(&self, body: &str) -> Result<u16, WebhookError> {
        let webhook = Webhook { body: body.as_bytes().to_vec(), ..Webhook::default() };
        self.runtime.receive("web", "somebody", webhook).await.map(|response| response.status)
    }

    /// Somebody writes, and the model answers so.
    async fn asked(&self, body: &str, answer: &str) {
        self.script.answer(Answer::text([answer]));
        assert_eq!(self.hears(body).await, Ok(200));
    }

    async fn channel(&self) -> ChannelInfo {
        self.runtime.channels().await.unwrap().channels.remove(0)
    }

    /// What became of the answers of a session, in order.
    async fn told(&self, session: &str) -> Vec<Option<String>> {
        let page = Page { entries: 10_000, bytes: u64::MAX };
        let entries = self.store.inner().read(&session.parse().unwrap(), 0, page).await.unwrap();
        let told = entries.into_iter().filter_map(|entry| match entry.record {
            Record::Delivered { failure, .. } => Some(failure),
            _ => None,
        });
        told.collect()
    }

    /// Lets time pass until it is so.
    async fn until(&self, mut is_so: impl AsyncFnMut() -> bool) {
        for _ in 0..100_000 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("it never is so");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_can_not_be_told_is_given_up_and_the_next_one_waits_for_that() {
    let world = world().await;
    let began = tokio::time::Instant::now();
    world.asked("m1aone", "retry later").await;
    world.until(async || world.channel().await.error.is_some()).await;
    assert_eq!(world.channel().await.error.as_deref(), Some("retry later"));
    world.asked("m2atwo", "fine").await;
    // What another person waits for is told meanwhile.
    world.asked("m1btwo", "fine").await;
    world.until(async || world.told(B).await.len() == 1).await;
    assert_eq!((world.told(A).await, world.channel().await.backlog), (vec![], 2));

    world.until(async || world.told(A).await.len() == 2).await;
    let given_up = "given up after 20 attempts: retry later".to_owned();
    assert_eq!((world.told(A).await, world.channel().await.backlog), (vec![Some(given_up), None], 0));
    // 1 s, 2 s and so on up to 256 s, then ten times 300 s.
    assert!(began.elapsed() >= Duration::from_secs(511 + 3_000), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_never_will_succeed_is_given_up_at_once_and_a_crash_is_tried_again() {
    let world = world().await;
    world.asked("m1aone", "permanently gone").await;
    world.until(async || world.told(A).await.len() == 1).await;
    assert_eq!(world.told(A).await, [Some("permanently gone".to_owned())]);
    world.asked("m1bone", "trap").await;
    world.until(async || world.told(B).await.len() == 1).await;
    assert!(world.told(B).await[0].as_ref().unwrap().starts_with("given up after 20 attempts: "));
}

#[tokio::test(start_paused = true)]
async fn what_was_told_and_can_not_be_recorded_is_not_told_again() {
    let world = world().await;
    world.store.on_append(|record| matches!(record, Record::Delivered { .. }).then_some(Fault::Fail));
    world.asked("m1aone", "fine").await;
    world.until(async || world.channel().await.last_out_ms.is_some()).await;
    let told_ms = world.channel().await.last_out_ms;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!((world.told(A).await, world.channel().await.backlog), (vec![], 1));
    world.store.heal();
    world.until(async || world.told(A).await == [None]).await;
    assert_eq!(world.channel().await.last_out_ms, told_ms, "it was told a second time");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_while_the_store_takes_no_writes() {
    let world = world().await;
    let refusing = world.store.refusing.clone();
    world.store.on_append(move |record| {
        if matches!(record, Record::RunEnded { outcome: RunOutcome::Ok, .. }) {
            *refusing.lock().unwrap() = Some("the disk is full".to_owned());
        }
        None
    });
    world.asked("m1aone", "fine").await;
    world.until(async || world.channel().await.error.is_some()).await;
    let channel = world.channel().await;
    assert_eq!((channel.last_out_ms, channel.error.as_deref()), (None, Some("the disk is full")));
    let refused = world.hears("m2atwo").await.unwrap_err();
    assert!(matches!(refused, WebhookError::Unavailable { .. }), "{refused}");
    world.store.heal();
    *world.store.refusing.lock().unwrap() = None;
    world.until(async || world.told(A).await == [None]).await;
    assert_eq!(world.channel().await.error, None);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_deleted_does_not_come_back_for_its_answer() {
    let world = world().await;
    world.asked("m1aone", "retry later").await;
    world.until(async || world.channel().await.error.is_some()).await;
    world.runtime.delete_session(SessionDeleteParams { session: name(A) }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10_000)).await;
    assert_eq!((world.channel().await.backlog, world.store.inner().session_count().await.unwrap()), (0, 0));
    world.asked("m1bone", "fine").await;
    world.until(async || world.told(B).await == [None]).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_deleted_while_its_answer_is_told_does_not_come_back() {
    let world = world().await;
    world.asked("m1aone", "retry later").await;
    world.until(async || world.channel().await.error.is_some()).await;
    let (reached, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    world.store.on_tail([reached.clone(), gate.clone()]);
    reached.acquire().await.unwrap().forget();
    world.store.heal();
    world.runtime.delete_session(SessionDeleteParams { session: name(A) }).await.unwrap();
    gate.add_permits(1);
    world.asked("m1bone", "fine").await;
    world.until(async || world.told(B).await == [None]).await;
    assert_eq!((world.told(A).await, world.store.inner().session_count().await.unwrap()), (vec![], 1));
}

#[tokio::test]
async fn eight_requests_are_read_at_the_same_time() {
    let world = world().await;
    let (reached, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (reaches, opens) = (reached.clone(), gate.clone());
    world.store.on_append(move |record| {
        matches!(record, Record::Accepted { .. }).then(|| {
            reaches.add_permits(1);
            Fault::Hold(opens.clone())
        })
    });
    for _ in 0..8 {
        world.script.answer(Answer::text(["fine"]));
    }
    let bodies: Vec<String> = (0..8).map(|number| format!("m1{number}one")).collect();
    let eight = futures::future::join_all(bodies.iter().map(|body| world.hears(body)));
    let ninth = async {
        reached.acquire_many(8).await.unwrap().forget();
        let refused = world.hears("m19one").await.unwrap_err();
        let busy = WebhookError::Unavailable {
            reason: "too many requests are being read".to_owned(),
            retry_after: Duration::from_secs(1),
        };
        assert_eq!(refused, busy);
        gate.add_permits(8);
    };
    let both = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(eight, ninth) });
    let (eight, ()) = both.await.expect("the ninth waits for nothing");
    assert_eq!(eight, vec![Ok(200); 8]);
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_last_is_known_after_a_restart() {
    let world = world().await;
    world.asked("m1aone", "fine").await;
    world.until(async || world.told(A).await.len() == 1).await;
    world.asked("m1bone", "permanently gone").await;
    world.until(async || world.told(B).await.len() == 1).await;
    let before = world.channel().await;
    assert!(before.last_in_ms.is_some() && before.last_out_ms.is_some() && before.error.is_some(), "{before:?}");
    let restarted = over(world.store.inner().clone(), world.clock.clone()).await;
    restarted.until(async || restarted.channel().await.last_out_ms.is_some()).await;
    let after = restarted.channel().await;
    assert_eq!(after.error, before.error);
    assert!(after.last_in_ms > after.last_out_ms, "{after:?}");
    restarted.asked("m2aone", "fine").await;
    restarted.until(async || restarted.told(A).await.len() == 2).await;
    assert_eq!(restarted.channel().await.error, None);
}
