//! Components with plain exports: their functions are tools, by their WIT types.

use std::time::Duration;

use exoclaw_protocol::{Effect, FailureKind, ToolContent};
use exoclaw_sandbox::{
    About, AdoptError, ByteSize, Called, FormatError, Grants, Host, Kind, Limits, LoadError, Manifest, Permit, Plugin,
    Policy, Requests, Sandbox, SandboxConfig, ToolRequest, pack,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    guest::{ECHO, Guest, HTTP, HTTP_IMPORTS, HTTP_WORLD, request, sandbox, text},
    server::Server,
};

#[path = "../../guests/plain.rs"]
mod plain;
use plain::{echo, plain};

fn about(requests: Requests) -> About {
    About { name: "plain".parse().unwrap(), description: None, requests }
}

fn adopt(component: &[u8]) -> Result<Vec<u8>, AdoptError> {
    sandbox().adopt(component, about(Requests::default()))
}

#[track_caller]
fn load(component: &[u8]) -> Plugin {
    sandbox().load_bytes(&adopt(component).unwrap(), None).unwrap()
}

fn request_of(tool: &str, arguments: Value) -> ToolRequest {
    ToolRequest { tool: tool.parse().unwrap(), ..request(arguments) }
}

async fn call(plugin: &Plugin, tool: &str, arguments: Value) -> Called {
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).unwrap();
    plugin.call(&permit, request_of(tool, arguments), Host::default()).await
}

/// What a call gives, as JSON.
#[track_caller]
fn given(called: &Called) -> &Value {
    match called.output.content.as_slice() {
        [ToolContent::Json { value }] if !called.output.is_error => value,
        _ => panic!("{called:?}"),
    }
}

/// Where arguments do not fit, and why.
#[track_caller]
fn unfit(called: &Called) -> String {
    assert_eq!(called.output.failure.as_ref(), Some(&FailureKind::InvalidArguments), "{called:?}");
    called.detail.as_ref().unwrap().to_string()
}

/// A type of each kind that JSON can carry, with values of it.
fn types() -> Vec<(&'static str, &'static str, BoxedStrategy<Value>)> {
    fn any_of<T: Arbitrary + serde::Serialize + 'static>() -> BoxedStrategy<Value> {
        any::<T>().prop_map(|value| json!(value)).boxed()
    }
    let float = prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL;
    let single = prop::num::f32::NORMAL | prop::num::f32::ZERO | prop::num::f32::SUBNORMAL;
    let flags = any::<[bool; 9]>().prop_map(|set| {
        let names = (0..9).zip(set).filter(|(_, set)| *set).map(|(name, _)| (format!("f{name}"), Value::Bool(true)));
        Value::Object(names.collect())
    });
    let variant = prop_oneof![
        Just(json!({ "tag": "nothing" })),
        any::<String>().prop_map(|text| json!({ "tag": "text", "val": text })),
        any::<(u8, bool)>().prop_map(|pair| json!({ "tag": "pair", "val": pair })),
    ];
    let result =
        prop_oneof![any::<u8>().prop_map(|v| json!({ "ok": v })), any::<String>().prop_map(|v| json!({ "err": v }))];
    let option =
        prop_oneof![Just(json!(null)), Just(json!({ "some": null })), any::<u32>().prop_map(|v| json!({ "some": v }))];
    let record = any::<(String, Option<i64>, Vec<Vec<u16>>)>()
        .prop_map(|(name, maybe, numbers)| json!({ "the-name": name, "maybe": maybe, "numbers": numbers }));
    vec![
        ("booleans", "bool", any_of::<bool>()),
        ("s-eight", "s8", any_of::<i8>()),
        ("u-eight", "u8", any_of::<u8>()),
        ("s-sixteen", "s16", any_of::<i16>()),
        ("u-sixteen", "u16", any_of::<u16>()),
        ("s-thirty", "s32", any_of::<i32>()),
        ("u-thirty", "u32", any_of::<u32>()),
        ("s-sixty", "s64", any_of::<i64>()),
        ("u-sixty", "u64", any_of::<u64>()),
        ("singles", "f32", single.prop_map(|v| json!(f64::from(v))).boxed()),
        ("doubles", "f64", float.prop_map(|v| json!(v)).boxed()),
        ("chars", "char", any_of::<char>()),
        ("strings", "string", any_of::<String>()),
        ("lists", "list<u32>", any_of::<Vec<u32>>()),
        ("tuples", "tuple<u8, string, bool>", any_of::<(u8, String, bool)>()),
        ("options", "option<string>", any_of::<Option<String>>()),
        ("options-twice", "option<option<u32>>", option.boxed()),
        ("results", "result<u8, string>", result.boxed()),
        ("results-bare", "result", prop_oneof![Just(json!({ "ok": null })), Just(json!({ "err": null }))].boxed()),
        ("records", "thing", record.boxed()),
        ("variants", "choice", variant.boxed()),
        ("enums", "colour", prop_oneof![Just(json!("red")), Just(json!("dark-green"))].boxed()),
        ("flag-sets", "set", flags.boxed()),
    ]
}

