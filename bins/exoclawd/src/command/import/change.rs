//! What an import would add to the config.

use std::path::PathBuf;

use similar::{ChangeTag, TextDiff};

use super::super::{Context, edit_error};
use crate::{
    config::Edit,
    error::CliError,
    openclaw::{self, Folder, Left},
};

/// A change of the config that is not written yet.
pub(super) struct Change {
    pub(super) path: PathBuf,
    edit: Edit,
    /// Lines that are added.
    pub(super) lines: Vec<String>,
    /// Secrets that are left, and how to set them here.
    pub(super) secrets: Vec<(String, String)>,
    pub(super) written: bool,
}

impl Change {
    pub(super) fn plan(folder: &Folder, left: &mut Left, context: &Context<'_>) -> Result<Self, CliError> {
        let loaded = context.config_to_change()?;
        let mut edit = context.edit(&loaded)?;
        let before = edit.text();
        let mut secrets = Vec::new();
        if let Some((_, config)) = openclaw::settings(folder, left) {
            secrets = openclaw::secrets(&config);
            openclaw::propose(&config, &loaded.config, left).apply(&mut edit).map_err(edit_error)?;
        }
        let after = edit.text();
        let diff = TextDiff::from_lines(&before, &after);
        let added = diff.iter_all_changes().filter(|change| change.tag() == ChangeTag::Insert);
        let lines = added.map(|change| change.value().trim_end().to_owned()).filter(|line| !line.is_empty()).collect();
        Ok(Self { path: loaded.path, edit, lines, secrets, written: false })
    }

    pub(super) fn write(&mut self, context: &Context<'_>) -> Result<(), CliError> {
        if !self.lines.is_empty() {
            context.save(&self.edit)?;
            self.written = true;
        }
        Ok(())
    }

    /// Asks whoever is there.
    pub(super) fn offer(&mut self, context: &mut Context<'_>) -> Result<(), CliError> {
        if context.terminal.interactive && context.confirm("write this into the config?")? {
            self.write(context)?;
            context.terminal.say("written")?;
        } else if !context.terminal.json {
            context.terminal.say("the config is as it was: --yes writes this")?;
        }
        Ok(())
    }
}
