//! Secrets in the config: where they stand and how they are set here, never what they are.

use serde_json::Value;

/// Secrets that are named; more are no config that people write.
const SECRETS: usize = 200;

/// Longest name of a kept secret.
const NAME_BYTES: usize = 64;

/// Each with its place in the config, and what to do instead.
pub(crate) fn secrets(config: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(config, &mut Vec::new(), &mut found);
    found
}

fn walk<'a>(value: &'a Value, path: &mut Vec<&'a str>, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                path.push(key);
                walk(value, path, found);
                path.pop();
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, found)),
        Value::String(text) if !text.is_empty() && is_secret(path) && found.len() < SECRETS => {
            found.push((path.join("."), instead(path)));
        }
        _ => {}
    }
}

fn is_secret(path: &[&str]) -> bool {
    let last = path.last().map(|key| key.to_ascii_lowercase().replace(['_', '-'], "")).unwrap_or_default();
    path.first() == Some(&"env")
        || ["token", "secret", "password", "apikey", "privatekey", "credential"].iter().any(|word| last.contains(word))
}

fn instead(path: &[&str]) -> String {
    match path {
        ["models", "providers", name, ..] => {
            format!("set {}, or `exoclawd onboard`", crate::keys::variable(name))
        }
        ["gateway" | "hooks", ..] => "`exoclawd token create NAME`".to_owned(),
        path => {
            let path = path.strip_prefix(&["channels"]).unwrap_or(path).join("-").to_ascii_lowercase();
            let name: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            let name = name.trim_matches('-');
            format!("`exoclawd secret set {}`", &name[..name.len().min(NAME_BYTES)])
        }
    }
}
