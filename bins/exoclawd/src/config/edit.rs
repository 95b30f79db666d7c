//! Changes to the config file that keep its owner's comments and order.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use exoclaw_router::Binding;
use exoclaw_runtime::Selector;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::{ConfigError, ConfigFile};

/// A config file that is being changed. Nothing is written before [`save`](Self::save).
#[derive(Debug)]
pub(crate) struct Edit {
    path: PathBuf,
    document: DocumentMut,
}

/// A change that can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{path}: {key} is written in a form that can't be changed here; change it by hand", path = path.display())]
    Form { path: PathBuf, key: &'static str },
    #[error("write {path}", path = path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What `plugin add` writes.
#[derive(Debug)]
pub(crate) struct NewPlugin {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) sha256: String,
    /// Host path, guest path, access.
    pub(crate) fs: Vec<[String; 3]>,
    pub(crate) http: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) kv: Option<String>,
    /// `limits.component`, where the usual is not enough.
    pub(crate) component: Option<String>,
    /// `limits.memory`, where a policy names it.
    pub(crate) memory: Option<String>,
}

impl Edit {
    /// Opens the file; one that is not there starts empty.
    pub(crate) fn open(path: &Path) -> Result<Self, EditError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }.into()),
        };
        // Read as any config is, for an error that names the line.
        ConfigFile::parse(path, text.clone())?;
        let document = text.parse().map_err(|error: toml_edit::TomlError| ConfigError::Syntax {
            place: path.display().to_string(),
            message: error.message().to_owned(),
        })?;
        Ok(Self { path: path.to_owned(), document })
    }

    /// Adds or replaces a provider.
    pub(crate) fn set_provider(&mut self, name: &str, kind: &str, base_url: Option<&str>) -> Result<(), EditError> {
        let path = self.path.clone();
        let providers = self.document.entry("providers").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let providers = providers.as_table_mut().ok_or(EditError::Form { path, key: "providers" })?;
        let mut table = Table::new();
        table.insert("kind", value(kind));
        if let Some(base_url) = base_url {
            table.insert("base_url", value(base_url));
        }
        providers.insert(name, Item::Table(table));
        Ok(())
    }

    /// Points an agent at a provider and model; adds the agent where it is not there.
    pub(crate) fn set_agent(&mut self, id: &str, provider: &str, model: &str) -> Result<(), EditError> {
        let agents = self.tables("agents")?;
        if let Some(agent) = agents.iter_mut().find(|agent| is(*agent, "id", id)) {
            agent.insert("provider", value(provider));
            agent.insert("model", value(model));
            return Ok(());
        }
        let mut agent = Table::new();
        agent.insert("id", value(id));
        agent.insert("provider", value(provider));
        agent.insert("model", value(model));
        agents.push(agent);
        Ok(())
    }

    /// Gives an agent what comes from somewhere.
    pub(crate) fn add_binding(&mut self, binding: &Binding) -> Result<(), EditError> {
        let Binding { agent, channel, account, peer, guild, team, place: _ } = binding;
        let peer = peer.as_ref().map(ToString::to_string);
        let fields = [("channel", channel), ("account", account), ("peer", &peer), ("guild", guild), ("team", team)];
        let mut table = Table::new();
        table.insert("agent", value(agent.as_str()));
        for (key, text) in fields {
            if let Some(text) = text {
                table.insert(key, value(text));
            }
        }
        self.tables("bindings")?.push(table);
        Ok(())
    }

    /// What the file would be.
    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// Lets an agent use a tool.
    pub(crate) fn give_tool(&mut self, agent: &str, tool: &str) -> Result<(), EditError> {
        let path = self.path.clone();
        let agents = self.tables("agents")?;
        let Some(agent) = agents.iter_mut().find(|table| is(*table, "id", agent)) else { return Ok(()) };
        let tools = agent.entry("tools").or_insert_with(|| value(Array::new()));
        let tools = tools.as_array_mut().ok_or(EditError::Form { path, key: "tools" })?;
        if !tools.iter().any(|given| given.as_str() == Some(tool)) {
            tools.push(tool);
        }
        Ok(())
    }

    /// Adds or replaces a plugin.
    pub(crate) fn set_plugin(&mut self, plugin: &NewPlugin) -> Result<(), EditError> {
        let path = self.path.clone();
        let plugins = self.tables("plugins")?;
        let place = plugins.iter().position(|table| is(table, "name", &plugin.name));
        let mut fresh = Table::new();
        let table = match place.and_then(|place| plugins.get_mut(place)) {
            Some(table) => table,
            None => &mut fresh,
        };
        table.insert("name", value(&plugin.name));
        table.insert("path", value(&plugin.path));
        table.insert("sha256", value(&plugin.sha256));
        table.remove("capabilities");
        table.remove("grants");
        let grants = grants(plugin);
        if !grants.is_empty() {
            table.insert("grants", Item::Table(grants));
        }
        for (key, limit) in [("component", &plugin.component), ("memory", &plugin.memory)] {
            let Some(limit) = limit else { continue };
            let limits = table.entry("limits").or_insert_with(|| Item::Table(Table::new()));
            let limits = limits.as_table_like_mut();
            limits.ok_or(EditError::Form { path: path.clone(), key: "plugins.limits" })?.insert(key, value(limit));
        }
        if place.is_none() {
            plugins.push(fresh);
        }
        Ok(())
    }

    /// Takes a plugin out, and its tools from all agents. Says from which agents, or nothing if it is not there.
    pub(crate) fn remove_plugin(&mut self, name: &str) -> Result<Option<Vec<String>>, EditError> {
        let plugins = self.tables("plugins")?;
        let Some(place) = plugins.iter().position(|table| is(table, "name", name)) else { return Ok(None) };
        plugins.remove(place);
        if plugins.is_empty() {
            self.document.remove("plugins");
        }
        let mut users = Vec::new();
        for agent in self.tables("agents")?.iter_mut() {
            let id = agent.get("id").and_then(Item::as_str).unwrap_or_default().to_owned();
            let Some(tools) = agent.get_mut("tools").and_then(Item::as_array_mut) else { continue };
            let before = tools.len();
            let is_its = |tool: &Value| tool.as_str().is_some_and(|tool| Selector::of(tool).plugin == name);
            tools.retain(|tool| !is_its(tool));
            if tools.len() < before {
                users.push(id);
            }
        }
        if self.tables("agents")?.is_empty() {
            self.document.remove("agents");
        }
        Ok(Some(users))
    }

    /// Checks what the file would be, then replaces it: after a crash there is the one or the other, whole.
    pub(crate) fn save(&self, check: impl FnOnce(&Path) -> Result<(), ConfigError>) -> Result<(), EditError> {
        let failed = |source| EditError::Write { path: self.path.clone(), source };
        let directory = self.path.parent().unwrap_or(Path::new("."));
        crate::home::create_private(directory).map_err(failed)?;
        let mut partial = self.path.as_os_str().to_owned();
        partial.push(".new");
        let partial = PathBuf::from(partial);
        let result = self.write(&partial).map_err(failed).and_then(|()| Ok(check(&partial)?));
        if let Err(error) = result {
            // The error matters more than what is left behind.
            std::fs::remove_file(&partial).ok();
            return Err(error);
        }
        std::fs::rename(&partial, &self.path).map_err(failed)
    }

    fn write(&self, partial: &Path) -> io::Result<()> {
        let mut file = std::fs::File::create(partial)?;
        file.write_all(self.document.to_string().as_bytes())?;
        if let Ok(old) = std::fs::metadata(&self.path) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()
    }

    fn tables(&mut self, key: &'static str) -> Result<&mut ArrayOfTables, EditError> {
        let path = self.path.clone();
        let item = self.document.entry(key).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        item.as_array_of_tables_mut().ok_or(EditError::Form { path, key })
    }
}

fn is(table: &dyn TableLike, key: &str, wanted: &str) -> bool {
    table.get(key).and_then(Item::as_str) == Some(wanted)
}

fn grants(plugin: &NewPlugin) -> Table {
    let mut grants = Table::new();
    if !plugin.fs.is_empty() {
        let directory = |[host, guest, access]: &[String; 3]| {
            let mut table = InlineTable::new();
            table.insert("host", host.as_str().into());
            table.insert("guest", guest.as_str().into());
            table.insert("access", access.as_str().into());
            Value::InlineTable(table)
        };
        grants.insert("fs", value(plugin.fs.iter().map(directory).collect::<Array>()));
    }
    for (key, texts) in [("http", &plugin.http), ("env", &plugin.env), ("secrets", &plugin.secrets)] {
        if !texts.is_empty() {
            grants.insert(key, value(texts.iter().map(String::as_str).collect::<Array>()));
        }
    }
    if let Some(kv) = &plugin.kv {
        grants.insert("kv", value(kv));
    }
    grants
}
