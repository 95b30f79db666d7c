//! Instances made ahead of their calls: as fresh as any other, and bound by the call alone.

use exoclaw_sandbox::{Grants, Host, Limits, Permit, Plugin, Sandbox, SandboxConfig, Sha256Digest};
use serde_json::json;

use crate::guest::{Guest, call, request, sandbox, text};

/// Enough for a plugin to count as one that is called often.
const BURST: usize = 200;

/// Answers with how often this instance was called.
const COUNTING: Guest<'_> = Guest {
    functions: "(global $calls (mut i32) (i32.const 0))",
    call: "(global.set $calls (i32.add (global.get $calls) (i32.const 1))) (call $number (global.get $calls))",
    ..Guest::NONE
};

fn loaded(guest: &Guest<'_>) -> (Sandbox, Plugin) {
    let sandbox = sandbox();
    let plugin = sandbox.load_bytes(&guest.packed(), None).unwrap();
    (sandbox, plugin)
}

/// Calls until something was made ahead that no call holds.
async fn until_ahead(sandbox: &Sandbox, plugin: &Plugin) {
    while sandbox.is_idle() {
        call(plugin, &Limits::default()).await;
    }
}

#[tokio::test]
async fn each_instance_is_used_once_and_none_is_left_when_calls_cease() {
    let (sandbox, plugin) = loaded(&COUNTING);
    until_ahead(&sandbox, &plugin).await;
    for _ in 0..BURST {
        assert_eq!(text(&call(&plugin, &Limits::default()).await), "01");
    }
    while !sandbox.is_idle() {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn what_one_caller_is_granted_no_other_gets() {
    let guest = Guest {
        world: "import wasi:cli/environment@0.2.0;",
        imports: r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))"#,
        call: "(call $environment (i32.const 512)) (call $number (i32.load (i32.const 516)))",
        requests: r#"env = ["TZ"]"#,
        grants: r#"env = ["TZ"]"#,
        ..Guest::NONE
    };
    let (sandbox, plugin) = loaded(&guest);
    let permit = |grants| Permit::new(plugin.manifest(), &grants, &Limits::default()).unwrap();
    let granted = permit(guest.grants()).with_env(|_| Some("UTC".to_owned()));
    let nothing = permit(Grants::default());
    until_ahead(&sandbox, &plugin).await;
    for _ in 0..BURST {
        for (permit, variables) in [(&granted, "01"), (&nothing, "00")] {
            let called = plugin.call(permit, request(json!({})), Host::default()).await;
            assert_eq!(text(&called), variables);
        }
    }
}

#[tokio::test]
async fn a_call_has_all_of_its_own_limits_and_no_more() {
    let (sandbox, plugin) = loaded(&COUNTING);
    until_ahead(&sandbox, &plugin).await;
    for fuel in [1, 1_000_000] {
        for _ in 0..BURST {
            let called = call(&plugin, &Limits { fuel, ..Limits::default() }).await;
            assert_eq!(called.output.is_error, fuel == 1, "{called:?}");
            assert!(called.metering.fuel <= fuel);
        }
    }
    // Less memory than every instance begins with.
    let narrow = Limits { memory: "1 B".parse().unwrap(), ..Limits::default() };
    for _ in 0..BURST {
        assert!(call(&plugin, &narrow).await.output.is_error);
    }
    assert_eq!(text(&call(&plugin, &Limits::default()).await), "01");
}

#[tokio::test]
async fn a_plugin_that_runs_code_at_its_start_is_made_in_its_calls() {
    let starting = Guest {
        functions: "(global $calls (mut i32) (i32.const 5)) (func $begin (global.set $calls (i32.const 7))) (start $begin)",
        ..COUNTING
    };
    let (sandbox, plugin) = loaded(&starting);
    for _ in 0..10 * BURST {
        assert_eq!(text(&call(&plugin, &Limits::default()).await), "08");
        assert!(sandbox.is_idle());
    }
}

#[tokio::test]
async fn none_are_made_where_none_are_wanted() {
    let config = SandboxConfig { concurrency: 4, ahead: 0, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).unwrap();
    let packed = COUNTING.packed();
    let plugin = sandbox.load_bytes(&packed, Some(&Sha256Digest::of(&packed))).unwrap();
    for _ in 0..10 * BURST {
        assert_eq!(text(&call(&plugin, &Limits::default()).await), "01");
        assert!(sandbox.is_idle());
    }
}

#[tokio::test]
async fn a_plugin_that_is_gone_leaves_nothing_ready() {
    let (sandbox, plugin) = loaded(&COUNTING);
    until_ahead(&sandbox, &plugin).await;
    drop(plugin);
    while !sandbox.is_idle() {
        std::thread::yield_now();
    }
}
