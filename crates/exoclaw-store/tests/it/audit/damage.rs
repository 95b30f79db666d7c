use std::{fs, os::unix::fs::PermissionsExt};

use exoclaw_store::audit::{Problem, Verdict};
use sha2::{Digest, Sha256};

use super::{Home, actions, lines};

#[track_caller]
fn found(what: &str, verdict: &Verdict) {
    assert!(!verdict.is_sound(), "{what} was not found");
}

/// Each byte of a trail, changed in several ways.
#[test]
fn every_edit_is_found() {
    let home = Home::with(3);
    let newest = home.files().pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    for at in 0..bytes.len() {
        for other in [bytes[at] ^ 1, b' '] {
            if other == bytes[at] {
                continue;
            }
            let mut changed = bytes.clone();
            changed[at] = other;
            fs::write(&newest, &changed).unwrap();
            found(&format!("{:?} for {:?} at {at}", other as char, bytes[at] as char), &home.verdict());
        }
    }
    fs::write(&newest, bytes).unwrap();
    assert!(home.verdict().is_sound());
}

#[test]
fn every_deletion_reordering_and_insertion_is_found() {
    let home = Home::with(5);
    let newest = home.files().pop().unwrap();
    let whole = lines(&newest);
    let try_lines = |what: &str, changed: Vec<String>| {
        fs::write(&newest, changed.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        found(what, &home.verdict());
    };
    for at in 0..whole.len() {
        let mut without = whole.clone();
        without.remove(at);
        try_lines(&format!("the deletion of line {at}"), without);
        try_lines(&format!("the end cut off at line {at}"), whole[..at].to_vec());
        for other in at + 1..whole.len() {
            let mut swapped = whole.clone();
            swapped.swap(at, other);
            try_lines(&format!("lines {at} and {other} swapped"), swapped);
        }
        for to in 0..=whole.len() {
            let mut doubled = whole.clone();
            doubled.insert(to, whole[at].clone());
            try_lines(&format!("line {at} again at {to}"), doubled);
        }
    }
    fs::write(&newest, whole.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert!(home.verdict().is_sound());
}

/// Whoever can write the trail can make hashes that fit, but not those that were kept elsewhere.
#[test]
fn a_trail_made_anew_is_found() {
    let home = Home::with(3);
    let newest = home.files().pop().unwrap();
    let mut prev = [0; 32];
    let mut forged = String::new();
    for line in lines(&newest) {
        let body = line.rsplit_once(",\"hash\":\"").unwrap().0.replace("token-1", "token-9");
        let hash = Sha256::new().chain_update(prev).chain_update(&body).finalize();
        forged += &format!("{body},\"hash\":\"{}\"}}\n", hex::encode(hash));
        prev = hash.into();
    }
    fs::write(&newest, forged).unwrap();
    assert_eq!(home.verdict().problems, [Problem::OtherEnd { seq: 4 }]);
}

#[test]
fn files_that_are_gone_are_found() {
    let mut home = Home::new();
    home.config.file_bytes = 500;
    home.write(20);
    let files = home.files();
    assert!(files.len() > 4 && home.verdict().is_sound());
    for file in &files {
        let bytes = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        found(&file.display().to_string(), &home.verdict());
        fs::write(file, bytes).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert!(home.verdict().is_sound());
    for file in &files {
        fs::remove_file(file).unwrap();
    }
    assert!(matches!(home.verdict().problems[..], [Problem::CutOff { found: 0, .. }]));
}

/// Starting the daemon again hides nothing.
#[test]
fn damage_stays_visible_after_a_restart() {
    type Damage = fn(&Home);
    let cases: [(&str, Damage); 5] = [
        ("a changed record", |home| home.change(|bytes| bytes[300] ^= 1)),
        ("a cut-off end", |home| home.change(|bytes| bytes.truncate(bytes.len() - 10))),
        ("an empty file", |home| home.change(Vec::clear)),
        ("no files", |home| home.files().iter().for_each(|file| fs::remove_file(file).unwrap())),
        ("a record more", |home| home.change(|bytes| bytes.extend(b"{\"seq\":9}\n"))),
    ];
    for (what, damage) in cases {
        let home = Home::with(5);
        damage(&home);
        found(what, &home.verdict());
        home.write(2);
        found(what, &home.verdict());
        assert!(actions(&home).contains(&"trail damaged".to_owned()), "{what}: {:?}", actions(&home));
        assert_eq!(home.records().last().unwrap().object.as_deref(), Some("token-1"), "{what}: it goes on");
    }
}

#[test]
fn a_head_that_is_gone_is_named() {
    let home = Home::with(2);
    fs::remove_file(home.head()).unwrap();
    assert_eq!(home.verdict().problems, [Problem::NoHead]);
    home.write(1);
    assert!(actions(&home).contains(&"trail damaged".to_owned()));
}

/// A machine that stops while a record is written leaves a part of it: that is no damage.
#[test]
fn what_was_being_written_is_no_damage() {
    let home = Home::with(2);
    let newest = home.files().pop().unwrap();
    let last = lines(&newest).pop().unwrap();
    for bytes in [1, 20, last.len()] {
        home.change(|text| text.extend(&last.as_bytes()[..bytes]));
        assert!(home.verdict().is_sound(), "{bytes}");
        home.write(1);
        assert!(home.verdict().is_sound(), "{bytes}");
    }
    assert!(!actions(&home).contains(&"trail damaged".to_owned()));
    // The same with a file that was just begun.
    let next = home.config.records.join(format!("{:020}.jsonl", 7));
    fs::copy(&newest, &next).unwrap();
    fs::write(&next, "{\"seq\"").unwrap();
    home.write(1);
    assert!(home.verdict().is_sound() && !actions(&home).contains(&"trail damaged".to_owned()));
}
