//! Sessions: listed, set, begun anew, shortened, deleted and found.

use std::{collections::BTreeMap, sync::Arc};

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{
    AbortReason, Block, ChatInjectParams, ChatSendParams, ErrorCode, Event, NoteBy, Origin, Role, SendPolicy,
    SessionCompactParams, SessionDeleteParams, SessionGetParams, SessionInfo, SessionListParams, SessionPatchParams,
    SessionPreviewParams, SessionResetParams, SessionResolveParams, SessionSearchParams, SnippetPart, Thinking,
};
use exoclaw_runtime::RuntimeConfig;
use futures::FutureExt;
use tokio::sync::Semaphore;

use crate::support::{Fault, World, asked, end, message, name, names, next, opened, record_name, settle, short};

impl World {
    async fn say(&self, text: &str, answer: &str) {
        self.script.answer(Answer::text([answer]));
        let (sent, mut events) = self.send(text).await;
        assert!(matches!(end(&mut events, &sent.run_id).await, Event::Final { .. }));
    }

    async fn get(&self, session: &str) -> Result<SessionInfo, ErrorCode> {
        let params = SessionGetParams { session: name(session) };
        self.runtime.session(params).await.map_err(|error| error.code)
    }

    async fn patch(&self, change: impl FnOnce(&mut SessionPatchParams)) -> Result<SessionInfo, ErrorCode> {
        let mut params = SessionPatchParams::new(name("main"));
        change(&mut params);
        self.runtime.patch_session(params).await.map_err(|error| error.code)
    }

    async fn reset(&self) -> SessionInfo {
        self.runtime.reset_session(SessionResetParams { session: name("main") }).await.unwrap()
    }

    async fn compact(&self, keep: u32) -> Result<(bool, u32), ErrorCode> {
        let done =
            self.runtime.compact_session(SessionCompactParams { session: name("main"), keep, summarize: false }).await;
        done.map(|done| (done.compacted, done.kept)).map_err(|error| error.code)
    }

    async fn delete(&self) -> bool {
        self.runtime.delete_session(SessionDeleteParams { session: name("main") }).await.unwrap().deleted
    }

    async fn listed(&self, params: SessionListParams) -> Vec<String> {
        let list = self.runtime.sessions(params).await.unwrap().sessions;
        list.into_iter().map(|info| info.session.to_string().replace("agent:main:", "")).collect()
    }

    async fn shown(&self) -> Vec<String> {
        self.history().await.iter().map(short).collect()
    }
}

fn offering(models: &[&str]) -> impl FnOnce(&mut RuntimeConfig) {
    let models: BTreeMap<_, _> = models.iter().map(|model| ((*model).to_owned(), None)).collect();
    |config| config.agents[0].models = models
}

#[tokio::test(start_paused = true)]
async fn a_session_is_described() {
    let world = World::new().await;
    assert_eq!(world.get("main").await, Err(ErrorCode::UnknownSession));
    world.script.answer(Answer::text(["hello"]).usage(3, 2));
    let origin = Origin { peer: Some("dm:U1".parse().unwrap()), ..Origin::channel("slack") };
    let params = ChatSendParams { origin: Some(origin.clone()), text: Some("hi there".into()), ..Default::default() };
    let (sent, mut events) = world.runtime.send_and_subscribe(params).await.unwrap();
    end(&mut events, &sent.run_id).await;
    let info = world.get(sent.session.as_str()).await.unwrap();
    assert_eq!((info.title.as_deref(), info.origin, info.messages), (Some("hi there"), Some(origin), 1));
    assert_eq!((info.spent.steps, info.spent.usage.input_tokens, info.active), (1, 3, false));
}

#[tokio::test(start_paused = true)]
async fn what_is_set_stays_and_is_cleared_with_null() {
    let world = World::with(offering(&["model-2"])).await;
    let info = world
        .patch(|patch| {
            (patch.label, patch.model) = (Some(Some("Milk".into())), Some(Some("model-2".into())));
            (patch.thinking, patch.archived) = (Some(Some(Thinking::High)), Some(Some(true)));
        })
        .await
        .unwrap();
    let world = World::over(world.store.inner().clone(), world.clock.clone(), offering(&["model-2"])).await;
    assert_eq!(world.get("main").await.unwrap().settings, info.settings);
    let cleared = world.patch(|patch| patch.label = Some(None)).await.unwrap().settings;
    assert_eq!((cleared.label, cleared.thinking, cleared.archived), (None, Some(Thinking::High), true));

    world.say("hi", "hello").await;
    let request = &world.script.requests()[0];
    assert_eq!((request.model.as_str(), request.thinking), ("model-2", Some(Thinking::High)));
    // What is not offered any more is left aside.
    let world = world.restart().await;
    world.say("hi", "hello").await;
    assert_eq!(world.script.requests()[0].model, "model-1");
}

