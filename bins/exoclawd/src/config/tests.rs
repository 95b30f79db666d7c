//! Every way to get a config wrong, and where each value comes from.

use super::{ConfigFile, DEFAULTS, Flags, Loaded, Sources, load};
use crate::{Env, Home};

struct Case {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
    flags: Flags,
}

impl Case {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
        Self { dir, env: Vec::new(), flags: Flags::default() }
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    fn load(&self) -> Result<Loaded, String> {
        let home = Home::find(Some(self.dir.path()), &Env::default()).unwrap();
        let env: Env = self.env.iter().cloned().collect();
        let sources = Sources { file: None, home: &home, env: &env, flags: self.flags.clone(), may_be_absent: false };
        load(&sources).map_err(|error| {
            let hints: String = error.hints().iter().map(|hint| format!(" | {hint}")).collect();
            let text = crate::error::chain(&error) + &hints;
            text.replace(&format!("{}/", self.dir.path().display()), "")
        })
    }
}

/// The error of a config, with its hints.
#[track_caller]
fn wrong(text: &str, want: &str) {
    assert_eq!(Case::new(text).load().unwrap_err(), want);
}

const AGENT: &str = "[providers.p]\nkind = \"demo\"\n[[agents]]\nid = \"main\"\nprovider = \"p\"\nmodel = \"m\"\n";

#[test]
fn unknown_keys_name_the_nearest_one_and_the_line() {
    wrong("# first\n[gateway]\nprot = 1\n", "config.toml:3: unknown key \"prot\" in gateway | did you mean \"port\"?");
    wrong("[gatway]\n", "config.toml:1: unknown key \"gatway\" | did you mean \"gateway\"?");
    wrong(
        "[providers.local]\nkind = \"openai\"\nbaseurl = \"x\"",
        "config.toml:3: unknown key \"baseurl\" in providers.local | did you mean \"base_url\"?",
    );
    wrong(
        &format!("{AGENT}[[agents]]\nid = \"b\"\nprovider = \"p\"\nmodel = \"m\"\nzzz = 1"),
        "config.toml:11: unknown key \"zzz\" in agents[1] | keys here: id, provider, model, system_prompt, max_tokens, \
         thinking, models, tools, default",
    );
}

#[test]
fn credentials_are_refused_and_not_repeated() {
    for key in ["api_key", "apiKey", "token", "secret_key", "password"] {
        let error =
            Case::new(&format!("[providers.my-llm]\nkind = \"openai\"\n{key} = \"sk-123\"")).load().unwrap_err();
        assert!(error.starts_with(&format!("config.toml:3: {key:?} may not stand in the config")), "{error}");
        assert!(error.contains("set EXOCLAW_MY_LLM_API_KEY"), "{error}");
        assert!(!error.contains("sk-123"), "{error}");
    }
    let error = Case::new("[gateway]\ntoken = \"t-123\"").load().unwrap_err();
    assert!(error.contains("EXOCLAW_TOKEN") && !error.contains("t-123"), "{error}");
}

#[test]
fn values_that_do_not_fit_name_key_and_line() {
    wrong(
        "[gateway]\nport = 70000",
        "config.toml:2: gateway.port: found signed int `70000`, want a whole number from 0 to 65535",
    );
    wrong("[gateway]\nbind = \"nowhere\"", "config.toml:2: gateway.bind: invalid IP address syntax");
    wrong("gateway = 5", "config.toml:1: gateway: found signed int `5`, want a table");
    wrong(
        "\n[providers.p]\nkind = \"opnai\"",
        "config.toml:3: providers.p.kind: unknown value \"opnai\" | did you mean \"openai\"?",
    );
    wrong("[providers.p]\n", "config.toml:1: providers.p has no \"kind\"");
    wrong(
        &AGENT.replace("\"main\"", "\"Main!\""),
        "config.toml:4: agents[0].id: agent id \"Main!\": want 1 to 64 of a-z, 0-9, '_' and '-', starting with a letter \
         or digit",
    );
    wrong("[gateway\n", "config.toml:1: unclosed table, expected `]`");
}

