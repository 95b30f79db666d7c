//! How a config names tools.

use exoclaw_protocol::{PluginName, ToolName};

/// Tools as a config names them: `plugin` for all of a plugin, `plugin.tool` for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// The tool's, if it is one.
    pub tool: Option<&'a str>,
}

impl<'a> Selector<'a> {
    /// Reads it. Neither name has a dot, so that every text is a selector, if one that fits nothing.
    pub fn of(text: &'a str) -> Self {
        text.split_once('.')
            .map_or(Self { plugin: text, tool: None }, |(plugin, tool)| Self { plugin, tool: Some(tool) })
    }

    /// Whether it names this tool of its plugin.
    pub(crate) fn takes(self, tool: &ToolName) -> bool {
        self.tool.is_none_or(|wanted| wanted == tool.as_str())
    }

    /// Whether it names the tool that people see under this name, which is the plugin's alone where both are the same.
    pub(crate) fn shows(self, shown: &str) -> bool {
        let shown = Selector::of(shown);
        self.plugin == shown.plugin && self.tool.is_none_or(|tool| tool == shown.tool.unwrap_or(shown.plugin))
    }
}

/// The tool as models see it, whose names have no dots.
pub(super) fn model_name(plugin: &PluginName, tool: &ToolName) -> String {
    if plugin.as_str() == tool.as_str() { plugin.to_string() } else { format!("{plugin}__{tool}") }
}

/// The tool as people see it: `plugin.tool`, or `plugin` alone where both are the same. Plugin names have no `_`.
pub fn display_name(model_name: &str) -> String {
    model_name.replacen("__", ".", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_takes_and_shows_what_it_names() {
        let tool = |name: &str| name.parse::<ToolName>().unwrap();
        assert!(Selector::of("notes").takes(&tool("add")) && Selector::of("notes.add").takes(&tool("add")));
        assert!(!Selector::of("notes.add").takes(&tool("list")));
        for (selector, shown, wanted) in [
            ("notes", "notes.add", true),
            ("notes.add", "notes.add", true),
            ("notes.add", "notes.list", false),
            ("notes", "notepad.add", false),
            // Where both have one name, it stands once.
            ("echo", "echo", true),
            ("echo.echo", "echo", true),
            ("echo.other", "echo", false),
        ] {
            assert_eq!(Selector::of(selector).shows(shown), wanted, "{selector} {shown}");
        }
    }
}
