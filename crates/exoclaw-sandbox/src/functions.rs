//! Components without the interface `tool`: their exported functions are tools, with arguments by their WIT types.

mod schema;
mod value;

use exoclaw_plugin_format::Manifest;
use exoclaw_protocol::{FailureKind, ToolContent, ToolName, ToolOutput};
use serde_json::Value;
use wasmtime::{
    Engine, Error, Result, Store, bail,
    component::{
        Component, ComponentExportIndex, Instance, InstancePre, Val,
        types::{ComponentFunc, ComponentItem},
    },
};

use crate::{CallError, Limits, LoadError, limits::FAILURE_BYTES, outcome, output::cut, state::State};

/// Interfaces of this namespace are for hosts, such as `wasi:cli/run`: none of them is a tool.
const STANDARD: &str = "wasi:";

/// A function that a component exports.
pub(crate) struct Function {
    pub(crate) tool: ToolName,
    pub(crate) signature: String,
    pub(crate) input_schema: Value,
    /// The interface with its package; empty for functions of the world itself.
    pub(crate) interface: String,
    pub(crate) name: String,
    index: ComponentExportIndex,
    ty: ComponentFunc,
}

/// A component whose functions are tools, linked.
pub(crate) struct Functions {
    linked: InstancePre<State>,
    tools: Vec<Function>,
}

impl Function {
    /// Every function that the component exports.
    ///
    /// # Errors
    /// Names the first one that can't be a tool.
    pub(crate) fn all_of(component: &Component, engine: &Engine) -> Result<Vec<Self>, LoadError> {
        let exported = Exported::all_of(component, engine);
        exported.iter().map(|one| one.function(&exported)).collect()
    }
}

/// A function, before it is known whether it can be a tool.
struct Exported {
    interface: String,
    name: String,
    index: Option<ComponentExportIndex>,
    ty: ComponentFunc,
}

impl Exported {
    fn all_of(component: &Component, engine: &Engine) -> Vec<Self> {
        let mut found = Vec::new();
        for (export, item) in component.component_type().exports(engine) {
            match item.ty {
                _ if export.starts_with(STANDARD) => {}
                ComponentItem::ComponentFunc(ty) => {
                    let index = component.get_export_index(None, export);
                    found.push(Self { interface: String::new(), name: export.to_owned(), index, ty });
                }
                ComponentItem::ComponentInstance(instance) => {
                    let parent = component.get_export_index(None, export);
                    for (name, item) in instance.exports(engine) {
                        let ComponentItem::ComponentFunc(ty) = item.ty else { continue };
                        let index = component.get_export_index(parent.as_ref(), name);
                        found.push(Self { interface: export.to_owned(), name: name.to_owned(), index, ty });
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn function(&self, all: &[Self]) -> Result<Function, LoadError> {
        let Self { interface, name, index, ty } = self;
        let refused = |reason: String| {
            let function = if interface.is_empty() { name.clone() } else { format!("{interface}#{name}") };
            LoadError::Function { function, reason }
        };
        let index = index.ok_or_else(|| refused("it can't be found".to_owned()))?;
        if name.starts_with('[') {
            return Err(refused("it belongs to a resource".to_owned()));
        }
        if ty.async_() {
            return Err(refused("it is asynchronous".to_owned()));
        }
        let input_schema = schema::of_arguments(ty).map_err(refused)?;
        let twice = all.iter().filter(|other| other.plain_name() == self.plain_name()).count() > 1;
        let tool = if twice { format!("{}_{}", self.short_interface(), self.plain_name()) } else { self.plain_name() };
        let tool = tool.parse().map_err(|error| refused(format!("{tool:?} is no name of a tool: {error}")))?;
        let (signature, interface, name) = (schema::signature(ty), interface.clone(), name.clone());
        Ok(Function { tool, signature, input_schema, interface, name, index, ty: ty.clone() })
    }

    /// Its name as one of a tool.
    fn plain_name(&self) -> String {
        as_tool(&self.name)
    }

    /// The interface without package and version.
    fn short_interface(&self) -> String {
        let name = self.interface.rsplit('/').next().unwrap_or_default();
        as_tool(name.split('@').next().unwrap_or_default())
    }
}

fn as_tool(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

impl Functions {
    /// The functions that the manifest names as tools.
    ///
    /// # Errors
    /// A tool without a function, and functions that can't be tools.
    pub(crate) fn new(
        component: &Component,
        linked: InstancePre<State>,
        manifest: &Manifest,
    ) -> Result<Self, LoadError> {
        let mut all = Function::all_of(component, component.engine())?;
        if all.is_empty() {
            return Err(LoadError::NoTools);
        }
        let missing = manifest.tools.iter().find(|tool| all.iter().all(|function| function.tool != tool.name));
        if let Some(tool) = missing {
            return Err(LoadError::NoFunction { tool: tool.name.clone() });
        }
        all.retain(|function| manifest.tool(&function.tool).is_some());
        Ok(Self { linked, tools: all })
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<State>) -> Result<Instance> {
        self.linked.instantiate_async(store).await
    }

    /// Calls the tool's function.
    pub(crate) async fn call(
        &self,
        instance: &Instance,
        store: &mut Store<State>,
        tool: &str,
        arguments: &Value,
    ) -> Result<Given> {
        let function = self.tools.iter().find(|function| function.tool.as_str() == tool);
        let Some(Function { index, ty, .. }) = function else { bail!("no function is this tool") };
        let arguments = value::arguments(arguments, ty.params()).map_err(Error::new)?;
        let Some(function) = instance.get_func(&mut *store, index) else { bail!("the function is gone") };
        let mut results = vec![Val::Bool(false); ty.results().len()];
        function.call_async(&mut *store, &arguments, &mut results).await?;
        Ok(match results.pop() {
            Some(Val::Result(Ok(value))) => Ok(value.map(|value| *value)),
            Some(Val::Result(Err(value))) => Err(value.map(|value| *value)),
            value => Ok(value),
        })
    }
}

/// What a function gave back; its `result` is that of the tool.
pub(crate) type Given = Result<Option<Val>, Option<Val>>;

/// What a function gave back, as the model sees it: text as text, all else as JSON.
pub(crate) fn answered(given: Given, limits: &Limits) -> Result<ToolOutput, CallError> {
    let json = |value| value::to_json(value).map_err(|error| CallError::Malformed { reason: error.to_string() });
    let content = match given {
        Ok(Some(Val::String(text))) => ToolContent::Text { text },
        Ok(value) => ToolContent::Json { value: value.map(json).transpose()?.unwrap_or_default() },
        Err(value) => {
            let message = match value {
                Some(Val::String(text)) => text,
                Some(value) => json(value)?.to_string(),
                None => "the tool failed and does not say why".to_owned(),
            };
            return Ok(ToolOutput::failed(FailureKind::Failed, cut(&message, FAILURE_BYTES)));
        }
    };
    let output = ToolOutput { content: vec![content], is_error: false, failure: None };
    if outcome::size(&output) > limits.output.0 {
        return Err(CallError::Output { output: limits.output });
    }
    Ok(output)
}