#[tokio::test(start_paused = true)]
async fn what_can_t_be_set_is_refused() {
    let world = World::with(offering(&["model-2"])).await;
    let model = |model: &str| {
        let model = model.to_owned();
        move |patch: &mut SessionPatchParams| patch.model = Some(Some(model))
    };
    assert_eq!(world.patch(model("model-3")).await, Err(ErrorCode::InvalidParams));
    assert!(world.patch(model("model-1")).await.is_ok());
    let label = |text: String| move |patch: &mut SessionPatchParams| patch.label = Some(Some(text));
    for text in [" ", "a\nb", &"x".repeat(257)] {
        assert_eq!(world.patch(label(text.to_owned())).await, Err(ErrorCode::InvalidParams), "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_no_messages_refuses_them() {
    let world = World::new().await;
    world.script.answer(Answer::text(["hello"]));
    let sent = world.send_keyed("hi", "k").await.unwrap();
    settle().await;
    world.patch(|patch| patch.send = Some(Some(SendPolicy::Deny))).await.unwrap();
    assert_eq!(world.runtime.send(message("main", "more")).await.unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(world.send_keyed("hi", "k").await.unwrap().run_id, sent.run_id);
    let world = world.restart().await;
    assert_eq!(world.runtime.send(message("main", "more")).await.unwrap_err().code, ErrorCode::Forbidden);
    world.patch(|patch| patch.send = Some(None)).await.unwrap();
    world.say("more", "well").await;
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered() {
    let world = World::new().await;
    for session in ["one", "two", "three"] {
        world.script.answer(Answer::text(["hello"]));
        let (sent, mut events) = world.send_to(session, &format!("about {session}")).await;
        end(&mut events, &sent.run_id).await;
    }
    let away = SessionPatchParams { archived: Some(Some(true)), ..SessionPatchParams::new(name("one")) };
    world.runtime.patch_session(away).await.unwrap();
    let all = SessionListParams::default;
    assert_eq!(world.listed(all()).await, ["three", "two"]);
    assert_eq!(world.listed(SessionListParams { archived: true, ..all() }).await, ["one"]);
    assert_eq!(world.listed(SessionListParams { search: Some("ABOUT TWO".into()), ..all() }).await, ["two"]);
    assert_eq!(world.listed(SessionListParams { limit: Some(1), ..all() }).await, ["three"]);
    world.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(world.listed(SessionListParams { active_within_ms: Some(30_000), ..all() }).await, [""; 0]);
    assert_eq!(world.listed(SessionListParams { active_within_ms: Some(90_000), ..all() }).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_found_by_key_id_and_label() {
    let world = World::new().await;
    world.say("hi", "hello").await;
    let info = world.patch(|patch| patch.label = Some(Some("Milk".into()))).await.unwrap();
    let find = async |params| world.runtime.resolve_session(params).await.map_err(|error| error.code);
    let asked = SessionResolveParams::default;
    assert_eq!(find(SessionResolveParams { session: Some(name("main")), ..asked() }).await, Ok(info.clone()));
    assert_eq!(find(SessionResolveParams { id: Some(info.id.clone()), ..asked() }).await, Ok(info.clone()));
    assert_eq!(find(SessionResolveParams { label: Some("Milk".into()), ..asked() }).await, Ok(info.clone()));
    let unknown = Err(ErrorCode::UnknownSession);
    assert_eq!(find(SessionResolveParams { label: Some("Bread".into()), ..asked() }).await, unknown);
    assert_eq!(find(SessionResolveParams { id: Some("Milk".into()), ..asked() }).await, unknown);
    assert_eq!(find(asked()).await, Err(ErrorCode::InvalidParams));
    // Another conversation has another id.
    assert_ne!(world.reset().await.id, info.id);
    assert_eq!(find(SessionResolveParams { id: Some(info.id), ..asked() }).await, unknown);
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_a_new_conversation_and_keeps_the_old_one_in_the_journal() {
    let world = World::new().await;
    world.say("old", "well").await;
    world.script.answer(Answer::never());
    let (running, mut events) = world.send("running").await;
    settle().await;
    world.send("waiting").await;
    let info = world.reset().await;
    assert_eq!((info.title, info.messages), (None, 3));
    assert_eq!(
        end(&mut events, &running.run_id).await,
        Event::Aborted { text: String::new(), reason: AbortReason::Reset }
    );
    assert_eq!(world.shown().await, [""; 0]);
    assert!(world.subscribe(None).await.0.snapshot.unwrap().messages.is_empty());
    world.say("new", "hello").await;
    assert_eq!(asked(&world.script, 2), ["User: new"]);
    assert_eq!(world.get("main").await.unwrap().title.as_deref(), Some("new"));

    let world = world.restart().await;
    world.say("newer", "hello again").await;
    assert_eq!(asked(&world.script, 0), ["User: new", "Assistant: hello", "User: newer"]);
    assert_eq!(world.shown().await, ["User: new", "Assistant: hello", "User: newer", "Assistant: hello again"]);
    assert_eq!(world.journal().await.iter().filter(|record| **record == "accepted").count(), 5);
    let told: Vec<_> = {
        let (_, mut watcher) = world.subscribe(None).await;
        world.reset().await;
        vec![next(&mut watcher).await]
    };
    assert_eq!(names(&told), ["reset"]);
}

#[tokio::test(start_paused = true)]
async fn a_compacted_session_keeps_its_newest_messages() {
    let world = World::new().await;
    for number in 1..=4 {
        world.say(&format!("q{number}"), &format!("a{number}")).await;
    }
    assert_eq!(world.compact(4).await, Ok((false, 4)));
    assert_eq!(world.compact(0).await, Err(ErrorCode::InvalidParams));
    assert_eq!(world.compact(2).await, Ok((true, 2)));
    assert_eq!(world.shown().await, ["User: q3", "Assistant: a3", "User: q4", "Assistant: a4"]);
    for world in [&world, &world.restart().await] {
        world.say("q5", "a5").await;
        let last = world.script.requests().len() - 1;
        let told = asked(&world.script, last);
        assert_eq!(told[..3], ["User: q3", "Assistant: a3", "User: q4"]);
    }
    world.script.answer(Answer::never());
    world.send("busy").await;
    settle().await;
    assert_eq!(world.compact(1).await, Err(ErrorCode::Busy));
}

/// Messages that overlap in the journal: what the first run said after the second message is no part of what is kept.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_run_whose_message_is_cut_off() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"])).answer(Answer::text(["two"]));
    world.send("1").await;
    settle().await;
    let (second, mut events) = world.send("2").await;
    gate.add_permits(1);
    end(&mut events, &second.run_id).await;
    settle().await;
    assert_eq!(world.compact(1).await, Ok((true, 1)));
    assert_eq!(world.shown().await, ["User: 2", "Assistant: two"]);
    world.say("3", "three").await;
    assert_eq!(asked(&world.script, 2), ["User: 2", "Assistant: two", "User: 3"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_deleted_session() {
    let world = World::new().await;
    world.say("a secret", "well").await;
    world.script.answer(Answer::never());
    let (running, _) = world.send("running").await;
    settle().await;
    let spent = world.runtime.usage(Default::default()).await.unwrap().total;
    let (_, mut watcher) = world.subscribe(Some((running.epoch, 0))).await;
    assert!(world.delete().await);
    assert!(!world.delete().await);
    assert!(watcher.try_next().is_err(), "what was told is forgotten, too");
    assert_eq!(world.get("main").await, Err(ErrorCode::UnknownSession));
    assert_eq!(world.shown().await, [""; 0]);
    assert_eq!(world.runtime.status().await.unwrap().active_runs, 0);
    let restarted = world.restart().await;
    assert_eq!(restarted.runtime.usage(Default::default()).await.unwrap().total, spent);

    // The process that deleted it takes it up as new.
    world.say("hi", "hello").await;
    assert_eq!(asked(&world.script, 2), ["User: hi"]);
    let (start, mut events) = world.subscribe(None).await;
    let messages: Vec<_> = start.snapshot.unwrap().messages.iter().map(short).collect();
    assert_eq!(messages, ["User: hi", "Assistant: hello"]);
    assert!(events.try_next().unwrap().is_none());
}

/// A journal that begins again is not taken for the old one, however alike they are.
#[tokio::test(start_paused = true)]
async fn the_model_is_told_nothing_of_a_deleted_session() {
    let world = World::new().await;
    world.script.answer(Answer::never());
    world.send("a secret").await;
    settle().await;
    assert!(world.delete().await);
    world.say("hi", "hello").await;
    assert_eq!(asked(&world.script, 1), ["User: hi"]);
}

#[tokio::test(start_paused = true)]
async fn previews_are_the_newest_texts_in_short() {
    let world = World::new().await;
    for number in 1..=3 {
        world.say(&format!("question {number}"), &format!("answer {number}")).await;
    }
    let sessions = vec![name("main"), name("never-used")];
    let params = SessionPreviewParams { sessions, limit: Some(3), max_chars: Some(8) };
    let previews = world.runtime.preview_sessions(params).await.unwrap().previews;
    let texts: Vec<_> = previews[0].texts.iter().map(|text| text.text.as_str()).collect();
    assert_eq!(texts, ["answer 2", "question", "answer 3"]);
    assert_eq!((previews[0].found, previews[1].found, previews[1].texts.len()), (true, false, 0));
    let too_many = SessionPreviewParams { sessions: vec![name("main"); 65], ..Default::default() };
    assert_eq!(world.runtime.preview_sessions(too_many).await.unwrap_err().code, ErrorCode::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_note_is_told_to_people_and_models_and_starts_no_run() {
    let world = World::new().await;
    let (_, mut watcher) = world.subscribe(None).await;
    let note = |text: &str, by| ChatInjectParams { session: name("main"), text: text.into(), by };
    assert_eq!(world.runtime.inject(note(" ", NoteBy::System)).await.unwrap_err().code, ErrorCode::InvalidParams);
    world.runtime.inject(note("Welcome.", NoteBy::Assistant)).await.unwrap();
    let noted = world.runtime.inject(note("It is Sunday.", NoteBy::System)).await.unwrap();
    let heard = [next(&mut watcher).await, next(&mut watcher).await];
    assert_eq!(names(&heard), ["noted", "noted"]);
    assert_eq!(heard[1].run_id, noted.run_id);
    assert_eq!(world.journal().await, ["noted", "noted"]);
    let world = world.restart().await;
    world.say("open?", "no").await;
    let expected = [
        "User: (The conversation began earlier.)",
        "Assistant: Welcome.",
        "User: (A note, which the user did not write:)It is Sunday.open?",
    ];
    assert_eq!(asked(&world.script, 0), expected);
    let notes: Vec<_> = world.history().await.iter().map(|message| message.note).collect();
    assert_eq!(notes, [true, true, false, false]);
    assert_eq!(world.get("main").await.unwrap().messages, 1);
}

/// Changes come between messages, whatever the order in which they are asked for.
#[tokio::test(start_paused = true)]
async fn a_change_whose_client_leaves_is_made_all_the_same() {
    let world = World::new().await;
    world.say("hi", "hello").await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    world.store.on_append(move |record| (record_name(record) == "reset").then(|| Fault::Hold(held.clone())));
    let reset = world.runtime.reset_session(SessionResetParams { session: name("main") });
    assert!(reset.now_or_never().is_none());
    let mut send = Box::pin(world.runtime.send(message("main", "after")));
    settle().await;
    assert!((&mut send).now_or_never().is_none(), "the message waits for the change before it");
    gate.add_permits(1);
    world.script.answer(Answer::text(["hello again"]));
    send.await.unwrap();
    settle().await;
    assert_eq!(world.shown().await, ["User: after", "Assistant: hello again"]);
    assert!(matches!(world.history().await[0].content[..], [Block::Text { .. }]));
}

fn search(text: &str) -> SessionSearchParams {
    SessionSearchParams { text: text.to_owned(), ..SessionSearchParams::default() }
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_found() {
    let world = World::new().await;
    world.say("where is the Café?", "It is beside the bakery.").await;
    world.say("and the bakery?", "Nobody knows.").await;
    let found = world.runtime.search(search("bakery")).await.unwrap();
    let [question, answer] = &found.hits[..] else { panic!("{found:?}") };
    assert_eq!((question.role, question.seq, answer.role), (Role::User, 5, Role::Assistant));
    assert_eq!(question.id, world.get("main").await.unwrap().id);
    assert_eq!(answer.run_id.as_ref(), world.history().await[1].run_id.as_str().parse().ok().as_ref());
    let part = |text: &str, found| SnippetPart { text: text.into(), found };
    assert_eq!(question.snippet, [part("and the ", false), part("bakery", true), part("?", false)]);
    let one = SessionSearchParams { limit: Some(1), ..search("bakery") };
    let page = world.runtime.search(one.clone()).await.unwrap();
    assert_eq!((page.hits.len(), &page.hits[0]), (1, question));
    let page = world.runtime.search(SessionSearchParams { before: page.next, ..one }).await.unwrap();
    assert_eq!((page.hits.len(), &page.hits[0]), (1, answer));
    let elsewhere = SessionSearchParams { sessions: vec![name("other")], ..search("bakery") };
    assert_eq!(world.runtime.search(elsewhere).await.unwrap().hits, []);

    let refused = async |params| world.runtime.search(params).await.unwrap_err().code;
    assert_eq!(refused(search(" \n")).await, ErrorCode::InvalidParams);
    assert_eq!(refused(search(&"a ".repeat(17))).await, ErrorCode::InvalidParams);
    assert_eq!(refused(search(&"a".repeat(5_000))).await, ErrorCode::TooLarge);
    let sessions = vec![name("main"); 201];
    assert_eq!(refused(SessionSearchParams { sessions, ..search("a") }).await, ErrorCode::TooLarge);
    let sessions = vec![name("agent:nobody:main")];
    assert_eq!(refused(SessionSearchParams { sessions, ..search("a") }).await, ErrorCode::UnknownAgent);
    world.reset().await;
    assert_eq!(world.runtime.search(search("bakery")).await.unwrap().hits, []);
}
