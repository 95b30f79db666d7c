//! What a guest may import, and what it gets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use exoclaw_sandbox::{CallError, Called, Grants, Host, KeyValue, KeyValueError, Limits, Permit};
use futures::future::{BoxFuture, FutureExt, Shared};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::{
    guest::{Guest, call, permit, request, text},
    log,
};

/// Gets the key `k`; answers 00 for nothing, 01 for a value, or the error's number plus 2.
pub(crate) const KV_GET: Guest<'_> = Guest {
    world: "",
    imports: r#"(import "exoclaw:plugin/kv@0.1.0" "get" (func $get (param i32 i32 i32)))"#,
    functions: r#"(data (i32.const 1024) "k")"#,
    call: "(call $get (i32.const 1024) (i32.const 1) (i32.const 256))
           (call $number (if (result i32) (i32.load8_u (i32.const 256))
             (then (i32.add (i32.load8_u (i32.const 260)) (i32.const 2)))
             (else (i32.load8_u (i32.const 260)))))",
    requests: "kv = \"1 KiB\"",
    grants: "kv = \"512 B\"",
};

/// Sets the key `k` to 300 bytes; answers 00, or the error's number plus 2.
const KV_SET: Guest<'_> = Guest {
    imports: r#"(import "exoclaw:plugin/kv@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))"#,
    call: "(call $set (i32.const 1024) (i32.const 1) (i32.const 2048) (i32.const 300) (i32.const 256))
           (call $number (if (result i32) (i32.load8_u (i32.const 256))
             (then (i32.add (i32.load8_u (i32.const 257)) (i32.const 2)))
             (else (i32.const 0))))",
    ..KV_GET
};

/// A store in memory with a quota.
struct Memory {
    quota: usize,
    values: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Memory {
    fn with_quota(quota: usize) -> Arc<Self> {
        Arc::new(Self { quota, values: Mutex::default() })
    }
}

impl KeyValue for Memory {
    fn get(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, KeyValueError>> {
        async move { Ok(self.values.lock().unwrap().get(&key).cloned()) }.boxed()
    }

    fn set(&self, key: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), KeyValueError>> {
        async move {
            let mut values = self.values.lock().unwrap();
            let used: usize = values.values().map(Vec::len).sum();
            if used + value.len() > self.quota {
                return Err(KeyValueError::OverQuota);
            }
            values.insert(key, value);
            Ok(())
        }
        .boxed()
    }

    fn delete(&self, _: String) -> BoxFuture<'_, Result<(), KeyValueError>> {
        async { Ok(()) }.boxed()
    }

    fn keys(&self, _: String, _: u32) -> BoxFuture<'_, Result<Vec<String>, KeyValueError>> {
        async { Err(KeyValueError::Failed("the disk is gone".into())) }.boxed()
    }
}

/// A store that never answers, tells when it is asked and when the asking was dropped.
pub(crate) struct Stuck {
    entered: mpsc::Sender<()>,
    left: Mutex<Option<oneshot::Sender<()>>>,
}

type Left = Shared<BoxFuture<'static, ()>>;

impl Stuck {
    pub(crate) fn new() -> (Self, mpsc::Receiver<()>, Left) {
        let (entered, has_entered) = mpsc::channel(1);
        let (left, has_left) = oneshot::channel::<()>();
        let has_left = async { drop(has_left.await) }.boxed().shared();
        (Self { entered, left: Mutex::new(Some(left)) }, has_entered, has_left)
    }
}

impl KeyValue for Stuck {
    fn get(&self, _: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, KeyValueError>> {
        let left = self.left.lock().unwrap().take();
        async move {
            let _left = left;
            self.entered.send(()).await.unwrap();
            std::future::pending().await
        }
        .boxed()
    }

    fn set(&self, _: String, _: Vec<u8>) -> BoxFuture<'_, Result<(), KeyValueError>> {
        std::future::pending().boxed()
    }

    fn delete(&self, _: String) -> BoxFuture<'_, Result<(), KeyValueError>> {
        std::future::pending().boxed()
    }

    fn keys(&self, _: String, _: u32) -> BoxFuture<'_, Result<Vec<String>, KeyValueError>> {
        std::future::pending().boxed()
    }
}

async fn with_store(guest: Guest<'_>, grants: &Grants, store: Arc<Memory>) -> Called {
    let plugin = guest.load();
    let permit = Permit::new(plugin.manifest(), grants, &Limits::default()).unwrap();
    plugin.call(&permit, request(json!({})), Host { kv: Some(store), ..Host::default() }).await
}

#[tokio::test]
async fn kv_needs_request_and_grant() {
    let full = || {
        let store = Memory::with_quota(512);
        store.values.lock().unwrap().insert("k".into(), vec![1]);
        store
    };
    let granted = KV_GET.grants();
    assert_eq!(text(&with_store(KV_GET, &granted, full()).await), "01");
    assert_eq!(text(&with_store(KV_GET, &granted, Memory::with_quota(0)).await), "00");
    assert_eq!(text(&with_store(KV_GET, &Grants::default(), full()).await), "02", "not granted");
    let unasked = Guest { requests: "", ..KV_GET };
    assert_eq!(text(&with_store(unasked, &granted, full()).await), "02", "not requested");
}

#[tokio::test]
async fn kv_keeps_its_quota() {
    let granted = KV_SET.grants();
    assert_eq!(text(&with_store(KV_SET, &granted, Memory::with_quota(300)).await), "00");
    assert_eq!(text(&with_store(KV_SET, &granted, Memory::with_quota(299)).await), "03");
    assert_eq!(text(&with_store(KV_SET, &Grants::default(), Memory::with_quota(300)).await), "02", "not granted");
}

