//! The config as clients may see it.

use figment::Figment;
use reqwest::Url;
use serde_json::Value;

/// What stands where something is not shown, as OpenClaw's clients know it.
const HIDDEN: &str = "__OPENCLAW_REDACTED__";

/// All values in force, but for what might be a secret: what agents are told to be, and all of a provider's address that is
/// not needed to know which one it is.
pub(super) fn shown(figment: &Figment) -> Value {
    let mut values = figment.extract().unwrap_or_default();
    hide(&mut values);
    values
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                match (key.as_str(), &mut *value) {
                    ("system_prompt", _) => *value = HIDDEN.into(),
                    ("base_url", Value::String(url)) => *url = plain(url),
                    (_, value) => hide(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

/// Scheme, host, port and path.
fn plain(url: &str) -> String {
    let Ok(mut url) = url.parse::<Url>() else { return HIDDEN.to_owned() };
    // Both fail for addresses alone that have no host, and so no user either.
    url.set_username("").ok();
    url.set_password(None).ok();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_might_be_secret_is_hidden() {
        let mut values = json!({
            "gateway": { "port": 7200 },
            "providers": { "a": { "base_url": "https://user:canary@host.example:8443/v1?key=canary#canary" } },
            "agents": [{ "id": "main", "system_prompt": "canary" }],
        });
        hide(&mut values);
        assert!(!values.to_string().contains("canary"), "{values}");
        assert_eq!(values["providers"]["a"]["base_url"], "https://host.example:8443/v1");
        assert_eq!((&values["gateway"]["port"], &values["agents"][0]["id"]), (&json!(7200), &json!("main")));
    }
}
