//! `session search`, `session export` and `session import`.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use exoclaw_protocol::{Role, SearchHit, SessionKey, SessionRef, SessionSearchParams, SnippetPart};
use exoclaw_runtime::{Clock, SystemClock, text_of_time};
use exoclaw_store::{
    SqliteConfig,
    upkeep::{self, Exported, Imported},
};
use serde_json::json;

use super::{
    Context,
    store::{problem, upkeep_error},
    wait_for,
};
use crate::{
    cli::SessionCommand,
    config::Flags,
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    terminal::{Style, printable},
};

pub(super) fn run(command: SessionCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    match command {
        SessionCommand::Search { words, agent, sessions, limit, before } => {
            let text = words.join(" ");
            let params = SessionSearchParams { text, agent, sessions, limit: Some(limit), before };
            wait_for(search(params, context))
        }
        SessionCommand::Export { session, file } => export(&session, file, context),
        SessionCommand::Import { file, session } => import(file, session.as_ref(), context),
    }
}

async fn search(params: SessionSearchParams, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let link = DaemonLink::open(context).await?;
    let found = link.request(params).await?;
    let terminal = &mut *context.terminal;
    if terminal.json {
        terminal.value(&found)?;
        return Ok(Exit::Ok);
    }
    let colour = terminal.out_colour;
    if found.hits.is_empty() {
        terminal.say("nothing was found")?;
    }
    for SearchHit { session, seq, at_ms, role, snippet, .. } in &found.hits {
        let who = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let place = colour.paint(Style::Bold, format!("{session} {seq}"));
        terminal.line(format_args!("{place}  {}  {who}", text_of_time(*at_ms)))?;
        let part = |part: &SnippetPart| {
            let text = printable(&part.text);
            if part.found { colour.paint(Style::Note, text).to_string() } else { text }
        };
        terminal.line(format_args!("  {}", snippet.iter().map(part).collect::<String>()))?;
    }
    if let Some(next) = found.next {
        terminal.say(format_args!("there may be more: --before {next}"))?;
    }
    Ok(Exit::Ok)
}

fn export(session: &SessionRef, file: Option<PathBuf>, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let session = resolve(session, context)?;
    let store = context.home.store();
    let exported = match &file {
        Some(path) => {
            let mut out = BufWriter::new(create(path)?);
            let exported = upkeep::export_session(&store, &session, &mut out);
            match exported.and_then(|exported| {
                out.flush().map_err(upkeep::UpkeepError::Stream)?;
                Ok(exported)
            }) {
                Ok(exported) => exported,
                Err(error) => {
                    drop(std::fs::remove_file(path));
                    return Err(upkeep_error(error));
                }
            }
        }
        None => upkeep::export_session(&store, &session, &mut std::io::stdout().lock()).map_err(upkeep_error)?,
    };
    tell(&exported, file.as_deref(), context)
}

fn tell(exported: &Exported, file: Option<&Path>, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let Exported { records, damaged } = exported;
    // Without a file, the export itself is the output.
    if context.terminal.json && file.is_some() {
        let damaged: Vec<_> = damaged.iter().map(problem).collect();
        context.terminal.value(&json!({ "records": records, "damaged": damaged }))?;
    } else {
        for problem in damaged {
            context.terminal.say(format_args!("left out: {}", printable(&problem.to_string())))?;
        }
        if let Some(file) = file {
            context.terminal.line(format_args!("wrote {}: {records} records", file.display()))?;
        }
    }
    Ok(if damaged.is_empty() { Exit::Ok } else { Exit::Data })
}

fn import(file: Option<PathBuf>, session: Option<&SessionRef>, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let session = session.map(|session| resolve(session, context)).transpose()?;
    let (config, now_ms) = (SqliteConfig::new(context.home.store()), SystemClock.now_ms());
    let imported = match file {
        Some(path) => {
            let failed = |error| CliError::new(Exit::Io, format!("open {}", path.display())).because(error);
            let mut input = BufReader::new(File::open(&path).map_err(failed)?);
            upkeep::import_session(&config, &mut input, session.as_ref(), now_ms)
        }
        None => upkeep::import_session(&config, &mut std::io::stdin().lock(), session.as_ref(), now_ms),
    };
    let Imported { session, records, ended } = imported.map_err(upkeep_error)?;
    if context.terminal.json {
        context.terminal.value(&json!({ "session": session, "records": records, "ended": ended }))?;
    } else {
        context.terminal.line(format_args!("imported {session}: {records} records"))?;
        if ended > 0 {
            context.terminal.say(format_args!("{ended} of its runs had not ended and are ended now"))?;
        }
    }
    Ok(Exit::Ok)
}

/// A bare name is one of the default agent's.
fn resolve(session: &SessionRef, context: &Context<'_>) -> Result<SessionKey, CliError> {
    if let SessionRef::Key(key) = session {
        return Ok(key.clone());
    }
    let loaded = context.config(&Flags::default())?;
    let agent = loaded.config.default_agent().ok_or_else(|| {
        CliError::new(Exit::Config, "the config has no agents").hint("name the whole key, such as agent:main:main")
    })?;
    session.resolve(&agent.id).map_err(|error| CliError::of(Exit::Usage, error))
}

/// Conversations are private.
fn create(path: &Path) -> Result<File, CliError> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |error| CliError::new(Exit::Io, format!("create {}", path.display())).because(error);
    options.open(path).map_err(failed)
}