#[test]
fn names_must_be_known_and_unique() {
    wrong(
        &AGENT.replace("provider = \"p\"", "provider = \"pp\""),
        "config.toml:5: agent main wants the provider \"pp\", which is not in the config | did you mean \"p\"?",
    );
    wrong(
        &format!("{AGENT}tools = [\"ecko\"]\n[[plugins]]\nname = \"echo\"\npath = \"e.wasm\""),
        "config.toml:7: agent main wants the tool \"ecko\", but there is no plugin \"ecko\" | did you mean \"echo\"?",
    );
    let second = "[[agents]]\nid = \"main\"\nprovider = \"p\"\nmodel = \"m\"";
    wrong(&format!("{AGENT}{second}"), "config.toml:8: there are two agents with the id main");
    let other = second.replace("main", "b");
    wrong(
        &format!("{AGENT}default = true\n{other}\ndefault = true"),
        "config.toml:12: main and b can't both be the default",
    );
    let plugin = "[[plugins]]\nname = \"echo\"\npath = \"e.wasm\"\n";
    wrong(&format!("{plugin}{plugin}"), "config.toml:5: there are two plugins named echo");
}

#[test]
fn prices_are_exact_and_the_closest_pattern_counts() {
    let table = |pattern: &str, input: &str| format!("[prices.{pattern:?}]\ninput = {input}\noutput = \"2\"\n");
    let text = table("gpt-*", "\"1.5\"") + &table("gpt-5.1-*", "\"0.0375\"") + &table("gpt-5.1-nano", "\"0\"");
    let config = Case::new(&text).load().unwrap().config;
    let input = |model: &str| config.price(model).map(|price| price.input.to_string());
    assert_eq!(input("gpt-5").as_deref(), Some("1.5"));
    assert_eq!(input("gpt-5.1-mini").as_deref(), Some("0.0375"));
    assert_eq!(input("gpt-5.1-nano").as_deref(), Some("0"));
    assert_eq!(input("claude"), None);
    wrong(
        &table("gpt-*", "1.5"),
        "config.toml:2: prices.gpt-*.input: found float `1.5`, want an amount of money as a text, such as \"2.50\"",
    );
    wrong(
        "[budgets]\ncurrency = \"\"",
        "config.toml:2: budgets.currency: \"\" is no currency, such as \"USD\" or \"EUR\"",
    );
}

#[test]
fn approvals_must_be_of_tools_that_are_known() {
    let plugin = "[[plugins]]\nname = \"notes\"\npath = \"n.wasm\"\n";
    let with = |lines: &str| format!("{AGENT}[approvals]\n{lines}\n{plugin}");
    let config = Case::new(&with("ask = [\"notes.append\"]")).load().unwrap().config;
    assert_eq!((config.approvals.ask, config.approvals.expire_seconds), (vec!["notes.append".to_owned()], 600));
    wrong(
        &with("ask = [\"notse\"]"),
        "config.toml:8: calls of \"notse\" are to wait for approval, but there is no plugin \"notse\" | did you mean \
         \"notes\"?",
    );
    wrong(&with("expire_seconds = 0"), "config.toml:8: expire_seconds must be at least 1");
}

#[test]
fn budgets_must_bound_something_that_is_known() {
    let with = |budget: &str| format!("{}{budget}\n", AGENT.replace("demo", "openai"));
    let price = "[prices.\"m*\"]\ninput = \"1\"\noutput = \"2\"\n";
    let budget = "[budgets]\nday = { money = \"5\" }\n[budgets.agents.main]\nmonth = { tokens = 7 }\n\
                  [budgets.credentials.phone]\nsession = { tokens = 1, money = \"0.5\" }";
    let config = Case::new(&with(&format!("{price}{budget}"))).load().unwrap().config;
    let budgets = config.budgets.budgets();
    assert_eq!(budgets.all.day.unwrap().money, Some("5".parse().unwrap()));
    assert_eq!(budgets.agents[&"main".parse().unwrap()].month.unwrap().tokens, Some(7));
    assert_eq!(budgets.credentials[&"phone".parse().unwrap()].session.unwrap().tokens, Some(1));

    wrong(
        &with(budget),
        "config.toml:6: a budget of money counts for agent main, but \"m\" has no price | add [prices.\"m\"] with input \
         and output per million tokens",
    );
    wrong(
        &with("[budgets]\nday = {}"),
        "config.toml:7: a budget that is empty bounds nothing | give it tokens, money or both: day = { tokens = 1000000, \
         money = \"5\" }",
    );
    wrong(
        &with("[budgets.agents.mian]\nday = { tokens = 1 }"),
        "config.toml:7: there is no agent mian | did you mean \"main\"?",
    );
    wrong(
        &with("[budgets]\ndya = { tokens = 1 }"),
        "config.toml:8: unknown key \"dya\" in budgets | did you mean \"day\"?",
    );
    assert!(Case::new(&format!("{AGENT}{budget}")).load().is_ok(), "the demo model costs nothing");
}

