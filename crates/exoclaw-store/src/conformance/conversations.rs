use exoclaw_protocol::{Message, Origin, QueueMode, RunOptions, SessionSettings, Spent, Usage};

use super::samples::{ALL, accepted, accepted_by, ended, keyed, of_the_session, session, settings, step};
use crate::{Conversation, Record, RunOutcome, SessionFilter, SessionSummary, Store};

fn said(run: &str, text: &str, channel: Option<&str>) -> Record {
    let (run_id, message) = (run.parse().unwrap(), Message::user(text));
    let options = RunOptions { queue: QueueMode::Collect, timeout_ms: Some(5) };
    Record::Accepted {
        run_id,
        message,
        key: None,
        digest: run.into(),
        by: None,
        origin: channel.map(Origin::channel),
        to: None,
        options,
    }
}

/// Title, settings, origin and beginning follow from the records.
pub async fn a_conversation_is_folded(store: &dyn Store) {
    let main = session("main");
    let conversation = async || store.session(&main).await.unwrap().unwrap().conversation;
    store.append(&main, 1, vec![Record::Set { settings: settings() }]).await.unwrap();
    assert_eq!(conversation().await, Conversation { settings: settings(), ..Conversation::default() });
    store.append(&main, 2, vec![said("a", "buy\nmilk", Some("slack")), said("b", "and bread", None)]).await.unwrap();
    let title = |text: &str| Some(text.to_owned());
    let begun = Conversation {
        settings: settings(),
        title: title("buy milk"),
        origin: Some(Origin::channel("slack")),
        ..Conversation::default()
    };
    assert_eq!(conversation().await, begun);
    assert!(store.open_runs().await.unwrap().iter().all(|run| run.options.queue == QueueMode::Collect));
    store
        .append(&main, 3, vec![said("c", "c", Some("web")), Record::Compacted { from: 3, summarized: false }])
        .await
        .unwrap();
    let compacted = Conversation { first_seq: 3, origin: Some(Origin::channel("web")), ..begun };
    assert_eq!(conversation().await, compacted);
    let Some(summary @ Record::Summarized { .. }) = of_the_session("x").into_iter().rev().nth(1) else { panic!() };
    let spent = store.session(&main).await.unwrap().unwrap().spent.steps;
    store.append(&main, 3, vec![summary.clone()]).await.unwrap();
    assert_eq!(conversation().await, compacted);
    store.append(&main, 3, vec![summary, Record::Compacted { from: 3, summarized: true }]).await.unwrap();
    assert_eq!(conversation().await, Conversation { summary_seq: 7, ..compacted.clone() });
    assert_eq!(store.session(&main).await.unwrap().unwrap().spent.steps, spent + 2);
    let by = |spent: crate::Spending| (spent.credential.unwrap().to_string(), spent.spent.usage.input_tokens);
    assert_eq!(
        store.spending(Some(&main), 0).await.unwrap().into_iter().map(by).collect::<Vec<_>>(),
        [("phone".into(), 14)]
    );
    let unset = Record::Set { settings: SessionSettings::default() };
    store
        .append(&main, 4, vec![Record::Reset {}, unset, Record::Compacted { from: 1, summarized: false }])
        .await
        .unwrap();
    let reset =
        Conversation { first_seq: 10, reset_seq: 9, title: None, settings: SessionSettings::default(), ..compacted };
    assert_eq!(conversation().await, reset);
    store.append(&main, 5, vec![accepted("d")]).await.unwrap();
    assert_eq!(conversation().await, Conversation { title: title("d"), ..reset });
}

