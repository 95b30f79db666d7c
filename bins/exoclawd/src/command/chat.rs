//! `chat`: one message, or a conversation.

mod missed;
mod questions;
mod tui;
mod view;

use std::{
    io::{BufRead, Read},
    time::Instant,
};

use exoclaw_client::{Push, State};
use exoclaw_protocol::{
    Approval, ApprovalResolveParams, ChatAbortParams, ChatSendParams, Event, IdempotencyKey, SendStatus, SessionEvent,
    SessionRef, Verdict,
};
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use self::{questions::Questions, view::View};
use super::{Context, approval::outcome};
use crate::{
    cli::ChatArgs,
    daemon_link::{DaemonLink, exit_of},
    error::{CliError, Exit, chain},
    signals::Interrupts,
    terminal::Style,
};

pub(super) async fn run(args: ChatArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    if args.tui {
        return tui::run(args, context).await;
    }
    let mut text = args.text;
    if text.is_none() && !context.terminal.interactive {
        let mut piped = String::new();
        let read = std::io::stdin().read_to_string(&mut piped);
        read.map_err(|error| CliError::new(Exit::Data, "read the message from stdin").because(error))?;
        text = Some(piped);
    }
    let link = DaemonLink::open(context).await?;
    let mut chat = Chat { link: &link, session: args.session, interrupts: Interrupts::new()?, lines: None };
    match text {
        Some(text) => chat.say(text, context).await,
        None => chat.converse(context).await,
    }
}

struct Chat<'a> {
    link: &'a DaemonLink,
    session: SessionRef,
    interrupts: Interrupts,
    /// What is typed; read from when somebody is asked for it.
    lines: Option<mpsc::Receiver<String>>,
}

impl Chat<'_> {
    /// Line by line, until the end of input or Ctrl-C at the prompt.
    async fn converse(&mut self, context: &mut Context<'_>) -> Result<Exit, CliError> {
        context.terminal.say(format_args!("session {}; Ctrl-C stops an answer, Ctrl-D ends", self.session))?;
        self.lines = Some(lines());
        loop {
            let prompt = context.terminal.talk_colour.paint(Style::Bold, "> ").to_string();
            context.terminal.ask(&prompt)?;
            let line = tokio::select! {
                // A line that is taken is used; waiting for a signal changes nothing.
                line = typed(&mut self.lines) => line,
                () = self.interrupts.next() => None,
            };
            let Some(line) = line else {
                context.terminal.say("")?;
                return Ok(Exit::Ok);
            };
            if line.trim().is_empty() {
                continue;
            }
            if let Err(error) = self.say(line, context).await {
                if self.link.is_over() {
                    return Err(error);
                }
                context.terminal.fail(&error);
            }
        }
    }

    /// One message and its answer.
    async fn say(&mut self, text: String, context: &mut Context<'_>) -> Result<Exit, CliError> {
        let mut pushes = self.link.pushes();
        // What happened before is no part of the answer.
        while let Some(Some(_)) = pushes.next().now_or_never() {}
        let mut view = View::new(context.terminal, Instant::now());
        let params =
            ChatSendParams { idempotency_key: Some(random_key()?), ..ChatSendParams::text(self.session.clone(), text) };
        let sent = tokio::select! {
            sent = self.link.request(params) => sent?,
            // Whether the message arrived is not known then; the session shows it.
            () = self.interrupts.next() => return Ok(Exit::Interrupted),
        };
        if sent.status == SendStatus::Stopped {
            view.stopped()?;
            return Ok(Exit::Ok);
        }
        let mut run_id = sent.run_id.clone();
        let mut stopping = false;
        let mut questions = Questions::default();
        loop {
            let push = tokio::select! {
                // A push that is taken is used; waiting for a signal changes nothing.
                push = pushes.next() => push,
                line = typed(&mut self.lines), if questions.is_asking() => {
                    if let Some((approval, verdict)) = questions.answer(line.as_deref()) {
                        self.answer(&approval, verdict, &mut view).await?;
                    }
                    self.ask(&mut questions, &mut view)?;
                    continue;
                }
                () = self.interrupts.next() => {
                    if stopping {
                        return Ok(Exit::Interrupted);
                    }
                    stopping = true;
                    view.stopping()?;
                    let abort = ChatAbortParams { session: sent.session.clone().into(), run_id: Some(run_id.clone()) };
                    tokio::select! {
                        aborted = self.link.request(abort) => drop(aborted?),
                        // The second one means at once.
                        () = self.interrupts.next() => return Ok(Exit::Interrupted),
                    }
                    continue;
                }
            };
            let Some(push) = push else {
                return Err(CliError::new(Exit::Unavailable, "the connection ended before the answer did")
                    .hint("the run goes on without it; the session keeps the answer"));
            };
            if let Some(event) = ours(&push, |event| event.run_id == run_id) {
                if let Event::Joined { into } = &event.event {
                    run_id = into.clone();
                    continue;
                }
                if let Some(exit) = view.event(event)? {
                    return Ok(exit);
                }
                questions.hear(&event.event);
                self.ask(&mut questions, &mut view)?;
                continue;
            }
            match &push {
                Push::State(State::Waiting { .. }) => view.note("the connection broke; trying again")?,
                Push::Snapshot(snapshot) if snapshot.session == sent.session => {
                    if let Some(exit) = view.snapshot(&run_id, snapshot)? {
                        return Ok(exit);
                    }
                    let run = snapshot.snapshot.as_ref().and_then(|snapshot| snapshot.run.as_ref());
                    questions.start_again(run, &mut view)?;
                    self.ask(&mut questions, &mut view)?;
                }
                Push::Lost { error, .. } => return Err(CliError::new(exit_of(error.code), &error.message)),
                Push::Lagged => view.note("some of the answer was missed")?,
                _ => {}
            }
        }
    }
}

