//! Calls that wait until somebody allows them: for these arguments, once, in time, and across restarts.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{
    Approval, ApprovalListParams, ApprovalResolveParams, ApprovalResolveResult, Decision, ErrorCode, Event, Message,
    Role, RpcError, RunId, StopReason, ToolCall, ToolContent, Usage, Verdict, limits,
};
use exoclaw_runtime::{
    ApprovalConfig, ApprovalEvent, Invoked, Outcome, PluginSlot, Plugins, Question, ReadyPlugin, RuntimeConfig,
    StartError, Subscription,
};
use exoclaw_store::{MemoryStore, Record, Store};
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    guest::{ECHO, ONE_TOOL, permit, plugin},
    support::{Fault, World, asked, end, events, name, names, next, record_name},
};

pub(crate) fn guest() -> Plugins {
    let plugin = plugin(ONE_TOOL, "", ECHO);
    let permit = permit(&plugin, "{}");
    Plugins::new(vec![PluginSlot {
        name: "guest".parse().unwrap(),
        state: Ok(ReadyPlugin { plugin, permit, record: false }),
    }])
}

pub(crate) fn asking(config: &mut RuntimeConfig) {
    config.agents[0].tools = vec!["guest".to_owned()];
    config.approvals = ApprovalConfig { ask: vec!["guest.run".to_owned()], lifetime: Duration::from_secs(600) };
}

async fn world(store: Arc<dyn Store>, answers: impl IntoIterator<Item = Answer>) -> World {
    World::of(store, Arc::default(), guest(), answers, asking).await.unwrap()
}

/// A new process over the same store, with the answers that its model gives.
async fn restart(world: &World, answers: impl IntoIterator<Item = Answer>) -> World {
    World::of(world.store.inner().clone(), world.clock.clone(), guest(), answers, asking).await.unwrap()
}

pub(crate) fn call() -> Answer {
    Answer::call("c1", "guest__run", json!({ "text": "x\u{1b}[2J" }))
}

/// A run that waits for an answer.
async fn waiting() -> (World, RunId, Subscription, Approval) {
    let world = world(Arc::new(MemoryStore::new()), [call(), Answer::text(["done"])]).await;
    let (sent, mut subscription) = world.send("hi").await;
    let approval = requested(&mut subscription).await;
    (world, sent.run_id, subscription, approval)
}

pub(crate) async fn requested(subscription: &mut Subscription) -> Approval {
    loop {
        let event = next(subscription).await;
        match event.event {
            Event::ApprovalRequested { approval } => return approval,
            event => assert!(!event.is_terminal(), "{event:?}"),
        }
    }
}

fn list(world: &World) -> Vec<Approval> {
    world.runtime.approvals(&ApprovalListParams::default()).unwrap().approvals
}

async fn resolve(world: &World, params: ApprovalResolveParams) -> Result<ApprovalResolveResult, RpcError> {
    world.runtime.resolve_approval(Some("owner".parse().unwrap()), params).await
}

async fn answer(world: &World, approval: &Approval, verdict: Verdict) -> Result<Decision, ErrorCode> {
    let resolved = resolve(world, ApprovalResolveParams::new(approval, verdict)).await;
    resolved.map(|resolved| resolved.decision).map_err(|error| error.code)
}

#[tokio::test]
async fn a_call_is_made_when_it_is_allowed_and_not_before() {
    let (world, run_id, mut subscription, approval) = waiting().await;
    assert_eq!((approval.tool.as_str(), &approval.input), ("guest.run", &json!({ "text": "x\u{1b}[2J" })));
    assert_eq!((&approval.run_id, list(&world)), (&run_id, vec![approval.clone()]));
    assert_eq!(world.journal().await, ["accepted", "started", "step", "asked"]);
    let (result, _) = world.subscribe(None).await;
    assert_eq!(result.snapshot.unwrap().run.unwrap().approvals, std::slice::from_ref(&approval));

    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Ok(Decision::Allowed));
    let heard = events(&mut subscription, &run_id).await;
    let told = ["approval.resolved", "tool.started", "tool.finished", "usage", "delta done", "final"];
    let heard: Vec<_> = names(&heard);
    assert_eq!(heard.iter().filter(|name| *name != "delta done").count(), told.len() - 1);
    assert_eq!((heard[0].as_str(), heard[1].as_str(), heard[2].as_str()), (told[0], told[1], told[2]));
    let journal = ["accepted", "started", "step", "asked", "decided", "intent", "result", "step", "ended"];
    assert_eq!(world.journal().await, journal);
    assert_eq!(asked(&world.script, 1)[2], "User: [c1 done]");
    assert_eq!(list(&world), []);
}