const TYPES: &str = "
    record thing { the-name: string, maybe: option<s64>, numbers: list<list<u16>> }
    variant choice { nothing, text(string), pair(tuple<u8, bool>) }
    enum colour { red, dark-green }
    flags set { f0, f1, f2, f3, f4, f5, f6, f7, f8 }";

fn of_every_type() -> Vec<u8> {
    let names: Vec<_> = types().iter().map(|(name, ty, _)| (*name, *ty)).collect();
    echo(TYPES, &names).unwrap()
}

#[test]
fn values_of_every_type_go_in_and_come_back() {
    let plugin = load(&of_every_type());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, _, values) in types() {
        let tool = name.replace('-', "_");
        let case = |values: Vec<Value>| {
            let called = runtime.block_on(call(&plugin, &tool, json!({ "v": values })));
            prop_assert_eq!(given(&called), &Value::Array(values));
            Ok(())
        };
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 32,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        runner.run(&prop::collection::vec(values, 0..5), case).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn functions_are_described_by_their_types() {
    let component = echo(TYPES, &[("the-things", "thing"), ("choices", "choice")]).unwrap();
    let asked = Requests { env: vec!["TZ".into()], ..Requests::default() };
    let packed = sandbox().adopt(&component, about(asked.clone())).unwrap();
    let Manifest { name, version, description, kind, tools, requests } = Manifest::of_component(&packed).unwrap();
    assert_eq!((name.as_str(), version.as_str(), description.as_str()), ("plain", "1.2.0", "The functions of plain"));
    assert_eq!((kind, requests), (Kind::Tools, asked));
    assert_eq!(tools[0].name.as_str(), "the_things");
    assert_eq!(
        tools[0].description,
        "the-things of test:plain/echo@1.2.0: func(v: list<record { the-name: string, maybe: option<s64>, \
         numbers: list<list<u16>> }>) -> list<record { the-name: string, maybe: option<s64>, numbers: list<list<u16>> }>"
    );
    let number = json!({ "type": "integer", "minimum": 0, "maximum": 65535 });
    let lists = json!({ "type": "array", "items": { "type": "array", "items": number } });
    let thing = json!({
        "type": "object", "additionalProperties": false, "required": ["the-name", "numbers"],
        "properties": {
            "the-name": { "type": "string" },
            "maybe": { "anyOf": [{ "type": "null" }, { "type": "integer" }] },
            "numbers": lists,
        },
    });
    let arguments = |items| {
        json!({
            "type": "object", "additionalProperties": false, "required": ["v"],
            "properties": { "v": { "type": "array", "items": items } },
        })
    };
    assert_eq!(tools[0].input_schema, arguments(thing));
    let case = |tag: &str, val: Option<Value>| {
        let mut properties = json!({ "tag": { "const": tag } });
        let mut required = vec!["tag"];
        if let Some(val) = val {
            properties["val"] = val;
            required.push("val");
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    };
    let small = json!({ "type": "integer", "minimum": 0, "maximum": 255 });
    let pair = json!({ "type": "array", "prefixItems": [small, { "type": "boolean" }], "minItems": 2, "maxItems": 2 });
    let cases = [case("nothing", None), case("text", Some(json!({ "type": "string" }))), case("pair", Some(pair))];
    assert_eq!(tools[1].input_schema, arguments(json!({ "oneOf": cases })));
}

#[test]
fn what_may_change_something_is_never_run_twice() {
    let effect = |policy: &str| {
        let policy = Policy::from_yaml(&format!("version: \"1.0\"\npermissions: {policy}")).unwrap();
        let packed = sandbox().adopt(&echo("", &[("say", "u8")]).unwrap(), about(policy.requests)).unwrap();
        Manifest::of_component(&packed).unwrap().tools[0].effect
    };
    assert_eq!(effect("{}"), Effect::Read);
    assert_eq!(effect("{environment: {allow: [{key: TZ}]}}"), Effect::Read);
    assert_eq!(effect("{storage: {allow: [{uri: 'fs:///a', access: [read]}]}}"), Effect::Read);
    assert_eq!(effect("{storage: {allow: [{uri: 'fs:///a', access: [read, write]}]}}"), Effect::Once);
    assert_eq!(effect("{network: {allow: [{host: example.org}]}}"), Effect::Once);
}

const ANSWERS: &str = r#"
    (func (export "greet") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))
    (func (export "nothing"))
    (func (export "not-a-number") (result f64) (f64.const nan))
    (func (export "endless") (result f32) (f32.const -inf))
    (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
    (func (export "check") (param i32 i32) (result i32)
      (i32.store8 (i32.const 16) (i32.eqz (local.get 1)))
      (i32.store (i32.const 20) (local.get 0)) (i32.store (i32.const 24) (local.get 1)) (i32.const 16))
    (func (export "why") (result i32)
      (i32.store8 (i32.const 16) (i32.const 1)) (i32.store8 (i32.const 17) (i32.const 7)) (i32.const 16))
    (func (export "bare") (result i32) (i32.const 1))
    (func (export "spin") (loop $on (br $on)))
    (func (export "many") (param i32) (result i32)
      (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (local.get 0)) (i32.const 16))
    (func (export "crash") unreachable)"#;

fn answers() -> Plugin {
    let wit = "package test:plain; world plain {
        export greet: func(name: string) -> string;
        export nothing: func();
        export not-a-number: func() -> f64;
        export endless: func() -> f32;
        export half: func(of: f64) -> f64;
        export check: func(text: string) -> result<string, string>;
        export why: func() -> result<_, u8>;
        export bare: func() -> result;
        export spin: func();
        export many: func(count: u32) -> list<u8>;
        export crash: func();
    }";
    load(&plain(wit, "", ANSWERS).unwrap())
}

#[tokio::test]
async fn answers_are_text_or_json_or_failures() {
    let plugin = answers();
    assert_eq!(plugin.manifest().version, "0.0.0");
    assert_eq!(text(&call(&plugin, "greet", json!({ "name": "you" })).await), "you");
    assert_eq!(text(&call(&plugin, "check", json!({ "text": "fine" })).await), "fine");
    for (tool, wanted) in [("nothing", json!(null)), ("not_a_number", json!("NaN")), ("endless", json!("-Infinity"))] {
        assert_eq!(given(&call(&plugin, tool, json!({})).await), &wanted);
    }
    assert_eq!(given(&call(&plugin, "half", json!({ "of": 5 })).await), &json!(2.5));
    for (tool, arguments, message) in [
        ("check", json!({ "text": "" }), ""),
        ("why", json!({}), "7"),
        ("bare", json!({}), "the tool failed and does not say why"),
    ] {
        let called = call(&plugin, tool, arguments).await;
        assert_eq!(called.output, exoclaw_protocol::ToolOutput::failed(FailureKind::Failed, message));
    }
    let crashed = call(&plugin, "crash", json!({})).await;
    assert_eq!(crashed.output.failure, Some(FailureKind::Crashed));
    assert_eq!(call(&plugin, "other", json!({})).await.output.failure, Some(FailureKind::UnknownTool));
}

#[tokio::test]
async fn limits_hold_as_for_any_plugin() {
    let plugin = answers();
    let limits = Limits { time: Duration::from_millis(50), output: ByteSize(1000), ..Limits::default() };
    let permit = Permit::new(plugin.manifest(), &Grants::default(), &limits).unwrap();
    let run = |tool, arguments| plugin.call(&permit, request_of(tool, arguments), Host::default());
    assert_eq!(run("spin", json!({})).await.output.failure, Some(FailureKind::TimedOut));
    let many = |count: u32| run("many", json!({ "count": count }));
    assert_eq!(given(&many(400).await).as_array().unwrap().len(), 400);
    // 2 bytes for each.
    assert_eq!(many(500).await.output.failure, Some(FailureKind::Exhausted));
    // More than the host takes at once.
    let transfer = many(200_000).await;
    assert!(transfer.detail.as_ref().unwrap().to_string().contains("at once"), "{transfer:?}");
    let metering = many(400).await.metering;
    assert!(
        metering.fuel > 0 && metering.peak_memory == 4 << 16 && (800..820).contains(&metering.bytes_out),
        "{metering:?}"
    );
    assert!(plugin.call(&permit, request_of("nothing", json!({})), Host::default()).await.detail.is_none());
}

#[tokio::test]
async fn instances_are_made_ahead_of_them_too() {
    let plugin = answers();
    for _ in 0..200 {
        assert_eq!(text(&call(&plugin, "greet", json!({ "name": "again" })).await), "again");
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_never_reach_the_guest() {
    let packed = adopt(&of_every_type()).unwrap();
    let described = sandbox().load_bytes(&packed, None).unwrap();
    // A schema of the author's own takes anything: then the types refuse it.
    let mut manifest = Manifest::of_component(&packed).unwrap();
    manifest.tools.iter_mut().for_each(|tool| tool.input_schema = json!({ "type": "object" }));
    let anything = sandbox().load_bytes(&pack(&of_every_type(), &manifest).unwrap(), None).unwrap();
    for (tool, value) in [
        ("booleans", json!("true")),
        ("s_eight", json!(128)),
        ("u_eight", json!(-1)),
        ("u_eight", json!(1.5)),
        ("u_thirty", json!(4_294_967_296_u64)),
        ("u_sixty", json!(-1)),
        ("doubles", json!("1")),
        ("chars", json!("ab")),
        ("chars", json!("")),
        ("strings", json!(null)),
        ("lists", json!([1, "2"])),
        ("tuples", json!([1, "2"])),
        ("tuples", json!([1, "2", true, 4])),
        ("options", json!(1)),
        ("options_twice", json!(1)),
        ("options_twice", json!({ "some": "1" })),
        ("results", json!({})),
        ("results", json!({ "ok": 1, "err": "2" })),
        ("results_bare", json!({ "ok": 1 })),
        ("records", json!({ "the-name": "a" })),
        ("records", json!({ "the-name": "a", "numbers": [[-1]] })),
        ("records", json!({ "the-name": "a", "numbers": [], "more": 1 })),
        ("variants", json!("nothing")),
        ("variants", json!({ "tag": "other" })),
        ("variants", json!({ "tag": "text" })),
        ("variants", json!({ "tag": "nothing", "val": 1 })),
        ("enums", json!("blue")),
        ("flag_sets", json!({ "f9": true })),
        ("flag_sets", json!({ "f1": 1 })),
        ("flag_sets", json!(["f1"])),
    ] {
        for plugin in [&described, &anything] {
            let called = call(plugin, tool, json!({ "v": [value] })).await;
            assert!(unfit(&called).contains("/v/0"), "{tool} {value}: {called:?}");
            assert_eq!(called.metering.fuel, 0, "{tool} {value}");
        }
    }
    let inner = call(&anything, "records", json!({ "v": [{ "the-name": "a", "numbers": [[1], [2, -1]] }] })).await;
    assert!(unfit(&inner).contains("/v/0/numbers/1/1"), "{inner:?}");
    // The types hold more than JSON's numbers, and what they can't hold is refused.
    for (tool, value) in [("doubles", "NaN"), ("doubles", "-Infinity"), ("singles", "Infinity")] {
        assert_eq!(given(&call(&anything, tool, json!({ "v": [value] })).await), &json!([value]));
    }
    unfit(&call(&anything, "singles", json!({ "v": [1e300] })).await);
    unfit(&call(&anything, "s_sixty", json!({ "v": [1e300] })).await);
    // A whole number is one, however it is written.
    assert_eq!(given(&call(&described, "u_eight", json!({ "v": [3.0] })).await), &json!([3]));
    assert_eq!(
        given(&call(&described, "records", json!({ "v": [{ "the-name": "a", "numbers": [] }] })).await)[0]["maybe"],
        json!(null)
    );
}

#[tokio::test]
async fn little_json_that_means_much_is_refused() {
    let fields: String = (0..400).map(|field| format!("x{field}: option<u8>, ")).collect();
    let plugin = load(&echo(&format!("record wide {{ {fields} }}"), &[("wide-ones", "wide")]).unwrap());
    let given = |count: usize| json!({ "v": vec![json!({}); count] });
    assert!(!call(&plugin, "wide_ones", given(1)).await.output.is_error);
    assert!(unfit(&call(&plugin, "wide_ones", given(400)).await).contains("131072 values"));
}

#[test]
fn functions_that_can_be_no_tools_are_named() {
    let one = |types: &str, name: &str, ty: &str| match adopt(&echo(types, &[(name, ty)]).unwrap()) {
        Err(AdoptError::Load(LoadError::Function { function, reason })) => (function, reason),
        other => panic!("{other:?}"),
    };
    let (function, reason) = one("resource file;", "open-files", "file");
    assert_eq!(function, "test:plain/echo@1.2.0#open-files");
    assert!(reason.contains("a resource"), "{reason}");
    let wit = "package test:plain; interface files { resource file { count: static func() -> u32; } } world plain { export files; }";
    let count = r#"(func (export "test:plain/files#[static]file.count") (result i32) (i32.const 1))"#;
    let error = adopt(&plain(wit, "", count).unwrap()).unwrap_err().to_string();
    assert!(error.contains("test:plain/files#[static]file.count") && error.contains("a resource"), "{error}");
    let (_, reason) = one("", "a-name-that-no-tool-can-have-at-all", "u8");
    assert!(reason.contains("a_name_that_no_tool_can_have_at_all"), "{reason}");
    // Types that share their parts: two of each, eleven times.
    let shared: String = (1..12).map(|n| format!("type t{n} = tuple<t{}, t{}>; ", n - 1, n - 1)).collect();
    let (_, reason) = one(&format!("type t0 = u8; {shared}"), "doubled", "t11");
    assert!(reason.contains("2000 parts"), "{reason}");
    let deep = format!("{}u8{}", "list<".repeat(40), ">".repeat(40));
    let (_, reason) = one("", "deep", &deep);
    assert!(reason.contains("32 deep"), "{reason}");
}

#[test]
fn functions_of_two_interfaces_are_told_apart() {
    let wit = "package test:plain@0.3.0; interface one { get: func(); only: func(); } interface two { get: func(); }
        world plain { export one; export two; export last: func(); export wasi:cli/run@0.2.0; }";
    let module = r#"(func $f) (export "test:plain/one@0.3.0#get" (func $f)) (export "test:plain/one@0.3.0#only" (func $f))
        (export "test:plain/two@0.3.0#get" (func $f)) (export "last" (func $f))
        (func (export "wasi:cli/run@0.2.0#run") (result i32) (i32.const 0))"#;
    let plugin = load(&plain(wit, "", module).unwrap());
    let mut names: Vec<_> = plugin.manifest().tools.iter().map(|tool| tool.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["last", "one_get", "only", "two_get"]);
}

#[test]
fn only_components_without_a_manifest_of_their_own_are_adopted() {
    let built = Guest { call: ECHO, ..Guest::NONE };
    assert!(matches!(adopt(&built.component()), Err(AdoptError::Unpacked)));
    assert!(matches!(adopt(&built.packed()), Err(AdoptError::Packed)));
    assert!(matches!(adopt(b"\0asm\x0d\0\x01\0"), Err(AdoptError::Load(LoadError::NoTools))));
    assert!(matches!(adopt(b"\0asm\x01\0\0\0"), Err(AdoptError::Load(LoadError::Format(FormatError::CoreModule)))));
    let many = Requests { env: vec!["A".into(); 100], ..Requests::default() };
    let error = sandbox().adopt(&echo("", &[("say", "u8")]).unwrap(), about(many)).unwrap_err();
    assert!(matches!(error, AdoptError::Pack(_)), "{error:?}");
    // A manifest that names other functions.
    let mut manifest = Manifest::of_component(&adopt(&echo("", &[("say", "u8")]).unwrap()).unwrap()).unwrap();
    manifest.tools[0].name = "shout".parse().unwrap();
    let packed = pack(&echo("", &[("say", "u8")]).unwrap(), &manifest).unwrap();
    let error = sandbox().load_bytes(&packed, None).unwrap_err();
    assert!(matches!(&error, LoadError::NoFunction { tool } if tool.as_str() == "shout"), "{error:?}");
}

#[test]
fn what_was_adopted_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = SandboxConfig { cache: Some(folder.path().join("compiled")), ..SandboxConfig::default() };
    let packed = Sandbox::new(config.clone()).unwrap().adopt(&of_every_type(), about(Requests::default())).unwrap();
    // No component can be compiled in no time.
    let loader = Sandbox::new(SandboxConfig { compile_time: Duration::ZERO, ..config }).unwrap();
    loader.load_bytes(&packed, None).unwrap();
    let other = pack(&echo("", &[("say", "u8")]).unwrap(), &{
        let mut manifest = Manifest::of_component(&packed).unwrap();
        manifest.tools.truncate(1);
        manifest.tools[0].name = "say".parse().unwrap();
        manifest
    });
    assert!(matches!(loader.load_bytes(&other.unwrap(), None), Err(LoadError::TooSlow { .. })));
}

#[tokio::test]
async fn a_policy_asks_and_the_operator_grants() {
    let server = Server::saying("hello");
    let port = server.address.port();
    let wit = format!("package test:plain; world plain {{ {HTTP_WORLD} export get: func(line: string) -> string; }}");
    let functions = format!(
        "{HTTP} (func (export \"get\") (param i32 i32) (result i32)
           (i32.store (i32.const 20) (call $fetch (local.get 0) (local.get 1)))
           (i32.store (i32.const 16) (i32.const 16384))
           (i32.const 16))"
    );
    let component = plain(&wit, HTTP_IMPORTS, &functions).unwrap();
    let policy =
        format!("version: \"1.0\"\npermissions: {{network: {{allow: [{{host: 'http://127.0.0.1:{port}'}}]}}}}");
    let requests = Policy::from_yaml(&policy).unwrap().requests;
    let plugin = sandbox().load_bytes(&sandbox().adopt(&component, about(requests)).unwrap(), None).unwrap();
    let get = async |grants: &str| {
        let permit = Permit::new(plugin.manifest(), &toml::from_str(grants).unwrap(), &Limits::default()).unwrap();
        let line = format!("GET http://127.0.0.1:{port}/");
        let called = plugin.call(&permit, request_of("get", json!({ "line": line })), Host::default()).await;
        text(&called).to_owned()
    };
    assert!(get("").await.starts_with('E'));
    assert!(server.seen().is_empty());
    let private = format!("http-private = [\"127.0.0.1:{port}\"]");
    assert_eq!(get(&format!("http = [\"GET http://127.0.0.1:{port}/*\"]\n{private}")).await, "200 hello");
}
