//! A form for one call of a tool, made from the schema of its arguments.

use exoclaw_protocol::{PluginTool, ToolContent};
use leptos::{prelude::*, task::spawn_local};
use serde_json::{Map, Value};

use crate::{
    browser::http::{self, Tried},
    catalogue::t,
    state::readable,
    view::{chat::plain_code, dialog::Dialog},
};

/// What a field of the form asks for.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Text,
    Number,
    Truth,
    /// One of these texts.
    Choice(Vec<String>),
    /// Anything, as JSON.
    Json,
}

/// One field of the form.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: String,
    hint: String,
    kind: Kind,
    required: bool,
}

/// The fields of an object schema; what is more than a plain value is asked for as JSON.
fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> =
        schema["required"].as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    let field = |(name, of): (&String, &Value)| {
        let choices = of["enum"].as_array().map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        let kind = match (choices, of["type"].as_str()) {
            (Some(choices), _) if !choices.is_empty() => Kind::Choice(choices.into_iter().map(str::to_owned).collect()),
            (_, Some("string")) => Kind::Text,
            (_, Some("number" | "integer")) => Kind::Number,
            (_, Some("boolean")) => Kind::Truth,
            _ => Kind::Json,
        };
        let hint = of["description"].as_str().unwrap_or_default().to_owned();
        Field { name: name.clone(), hint, kind, required: required.contains(&name.as_str()) }
    };
    properties.iter().map(field).collect()
}

/// The arguments that a filled-in form makes.
fn arguments(fields: &[Field], values: &[String]) -> Result<Value, String> {
    let mut arguments = Map::new();
    for (field, value) in fields.iter().zip(values) {
        if value.is_empty() && !(field.required && field.kind == Kind::Text) {
            continue;
        }
        let value = match &field.kind {
            Kind::Text | Kind::Choice(_) => Value::String(value.clone()),
            Kind::Truth => Value::Bool(value == "true"),
            Kind::Number | Kind::Json => {
                serde_json::from_str(value).map_err(|error| format!("{}: {error}", field.name))?
            }
        };
        arguments.insert(field.name.clone(), value);
    }
    Ok(Value::Object(arguments))
}

/// The dialog that asks for the arguments and shows what came back.
#[component]
pub(super) fn TryIt(tried: RwSignal<Option<PluginTool>>) -> impl IntoView {
    let open = Memo::new(move |_| tried.with(Option::is_some));
    let title =
        Signal::derive(move || tried.with(|tool| tool.as_ref().map(|tool| tool.name.clone())).unwrap_or_default());
    view! { <Dialog open close=move |()| tried.set(None) title>{move || tried.get().map(form)}</Dialog> }
}

/// The name by which a tool is called: a plugin and its tool of the same name have one.
fn callable(name: &str) -> &str {
    match name.split_once('.') {
        Some((plugin, tool)) if plugin == tool => plugin,
        _ => name,
    }
}

fn form(tool: PluginTool) -> AnyView {
    let fields = fields(&tool.input_schema);
    let values: Vec<RwSignal<String>> = fields.iter().map(|_| RwSignal::new(String::new())).collect();
    let outcome = RwSignal::new(None::<Result<Tried, String>>);
    let busy = RwSignal::new(false);
    let inputs: Vec<AnyView> = fields.iter().zip(&values).map(|(field, value)| input(field, *value)).collect();
    let name = callable(&tool.name).to_owned();
    let run = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let given: Vec<String> = values.iter().map(|value| value.get_untracked()).collect();
        let arguments = match arguments(&fields, &given) {
            Ok(arguments) => arguments,
            Err(why) => return outcome.set(Some(Err((t().not_json)(&why)))),
        };
        busy.set(true);
        let name = name.clone();
        spawn_local(async move {
            let tried = http::invoke(&name, &arguments).await;
            // The dialog may be closed by then.
            outcome.try_set(Some(tried));
            busy.try_set(false);
        });
    };
    view! {
        <form class="ask try-it" on:submit=run>
            <p class="quiet" dir="auto">{tool.description}</p>
            {inputs}
            <p class="quiet">{t().try_as}</p>
            <div class="answers"><button type="submit" class="button primary" disabled=busy>{t().run}</button></div>
            <div role="status">{move || outcome.get().map(shown)}</div>
        </form>
    }
    .into_any()
}