#[tokio::test]
async fn a_call_that_is_denied_is_not_made() {
    let (world, run_id, mut subscription, approval) = waiting().await;
    assert_eq!(answer(&world, &approval, Verdict::Deny).await, Ok(Decision::Denied));
    assert!(matches!(end(&mut subscription, &run_id).await, Event::Final { .. }));
    let journal = ["accepted", "started", "step", "asked", "decided", "result", "step", "ended"];
    assert_eq!(world.journal().await, journal);
    assert_eq!(asked(&world.script, 1)[2], "User: [c1 failed]");
}

#[tokio::test]
async fn an_answer_is_for_what_was_asked_and_counts_once() {
    let (world, run_id, mut subscription, approval) = waiting().await;
    let right = ApprovalResolveParams::new(&approval, Verdict::Allow);
    let wrong = [
        ApprovalResolveParams { digest: "0".repeat(64), ..right.clone() },
        ApprovalResolveParams { tool: "guest.other".to_owned(), ..right.clone() },
        ApprovalResolveParams { session: name("another"), ..right.clone() },
    ];
    for params in wrong {
        assert_eq!(resolve(&world, params).await.unwrap_err().code, ErrorCode::Conflict);
    }
    let other = ApprovalResolveParams { id: "0123456789abcdef".parse().unwrap(), ..right.clone() };
    assert_eq!(resolve(&world, other).await.unwrap_err().code, ErrorCode::UnknownApproval);
    assert_eq!(world.journal().await, ["accepted", "started", "step", "asked"]);

    let resolved = resolve(&world, right.clone()).await.unwrap();
    assert_eq!((resolved.decision, resolved.by.unwrap().as_str()), (Decision::Allowed, "owner"));
    assert_eq!(resolve(&world, right.clone()).await.unwrap_err().code, ErrorCode::UnknownApproval);
    end(&mut subscription, &run_id).await;
    // The same call once more is another question.
    world.script.answer(call()).answer(Answer::text(["done"]));
    let (sent, mut subscription) = world.send("again").await;
    let again = requested(&mut subscription).await;
    assert_ne!(again.id, approval.id);
    assert_eq!(resolve(&world, right).await.unwrap_err().code, ErrorCode::UnknownApproval);
    assert_eq!(answer(&world, &again, Verdict::Deny).await, Ok(Decision::Denied));
    end(&mut subscription, &sent.run_id).await;
}