/// Each part of a filter leaves out what it does not take.
pub async fn sessions_are_filtered(store: &dyn Store) {
    let other = "agent:other:two".parse().unwrap();
    let set = Record::Set { settings: SessionSettings { label: Some("Milk".into()), ..SessionSettings::default() } };
    let away = Record::Set { settings: SessionSettings { archived: true, ..SessionSettings::default() } };
    store.append(&session("one"), 1, vec![accepted("a"), set]).await.unwrap();
    store.append(&other, 2, vec![said("b", "Žluťoučký kůň", None)]).await.unwrap();
    store.append(&session("three"), 3, vec![accepted("c"), away]).await.unwrap();
    let found = async |filter: SessionFilter| {
        let names = |summary: SessionSummary| summary.session.to_string().replace("agent:", "");
        store.sessions(filter).await.unwrap().into_iter().map(names).collect::<Vec<_>>()
    };
    let all = || SessionFilter::latest(10);
    assert_eq!(found(all()).await, ["main:three", "other:two", "main:one"]);
    assert_eq!(found(SessionFilter { limit: 1, ..all() }).await, ["main:three"]);
    assert_eq!(found(SessionFilter { agent: Some("other".parse().unwrap()), ..all() }).await, ["other:two"]);
    assert_eq!(found(SessionFilter { label: Some("Milk".into()), ..all() }).await, ["main:one"]);
    assert_eq!(found(SessionFilter { label: Some("milk".into()), ..all() }).await, [""; 0]);
    assert_eq!(found(SessionFilter { text: Some("mILK".into()), ..all() }).await, ["main:one"]);
    assert_eq!(found(SessionFilter { text: Some("žluť".into()), ..all() }).await, ["other:two"]);
    assert_eq!(found(SessionFilter { text: Some(":THREE".into()), ..all() }).await, ["main:three"]);
    assert_eq!(found(SessionFilter { since_ms: 2, ..all() }).await, ["main:three", "other:two"]);
    assert_eq!(found(SessionFilter { archived: Some(true), ..all() }).await, ["main:three"]);
    assert_eq!(found(SessionFilter { archived: Some(false), limit: 1, ..all() }).await, ["other:two"]);
}

/// By its id alone, whether it has ended or not.
pub async fn a_run_is_found(store: &dyn Store) {
    store.append(&session("one"), 7, vec![accepted("a"), keyed("b", "k")]).await.unwrap();
    store.append(&session("one"), 8, vec![ended("b", RunOutcome::Ok)]).await.unwrap();
    let find = async |run: &str| store.find_run(&run.parse().unwrap()).await.unwrap();
    let found = find("b").await.unwrap();
    assert_eq!((found.session, found.accepted_seq, found.accepted_ms), (session("one"), 2, 7));
    assert_eq!((found.run_id.as_str(), found.outcome), ("b", Some(RunOutcome::Ok)));
    assert_eq!(find("a").await.unwrap().outcome, None);
    assert_eq!(find("c").await, None);
}

/// Nothing of it is left but what it had spent; its neighbours stay, and its name can be used again.
pub async fn a_deleted_session_is_gone(store: &dyn Store) {
    let (one, two) = (session("one"), session("two"));
    let usage = Usage { input_tokens: 3, ..Usage::default() };
    for session in [&one, &two] {
        store.append(session, 1, vec![accepted_by("a", "phone"), step("a", usage, None)]).await.unwrap();
    }
    store.append(&one, 2, vec![keyed("b", "k"), Record::Set { settings: settings() }]).await.unwrap();
    let spent = store.spending(None, 0).await.unwrap();
    assert!(store.delete(&one).await.unwrap());
    assert!(!store.delete(&one).await.unwrap());
    assert_eq!(store.session(&one).await.unwrap(), None);
    assert_eq!(store.read(&one, 0, ALL).await.unwrap(), []);
    assert_eq!(store.find_key(&one, &"k".parse().unwrap()).await.unwrap(), None);
    assert_eq!(store.find_run(&"b".parse().unwrap()).await.unwrap(), None);
    assert_eq!(store.open_runs().await.unwrap().len(), 1);
    assert_eq!(store.spending(Some(&one), 0).await.unwrap(), []);
    assert_eq!(store.spending(None, 0).await.unwrap(), spent);
    assert_eq!(store.read(&two, 0, ALL).await.unwrap().len(), 2);

    assert_eq!(store.append(&one, 3, vec![keyed("b", "k")]).await.unwrap().last, 1);
    let again = store.session(&one).await.unwrap().unwrap();
    assert_eq!((again.created_ms, again.spent), (3, Spent::default()));
    assert_eq!(again.conversation, Conversation { title: Some("b".into()), ..Conversation::default() });
    assert!(store.delete(&two).await.unwrap());
    assert_eq!(store.spending(None, 0).await.unwrap(), spent);
}
