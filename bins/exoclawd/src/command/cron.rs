//! `cron`: messages by the clock.

use std::time::Duration;

use exoclaw_protocol::{
    CronAddParams, CronListParams, CronRemoveParams, CronRunParams, CronRunsParams, CronUpdateParams, Job, JobRun,
    Schedule,
};
use exoclaw_runtime::{Clock, SystemClock};

use super::Context;
use crate::{
    cli::{CronAdd, CronCommand, CronUpdate, When},
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    terminal::{Palette, Style, duration, printable, shortened},
};

/// Characters of a message that are shown in a list.
const SHOWN: usize = 60;

pub(super) async fn run(command: CronCommand, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let link = DaemonLink::open(context).await?;
    let terminal = &mut *context.terminal;
    let colour = terminal.out_colour;
    match command {
        CronCommand::List => {
            let listed = link.request(CronListParams::default()).await?;
            if terminal.json {
                terminal.value(&listed)?;
                return Ok(Exit::Ok);
            }
            if listed.jobs.is_empty() {
                terminal.say("there are no jobs")?;
            }
            for job in &listed.jobs {
                terminal.line(job_line(job, colour))?;
            }
        }
        CronCommand::Runs { id } => {
            let result = link.request(CronRunsParams { id }).await?;
            if terminal.json {
                terminal.value(&result)?;
                return Ok(Exit::Ok);
            }
            if result.runs.is_empty() {
                terminal.say("it has not been due yet")?;
            }
            for run in &result.runs {
                terminal.line(run_line(run))?;
            }
        }
        CronCommand::Add(add) => {
            let job = link.request(params(add)).await?;
            if terminal.json {
                terminal.value(&job)?;
            } else {
                terminal.line(job_line(&job, colour))?;
            }
        }
        CronCommand::Update(update) => {
            let job = link.request(changes(update)).await?;
            if terminal.json {
                terminal.value(&job)?;
            } else {
                terminal.line(job_line(&job, colour))?;
            }
        }
        CronCommand::Remove { id } => {
            let result = link.request(CronRemoveParams { id }).await?;
            if terminal.json {
                terminal.value(&result)?;
            } else {
                terminal.say(if result.removed { "removed" } else { "there was no such job" })?;
            }
        }
        CronCommand::Run { id } => {
            let run = link.request(CronRunParams { id }).await?;
            if terminal.json {
                terminal.value(&run)?;
            } else {
                terminal.line(run_line(&run))?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn params(add: CronAdd) -> CronAddParams {
    let CronAdd { id, text, schedule, tz, session, agent, delete_after_run } = add;
    CronAddParams {
        id,
        schedule: due(schedule, tz),
        text,
        session,
        agent,
        label: None,
        enabled: None,
        delete_after_run: delete_after_run.then_some(true),
        timeout_ms: None,
    }
}

fn changes(update: CronUpdate) -> CronUpdateParams {
    let CronUpdate { id, text, schedule, tz, session, enable, disable } = update;
    CronUpdateParams {
        id,
        schedule: schedule.map(|schedule| due(schedule, tz)),
        text,
        session,
        label: None,
        enabled: (enable || disable).then_some(enable),
        delete_after_run: None,
        timeout_ms: None,
    }
}

fn due(when: When, tz: Option<String>) -> Schedule {
    match (when.cron, when.every) {
        (Some(expr), _) => Schedule::Cron { expr, tz },
        (None, Some(every_ms)) => Schedule::Every { every_ms, anchor_ms: None },
        (None, None) => {
            let later = SystemClock.now_ms().saturating_add(when.after.unwrap_or_default());
            Schedule::At { at_ms: when.at.unwrap_or(later) }
        }
    }
}

/// Name, schedule, when it is due, what became of it last, and the message.
fn job_line(job: &Job, colour: Palette) -> String {
    let schedule = match &job.schedule {
        Schedule::At { .. } => "once".to_owned(),
        Schedule::Every { every_ms, .. } => format!("every {}", duration(Duration::from_millis(*every_ms))),
        Schedule::Cron { expr, tz } => format!("{} ({})", printable(expr), printable(tz.as_deref().unwrap_or("UTC"))),
    };
    let due = match job.next_due_ms {
        Some(at_ms) => {
            format!("due in {}", duration(Duration::from_millis(at_ms.saturating_sub(SystemClock.now_ms()))))
        }
        None if job.problem.is_some() => "never due".to_owned(),
        None if job.enabled => "over".to_owned(),
        None => "off".to_owned(),
    };
    let last = job.last.as_ref().map_or_else(String::new, |last| format!(", last: {}", outcome(last)));
    let id = colour.paint(Style::Bold, &job.id);
    let text = shortened(&printable(&job.text), SHOWN);
    let problem = job.problem.as_ref().map_or_else(String::new, |problem| format!("\n  {}", printable(problem)));
    format!("{id}  {schedule}, {due}{last}\n  {text} (to {}){problem}", job.session)
}

fn run_line(run: &JobRun) -> String {
    let ago = duration(Duration::from_millis(SystemClock.now_ms().saturating_sub(run.due_ms)));
    let id = run.run_id.as_ref().map_or_else(String::new, |id| format!(", run {id}"));
    format!("{ago} ago: {}{id}", outcome(run))
}

fn outcome(run: &JobRun) -> String {
    let status = serde_json::json!(run.status);
    let status = status.as_str().unwrap_or_default();
    let why = run.failure.as_ref().map_or_else(String::new, |failure| format!(" ({})", printable(&failure.message)));
    format!("{status}{why}")
}