#[tokio::test]
async fn of_two_answers_at_once_one_counts() {
    for _ in 0..20 {
        let (world, run_id, mut subscription, approval) = waiting().await;
        let (allow, deny) =
            tokio::join!(answer(&world, &approval, Verdict::Allow), answer(&world, &approval, Verdict::Deny));
        assert_eq!((allow, deny), (Ok(Decision::Allowed), Err(ErrorCode::UnknownApproval)));
        end(&mut subscription, &run_id).await;
        assert_eq!(world.journal().await.iter().filter(|record| **record == "decided").count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_answers_in_time_is_not_made() {
    let short = |config: &mut RuntimeConfig| {
        asking(config);
        config.approvals.lifetime = Duration::from_millis(100);
    };
    let store = Arc::new(MemoryStore::new());
    let world = World::of(store, Arc::default(), guest(), [call(), Answer::text(["so be it"])], short).await.unwrap();
    let (sent, mut subscription) = world.send("hi").await;
    let approval = requested(&mut subscription).await;
    let heard = events(&mut subscription, &sent.run_id).await;
    assert!(matches!(heard[0].event, Event::ApprovalResolved { decision: Decision::Expired, by: None, .. }));
    let journal = ["accepted", "started", "step", "asked", "decided", "result", "step", "ended"];
    assert_eq!(world.journal().await, journal);
    assert_eq!(asked(&world.script, 1)[2], "User: [c1 failed]");
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Err(ErrorCode::UnknownApproval));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_refused() {
    let (world, _, _subscription, approval) = waiting().await;
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Err(ErrorCode::UnknownApproval));
    assert_eq!(world.journal().await, ["accepted", "started", "step", "asked"]);
    // The next process finds that it has expired.
    let world = restart(&world, [Answer::text(["so be it"])]).await;
    let (_, mut subscription) = world.subscribe(None).await;
    end(&mut subscription, &approval.run_id).await;
    let journal = ["accepted", "started", "step", "asked", "resumed", "decided", "result", "step", "ended"];
    assert_eq!(world.journal().await, journal);
}

#[tokio::test]
async fn a_question_survives_restarts() {
    let (mut world, _, _, approval) = waiting().await;
    // More often than a run may be taken up that brings the process down.
    for _ in 0..5 {
        world = restart(&world, []).await;
        let (_, mut subscription) = world.subscribe(None).await;
        while list(&world).is_empty() {
            next(&mut subscription).await;
        }
        assert_eq!(list(&world), std::slice::from_ref(&approval));
    }
    let world = restart(&world, [Answer::text(["done"])]).await;
    let (_, mut subscription) = world.subscribe(None).await;
    while list(&world).is_empty() {
        next(&mut subscription).await;
    }
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Ok(Decision::Allowed));
    assert!(matches!(end(&mut subscription, &approval.run_id).await, Event::Final { .. }));
    assert_eq!(world.journal().await.iter().filter(|record| **record == "asked").count(), 1);
    assert_eq!(asked(&world.script, 0)[2], "User: [c1 done]");
}

#[tokio::test]
async fn an_answer_survives_a_crash_before_the_call() {
    let (world, _, _, approval) = waiting().await;
    let reached = Arc::new(Semaphore::new(0));
    let dies = reached.clone();
    world.store.on_append(move |record| (record_name(record) == "intent").then(|| Fault::Die(dies.clone())));
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Ok(Decision::Allowed));
    reached.acquire().await.unwrap().forget();
    let world = restart(&world, [Answer::text(["done"])]).await;
    let (_, mut subscription) = world.subscribe(None).await;
    end(&mut subscription, &approval.run_id).await;
    let journal = ["accepted", "started", "step", "asked", "decided", "resumed", "intent", "result", "step", "ended"];
    assert_eq!(world.journal().await, journal);
    assert_eq!(asked(&world.script, 0)[2], "User: [c1 done]");
}

#[tokio::test]
async fn an_answer_for_other_arguments_is_none() {
    let store = Arc::new(MemoryStore::new());
    let run_id: RunId = "r1".parse().unwrap();
    let ToolCall { id, name, input } =
        ToolCall { id: "c1".parse().unwrap(), name: "guest__run".to_owned(), input: json!({ "text": "harm" }) };
    let content = vec![exoclaw_protocol::Block::ToolCall { id: id.clone(), name: name.clone(), input }];
    let message = Message { role: Role::User, ..Message::user("hi") };
    // SHA-256 of what was shown, which is not what would be run.
    let digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".to_owned();
    let expires_ms = u64::MAX;
    let records = vec![
        Record::accepted(run_id.clone(), message, ""),
        Record::RunStarted { run_id: run_id.clone() },
        Record::Step {
            run_id: run_id.clone(),
            step: 0,
            content,
            stop_reason: StopReason::ToolUse,
            usage: Usage::default(),
            cost: None,
        },
        Record::ApprovalRequested {
            run_id: run_id.clone(),
            step: 0,
            call_id: id.clone(),
            tool: name,
            digest: digest.clone(),
            expires_ms,
        },
        Record::ApprovalResolved {
            run_id: run_id.clone(),
            step: 0,
            call_id: id,
            digest: digest.clone(),
            decision: Decision::Allowed,
            by: None,
        },
    ];
    store.append(&"agent:main:main".parse().unwrap(), 1, records).await.unwrap();
    let world = world(store, [Answer::text(["done"])]).await;
    let (_, mut subscription) = world.subscribe(None).await;
    while list(&world).is_empty() {
        next(&mut subscription).await;
    }
    let approval = list(&world).remove(0);
    assert_eq!(approval.input, json!({ "text": "harm" }));
    assert_ne!(approval.digest, digest);
    assert_eq!(answer(&world, &approval, Verdict::Deny).await, Ok(Decision::Denied));
    end(&mut subscription, &run_id).await;
    assert!(!world.journal().await.contains(&"intent"));
}