#[test]
fn addresses_of_providers_are_checked() {
    let with = |url: &str| format!("[providers.p]\nkind = \"openai\"\nbase_url = {url:?}");
    wrong(
        &with("localhost:11434"),
        "config.toml:3: base_url \"localhost:11434\" is no http or https address | such as \"http://127.0.0.1:11434/v1\"",
    );
    wrong(&with("http://u:p@h/v1"), "config.toml:3: base_url may hold neither a password nor a query");
    let notices = |url: &str| Case::new(&with(url)).load().unwrap().notices;
    assert!(notices("http://[::1]:8080/v1").is_empty());
    assert_eq!(
        notices("http://models.example/v1"),
        ["provider p is asked over plain http: key and messages can be read on the way"]
    );
}

#[test]
fn each_layer_covers_those_below_and_values_remember_it() {
    let port = |case: &Case| {
        let loaded = case.load().unwrap();
        let entry = loaded.entries.iter().find(|entry| entry.key == "gateway.port").unwrap();
        let from = entry.from.rsplit('/').next().unwrap().to_owned();
        assert_eq!(entry.value, loaded.config.gateway.port);
        (loaded.config.gateway.port, from)
    };
    let mut case = Case::new("");
    assert_eq!(port(&case), (7200, "default".into()));
    case = Case::new("[gateway]\n\nport = 1");
    assert_eq!(port(&case), (1, "config.toml:3".into()));
    case = case.env("EXOCLAW_GATEWAY_PORT", "2");
    assert_eq!(port(&case), (2, "EXOCLAW_GATEWAY_PORT".into()));
    case.flags.port = Some(3);
    assert_eq!(port(&case), (3, "--port".into()));
}

#[test]
fn wrong_variables_are_errors_or_noticed() {
    let error = |value| Case::new("").env("EXOCLAW_GATEWAY_PORT", value).load().unwrap_err();
    let want = "want a whole number from 0 to 65535";
    assert_eq!(error("x"), format!("EXOCLAW_GATEWAY_PORT: gateway.port: found string \"x\", {want}"));
    assert_eq!(error(""), format!("EXOCLAW_GATEWAY_PORT: gateway.port: found string \"\", {want}"));
    let notices = Case::new("").env("EXOCLAW_GATEWAY_PROT", "1").load().unwrap().notices;
    assert_eq!(notices, ["the variable EXOCLAW_GATEWAY_PROT means nothing; did you mean EXOCLAW_GATEWAY_PORT?"]);
    assert!(Case::new("").env("EXOCLAW_LOCAL_API_KEY", "k").load().unwrap().notices.is_empty());
}

#[test]
fn a_named_file_must_be_there() {
    let home = Home::find(Some("/nonexistent".as_ref()), &Env::default()).unwrap();
    let env = Env::default();
    let mut sources = Sources { file: None, home: &home, env: &env, flags: Flags::default(), may_be_absent: false };
    assert!(!load(&sources).unwrap().exists);
    sources.file = Some("/nonexistent/own.toml".as_ref());
    let error = load(&sources).unwrap_err();
    assert_eq!(error.to_string(), "read config /nonexistent/own.toml");
    assert_eq!(error.hints(), ["`exoclawd onboard` writes a config"]);
}

#[test]
fn bindings_know_their_line() {
    let loaded = Case::new(&format!("{AGENT}\n[[bindings]]\nagent = \"main\"\npeer = \"group:7\"\n")).load().unwrap();
    let place = loaded.config.bindings[0].place.as_deref().unwrap();
    assert!(place.ends_with("config.toml:8"), "{place}");
}

