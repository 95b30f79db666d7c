//! `store check`, `rebuild`, `backup` and `restore`.

use exoclaw_store::{
    OpenError, SqliteConfig,
    upkeep::{self, Findings, Mark, Problem, UpkeepError},
};
use serde_json::json;

use super::Context;
use crate::{
    cli::StoreCommand,
    error::{CliError, Exit},
    terminal::{Style, bytes, printable},
};

pub(super) fn run(command: StoreCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let path = context.home.store();
    let config = SqliteConfig::new(&path);
    match command {
        StoreCommand::Check => {
            let findings = upkeep::check(&path).map_err(upkeep_error)?;
            show(&findings, "check", context)
        }
        StoreCommand::Rebuild => {
            let findings = upkeep::rebuild(&config).map_err(upkeep_error)?;
            show(&findings, "rebuild", context)
        }
        StoreCommand::Backup { file } => {
            let mark = upkeep::backup(&path, &file).map_err(upkeep_error)?;
            show_mark(&mark, &format!("wrote {}", file.display()), context)
        }
        StoreCommand::Restore { file, replace } => {
            let mark = upkeep::restore(&file, &config, replace).map_err(upkeep_error)?;
            show_mark(&mark, &format!("restored {}", path.display()), context)
        }
    }
}

fn show(findings: &Findings, what: &str, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let exit = if findings.is_sound() { Exit::Ok } else { Exit::Data };
    let wrong = findings.problems.len() as u64 + findings.unnamed;
    let terminal = &mut *context.terminal;
    if terminal.json {
        terminal.value(&json!({
            "ok": findings.is_sound(), "sessions": findings.sessions, "records": findings.records,
            "runs": findings.runs, "values": findings.values, "problemCount": wrong,
            "problems": findings.problems.iter().map(problem).collect::<Vec<_>>(),
        }))?;
        return Ok(exit);
    }
    for problem in &findings.problems {
        terminal.line(printable(&problem.to_string()))?;
    }
    if findings.unnamed > 0 {
        terminal.line(format_args!("and {} more", findings.unnamed))?;
    }
    let Findings { sessions, records, runs, values, .. } = findings;
    let counts = format!("{sessions} sessions, {records} records, {runs} runs, {values} values");
    if findings.is_sound() {
        let good = terminal.out_colour.paint(Style::Good, "ok");
        terminal.line(format_args!("{good} ({counts})"))?;
    } else {
        let bad = terminal.out_colour.paint(Style::Bad, "damaged");
        terminal.line(format_args!("{bad} ({counts}), problems: {wrong}"))?;
        if what == "check" {
            terminal.say("`exoclawd store rebuild` makes sessions and runs anew and quarantines what is damaged")?;
        } else {
            terminal.say("sessions and runs are made anew; sessions with damaged records are quarantined")?;
        }
    }
    Ok(exit)
}

/// A problem for programs.
pub(super) fn problem(problem: &Problem) -> serde_json::Value {
    json!({ "session": problem.session, "seq": problem.seq, "problem": problem.problem })
}

fn show_mark(mark: &Mark, done: &str, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let Mark { last_record, sessions, bytes: size } = *mark;
    if context.terminal.json {
        context.terminal.value(&json!({ "lastRecord": last_record, "sessions": sessions, "bytes": size }))?;
    } else {
        let size = bytes(size);
        let text = format!("{done}: {sessions} sessions, {size}, up to record {last_record} of the journal");
        context.terminal.line(text)?;
    }
    Ok(Exit::Ok)
}

/// Says what helps.
pub(super) fn upkeep_error(error: UpkeepError) -> CliError {
    match &error {
        UpkeepError::Open(OpenError::InUse { .. }) => CliError::of(Exit::Unavailable, &error)
            .hint("stop the daemon for this; a check, a backup or an export needs no stop"),
        UpkeepError::Open(OpenError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            CliError::of(Exit::Io, &error)
                .hint("a home has a store once its daemon has started; that of the demo is `demo` in the home directory: --home")
        }
        UpkeepError::NotEmpty { .. } => {
            CliError::of(Exit::Failed, &error).hint("--replace overwrites it; `exoclawd store backup` saves it before")
        }
        UpkeepError::Exists { .. } | UpkeepError::NoSession(_) | UpkeepError::NoRun(_) => {
            CliError::of(Exit::Failed, &error)
        }
        UpkeepError::SessionExists(_) => CliError::of(Exit::Failed, &error).hint("--session names another one"),
        UpkeepError::BadBackup { .. } | UpkeepError::BadLine { .. } | UpkeepError::Refused { .. } => {
            CliError::of(Exit::Data, &error)
        }
        _ => CliError::of(Exit::Io, &error),
    }
}