#[tokio::test]
async fn a_run_that_waits_neither_holds_others_up_nor_the_shutdown() {
    let one = |config: &mut RuntimeConfig| {
        asking(config);
        config.concurrent_runs = 1;
    };
    let answers = [call(), Answer::text(["quick"])];
    let world = World::of(Arc::new(MemoryStore::new()), Arc::default(), guest(), answers, one).await.unwrap();
    let (_, mut subscription) = world.send("hi").await;
    let approval = requested(&mut subscription).await;
    let (sent, mut other) = world.send_to("other", "hello").await;
    assert!(matches!(end(&mut other, &sent.run_id).await, Event::Final { .. }));

    let stopped = tokio::time::timeout(Duration::from_secs(60), world.runtime.shutdown(Duration::from_secs(3_600)));
    assert!(stopped.await.expect("nobody waits for people"));
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Err(ErrorCode::ShuttingDown));
}

#[tokio::test]
async fn a_run_that_waits_can_be_stopped() {
    let (world, run_id, mut subscription, approval) = waiting().await;
    assert_eq!(world.abort(None).await, std::slice::from_ref(&run_id));
    assert!(matches!(end(&mut subscription, &run_id).await, Event::Aborted { .. }));
    assert_eq!((list(&world), world.journal().await.last()), (vec![], Some(&"ended")));
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Err(ErrorCode::UnknownApproval));
}

#[tokio::test]
async fn no_more_calls_wait_than_may() {
    let answers = (0..=limits::APPROVALS).map(|_| call());
    let world = world(Arc::new(MemoryStore::new()), answers).await;
    let mut waiting = Vec::new();
    for number in 0..limits::APPROVALS {
        let (_, mut subscription) = world.send_to(&format!("s{number}"), "hi").await;
        requested(&mut subscription).await;
        waiting.push(subscription);
    }
    assert_eq!(list(&world).len(), limits::APPROVALS);
    world.script.answer(Answer::text(["so be it"]));
    let (sent, mut subscription) = world.send("hi").await;
    assert!(matches!(end(&mut subscription, &sent.run_id).await, Event::Final { .. }));
    assert_eq!(world.journal().await, ["accepted", "started", "step", "result", "step", "ended"]);
}

#[tokio::test]
async fn a_tool_that_is_not_there_can_not_be_asked_for() {
    for ask in ["gust", "guest.ran"] {
        let change = |config: &mut RuntimeConfig| {
            asking(config);
            config.approvals.ask = vec![ask.to_owned()];
        };
        let started = World::of(Arc::new(MemoryStore::new()), Arc::default(), guest(), [], change).await;
        let refused = started.err().unwrap();
        assert!(matches!(refused, StartError::UnknownAsk { .. }), "{refused}");
    }
}

/// Calls the tool by hand, and what is asked before that.
async fn by_hand(world: &World) -> (JoinHandle<Result<Invoked, RpcError>>, Approval) {
    let mut events = world.runtime.approval_events();
    let runtime = world.runtime.clone();
    let call = async move { runtime.invoke_tool(&name("main"), "guest.run", json!({ "text": "x" })).await };
    #[expect(clippy::disallowed_methods, reason = "the test owns it")]
    let mut invoked = tokio::spawn(call);
    tokio::select! {
        event = events.recv() => match &*event.unwrap() {
            ApprovalEvent::Asked { approval, .. } => (invoked, approval.clone()),
            event => panic!("{event:?}"),
        },
        done = &mut invoked => panic!("nobody was asked: {done:?}"),
    }
}

/// What comes within a minute, or never.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes")
}

