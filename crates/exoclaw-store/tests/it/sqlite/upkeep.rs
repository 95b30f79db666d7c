//! Checking, rebuilding, backing up, restoring, exporting and importing.

use std::{fs, path::PathBuf};

use exoclaw_store::{
    OpenError, Record, RunOutcome, SessionFilter, SqliteConfig, SqliteStore, Store,
    conformance::samples::{ALL, accepted, ended, keyed, one_of_each, scope, session},
    upkeep::{self, UpkeepError},
};

use super::{Home, formats::version_1};

/// Two sessions with runs of every kind, a forgotten key that was used again, and a value.
async fn furnish(store: &SqliteStore) {
    for name in ["bad", "good"] {
        store.append(&session(name), 1, one_of_each("a")).await.unwrap();
        store.append(&session(name), 2, vec![keyed("b", "k"), ended("b", RunOutcome::Ok)]).await.unwrap();
        store.append(&session(name), 9, vec![keyed("c", "k-c"), accepted("d")]).await.unwrap();
    }
    store.forget_keys(5, 100).await.unwrap();
    store.append(&session("good"), 9, vec![keyed("e", "k"), ended("e", RunOutcome::Ok)]).await.unwrap();
    store.kv_set(&scope("notes", "main"), "k", b"value".to_vec(), 100).await.unwrap();
}

async fn furnished() -> Home {
    let home = Home::new();
    let store = home.open();
    furnish(&store).await;
    store.close().await;
    home
}

fn problems(home: &Home) -> Vec<String> {
    let findings = upkeep::check(&home.path()).unwrap();
    findings.problems.iter().map(ToString::to_string).collect()
}

