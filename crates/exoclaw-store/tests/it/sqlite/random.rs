//! Random histories: SQLite, reopened in between, answers like the reference.

use exoclaw_protocol::{AbortReason, SessionKey, SessionSettings};
use exoclaw_store::{
    MemoryStore, Page, Record, RunOutcome, SessionFilter, Store,
    conformance::samples::{accepted, ended, keyed, scope, session},
};
use proptest::{collection::vec, prelude::*};

use super::Home;

#[derive(Debug, Clone)]
enum Step {
    Append { session: SessionKey, at_ms: u64, records: Vec<Record> },
    Read { session: SessionKey, after: u64, page: Page },
    Tail { session: SessionKey, before: Option<u64>, page: Page },
    Set { agent: String, key: String, value: Vec<u8>, quota: u64 },
    Delete { agent: String, key: String },
    Forget { before: u64, limit: u32 },
    Quarantine { session: SessionKey, reason: String },
    DeleteSession { session: SessionKey },
    Keys { agent: String, prefix: String, limit: u32 },
    Reopen,
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        "[a-e]{1,2}".prop_map(|run| accepted(&run)),
        ("[a-e]{1,2}", "[kl]{1,2}").prop_map(|(run, key)| keyed(&run, &key)),
        "[a-e]{1,2}".prop_map(|run| ended(&run, RunOutcome::Ok)),
        ("[a-e]", ".{0,8}")
            .prop_map(|(run, text)| ended(&run, RunOutcome::Aborted { text, reason: AbortReason::Asked })),
        "[a-e]{1,2}".prop_map(|run| Record::RunStarted { run_id: run.parse().unwrap() }),
        "[a-e]{1,2}".prop_map(|run| Record::RunResumed { run_id: run.parse().unwrap() }),
        "[ab]".prop_map(|label| Record::Set {
            settings: SessionSettings { label: Some(label), ..SessionSettings::default() }
        }),
        Just(Record::Reset {}),
        (0..20_u64).prop_map(|from| Record::Compacted { from, summarized: from % 2 == 0 }),
    ]
}

fn page() -> impl Strategy<Value = Page> {
    (0..6_u32, prop_oneof![Just(u64::MAX), 0..600_u64]).prop_map(|(entries, bytes)| Page { entries, bytes })
}

fn step() -> impl Strategy<Value = Step> {
    let session = || "[xyz]".prop_map(|name| session(&name));
    let agent = || "[mn]";
    let key = || "[ab\0ž]{0,3}";
    prop_oneof![
        6 => (session(), any::<u64>(), vec(record(), 0..4))
            .prop_map(|(session, at_ms, records)| Step::Append { session, at_ms, records }),
        2 => (session(), 0..12_u64, page()).prop_map(|(session, after, page)| Step::Read { session, after, page }),
        2 => (session(), proptest::option::of(0..12_u64), page())
            .prop_map(|(session, before, page)| Step::Tail { session, before, page }),
        3 => (agent(), key(), vec(any::<u8>(), 0..6), 0..20_u64)
            .prop_map(|(agent, key, value, quota)| Step::Set { agent, key, value, quota }),
        1 => (agent(), key()).prop_map(|(agent, key)| Step::Delete { agent, key }),
        1 => (agent(), key(), 0..5_u32).prop_map(|(agent, prefix, limit)| Step::Keys { agent, prefix, limit }),
        1 => (any::<i64>(), 0..3_u32)
            .prop_map(|(before, limit)| Step::Forget { before: before.unsigned_abs(), limit }),
        1 => (session(), "[rs]").prop_map(|(session, reason)| Step::Quarantine { session, reason }),
        1 => session().prop_map(|session| Step::DeleteSession { session }),
        1 => Just(Step::Reopen),
    ]
}

/// What a store answers to a step, as text: errors are compared by their message.
async fn answer(store: &dyn Store, step: &Step) -> String {
    fn show<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> String {
        result.map_or_else(|error| format!("refused: {error}"), |value| format!("{value:?}"))
    }
    match step {
        Step::Append { session, at_ms, records } => show(store.append(session, *at_ms, records.clone()).await),
        Step::Read { session, after, page } => show(store.read(session, *after, *page).await),
        Step::Tail { session, before, page } => show(store.tail(session, *before, *page).await),
        Step::Set { agent, key, value, quota } => {
            show(store.kv_set(&scope("p", agent), key, value.clone(), *quota).await)
        }
        Step::Forget { before, limit } => show(store.forget_keys(*before, *limit).await),
        Step::Quarantine { session, reason } => show(store.quarantine(session, reason).await),
        Step::Delete { agent, key } => show(store.kv_delete(&scope("p", agent), key).await),
        Step::Keys { agent, prefix, limit } => show(store.kv_keys(&scope("p", agent), prefix, *limit).await),
        Step::DeleteSession { session } => show(store.delete(session).await),
        Step::Reopen => String::new(),
    }
}

/// What a store holds, as text.
async fn contents(store: &dyn Store) -> String {
    let mut text = format!(
        "{:#?}\n{:#?}\n",
        store.sessions(SessionFilter::latest(100)).await.unwrap(),
        store.open_runs().await.unwrap()
    );
    for name in ["x", "y", "z"] {
        for key in ["k", "l", "kk", "kl", "lk", "ll"] {
            text += &format!("{:?}\n", store.find_key(&session(name), &key.parse().unwrap()).await.unwrap());
        }
    }
    for agent in ["m", "n"] {
        for key in store.kv_keys(&scope("p", agent), "", 100).await.unwrap() {
            text += &format!("{key:?} {:?}\n", store.kv_get(&scope("p", agent), &key).await.unwrap());
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn sqlite_answers_like_the_reference(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let (reference, mut store) = (MemoryStore::new(), home.open());
            for step in &steps {
                if matches!(step, Step::Reopen) {
                    store.close().await;
                    store = home.open();
                }
                prop_assert_eq!(answer(&store, step).await, answer(&reference, step).await, "{:?}", step);
            }
            prop_assert_eq!(contents(&store).await, contents(&reference).await);
            Ok(())
        })?;
    }
}
