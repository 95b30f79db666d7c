//! Every limit of a call: the guest ends, the next call is fine.

use std::time::Duration;

use exoclaw_protocol::FailureKind;
use exoclaw_sandbox::{ByteSize, CallError, Host, Limits, Permit};
use serde_json::json;

use crate::guest::{Guest, call, request, text};

/// Runs a guest that misbehaves if it is given a text, under a limit, and then without one.
async fn stopped(guest: Guest<'_>, limits: Limits) -> CallError {
    let misbehaves = format!(
        "(if (i32.gt_u (local.get $arguments_len) (i32.const 2)) (then {} unreachable)) (call $text (i32.const 0) (i32.const 0))",
        guest.call
    );
    let plugin = Guest { call: &misbehaves, ..guest }.load();
    let permit = Permit::new(plugin.manifest(), &guest.grants(), &limits).unwrap();
    let bad = plugin.call(&permit, request(json!({ "text": "misbehave" })), Host::default()).await;
    let good = plugin.call(&permit, request(json!({})), Host::default()).await;
    assert_eq!(text(&good), "", "the call after");
    assert!(bad.output.is_error);
    bad.detail.unwrap_or_else(|| panic!("{:?}", bad.output))
}

const SPIN: Guest<'_> = Guest { call: "(loop $on (br $on))", ..Guest::NONE };

#[tokio::test]
async fn time_ends_a_guest_that_computes() {
    let time = Duration::from_millis(50);
    let error = stopped(SPIN, Limits { time, fuel: exoclaw_sandbox::limits::CEILING.fuel, ..Limits::default() }).await;
    assert!(matches!(error, CallError::TimedOut { time: found } if found == time), "{error:?}");
}

#[tokio::test]
async fn time_ends_a_guest_that_waits() {
    let guest = Guest {
        world: "import wasi:clocks/monotonic-clock@0.2.0;",
        imports: r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
                    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
        call: "(call $block (call $after (i64.const 3600000000000)))",
        ..Guest::NONE
    };
    let error = stopped(guest, Limits { time: Duration::from_millis(50), ..Limits::default() }).await;
    assert!(matches!(error, CallError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_busy_guest_leaves_its_thread_to_others() {
    let plugin = Guest { call: "(loop $on (br $on)) unreachable", ..Guest::NONE }.load();
    let limits = Limits::default();
    let endless = call(&plugin, &limits);
    tokio::select! {
        biased;
        called = endless => panic!("{called:?}"),
        () = tokio::time::sleep(Duration::from_millis(20)) => {}
    }
}

#[tokio::test]
async fn fuel_ends_a_guest() {
    let error = stopped(SPIN, Limits { fuel: 10_000, ..Limits::default() }).await;
    assert!(matches!(error, CallError::Fuel { fuel: 10_000 }), "{error:?}");
    assert_eq!(error.kind(), FailureKind::Exhausted);
}

#[tokio::test]
async fn memory_is_bounded() {
    let grows = "(loop $on (br_if $on (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))";
    let memory = ByteSize(4 << 20);
    let error = stopped(Guest { call: grows, ..Guest::NONE }, Limits { memory, ..Limits::default() }).await;
    assert!(matches!(error, CallError::Memory { .. }), "{error:?}");
    assert_eq!(error.kind(), FailureKind::Exhausted);
}

#[tokio::test]
async fn a_guest_that_starts_too_large_does_not_start() {
    let plugin = Guest { call: "unreachable", ..Guest::NONE }.load();
    let called = call(&plugin, &Limits { memory: ByteSize(65536), ..Limits::default() }).await;
    assert!(matches!(called.detail, Some(CallError::Memory { .. })), "{called:?}");
}

#[tokio::test]
async fn tables_are_bounded_together() {
    // Answers with ten for the first table that grew, and one for the second.
    let guest = Guest {
        functions: "(table $a 1 funcref) (table $b 1 funcref)",
        call: "(call $number (i32.add
                 (i32.mul (i32.const 10) (i32.ne (table.grow $a (ref.null func) (i32.const 60000)) (i32.const -1)))
                 (i32.ne (table.grow $b (ref.null func) (i32.const 60000)) (i32.const -1))))",
        ..Guest::NONE
    };
    assert_eq!(text(&call(&guest.load(), &Limits::default()).await), "10");
}

#[tokio::test]
async fn a_deep_recursion_ends() {
    let guest = Guest { functions: "(func $down (call $down) (call $down))", call: "(call $down)", ..Guest::NONE };
    let error = stopped(guest, Limits::default()).await;
    assert!(matches!(error, CallError::Crashed(_)), "{error:?}");
}

#[tokio::test]
async fn output_is_bounded() {
    for bytes in [262_145, 3_000_000] {
        let large =
            format!("(drop (memory.grow (i32.const 64))) (return (call $text (i32.const 0) (i32.const {bytes})))");
        let error = stopped(Guest { call: &large, ..Guest::NONE }, Limits::default()).await;
        assert_eq!(error.kind(), FailureKind::Exhausted, "{bytes}: {error:?}");
    }
}

#[tokio::test]
async fn empty_blocks_are_not_free() {
    // Fresh memory is a list of empty texts.
    let many = "(drop (call $text (i32.const 0) (i32.const 0))) (drop (memory.grow (i32.const 64)))
                (i32.store (i32.const 36) (i32.const 300000)) (i32.store (i32.const 40) (i32.const 20000))
                (return (i32.const 32))";
    let error = stopped(Guest { call: many, ..Guest::NONE }, Limits::default()).await;
    assert!(matches!(error, CallError::Output { .. }), "{error:?}");
}

#[tokio::test]
async fn host_calls_are_bounded() {
    let log = Guest {
        imports: r#"(import "exoclaw:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#,
        call: "(loop $on (call $log (i32.const 0) (i32.const 0) (i32.const 0)) (br $on))",
        ..Guest::NONE
    };
    let clock = Guest {
        world: "import wasi:clocks/monotonic-clock@0.2.0;",
        imports: r#"(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))"#,
        call: "(loop $on (drop (call $now)) (br $on))",
        ..Guest::NONE
    };
    for guest in [log, clock] {
        let error = stopped(guest, Limits { host_calls: 100, ..Limits::default() }).await;
        assert!(matches!(error, CallError::HostCalls { host_calls: 100 }), "{error:?}");
    }
}

#[tokio::test]
async fn what_the_host_allocates_is_bounded() {
    let random = Guest {
        world: "import wasi:random/random@0.2.0;",
        imports: r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#,
        call: "(call $random (i64.const 65537) (i32.const 256)) (return (call $text (i32.const 0) (i32.const 0)))",
        ..Guest::NONE
    };
    let resources = Guest {
        world: "import wasi:clocks/monotonic-clock@0.2.0;",
        imports: r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))"#,
        call: "(loop $on (drop (call $after (i64.const 1)))
                 (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2000))))
               (return (call $text (i32.const 0) (i32.const 0)))",
        ..Guest::NONE
    };
    for guest in [random, resources] {
        let error = stopped(guest, Limits::default()).await;
        assert!(matches!(error, CallError::Crashed(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_exit_is_told() {
    let guest = Guest {
        world: "import wasi:cli/exit@0.2.0;",
        imports: r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#,
        call: "(call $exit (i32.const 1))",
        ..Guest::NONE
    };
    let error = stopped(guest, Limits::default()).await;
    assert!(matches!(error, CallError::Exited { code: 1 }), "{error:?}");
}