#[tokio::test]
async fn kv_refuses_keys_and_values_that_are_too_large() {
    let granted = KV_SET.grants();
    let long_key = KV_SET.call.replacen("(i32.const 1)", "(i32.const 257)", 1);
    let large_value = KV_SET.call.replacen("(i32.const 300)", "(i32.const 262145)", 1);
    let memory = "(func $room (drop (memory.grow (i32.const 8)))) (start $room)";
    for call in [long_key, large_value] {
        let guest = Guest { call: &call, functions: memory, ..KV_SET };
        assert_eq!(text(&with_store(guest, &granted, Memory::with_quota(1 << 20)).await), "04");
    }
}

/// Answers the number of environment variables.
const ENV: Guest<'_> = Guest {
    world: "import wasi:cli/environment@0.2.0;",
    imports: r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $env (param i32)))"#,
    functions: "",
    call: "(call $env (i32.const 256)) (call $number (i32.load (i32.const 260)))",
    requests: r#"env = ["TZ", "LANG"]"#,
    grants: r#"env = ["TZ", "HOME"]"#,
};

#[tokio::test]
async fn env_is_what_was_requested_and_granted() {
    let plugin = ENV.load();
    assert_eq!(text(&call(&plugin, &Limits::default()).await), "00");
    let asked = Mutex::new(Vec::new());
    let permit = Permit::new(plugin.manifest(), &ENV.grants(), &Limits::default()).unwrap().with_env(|name| {
        asked.lock().unwrap().push(name.to_owned());
        Some("Europe/Zurich".into())
    });
    assert_eq!(asked.into_inner().unwrap(), ["TZ"]);
    assert_eq!(text(&plugin.call(&permit, request(json!({})), Host::default()).await), "01");
}

/// Opens a socket and answers 10 and the error's number, or 00.
const SOCKET: Guest<'_> = Guest {
    world: "import wasi:sockets/tcp-create-socket@0.2.0;",
    imports: r#"(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $tcp (param i32 i32)))"#,
    call: "(call $tcp (i32.const 0) (i32.const 256))
           (call $number (if (result i32) (i32.load8_u (i32.const 256))
             (then (i32.add (i32.const 10) (i32.load8_u (i32.const 260)))) (else (i32.const 0))))",
    ..Guest::NONE
};

#[tokio::test]
async fn sockets_are_there_and_refuse() {
    let called = call(&SOCKET.load(), &Limits::default()).await;
    assert_eq!((text(&called), called.metering.host_calls), ("11", 1), "access-denied, and counted");
}

#[tokio::test]
async fn refused_sockets_use_up_host_calls() {
    let forever = "(loop $on (call $tcp (i32.const 0) (i32.const 256)) (br $on)) unreachable";
    let limits = Limits { host_calls: 100, ..Limits::default() };
    let called = call(&Guest { call: forever, ..SOCKET }.load(), &limits).await;
    assert!(matches!(called.detail, Some(CallError::HostCalls { host_calls: 100 })), "{called:?}");
}

#[tokio::test]
async fn progress_is_heard_and_capped() {
    let guest = Guest {
        imports: r#"(import "exoclaw:plugin/progress@0.1.0" "report" (func $report (param i32 f32 i32 i32)))"#,
        call: "(loop $on (call $report (i32.const 1) (f32.const 7) (i32.const 1024) (i32.const 4))
                 (local.set $i (i32.add (local.get $i) (i32.const 1)))
                 (br_if $on (i32.lt_u (local.get $i) (i32.const 1000))))
               (call $text (i32.const 0) (i32.const 0))",
        functions: r#"(data (i32.const 1024) "half")"#,
        ..Guest::default()
    };
    let plugin = guest.load();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let progress = {
        let heard = Arc::clone(&heard);
        move |fraction, words: String| heard.lock().unwrap().push((fraction, words))
    };
    let host = Host { progress: Some(Arc::new(progress)), ..Host::default() };
    let called = plugin.call(&permit(&plugin), request(json!({})), host).await;
    assert_eq!((text(&called), called.metering.host_calls), ("", 1000));
    assert_eq!(*heard.lock().unwrap(), vec![(Some(1.0), "half".to_owned()); 256]);
}

#[tokio::test]
async fn log_lines_are_capped_and_cannot_draw() {
    let guest = Guest {
        imports: r#"(import "exoclaw:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#,
        call: "(loop $on (call $log (i32.const 2) (i32.const 1024) (i32.const 5))
                 (local.set $i (i32.add (local.get $i) (i32.const 1)))
                 (br_if $on (i32.lt_u (local.get $i) (i32.const 1000))))
               (call $text (i32.const 0) (i32.const 0))",
        functions: r#"(data (i32.const 1024) "\1b[2Jx")"#,
        ..Guest::default()
    };
    let plugin = guest.load();
    log::listen();
    let called = call(&plugin, &Limits::default()).await;
    assert_eq!(text(&called), "");
    let log = log::said();
    assert_eq!(log.matches("plugin says").count(), 128, "{log}");
    assert!(log.contains("plugin said too much") && log.contains("dropped=872"), "{log}");
    assert!(!log.contains('\x1b') && log.contains("[2Jx"), "{log}");
}

#[tokio::test]
async fn a_guest_can_see_what_it_has_left() {
    let guest = Guest {
        imports: r#"(import "exoclaw:plugin/budget@0.1.0" "remaining" (func $remaining (param i32)))"#,
        call: "(call $remaining (i32.const 256)) (call $number (i32.load (i32.const 280)))",
        ..Guest::default()
    };
    let limits = Limits { host_calls: 50, ..Limits::default() };
    assert_eq!(text(&call(&guest.load(), &limits).await), "49");
}