impl Home {
    fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[tokio::test]
async fn a_sound_store_has_no_problems_even_in_use() {
    let home = Home::new();
    let store = home.open();
    furnish(&store).await;
    let findings = upkeep::check(&home.path()).unwrap();
    assert!(findings.is_sound(), "{:?}", findings.problems);
    assert_eq!((findings.sessions, findings.runs, findings.values), (2, 9, 1));
    assert_eq!(findings.records, store.read(&session("good"), 0, ALL).await.unwrap().len() as u64 + 13);
    store.append(&session("good"), 10, vec![accepted("f")]).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    for (harm, named) in [
        (
            "UPDATE records SET json = replace(json, 'a', 'b') WHERE id = 3",
            "record 3 of session agent:main:bad: its ch",
        ),
        (
            "UPDATE records SET at_ms = 7 WHERE id = 3",
            "record 3 of session agent:main:bad: its checksum does not match",
        ),
        (
            "DELETE FROM records WHERE session = 1 AND seq = 3",
            "record 4 of session agent:main:bad: the record before it is 2",
        ),
        ("DELETE FROM records WHERE session = 1 AND seq = 13", "session agent:main:bad: it is not summed up"),
        ("DELETE FROM records WHERE session = 1", "session agent:main:bad: it has no records"),
        ("DELETE FROM sessions WHERE id = 1", "record 1 of session #1: it belongs to no session"),
        ("UPDATE sessions SET messages = 7 WHERE id = 1", "session agent:main:bad: it is not summed up"),
        ("UPDATE sessions SET last_seq = 12 WHERE id = 1", "session agent:main:bad: it is not summed up"),
        (
            "UPDATE runs SET outcome = NULL WHERE session = 1 AND run = 'a'",
            "session agent:main:bad: the run a is not kept",
        ),
        ("UPDATE spending SET cost = 1 WHERE session = 1", "session agent:main:bad: what it spent is not summed up"),
        ("DELETE FROM spending WHERE session = 1", "session agent:main:bad: what it spent is not summed up"),
        ("UPDATE runs SET credential = NULL WHERE session = 1", "session agent:main:bad: the run a is not kept"),
        ("UPDATE runs SET key = NULL WHERE session = 1 AND run = 'c'", "session agent:main:bad: the run c is not kept"),
        (
            "UPDATE runs SET resumed = 0 WHERE session = 1 AND run = 'a'",
            "session agent:main:bad: the run a is not kept",
        ),
        ("DELETE FROM runs WHERE session = 1 AND run = 'd'", "session agent:main:bad: the run d is not kept"),
        (
            "INSERT INTO runs (session, run, accepted_seq, accepted_ms, digest) VALUES (1, 'x', 1, 1, 'd')",
            "session agent:main:bad: the run x is not kept",
        ),
        ("UPDATE kv SET value = x'00'", "the value \"k\" of plugin notes for agent main: its checksum does not match"),
        ("UPDATE kv_scopes SET bytes = 0", "the values of plugin notes for agent main are not counted right"),
    ] {
        let home = furnished().await;
        home.raw().execute_batch(&format!("PRAGMA foreign_keys = OFF; {harm}")).unwrap();
        let problems = problems(&home);
        assert!(problems.iter().any(|problem| problem.starts_with(named)), "{harm}: {problems:?}");
        assert!(problems.iter().all(|problem| !problem.contains("agent:main:good")), "{harm}: {problems:?}");
    }
}

#[tokio::test]
async fn a_run_that_ends_twice_or_was_never_accepted_is_named() {
    let home = Home::new();
    let store = home.open();
    let over = |run: &str| ended(run, RunOutcome::Ok);
    store.append(&session("main"), 1, vec![accepted("a"), over("a"), over("a"), over("b")]).await.unwrap();
    store.close().await;
    let named = [
        "record 3 of session agent:main:main: the run a had ended before",
        "record 4 of session agent:main:main: the run b was never accepted",
    ];
    assert_eq!(problems(&home), named);
    // Neither is damage.
    upkeep::rebuild(&home.config()).unwrap();
    assert_eq!(home.open().session(&session("main")).await.unwrap().unwrap().quarantined, None);
}

#[tokio::test]
async fn rebuilding_makes_the_folds_as_they_were() {
    let home = furnished().await;
    let contents = async |home: &Home| {
        let store = home.open();
        let contents = (store.sessions(SessionFilter::latest(10)).await.unwrap(), store.open_runs().await.unwrap());
        store.close().await;
        contents
    };
    let before = contents(&home).await;
    let harm = "DELETE FROM runs WHERE id < 4; UPDATE runs SET outcome = NULL, session = 2, key = NULL;
        UPDATE sessions SET created_ms = 7, updated_ms = 7, last_seq = 2, last_record = 2, messages = 1, quarantined = 'x';
        UPDATE kv_scopes SET bytes = 1";
    home.raw().execute_batch(harm).unwrap_err();
    let harm = harm.replace("session = 2, key = NULL", "accepted_seq = 1");
    home.raw().execute_batch(&harm).unwrap();
    assert!(!problems(&home).is_empty());
    let findings = upkeep::rebuild(&home.config()).unwrap();
    assert!(findings.is_sound(), "{findings:?}");
    assert_eq!(problems(&home), Vec::<String>::new());
    assert_eq!(contents(&home).await, before);
    let store = home.open();
    assert_eq!(store.append(&session("bad"), 10, vec![accepted("f")]).await.unwrap().first, 14);
    // Of two messages under one key, the later has it.
    let found = store.find_key(&session("good"), &"k".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(found.run_id.as_str(), "e");
}

#[tokio::test]
async fn rebuilding_quarantines_what_is_damaged_and_nothing_else() {
    let home = furnished().await;
    home.raw().execute_batch("UPDATE records SET json = '' WHERE session = 1 AND seq = 3").unwrap();
    let findings = upkeep::rebuild(&home.config()).unwrap();
    assert_eq!(findings.problems.len(), 1, "{findings:?}");
    let store = home.open();
    let quarantined = async |name| store.session(&session(name)).await.unwrap().unwrap().quarantined;
    assert_eq!(quarantined("bad").await.as_deref(), Some("record 3: its checksum does not match"));
    assert_eq!(quarantined("good").await, None);
    store.append(&session("good"), 10, vec![accepted("f")]).await.unwrap();
    assert!(store.append(&session("bad"), 10, vec![accepted("f")]).await.is_err());
}

#[tokio::test]
async fn what_changes_a_store_wants_it_for_itself() {
    let home = furnished().await;
    let copy = home.beside("copy");
    upkeep::backup(&home.path(), &copy).unwrap();
    let mut lines = Vec::new();
    upkeep::export_session(&home.path(), &session("good"), &mut lines).unwrap();
    let store = home.open();
    let in_use = |error: UpkeepError| matches!(error, UpkeepError::Open(OpenError::InUse { .. }));
    assert!(in_use(upkeep::rebuild(&home.config()).unwrap_err()));
    assert!(in_use(upkeep::restore(&copy, &home.config(), true).unwrap_err()));
    assert!(in_use(upkeep::import_session(&home.config(), &mut &lines[..], Some(&session("x")), 1).unwrap_err()));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_what_was_acknowledged_before_it() {
    let home = Home::new();
    let store = home.open();
    furnish(&store).await;
    let write = async |count: u64| {
        for n in 0..count {
            store.append(&session("load"), n, vec![accepted(&format!("run-{count}-{n}"))]).await.unwrap();
        }
    };
    write(50).await;
    let (from, copy) = (home.path(), home.beside("copy"));
    let taken = copy.clone();
    let backup = tokio::task::spawn_blocking(move || upkeep::backup(&from, &taken));
    let (mark, ()) = tokio::join!(backup, write(200));
    let mark = mark.unwrap().unwrap();
    assert!(matches!(upkeep::backup(&home.path(), &copy), Err(UpkeepError::Exists { .. })));
    store.close().await;

    let restored = Home::new();
    assert_eq!(upkeep::restore(&copy, &restored.config(), false).unwrap().last_record, mark.last_record);
    assert_eq!(problems(&restored), Vec::<String>::new());
    let store = restored.open();
    let records = store.read(&session("load"), 0, ALL).await.unwrap();
    assert!(records.len() >= 50, "{}", records.len());
    let all: u64 =
        store.sessions(SessionFilter::latest(10)).await.unwrap().iter().map(|summary| summary.last_seq).sum();
    assert_eq!(all, mark.last_record);
    assert_eq!(store.kv_get(&scope("notes", "main"), "k").await.unwrap(), Some(b"value".to_vec()));
}

#[tokio::test]
async fn a_backup_is_one_private_file() {
    use std::os::unix::fs::PermissionsExt;
    let home = furnished().await;
    let to = Home::new();
    upkeep::backup(&home.path(), &to.beside("copy")).unwrap();
    let files: Vec<_> = fs::read_dir(to.0.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.iter().map(|file| file.file_name()).collect::<Vec<_>>(), ["copy"]);
    assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn nothing_is_overwritten_unasked() {
    let (from, home) = (furnished().await, furnished().await);
    let copy = from.beside("copy");
    upkeep::backup(&from.path(), &copy).unwrap();
    let store = home.open();
    store.append(&session("mine"), 1, vec![accepted("a")]).await.unwrap();
    store.close().await;
    let refused = upkeep::restore(&copy, &home.config(), false);
    assert!(matches!(refused, Err(UpkeepError::NotEmpty { .. })), "{refused:?}");
    assert!(home.open().session(&session("mine")).await.unwrap().is_some());

    upkeep::restore(&copy, &home.config(), true).unwrap();
    let store = home.open();
    assert_eq!(store.session(&session("mine")).await.unwrap(), None);
    assert_eq!(store.session_count().await.unwrap(), 2);
    store.append(&session("mine"), 1, vec![accepted("a")]).await.unwrap();
}

#[tokio::test]
async fn what_is_no_sound_backup_is_not_restored() {
    let from = furnished().await;
    let (copy, text) = (from.beside("copy"), from.beside("text"));
    upkeep::backup(&from.path(), &copy).unwrap();
    fs::write(&text, "notes ".repeat(1000)).unwrap();
    let mut bytes = fs::read(&copy).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 512].fill(0x5a);
    fs::write(&copy, bytes).unwrap();

    let home = furnished().await;
    let refused = upkeep::restore(&copy, &home.config(), true);
    assert!(matches!(refused, Err(UpkeepError::BadBackup { .. } | UpkeepError::Database(_))), "{refused:?}");
    let refused = upkeep::restore(&text, &home.config(), true);
    assert!(matches!(refused, Err(UpkeepError::Open(OpenError::Foreign { .. }))), "{refused:?}");
    assert!(matches!(upkeep::restore(&from.beside("none"), &home.config(), true), Err(UpkeepError::File { .. })));
    assert_eq!(problems(&home), Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_of_an_older_version_is_brought_up_to_date() {
    let (old, home) = (version_1(), Home::new());
    let refused = upkeep::check(&old.path());
    assert!(matches!(refused, Err(UpkeepError::Open(OpenError::Older { found: 1, .. }))), "{refused:?}");
    upkeep::restore(&old.path(), &home.config(), false).unwrap();
    assert_eq!(problems(&home), Vec::<String>::new());
    assert_eq!(home.open().open_runs().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_session_is_carried_over_with_its_runs_ended() {
    let (from, to) = (furnished().await, Home::new());
    let mut lines = Vec::new();
    let exported = upkeep::export_session(&from.path(), &session("bad"), &mut lines).unwrap();
    assert_eq!((exported.records, exported.damaged.len()), (13, 0));
    let imported = upkeep::import_session(&to.config(), &mut &lines[..], None, 77).unwrap();
    assert_eq!((imported.session, imported.records, imported.ended), (session("bad"), 15, 2));
    let again = upkeep::import_session(&to.config(), &mut &lines[..], None, 77);
    assert!(matches!(again, Err(UpkeepError::SessionExists(_))), "{again:?}");
    upkeep::import_session(&to.config(), &mut &lines[..], Some(&session("twin")), 77).unwrap();
    assert_eq!(problems(&to), Vec::<String>::new());

    let (old, new) = (from.open(), to.open());
    let before = old.read(&session("bad"), 0, ALL).await.unwrap();
    let after = new.read(&session("bad"), 0, ALL).await.unwrap();
    assert_eq!(after[..13], before[..]);
    assert!(after[13..].iter().all(|entry| entry.at_ms == 77 && matches!(entry.record, Record::RunEnded { .. })));
    assert_eq!(new.read(&session("twin"), 0, ALL).await.unwrap(), after);
    assert_eq!(new.open_runs().await.unwrap(), []);
}

/// Whoever takes a conversation over does not tell its answers anew.
#[tokio::test]
async fn what_was_to_be_delivered_is_not_carried_over() {
    let (from, to) = (Home::new(), Home::new());
    let store = from.open();
    let hear = |run: &str| {
        let mut record = accepted(run);
        if let Record::Accepted { origin, to, .. } = &mut record {
            (*origin, *to) = (Some(exoclaw_protocol::Origin::channel("slack")), Some("C1".to_owned()));
        }
        record
    };
    let joined = RunOutcome::Joined { into: "c".parse().unwrap(), step: None };
    let records = vec![hear("a"), ended("a", RunOutcome::Ok), hear("b"), accepted("c"), ended("b", joined)];
    store.append(&session("main"), 1, records).await.unwrap();
    store.append(&session("main"), 1, vec![ended("c", RunOutcome::Ok), hear("d")]).await.unwrap();
    assert_eq!(store.delivery_count("slack").await.unwrap(), 2);
    store.close().await;
    let mut lines = Vec::new();
    upkeep::export_session(&from.path(), &session("main"), &mut lines).unwrap();
    upkeep::import_session(&to.config(), &mut &lines[..], None, 77).unwrap();
    assert_eq!(problems(&to), Vec::<String>::new());
    let store = to.open();
    assert_eq!(store.delivery_count("slack").await.unwrap(), 0);
    store.close().await;
    to.raw()
        .execute_batch(
            "INSERT INTO deliveries (session, run, channel, recipient, ended_seq) VALUES (1, 'a', 'x', 'y', 2)",
        )
        .unwrap();
    assert_eq!(problems(&to).len(), 1);
    upkeep::rebuild(&to.config()).unwrap();
    assert_eq!(problems(&to), Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_record_is_left_out_of_an_export_and_named() {
    let home = furnished().await;
    home.raw().execute_batch("UPDATE records SET json = '{' WHERE session = 1 AND seq = 3").unwrap();
    let mut lines = Vec::new();
    let exported = upkeep::export_session(&home.path(), &session("bad"), &mut lines).unwrap();
    assert_eq!((exported.records, exported.damaged[0].seq), (12, Some(3)));
    let imported = upkeep::import_session(&home.config(), &mut &lines[..], Some(&session("saved")), 77).unwrap();
    assert_eq!(imported.records, 14);
    let missing = upkeep::export_session(&home.path(), &session("none"), &mut lines);
    assert!(matches!(missing, Err(UpkeepError::NoSession(_))), "{missing:?}");
}

#[tokio::test]
async fn a_run_is_read_with_what_may_be_damaged_of_it() {
    let home = furnished().await;
    let run = upkeep::read_run(&home.path(), one_of_each("a")[0].run_id().unwrap()).unwrap();
    assert_eq!(run.session, session("bad"), "the first that had it");
    let records: Vec<_> = run.entries.iter().map(|entry| entry.record.clone()).collect();
    assert_eq!((records, run.damaged), (one_of_each("a"), Vec::new()));

    home.raw().execute_batch("UPDATE records SET json = '{' WHERE session = 1 AND seq = 3").unwrap();
    let run = upkeep::read_run(&home.path(), one_of_each("a")[0].run_id().unwrap()).unwrap();
    assert_eq!((run.entries.len(), run.damaged[0].seq), (one_of_each("a").len() - 1, Some(3)));
    let open = upkeep::read_run(&home.path(), accepted("d").run_id().unwrap()).unwrap();
    assert_eq!(open.entries.len(), 1);
    let missing = upkeep::read_run(&home.path(), accepted("z").run_id().unwrap());
    assert!(matches!(missing, Err(UpkeepError::NoRun(_))), "{missing:?}");
}

#[tokio::test]
async fn a_bad_line_is_named_and_nothing_is_imported() {
    let home = furnished().await;
    let mut lines = Vec::new();
    upkeep::export_session(&home.path(), &session("good"), &mut lines).unwrap();
    let good = String::from_utf8(lines).unwrap();
    let second = good.lines().nth(1).unwrap();
    let twice = format!("{}\n{second}\n{second}\n", good.lines().next().unwrap());
    let newer = good.replacen("\"exoclaw_session\":1", "\"exoclaw_session\":2", 1);
    for (bad, line) in [("", 1), ("x", 1), (second, 1), (&good[..good.len() - 9], 16), (&twice, 3), (&newer, 1)] {
        let refused =
            upkeep::import_session(&home.config(), &mut bad.as_bytes(), Some(&session("new")), 1).unwrap_err();
        let text = refused.to_string();
        assert!(text.starts_with(&format!("line {line} ")), "{text} of {bad:?}");
    }
    assert_eq!(home.open().session(&session("new")).await.unwrap(), None);
}

#[test]
fn where_there_is_no_store_none_is_made() {
    let home = Home::new();
    let config = SqliteConfig::new(home.path());
    let refused = |done: Result<(), UpkeepError>| assert!(done.is_err());
    refused(upkeep::check(&home.path()).map(drop));
    refused(upkeep::rebuild(&config).map(drop));
    refused(upkeep::backup(&home.path(), &home.beside("copy")).map(drop));
    refused(upkeep::export_session(&home.path(), &session("a"), &mut Vec::new()).map(drop));
    assert_eq!(fs::read_dir(home.0.path()).unwrap().count(), 0);
}
