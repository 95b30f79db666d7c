//! The cache of compiled components: used when it is sound, passed over when it is not.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use exoclaw_sandbox::{Limits, Sandbox, SandboxConfig, Sha256Digest};

use crate::guest::{Guest, call, text};

const ONE: Guest<'_> = Guest { call: "(call $number (i32.const 1))", ..Guest::NONE };
const TWO: Guest<'_> = Guest { call: "(call $number (i32.const 2))", ..Guest::NONE };

fn sandbox(cache: &Path) -> Sandbox {
    Sandbox::new(SandboxConfig { cache: Some(cache.to_owned()), concurrency: 4, ..SandboxConfig::default() }).unwrap()
}

/// What the first guest answers when it is loaded through the cache.
async fn answer(cache: &Path) -> String {
    let plugin = sandbox(cache).load_bytes(&ONE.packed(), None).unwrap();
    text(&call(&plugin, &Limits::default()).await).to_owned()
}

fn entry(cache: &Path, guest: Guest<'_>, ending: &str) -> PathBuf {
    let digest = Sha256Digest::of(&guest.packed()).to_string();
    let found = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    found
        .into_iter()
        .find(|path| path.to_str().unwrap().contains(&digest) && path.extension().unwrap() == ending)
        .unwrap()
}

/// A cache in which the first guest's entry holds the second guest's code: whoever answers 02 was read from it.
fn swapped() -> (tempfile::TempDir, PathBuf) {
    let house = tempfile::tempdir().unwrap();
    let cache = house.path().join("compiled");
    for guest in [ONE, TWO] {
        sandbox(&cache).load_bytes(&guest.packed(), None).unwrap();
    }
    for ending in ["cwasm", "sum"] {
        fs::copy(entry(&cache, TWO, ending), entry(&cache, ONE, ending)).unwrap();
    }
    (house, cache)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_sound_entry_is_used() {
    let (_house, cache) = swapped();
    assert_eq!(answer(&cache).await, "02");
}

#[tokio::test]
async fn entries_are_closed_to_others() {
    let (_house, cache) = swapped();
    let of = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(of(&cache), 0o700);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 4, "no leftovers");
    for entry in fs::read_dir(&cache).unwrap() {
        assert_eq!(of(&entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn what_others_could_have_written_is_not_run() {
    for bits in [0o722, 0o702, 0o720] {
        let (_house, cache) = swapped();
        mode(&cache, bits);
        assert_eq!(answer(&cache).await, "01", "folder {bits:o}");
    }
    for ending in ["cwasm", "sum"] {
        for bits in [0o620, 0o602] {
            let (_house, cache) = swapped();
            mode(&entry(&cache, ONE, ending), bits);
            assert_eq!(answer(&cache).await, "01", "{ending} {bits:o}");
        }
        let (_house, cache) = swapped();
        let (path, other) = (entry(&cache, ONE, ending), entry(&cache, TWO, ending));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(other, &path).unwrap();
        assert_eq!(answer(&cache).await, "01", "{ending} is a link");
    }
}

#[tokio::test]
async fn a_damaged_entry_is_compiled_anew() {
    let (_house, cache) = swapped();
    let path = entry(&cache, ONE, "cwasm");
    let mut code = fs::read(&path).unwrap();
    let middle = code.len() / 2;
    code[middle] ^= 1;
    fs::write(&path, &code).unwrap();
    assert_eq!(answer(&cache).await, "01");
    fs::write(&path, b"").unwrap();
    assert_eq!(answer(&cache).await, "01");
    // What was compiled is written over what was damaged.
    assert!(fs::read(&path).unwrap().len() > middle);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_costs_only_time() {
    let house = tempfile::tempdir().unwrap();
    fs::write(house.path().join("file"), "").unwrap();
    assert_eq!(answer(&house.path().join("file/compiled")).await, "01");
}