fn shown(outcome: Result<Tried, String>) -> AnyView {
    match outcome {
        Ok(Tried { ok, content }) => {
            let content: Vec<ToolContent> = serde_json::from_value(content).unwrap_or_default();
            let text = readable(&content);
            let language = if text.starts_with(['{', '[']) { "json" } else { "" };
            view! {
                <h3>{if ok { t().tried_fine } else { t().tried_failed }}</h3>
                <pre tabindex="0"><code>{plain_code(language, &text)}</code></pre>
            }
            .into_any()
        }
        Err(why) => view! { <p class="problem" dir="auto">{why}</p> }.into_any(),
    }
}

fn input(field: &Field, value: RwSignal<String>) -> AnyView {
    let id = format!("try-{}", field.name);
    let (required, name) = (field.required, field.name.clone());
    let on_change = move |event: web_sys::Event| value.set(event_target_value(&event));
    let control = match &field.kind {
        Kind::Text | Kind::Json => view! {
            <textarea id=id.clone() class="input" rows="2" dir="auto" required=required prop:value=value on:input=on_change></textarea>
        }
        .into_any(),
        Kind::Number => view! {
            <input id=id.clone() class="input" type="number" step="any" required=required prop:value=value on:input=on_change/>
        }
        .into_any(),
        Kind::Truth => {
            select(id.clone(), required, &[("true", t().yes), ("false", t().no)].map(|(value, name)| (value.to_owned(), name.to_owned())), on_change)
        }
        Kind::Choice(choices) => {
            let choices: Vec<_> = choices.iter().map(|choice| (choice.clone(), choice.clone())).collect();
            select(id.clone(), required, &choices, on_change)
        }
    };
    let notes = [(!required).then_some(t().optional), (field.kind == Kind::Json).then_some(t().as_json)];
    let notes = notes.into_iter().flatten().collect::<Vec<_>>().join(", ");
    view! {
        <div class="try-field">
            <label for=id><code>{name}</code>" "<span class="quiet">{notes}</span></label>
            {control}
            <p class="quiet" dir="auto">{field.hint.clone()}</p>
        </div>
    }
    .into_any()
}

fn select(
    id: String,
    required: bool,
    choices: &[(String, String)],
    on_change: impl Fn(web_sys::Event) + 'static,
) -> AnyView {
    let choice = |(value, name): &(String, String)| view! { <option value=value.clone()>{name.clone()}</option> };
    view! {
        <select id=id class="input" required=required on:change=on_change>
            <option value="">{t().unset}</option>
            {choices.iter().map(choice).collect::<Vec<_>>()}
        </select>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kind, arguments, callable, fields};

    #[test]
    fn a_plugin_and_its_tool_of_one_name_are_called_by_it() {
        assert_eq!([callable("echo.echo"), callable("notes.read"), callable("echo")], ["echo", "notes.read", "echo"]);
    }

    #[test]
    fn a_form_follows_the_schema() {
        let schema = json!({
            "type": "object", "required": ["text"],
            "properties": {
                "count": { "type": "integer" },
                "loud": { "type": "boolean" },
                "mode": { "enum": ["a", "b"] },
                "tags": { "type": "array" },
                "text": { "type": "string", "description": "What to say" },
            },
        });
        let fields = fields(&schema);
        let kinds: Vec<&Kind> = fields.iter().map(|field| &field.kind).collect();
        let choice = Kind::Choice(vec!["a".into(), "b".into()]);
        assert_eq!(kinds, [&Kind::Number, &Kind::Truth, &choice, &Kind::Json, &Kind::Text]);
        assert!(fields[4].required && fields[4].hint == "What to say" && !fields[0].required);

        let given = ["3", "true", "", "[\"x\"]", ""].map(str::to_owned);
        let want = json!({ "count": 3, "loud": true, "tags": ["x"], "text": "" });
        assert_eq!(arguments(&fields, &given).unwrap(), want);
        let given = ["", "", "", "{", "x"].map(str::to_owned);
        assert!(arguments(&fields, &given).unwrap_err().starts_with("tags: "));
    }

    #[test]
    fn a_tool_without_arguments_has_an_empty_form() {
        assert_eq!(fields(&json!({ "type": "object" })), []);
        assert_eq!(arguments(&[], &[]).unwrap(), json!({}));
    }
}
