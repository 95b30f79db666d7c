//! Directories: what is granted works, what is not is out of reach.

use std::{fs, path::Path};

use exoclaw_sandbox::{Access, FsGrant, Grants, Host, Limits, Permit};
use serde_json::json;
use tempfile::TempDir;

use crate::guest::{Guest, request, text};

const WORLD: &str = "import wasi:filesystem/types@0.2.0; import wasi:filesystem/preopens@0.2.0;";
const PREOPENS: &str = r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $dirs (param i32)))"#;

/// Numbers of WASI's error codes plus 1; 00 is success.
const DONE: &str = "00";
const NOT_PERMITTED: &str = "32";
const NO_DIRECTORY: &str = "99";

/// Which directory, and what to do to which path in it.
enum Try<'a> {
    Read(&'a str),
    Create(&'a str),
    Link { to: &'a str, at: &'a str },
}

/// A folder with a granted folder in it, a secret beside that, and a link out.
fn house() -> TempDir {
    let house = tempfile::tempdir().unwrap();
    fs::create_dir(house.path().join("granted")).unwrap();
    fs::write(house.path().join("granted/inside.txt"), "inside").unwrap();
    fs::write(house.path().join("secret.txt"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret.txt", house.path().join("granted/way-out")).unwrap();
    std::os::unix::fs::symlink(house.path(), house.path().join("granted/door")).unwrap();
    house
}

async fn tried(house: &Path, requests: &str, access: Option<Access>, attempt: &Try<'_>) -> String {
    let (import, data, act) = match attempt {
        Try::Read(path) | Try::Create(path) => {
            let (open, flags) = if matches!(attempt, Try::Create(_)) { (1, 2) } else { (0, 1) };
            let act = format!(
                "(call $act (i32.load (i32.load (i32.const 256))) (i32.const 1) (i32.const 1024) (i32.const {}) (i32.const {open}) (i32.const {flags}) (i32.const 300))
                 (i32.load8_u (i32.const 304))",
                path.len()
            );
            (
                r#"(import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at" (func $act (param i32 i32 i32 i32 i32 i32 i32)))"#,
                (*path).to_owned(),
                act,
            )
        }
        Try::Link { to, at } => {
            let act = format!(
                "(call $act (i32.load (i32.load (i32.const 256))) (i32.const 1024) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 300))
                 (i32.load8_u (i32.const 301))",
                to.len(), 1024 + to.len(), at.len()
            );
            (
                r#"(import "wasi:filesystem/types@0.2.0" "[method]descriptor.symlink-at" (func $act (param i32 i32 i32 i32 i32 i32)))"#,
                format!("{to}{at}"),
                act,
            )
        }
    };
    let guest = Guest {
        world: WORLD,
        imports: &format!("{PREOPENS} {import}"),
        functions: &format!("(data (i32.const 1024) \"{data}\")"),
        call: &format!(
            "(call $dirs (i32.const 256))
             (if (i32.eqz (i32.load (i32.const 260))) (then (return (call $number (i32.const 99)))))
             {act} (local.set $i)
             (call $number (if (result i32) (i32.load8_u (i32.const 300)) (then (i32.add (local.get $i) (i32.const 1))) (else (i32.const 0))))"
        ),
        requests,
        grants: "",
    };
    let plugin = guest.load();
    let fs = access.map(|access| FsGrant { host: house.join("granted"), guest: "/notes".into(), access });
    let grants = Grants { fs: fs.into_iter().collect(), ..Grants::default() };
    let permit = Permit::new(plugin.manifest(), &grants, &Limits::default()).unwrap();
    text(&plugin.call(&permit, request(json!({})), Host::default()).await).to_owned()
}

const READ: &str = r#"fs = [{ guest = "/notes", access = "read" }]"#;
const READ_WRITE: &str = r#"fs = [{ guest = "/notes", access = "read-write" }]"#;

#[tokio::test]
async fn a_directory_needs_request_and_grant() {
    let house = house();
    let at = house.path();
    let inside = Try::Read("inside.txt");
    assert_eq!(tried(at, READ_WRITE, Some(Access::ReadWrite), &inside).await, DONE);
    assert_eq!(tried(at, READ_WRITE, None, &inside).await, NO_DIRECTORY);
    assert_eq!(tried(at, "", Some(Access::ReadWrite), &inside).await, NO_DIRECTORY);
    assert_eq!(
        tried(at, &READ_WRITE.replace("/notes", "/other"), Some(Access::ReadWrite), &inside).await,
        NO_DIRECTORY
    );
}

#[tokio::test]
async fn writing_needs_read_write_on_both_sides() {
    let house = house();
    let new = house.path().join("granted/new.txt");
    for (requests, access) in [(READ_WRITE, Access::Read), (READ, Access::ReadWrite), (READ, Access::Read)] {
        assert_ne!(tried(house.path(), requests, Some(access), &Try::Create("new.txt")).await, DONE);
        assert!(!new.exists());
        assert_ne!(
            tried(house.path(), requests, Some(access), &Try::Create("inside.txt")).await,
            DONE,
            "open for writing"
        );
        assert_eq!(tried(house.path(), requests, Some(access), &Try::Read("inside.txt")).await, DONE);
    }
    assert_eq!(tried(house.path(), READ_WRITE, Some(Access::ReadWrite), &Try::Create("new.txt")).await, DONE);
    assert!(new.exists());
}

#[tokio::test]
async fn nothing_beside_the_directory_is_reached() {
    let house = house();
    let secret = house.path().join("secret.txt");
    for path in [
        "../secret.txt",
        "way-out",
        "door/secret.txt",
        "door/granted/../secret.txt",
        "./../secret.txt",
        secret.to_str().unwrap(),
    ] {
        let read = tried(house.path(), READ_WRITE, Some(Access::ReadWrite), &Try::Read(path)).await;
        assert_eq!(read, NOT_PERMITTED, "read {path}");
        let written = tried(house.path(), READ_WRITE, Some(Access::ReadWrite), &Try::Create(path)).await;
        assert_eq!(written, NOT_PERMITTED, "write {path}");
    }
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret");
}

#[tokio::test]
async fn no_guest_makes_links() {
    let house = house();
    for to in ["../secret.txt", "inside.txt", "/etc/passwd"] {
        let attempt = Try::Link { to, at: "made" };
        assert_eq!(tried(house.path(), READ_WRITE, Some(Access::ReadWrite), &attempt).await, NOT_PERMITTED, "{to}");
        assert!(house.path().join("granted/made").symlink_metadata().is_err());
    }
}

#[tokio::test]
async fn a_directory_that_went_away_is_told() {
    let house = house();
    let guest = Guest { call: "unreachable", requests: READ, ..Guest::NONE };
    let plugin = guest.load();
    let fs = vec![FsGrant { host: house.path().join("granted"), guest: "/notes".into(), access: Access::Read }];
    let permit = Permit::new(plugin.manifest(), &Grants { fs, ..Grants::default() }, &Limits::default()).unwrap();
    fs::remove_dir_all(house.path().join("granted")).unwrap();
    let called = plugin.call(&permit, request(json!({})), Host::default()).await;
    assert_eq!(called.output.failure, Some(exoclaw_protocol::FailureKind::Unavailable));
    let words = format!("{:?}", called.output);
    assert!(!words.contains(house.path().to_str().unwrap()), "the model learns no path of the host: {words}");
}
