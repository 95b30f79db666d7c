//! A disk that fails: nothing is acknowledged after it, and reading goes on.

use std::process::Command;

use exoclaw_store::{
    AppendError, SqliteConfig, SqliteStore, Store,
    conformance::samples::{ALL, accepted, session},
};

use super::{Home, strace};

/// Tells the child, which is this test binary too, where to write.
const HOME: &str = "EXOCLAW_STORE_FAILING_TEST";

/// The child: without the variable there is nothing to do. Appends until the disk fails, then sees what is left to it.
#[tokio::test]
async fn child() {
    #[expect(clippy::disallowed_methods, reason = "the way to tell a child of the test harness")]
    let Ok(path) = std::env::var(HOME) else { return };
    let store = SqliteStore::open(&SqliteConfig::new(path)).unwrap();
    let append = async |n: u64| store.append(&session("main"), n, vec![accepted(&format!("run-{n}"))]).await;
    let mut acknowledged = 0;
    let failure = loop {
        match append(acknowledged).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 100_000, "the disk does not fail");
    };
    assert!(matches!(failure, AppendError::Failed(_)), "{failure:?}");
    assert!(store.read_only().is_some());
    for n in 0..20 {
        let refused = append(1_000_000 + n).await;
        assert!(matches!(refused, Err(AppendError::ReadOnly { .. })), "{refused:?}");
    }
    assert_eq!(store.session(&session("main")).await.unwrap().unwrap().last_seq, acknowledged);
    println!("\nacknowledged {acknowledged}");
}

/// Runs the child with `command`, whose last arguments it becomes; what it had acknowledged is there afterwards.
#[track_caller]
fn check(mut command: Command) {
    let home = Home::new();
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args(["sqlite::failing::child", "--exact", "--nocapture"])
        .env(HOME, home.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{complaint}");
    let acknowledged: usize =
        text.lines().find_map(|line| line.strip_prefix("acknowledged ")).unwrap().parse().unwrap();
    assert!(acknowledged > 0);

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = home.open();
        // The append that failed may be there as well: it was never said that it is not.
        let left = store.read(&session("main"), 0, ALL).await.unwrap().len();
        assert!(left == acknowledged || left == acknowledged + 1, "{left} of {acknowledged}");
        assert_eq!(store.read_only(), None);
    });
}

/// The system refuses to let a file grow beyond a limit, which SQLite meets as a failed write.
#[test]
fn a_failed_write_ends_writing() {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" XFSZ && ulimit -f 1024 && exec "$0" "$@""#]);
    check(shell);
}

/// The thirtieth sync fails, and those after it would succeed. Needs a working `strace`.
#[test]
fn a_failed_sync_ends_writing() {
    let Some(mut strace) = strace() else { return };
    strace.args(["-e", "trace=fsync,fdatasync"]);
    strace.args(["-e", "inject=fsync,fdatasync:error=EIO:when=30"]);
    check(strace);
}
