use std::{fs, os::unix::fs::PermissionsExt};

use exoclaw_store::audit::{Decision, Entry, TrailError, Unrecorded, What, newest};

use super::{Home, actions, entry};

#[test]
fn records_are_there_when_they_are_answered_and_after_a_restart() {
    let home = Home::new();
    let audit = home.open().unwrap();
    let entry =
        Entry::new(What::Egress, "request", Decision::Refused).who("main").from("127.0.0.1").object("https://a");
    audit.guard_blocking(entry.clone().reason("not granted").digest_of(b"GET /secret")).unwrap();
    let records = home.records();
    assert_eq!(records.len(), 2);
    let record = &records[1];
    assert_eq!((record.seq, record.what, record.action.as_str()), (2, What::Egress, "request"));
    assert_eq!((record.who.as_deref(), record.from.as_deref()), (Some("main"), Some("127.0.0.1")));
    assert_eq!(record.sha256.as_deref().map(str::len), Some(64));

    audit.note(entry.clone());
    audit.close();
    assert_eq!(audit.guard_blocking(entry), Err(Unrecorded::Closed));
    home.write(1);
    assert_eq!(actions(&home), ["trail begin", "egress request", "egress request", "token create"]);
    let verdict = home.verdict();
    assert!(verdict.is_sound() && verdict.span == Some((1, 4)), "{verdict:?}");
}

#[test]
fn a_flood_is_summed() {
    let home = Home::new();
    let audit = home.open().unwrap();
    let refused = Entry::new(What::Authentication, "bearer", Decision::Refused).from("192.0.2.7");
    for n in 0..20_000 {
        audit.note(refused.clone());
        audit.note(Entry::new(What::Egress, "request", Decision::Refused).object(n));
    }
    audit.close();
    let records = home.records();
    assert!(records.len() < 300, "{} records", records.len());
    let times = |what| records.iter().filter(move |record| record.what == what).map(|record| record.more.unwrap_or(1));
    assert_eq!(times(What::Authentication).sum::<u64>(), 20_000);
    assert_eq!(times(What::Egress).sum::<u64>(), 20_000);
    assert!(home.verdict().is_sound());
}

#[test]
fn files_are_bounded_and_the_chain_goes_on_over_them() {
    let mut home = Home::new();
    (home.config.file_bytes, home.config.files) = (1_000, 3);
    home.write(100);
    assert_eq!(home.files().len(), 3);
    for file in home.files() {
        assert!(fs::metadata(&file).unwrap().len() < 1_500, "{}", file.display());
    }
    let verdict = home.verdict();
    assert!(verdict.is_sound(), "{verdict:?}");
    home.write(1);
    let records = home.records();
    assert_eq!(records.last().unwrap().object.as_deref(), Some("token-0"));
    assert!(records.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
    assert!(home.verdict().is_sound());
}

#[test]
fn the_newest_are_found_without_reading_the_older_files() {
    let mut home = Home::new();
    home.config.file_bytes = 1_000;
    home.write(60);
    assert!(home.files().len() > 5);
    let all = home.records();
    for count in [0, 1, 3, 4, 17, all.len(), all.len() + 9] {
        let newest = newest(&home.config.records, count).unwrap();
        assert_eq!(newest, all[all.len().saturating_sub(count)..], "{count}");
    }
    // Nobody could read this one.
    fs::set_permissions(&home.files()[0], fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(newest(&home.config.records, 3).unwrap().len(), 3);
    assert!(newest(&home.config.records, 1_000).is_err());
}

#[test]
fn what_others_say_can_steer_nothing() {
    let home = Home::new();
    let audit = home.open().unwrap();
    let hostile = "\x1b]0;owned\x07\r\n{\"seq\":9}\u{202e}\u{9b}\u{7f}";
    let entry = Entry::new(What::Method, "call", Decision::Refused);
    audit.guard_blocking(entry.who(hostile).from(hostile).object(hostile).reason(hostile)).unwrap();
    audit.close();
    let text = fs::read_to_string(&home.files()[0]).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{text:?}");
    let shown = home.records().remove(1).who.unwrap();
    assert!(shown.contains("\\u{1b}]0;owned") && shown.contains("\\u{202e}"), "{shown:?}");
}

#[test]
fn one_process_writes() {
    let home = Home::new();
    let first = home.open().unwrap();
    assert!(matches!(home.open(), Err(TrailError::InUse { .. })));
    first.close();
    home.open().unwrap();
}

/// A file lies where the directory of the head belongs: nothing can be made durable there.
#[test]
fn what_can_t_be_recorded_is_refused_and_not_lost() {
    let home = Home::new();
    let audit = home.open().unwrap();
    audit.guard_blocking(entry(0)).unwrap();
    let away = home.dir.path().join("away");
    fs::rename(&home.config.head, &away).unwrap();
    fs::write(&home.config.head, "").unwrap();
    assert_eq!(audit.guard_blocking(entry(1)), Err(Unrecorded::Failed));
    assert!(audit.is_failing());
    audit.note(entry(2));

    fs::remove_file(&home.config.head).unwrap();
    fs::rename(&away, &home.config.head).unwrap();
    // Refused until the next attempt, a second later.
    while audit.guard_blocking(entry(3)).is_err() {}
    assert!(!audit.is_failing());
    audit.close();
    let objects: Vec<_> = home.records().into_iter().filter_map(|record| record.object).collect();
    assert!(objects.contains(&"token-2".to_owned()) && objects.contains(&"token-3".to_owned()), "{objects:?}");
    assert!(home.verdict().is_sound());
}

#[test]
fn files_that_others_can_reach_are_refused() {
    use std::os::unix::fs::PermissionsExt;

    for (path, mode) in [("audit", 0o755), ("audit/audit.lock", 0o644), ("credentials", 0o770)] {
        let home = Home::with(1);
        fs::set_permissions(home.dir.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(home.open(), Err(TrailError::File(_))), "{path}");
    }
    let home = Home::with(1);
    fs::set_permissions(&home.files()[0], fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(home.open(), Err(TrailError::File(_))));
}