#[tokio::test]
async fn nobody_goes_past_the_question_by_calling_the_tool_oneself() {
    let world = world(Arc::new(MemoryStore::new()), []).await;
    let mut events = world.runtime.approval_events();
    let (invoked, approval) = by_hand(&world).await;
    assert_eq!((approval.tool.as_str(), &approval.input), ("guest.run", &json!({ "text": "x" })));
    assert_eq!(list(&world), std::slice::from_ref(&approval));
    let other =
        ApprovalResolveParams { digest: "0".repeat(64), ..ApprovalResolveParams::new(&approval, Verdict::Allow) };
    assert_eq!(resolve(&world, other).await.unwrap_err().code, ErrorCode::Conflict);
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Ok(Decision::Allowed));
    let Invoked::Done(output) = invoked.await.unwrap().unwrap() else { panic!("not called") };
    assert_eq!(output.content, [ToolContent::Text { text: r#"{"text":"x"}"#.to_owned() }]);
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Err(ErrorCode::UnknownApproval));
    let told = [soon(events.recv()).await.unwrap(), soon(events.recv()).await.unwrap()];
    let owner = Some("owner".parse().unwrap());
    let decided = ApprovalEvent::Decided { id: approval.id.clone(), decision: Decision::Allowed, by: owner };
    assert_eq!(*told[1], decided);

    let (invoked, again) = by_hand(&world).await;
    assert_ne!(again.id, approval.id);
    assert_eq!(answer(&world, &again, Verdict::Deny).await, Ok(Decision::Denied));
    let denied = Invoked::Refused { approval: again.id, decision: Decision::Denied };
    assert_eq!(invoked.await.unwrap(), Ok(denied));
    assert!(world.journal().await.is_empty());
}

#[tokio::test]
async fn who_leaves_withdraws_the_question_and_who_waits_hears_of_the_shutdown() {
    let world = world(Arc::new(MemoryStore::new()), []).await;
    let (invoked, approval) = by_hand(&world).await;
    let mut events = world.runtime.approval_events();
    invoked.abort();
    let withdrawn = ApprovalEvent::Decided { id: approval.id.clone(), decision: Decision::Expired, by: None };
    assert_eq!(*soon(events.recv()).await.unwrap(), withdrawn);
    assert_eq!(list(&world), []);
    assert_eq!(answer(&world, &approval, Verdict::Allow).await, Err(ErrorCode::UnknownApproval));

    let (invoked, _) = by_hand(&world).await;
    assert!(world.runtime.shutdown(Duration::from_secs(3_600)).await);
    assert_eq!(soon(invoked).await.unwrap().unwrap_err().code, ErrorCode::ShuttingDown);
}

#[tokio::test(start_paused = true)]
async fn a_call_by_hand_that_nobody_answers_in_time_is_not_made() {
    let short = |config: &mut RuntimeConfig| {
        asking(config);
        config.approvals.lifetime = Duration::from_millis(100);
    };
    let world = World::of(Arc::new(MemoryStore::new()), Arc::default(), guest(), [], short).await.unwrap();
    let (invoked, approval) = by_hand(&world).await;
    let expired = Invoked::Refused { approval: approval.id, decision: Decision::Expired };
    assert_eq!(invoked.await.unwrap(), Ok(expired));
}

fn question(number: usize) -> Question {
    Question {
        id: format!("{number:016x}").parse().unwrap(),
        session: name("main"),
        what: "exec".to_owned(),
        input: json!({ "command": "true" }),
        lifetime: Duration::MAX,
    }
}

#[tokio::test]
async fn what_a_client_asks_waits_without_it() {
    let world = world(Arc::new(MemoryStore::new()), []).await;
    let approval = world.runtime.ask(question(1)).unwrap();
    let asked_ms = approval.expires_ms - 600_000;
    assert_eq!(list(&world), std::slice::from_ref(&approval));
    assert_eq!(world.runtime.ask(question(1)).unwrap_err().code, ErrorCode::Conflict);
    let outcome = async { world.runtime.outcome(&approval.id).await };
    let (outcome, answered) = tokio::join!(outcome, answer(&world, &approval, Verdict::Allow));
    assert_eq!(answered, Ok(Decision::Allowed));
    let expires_ms = approval.expires_ms;
    let known = Outcome { id: approval.id.clone(), asked_ms, expires_ms, decision: Some(Decision::Allowed) };
    assert_eq!((outcome, world.runtime.outcome(&approval.id).await), (Some(known.clone()), Some(known)));
    assert_eq!(world.runtime.outcome(&question(2).id).await, None);
    let nobody = Question { session: name("agent:nobody:x"), ..question(3) };
    assert_eq!(world.runtime.ask(nobody).unwrap_err().code, ErrorCode::UnknownAgent);
}

#[tokio::test]
async fn what_clients_ask_leaves_room_for_runs() {
    let world = world(Arc::new(MemoryStore::new()), [call()]).await;
    for number in 0..limits::ASKED_APPROVALS {
        world.runtime.ask(question(number)).unwrap();
    }
    let further = world.runtime.ask(question(limits::ASKED_APPROVALS)).unwrap_err();
    assert_eq!(further.code, ErrorCode::Busy);
    let (_, mut subscription) = world.send("hi").await;
    requested(&mut subscription).await;
}