#[test]
fn the_documented_examples_are_valid() {
    let loaded = Case::new(&uncommented(DEFAULTS)).load().unwrap();
    let config = loaded.config;
    assert_eq!((config.providers.len(), config.agents.len()), (1, 1));
    assert_eq!((config.plugins.len(), config.channels.len(), config.bindings.len()), (3, 1, 1));
    let entry = loaded.entries.iter().find(|entry| entry.key == "agents[0].tools").unwrap();
    assert_eq!(entry.value, serde_json::json!(["echo", "notes.append"]));
}

/// The examples of the default file without their comment marks.
fn uncommented(text: &'static str) -> String {
    let is_toml =
        |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let line = |line: &'static str| line.strip_prefix("# ").filter(|rest| is_toml(rest)).unwrap_or(line);
    text.lines().map(line).fold(String::with_capacity(text.len()), |all, line| all + line + "\n")
}

#[test]
fn places_reach_into_inline_tables() {
    let text = "[[plugins]]\nname = \"a\"\n[plugins.grants]\nfs = [\n  { host = \"x\" },\n  { hots = \"y\" },\n]\n";
    let file = ConfigFile::parse("c".as_ref(), text.to_owned()).unwrap();
    assert_eq!(file.place(&["plugins", "0", "grants", "fs", "1", "hots"]), "c:6");
    assert_eq!(file.place(&["plugins", "0", "grants", "env"]), "c:3");
    assert_eq!(file.place(&["plugins", "1"]), "c:1");
}

/// Keys and types alone: enough to see that nothing is missing.
fn fits(schema: &serde_json::Value, value: &serde_json::Value, place: &str) {
    use serde_json::Value;
    let wanted = schema["type"].as_str().unwrap_or_else(|| panic!("{place} is not in the schema"));
    let found = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) | Value::Null => "integer",
    };
    assert_eq!(found, wanted, "{place}");
    if let Value::Object(table) = value {
        for (key, inner) in table {
            let known = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
            fits(known, inner, &format!("{place}.{key}"));
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(table.contains_key(required.as_str().unwrap()), "{place} lacks {required}");
        }
    }
    for (at, inner) in value.as_array().into_iter().flatten().enumerate() {
        fits(&schema["items"], inner, &format!("{place}[{at}]"));
    }
}

/// The defaults with all of their examples, which are comments there.
#[test]
fn the_schema_knows_the_defaults_and_their_examples() {
    let is_example = |line: &str| {
        let key = line.split_once(" = ").map(|(key, _)| key);
        line.starts_with('[') || key.is_some_and(|key| !key.contains([' ', ',', '.']))
    };
    let lines = super::DEFAULTS.lines();
    let lines = lines.map(|line| line.strip_prefix("# ").filter(|line| is_example(line)).unwrap_or(line));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let values = ConfigFile::parse("examples".as_ref(), text).unwrap().dict();
    let values = serde_json::to_value(values).unwrap();
    let schema: serde_json::Value = serde_json::from_str(super::SCHEMA).unwrap();
    assert!(values["plugins"][1]["grants"]["fs"].is_array() && values["gateway"]["tls"].is_object(), "{values}");
    fits(&schema, &values, "config");
}

#[test]
fn all_tables_are_shown_with_where_their_values_came_from() {
    let schema: serde_json::Value = serde_json::from_str(super::SCHEMA).unwrap();
    let mut known: Vec<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut shown = super::origins::TABLES.to_vec();
    known.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, known, "a table of the schema is not shown");
    let config = "[chat]\nstop_words = [\"/stop\"]\n[prices.\"gpt-5.1*\"]\ninput = \"1\"\noutput = \"2\"\n";
    let case = Case::new(config);
    let entries = case.load().unwrap().entries;
    let of = |key: &str| entries.iter().find(|entry| entry.key == key).unwrap_or_else(|| panic!("{key}: {entries:#?}"));
    assert_eq!(of("chat.stop_words").from, format!("{}:2", case.dir.path().join("config.toml").display()));
    assert_eq!(of("prices.\"gpt-5.1*\".input").value, "1");
    assert_eq!(of("limits.connection.burst").from, "default");
}
