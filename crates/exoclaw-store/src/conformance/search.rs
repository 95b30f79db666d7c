use exoclaw_protocol::{AbortReason, Block, Message, StopReason, Usage};

use super::samples::{ended, session};
use crate::{Hit, Record, RunOutcome, Search, Store};

fn said(run: &str, text: &str) -> Record {
    Record::accepted(run.parse().unwrap(), Message::user(text), run)
}

fn answered(run: &str, text: &str) -> Record {
    let call = Block::ToolCall { id: "c".parse().unwrap(), name: "find".into(), input: serde_json::json!("milk") };
    let thinking = Block::Thinking { text: "milk".into(), signature: None };
    let content = vec![thinking, Block::text(text), call];
    let (run_id, stop_reason, usage) = (run.parse().unwrap(), StopReason::ToolUse, Usage::default());
    Record::Step { run_id, step: 0, content, stop_reason, usage, cost: None }
}

fn shown(hit: &Hit) -> String {
    let name = hit.session.segments().last().unwrap_or_default();
    let part = |part: &exoclaw_protocol::SnippetPart| match part.found {
        true => format!("[{}]", part.text),
        false => part.text.clone(),
    };
    format!("{name} {} {}", hit.entry.seq, hit.snippet.iter().map(part).collect::<String>())
}

async fn find(store: &dyn Store, search: Search) -> Vec<String> {
    store.search(search).await.unwrap().hits.iter().map(shown).collect()
}

async fn found(store: &dyn Store, text: &str) -> Vec<String> {
    find(store, Search::of(text, 10)).await
}

/// What people and models said, whatever its case and accents; nothing else of a record.
pub async fn words_are_found(store: &dyn Store) {
    let (one, two) = (session("one"), session("two"));
    let note = Message::assistant(vec![Block::text("Noted: bread")]);
    let stopped = RunOutcome::Aborted { text: "half a loaf of bre".into(), reason: AbortReason::Asked };
    store.append(&one, 1, vec![said("a", "Buy\n\nMILK!"), answered("a", "Milk, yes")]).await.unwrap();
    store.append(&two, 2, vec![said("b", "Žluťoučký kůň; foo-bar Bread")]).await.unwrap();
    store.append(&one, 3, vec![Record::Noted { run_id: "n".parse().unwrap(), message: note }]).await.unwrap();
    store.append(&one, 4, vec![ended("a", stopped)]).await.unwrap();

    assert_eq!(found(store, "milk").await, ["one 2 [Milk], yes", "one 1 Buy [MILK]!"]);
    assert_eq!(found(store, "zlutoucky KUN").await, ["two 1 [Žluťoučký] [kůň]; foo-bar Bread"]);
    assert_eq!(found(store, "ŽLUŤOUČKÝ").await, ["two 1 [Žluťoučký] kůň; foo-bar Bread"]);
    // The start of the last word, and of no other.
    assert_eq!(found(store, "bread kun").await, ["two 1 Žluťoučký [kůň]; foo-bar [Bread]"]);
    assert_eq!(found(store, "bre").await.len(), 3);
    assert_eq!(found(store, "bre bread").await, [""; 0]);
    assert_eq!(found(store, "foo-ba").await, ["two 1 Žluťoučký kůň; [foo-bar] Bread"]);
    assert_eq!(found(store, "bar-foo").await, [""; 0]);
    let hit = &store.search(Search::of("loaf", 1)).await.unwrap().hits[0];
    assert_eq!((hit.entry.at_ms, hit.entry.record.run_id().unwrap().as_str()), (4, "a"));
}

/// Page after page, each hit once; of an agent, and in some sessions, alone.
pub async fn what_is_found_comes_in_pages(store: &dyn Store) {
    for n in 1..=7 {
        store.append(&session(["one", "two"][n % 2]), 1, vec![said(&format!("r{n}"), "milk")]).await.unwrap();
    }
    store.append(&"agent:other:one".parse().unwrap(), 1, vec![said("o", "milk")]).await.unwrap();
    let (mut before, mut pages) = (None, Vec::new());
    loop {
        let found = store.search(Search { before, ..Search::of("milk", 3) }).await.unwrap();
        pages.push(found.hits.iter().map(shown).collect::<Vec<_>>());
        before = found.next;
        if before.is_none() {
            break;
        }
    }
    let (one, two) = (|n| format!("one {n} [milk]"), |n| format!("two {n} [milk]"));
    assert_eq!(pages, [vec![one(1), two(4), one(3)], vec![two(3), one(2), two(2)], vec![one(1), two(1)]]);
    let main = Some("main".parse().unwrap());
    assert_eq!(find(store, Search { agent: main, ..Search::of("milk", 10) }).await.len(), 7);
    // No agent's name is the start of another's.
    let start = Some("mai".parse().unwrap());
    assert_eq!(find(store, Search { agent: start, ..Search::of("milk", 10) }).await, [""; 0]);
    let sessions = vec![session("two"), session("no")];
    let found = find(store, Search { sessions, ..Search::of("milk", 2) }).await;
    assert_eq!(found, [two(4), two(3)]);
}

/// What left the conversation, or is gone, is not found.
pub async fn what_is_no_part_of_the_conversation_is_not_found(store: &dyn Store) {
    let (one, two) = (session("one"), session("two"));
    store.append(&one, 1, vec![said("a", "milk one"), said("b", "milk two"), said("c", "milk three")]).await.unwrap();
    store.append(&two, 1, vec![said("a", "milk")]).await.unwrap();
    store
        .append(&one, 2, vec![Record::Compacted { from: 2, summarized: false }, said("d", "milk four")])
        .await
        .unwrap();
    assert_eq!(found(store, "milk").await.len(), 4);
    assert_eq!(found(store, "milk one").await, [""; 0]);
    store.append(&one, 3, vec![Record::Reset {}, said("e", "milk five")]).await.unwrap();
    assert_eq!(found(store, "milk").await, ["one 7 [milk] five", "two 1 [milk]"]);
    assert!(store.delete(&one).await.unwrap());
    assert_eq!(found(store, "milk").await, ["two 1 [milk]"]);
    store.append(&one, 4, vec![said("a", "bread")]).await.unwrap();
    assert_eq!(found(store, "milk").await, ["two 1 [milk]"]);
    assert_eq!(found(store, "bread").await, ["one 1 [bread]"]);
    // A session that stands still is read as before.
    store.quarantine(&two, "damaged").await.unwrap();
    assert_eq!(found(store, "milk").await, ["two 1 [milk]"]);
}

/// Whatever is asked, it is words.
pub async fn no_question_is_refused(store: &dyn Store) {
    store.append(&session("one"), 1, vec![said("a", "NEAR \"quoted\" text:x* ^a + b AND NOT OR c")]).await.unwrap();
    for nothing in ["", " \n\t", "!!!", "\"", "\u{0}", "-", "(*)", "\u{301}"] {
        assert_eq!(found(store, nothing).await, [""; 0], "{nothing:?}");
    }
    for there in [
        "NEAR",
        "\"quoted\"",
        "text:x*",
        "^a",
        "a + b",
        "b AND",
        "NOT OR",
        "NEAR(quoted text, 2)\u{0}c",
        "\"quoted",
        "words:",
        "!!! near",
        "near !!!",
    ] {
        // A word that is none of the text's is looked for as well.
        let expected = usize::from(!there.contains("words") && !there.contains('2'));
        assert_eq!(found(store, there).await.len(), expected, "{there:?}");
    }
    let long = format!("near {}", "\"*^ ".repeat(5_000));
    assert_eq!(found(store, &long).await.len(), 1);
}