impl Chat<'_> {
    /// Asks whoever types for the next call that waits.
    fn ask(&mut self, questions: &mut Questions, view: &mut View<'_>) -> Result<(), CliError> {
        if view.can_ask() && questions.is_due() {
            let lines = self.lines.get_or_insert_with(lines);
            // What was typed before the question is no answer to it.
            while lines.try_recv().is_ok() {}
            questions.ask(view)?;
        }
        Ok(())
    }

    /// Answers a call that waits. Whoever may talk to the agent may not answer for it, unless the credential says so.
    async fn answer(&self, approval: &Approval, verdict: Verdict, view: &mut View<'_>) -> Result<(), CliError> {
        match self.link.request(ApprovalResolveParams::new(approval, verdict)).await {
            Ok(resolved) => view.note(outcome(&resolved)),
            Err(error) if self.link.is_over() => Err(error),
            Err(error) => view.note(&format!("not answered: {}", chain(&error))),
        }
    }
}

/// A line that is typed; none at the end of input, never where nobody types.
async fn typed(lines: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

fn ours(push: &Push, is_ours: impl Fn(&SessionEvent) -> bool) -> Option<&SessionEvent> {
    match push {
        Push::Event(event) if is_ours(event) => Some(event),
        _ => None,
    }
}

/// A key of its own for each message: sending again after a reconnect is not sending twice.
fn random_key() -> Result<IdempotencyKey, CliError> {
    let failed = |error: exoclaw_protocol::IdError| CliError::new(Exit::Failed, "make a random key").because(error);
    random_hex()?.parse().map_err(failed)
}

/// 32 random digits.
fn random_hex() -> Result<String, CliError> {
    let failed = |error: getrandom::Error| CliError::new(Exit::Failed, "draw a random key").because(error.to_string());
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(hex::encode(bytes))
}

/// Lines of the terminal, from a thread of their own that ends with the process: a read can't be called back. One line
/// waits for its reader; the thread waits when there is one.
fn lines() -> mpsc::Receiver<String> {
    let (lines, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
