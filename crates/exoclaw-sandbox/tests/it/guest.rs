//! Guests: core modules in WebAssembly text, made into components of the plugin's world.

use exoclaw_sandbox::{
    Called, Grants, Host, Limits, Manifest, Permit, Plugin, Sandbox, SandboxConfig, ToolRequest, pack,
};
use serde_json::{Value, json};

#[path = "../../guests/component.rs"]
pub(crate) mod component;
pub(crate) use component::{HTTP, HTTP_IMPORTS, HTTP_WORLD};

/// A guest that says its arguments again.
pub(crate) const ECHO: &str = "(call $text (local.get $arguments) (local.get $arguments_len))";

/// What a guest is made of.
#[derive(Default, Clone, Copy)]
pub(crate) struct Guest<'a> {
    /// Imports of its world, as WIT, such as `import wasi:cli/environment@0.2.0;`.
    pub(crate) world: &'a str,
    /// Imports and functions of the core module.
    pub(crate) imports: &'a str,
    pub(crate) functions: &'a str,
    /// Body of `call`: has the request's fields and `$i`, gives back the result's address.
    pub(crate) call: &'a str,
    /// Lines of the manifest's `[requests]`.
    pub(crate) requests: &'a str,
    /// Lines of the operator's `[plugins.grants]`.
    pub(crate) grants: &'a str,
}

impl Guest<'_> {
    /// Makes the request that its argument `text` names; answers with status and body, or `E` and the error's number.
    pub(crate) const FETCH: Guest<'static> = Guest {
        world: HTTP_WORLD,
        imports: HTTP_IMPORTS,
        functions: HTTP,
        call: "(call $fetch_text (local.get $arguments) (local.get $arguments_len))",
        ..Guest::NONE
    };

    pub(crate) const NONE: Guest<'static> =
        Guest { world: "", imports: "", functions: "", call: "", requests: "", grants: "" };

    pub(crate) fn grants(&self) -> Grants {
        toml::from_str(self.grants).unwrap()
    }

    /// The component, not packed.
    pub(crate) fn component(&self) -> Vec<u8> {
        let Guest { world, imports, functions, call, .. } = self;
        component::component(world, imports, functions, call).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let requests = self.requests;
        Manifest::from_toml(&format!(
            r#"
            name = "guest"
            version = "1.0.0"
            description = "A guest of the tests"
            [[tools]]
            name = "run"
            description = "Runs"
            effect = "pure"
            input_schema = {{ type = "object", properties = {{ text = {{ type = "string", maxLength = 100 }} }} }}
            [requests]
            {requests}
            "#
        ))
        .unwrap()
    }

    pub(crate) fn packed(&self) -> Vec<u8> {
        pack(&self.component(), &self.manifest()).unwrap()
    }

    pub(crate) fn load(&self) -> Plugin {
        sandbox().load_bytes(&self.packed(), None).unwrap()
    }
}

/// A sandbox of its own for each test.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { concurrency: 8, queue: 8, ..SandboxConfig::default() }).unwrap()
}

pub(crate) fn request(arguments: Value) -> ToolRequest {
    ToolRequest {
        tool: "run".parse().unwrap(),
        arguments,
        call_id: "call-1".parse().unwrap(),
        idempotency_key: "key-1".into(),
        agent: "main".parse().unwrap(),
        session: "digest".into(),
    }
}

/// A permit without grants, with the default limits.
pub(crate) fn permit(plugin: &Plugin) -> Permit {
    Permit::new(plugin.manifest(), &Grants::default(), &Limits::default()).unwrap()
}

/// One call without grants.
pub(crate) async fn call(plugin: &Plugin, limits: &Limits) -> Called {
    let permit = Permit::new(plugin.manifest(), &Grants::default(), limits).unwrap();
    plugin.call(&permit, request(json!({})), Host::default()).await
}

/// The one text of an output that is no failure.
#[track_caller]
pub(crate) fn text(called: &Called) -> &str {
    assert!(!called.output.is_error, "{:?} {:?}", called.output, called.detail);
    match called.output.content.as_slice() {
        [exoclaw_protocol::ToolContent::Text { text }] => text,
        other => panic!("{other:?}"),
    }
}
