//! Bounds of a recording, and paths in it.

use std::path::Path;

use exoclaw_plugin_format::Access;

use super::{Blob, FileKind, FileTold, KvAnswer, Player, Recorder, Recording};
use crate::{limits::RECORDING_BYTES, permit::Dir};

#[test]
fn what_does_not_fit_is_cut_off_and_nothing_comes_after_it() {
    let recorder = Recorder::default();
    recorder.random(&[0; 100]);
    recorder.kv("big", KvAnswer::Value(Some(Blob(vec![0; RECORDING_BYTES]))));
    recorder.wall((1, 2));
    let recording = recorder.take();
    assert!(recording.is_cut());
    assert_eq!((recording.random.len(), recording.kv.len(), recording.wall.len()), (1, 0, 0));
    assert_eq!(recorder.take(), Recording::default());

    // However often it asks for nothing.
    for _ in 0..RECORDING_BYTES {
        recorder.monotonic(0);
    }
    let recording = recorder.take();
    assert!(recording.is_cut() && recording.monotonic.len() * 8 < RECORDING_BYTES);
}

#[test]
fn a_recording_is_the_same_as_text() {
    let recorder = Recorder::default();
    recorder.wall((1, 2));
    recorder.random(b"\x00\xff");
    recorder.kv("k", KvAnswer::Value(None));
    recorder.kv("k", KvAnswer::Keys(vec!["key".to_owned()]));
    let modified_ms = 1_800_000_000_000;
    let what = FileKind::File { size: 3, modified_ms, content: Some(Blob(b"abc".to_vec())) };
    recorder.file(FileTold { dir: "/d".to_owned(), path: "f".to_owned(), what });
    let recording = recorder.take();
    let text = serde_json::to_string(&recording).unwrap();
    assert_eq!(serde_json::from_str::<Recording>(&text).unwrap(), recording, "{text}");
}

#[test]
fn places_stay_in_their_directory() {
    let recorder = Recorder::default();
    recorder.leads(3, "/notes".to_owned(), "a/b".to_owned());
    let place = |path: &str| recorder.place(3, path).map(|(_, path)| path);
    assert_eq!(place("c"), Some("a/b/c".to_owned()));
    assert_eq!(place("./../c//d/."), Some("a/c/d".to_owned()));
    assert_eq!(place("../.."), Some(String::new()));
    assert_eq!(place("../../.."), None);
    assert_eq!(recorder.place(4, "c"), None);
}

#[test]
fn a_recorded_path_that_leads_outside_is_not_laid_out() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [Dir { host: root.path().to_owned(), guest: "/d".to_owned(), access: Access::Read }];
    for path in ["../out", "/tmp/out", "a/../../out"] {
        let what = FileKind::File { size: 1, modified_ms: 0, content: None };
        let files = vec![FileTold { dir: "/d".to_owned(), path: path.to_owned(), what }];
        let player = Player::new(Recording { files, ..Recording::default() });
        assert!(player.lay_out(&dirs, &root.path().join("laid")).is_err(), "{path}");
    }
    let is_there = |path: &str| Path::new(path).exists() || root.path().join(path).exists();
    assert!(!["/tmp/out", "out", "laid/out"].into_iter().any(is_there));
}
