//! `import openclaw`: what another program keeps, taken over as far as it goes.

mod change;

use std::{fs::File, io::BufReader};

use exoclaw_protocol::SessionKey;
use exoclaw_runtime::{Clock, SystemClock};
use exoclaw_store::{
    SqliteConfig,
    upkeep::{self, Importer, UpkeepError},
};
use serde_json::json;

use self::change::Change;
use super::{Context, store::upkeep_error};
use crate::{
    cli::{ImportCommand, ImportOpenclawArgs},
    error::{CliError, Exit, chain},
    openclaw::{self, Folder, FolderError, FoundSession, Left, Transcript},
    terminal::{Style, printable},
};

/// Largest transcript that is read.
const TRANSCRIPT_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// A session that was taken, or would be.
#[derive(Debug)]
struct Taken {
    session: SessionKey,
    messages: u64,
}

pub(super) fn run(command: &ImportCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    match command {
        ImportCommand::Openclaw(args) => openclaw(args, context),
    }
}

fn openclaw(args: &ImportOpenclawArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let folder = Folder::open(&args.dir).map_err(folder_error)?;
    let mut left = Left::default();
    // Before anything is written: a config that is broken is no ground to build on.
    let mut change = Change::plan(&folder, &mut left, context)?;
    let failed = |error| CliError::new(Exit::Io, format!("list {}", args.dir.display())).because(error);
    let sessions = openclaw::sessions(&folder, &mut left).map_err(failed)?;
    let taken = take(&folder, sessions, args.dry_run, &mut left, context)?;
    if args.yes {
        change.write(context)?;
    }
    show(args, &taken, &left, &change, context)?;
    if !args.yes && !args.dry_run && !change.lines.is_empty() {
        change.offer(context)?;
    }
    Ok(Exit::Ok)
}

fn take(
    folder: &Folder,
    sessions: Vec<FoundSession>,
    dry_run: bool,
    left: &mut Left,
    context: &Context<'_>,
) -> Result<Vec<Taken>, CliError> {
    let store = context.home.store();
    let now_ms = SystemClock.now_ms();
    let mut importer = match dry_run || sessions.is_empty() {
        true => None,
        false => Some(Importer::open(&SqliteConfig::new(store.clone())).map_err(upkeep_error)?),
    };
    let mut taken = Vec::new();
    for found in sessions {
        let file = match folder.file(&found.file, TRANSCRIPT_BYTES) {
            Ok(file) => file,
            Err(error) => {
                left.name(&format!("{}, the transcript of {}", found.file, found.key), error.to_string());
                continue;
            }
        };
        let mut transcript = transcript(file, &found, now_ms);
        let key = found.key.clone();
        let result = match &mut importer {
            Some(importer) => importer.add(key, &mut transcript, now_ms).map(drop),
            None => would_add(&store, key, &mut transcript),
        };
        match result {
            Ok(()) if transcript.messages > 0 => {
                taken.push(Taken { session: found.key, messages: transcript.messages });
                left.add(transcript.lost);
            }
            Ok(()) => left.name(&found.key.to_string(), "it has no messages"),
            Err(UpkeepError::SessionExists(key)) => left.name(&key, "it is here already"),
            Err(error @ (UpkeepError::Refused { .. } | UpkeepError::Stream(_))) => {
                left.name(&found.file, chain(&error));
            }
            Err(error) => return Err(upkeep_error(error)),
        }
    }
    Ok(taken)
}

fn transcript(file: File, found: &FoundSession, now_ms: u64) -> Transcript<BufReader<File>> {
    let at_ms = if found.updated_ms > 0 { found.updated_ms } else { now_ms };
    Transcript::new(BufReader::new(file), &found.id, found.settings.clone(), at_ms)
}

/// Reads the transcript as an import does.
fn would_add(
    store: &std::path::Path,
    session: SessionKey,
    transcript: &mut Transcript<BufReader<File>>,
) -> Result<(), UpkeepError> {
    if upkeep::has_session(store, &session)? {
        return Err(UpkeepError::SessionExists(session.to_string()));
    }
    transcript.try_for_each(|entry| entry.map(drop))
}

fn show(
    args: &ImportOpenclawArgs,
    taken: &[Taken],
    left: &Left,
    change: &Change,
    context: &mut Context<'_>,
) -> Result<(), CliError> {
    let terminal = &mut *context.terminal;
    if terminal.json {
        let sessions = taken.iter().map(|taken| json!({ "session": taken.session, "messages": taken.messages }));
        let named = left.named.iter().map(|(what, why)| json!({ "what": what, "why": why }));
        terminal.value(&json!({
            "dryRun": args.dry_run,
            "sessions": sessions.collect::<Vec<_>>(),
            "left": named.collect::<Vec<_>>(),
            "leftUnnamed": left.unnamed,
            "leftParts": left.counted,
            "config": { "path": change.path, "adds": change.lines, "written": change.written },
            "secrets": change.secrets.iter().map(|(at, instead)| json!({ "at": at, "instead": instead })).collect::<Vec<_>>(),
        }))?;
        return Ok(());
    }
    let done = if args.dry_run { "would import" } else { "imported" };
    for Taken { session, messages } in taken {
        terminal.line(format_args!("{done} {session}: {messages} messages"))?;
    }
    if taken.is_empty() {
        terminal.line("no conversation to import")?;
    }
    let label = terminal.talk_colour.paint(Style::Note, "left");
    for (what, why) in &left.named {
        terminal.say(format_args!("{label} {}: {}", printable(what), printable(why)))?;
    }
    if left.unnamed > 0 {
        terminal.say(format_args!("{label} {} more", left.unnamed))?;
    }
    for (what, count) in &left.counted {
        terminal.say(format_args!("{label} {count} × {what}"))?;
    }
    for (at, instead) in &change.secrets {
        terminal.say(format_args!("{label} the secret {}: {}", printable(at), printable(instead)))?;
    }
    if !change.lines.is_empty() {
        let done = if change.written { "added to" } else { "proposed for" };
        terminal.line(format_args!("{done} {}:", change.path.display()))?;
        for line in &change.lines {
            terminal.line(format_args!("  + {}", printable(line)))?;
        }
    }
    if args.dry_run {
        terminal.say("nothing was written")?;
    }
    Ok(())
}

fn folder_error(error: FolderError) -> CliError {
    match error {
        FolderError::Read { .. } => CliError::of(Exit::Io, error),
        FolderError::NotOne { .. } | FolderError::Database { .. } => CliError::of(Exit::Data, error),
    }
}
