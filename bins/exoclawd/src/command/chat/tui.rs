//! `chat --tui`: the full screen. [`state`] is what it knows, [`draw`] what it shows; here both meet the daemon and the
//! terminal.

mod draw;
mod screen;
mod state;

use std::{io, time::Duration};

use crossterm::event::{Event, KeyEventKind};
use exoclaw_client::{Client, Pushes};
use exoclaw_protocol::{
    ApprovalResolveParams, ChatAbortParams, ChatSendParams, IdempotencyKey, SessionListParams, SessionSubscribeParams,
};
use exoclaw_runtime::{Clock, SystemClock};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use self::{
    draw::{Artist, Look},
    screen::Screen,
    state::{Action, Command, State},
};
use super::{Context, random_hex};
use crate::{
    cli::ChatArgs,
    daemon_link::DaemonLink,
    error::{CliError, Exit},
    signals::Ends,
};

/// Time between two pictures at least: what happens meanwhile is in the next one.
const FRAME: Duration = Duration::from_millis(33);

/// Time between two pictures of something that goes on.
const TICK: Duration = Duration::from_millis(250);

pub(super) async fn run(args: ChatArgs, context: &mut Context<'_>) -> Result<Exit, CliError> {
    let terminal = &context.terminal;
    if terminal.json || !terminal.interactive || !terminal.out_is_screen {
        return Err(CliError::new(Exit::Usage, "the full screen is for people at a terminal")
            .hint("without --tui, what is written to a pipe or read from one is the message and the answer"));
    }
    let look = Look { colours: terminal.out_colour.is_on() };
    let link = DaemonLink::open(context).await?;
    let mut ends = Ends::new()?;
    let mut ui = Ui {
        client: link.client(),
        pushes: link.pushes(),
        state: State::new(args.session, random_hex()?),
        requests: FuturesUnordered::new(),
    };
    let screen = Screen::take().map_err(no_screen)?;
    ui.show(screen, Artist::new(look), args.text, &mut ends).await.map_err(no_screen)?;
    let (program, session) = (context.program(), ui.state.target());
    context.terminal.say(format_args!("to go on with this conversation: {program} chat --tui --session {session}"))?;
    Ok(Exit::Ok)
}

fn no_screen(error: io::Error) -> CliError {
    CliError::new(Exit::Io, "show the full screen").because(error)
}

/// The state, and what is under way for it.
struct Ui<'a> {
    client: &'a Client,
    pushes: Pushes,
    state: State,
    /// Requests without an answer. The client bounds them.
    requests: FuturesUnordered<BoxFuture<'a, Action>>,
}

impl Ui<'_> {
    /// Until somebody leaves, or the terminal goes.
    async fn show(
        &mut self,
        mut screen: Screen,
        mut artist: Artist,
        first: Option<String>,
        ends: &mut Ends,
    ) -> io::Result<()> {
        let mut keys = screen::keys();
        let mut commands = self.state.start();
        if let Some(text) = first {
            commands.extend(self.state.reduce(Action::Send(text), SystemClock.now_ms()));
        }
        let mut is_connected = true;
        let mut next_picture = Instant::now();
        loop {
            for command in std::mem::take(&mut commands) {
                match command {
                    Command::Quit => return Ok(()),
                    Command::Redraw => screen.forget()?,
                    command => self.run(command),
                }
            }
            let now = Instant::now();
            if now >= next_picture {
                self.state.now_ms = SystemClock.now_ms();
                screen.draw(|frame| self.state.drawn = artist.draw(&self.state, frame))?;
                next_picture = now + TICK;
            }
            let action = tokio::select! {
                // All of them only wait, and keep what they have when they are dropped.
                event = keys.recv() => match event {
                    Some(Event::Key(key)) if key.kind != KeyEventKind::Release => Some(Action::Key(key)),
                    Some(Event::Paste(text)) => Some(Action::Paste(text)),
                    Some(_) => None,
                    None => return Ok(()),
                },
                push = self.pushes.next(), if is_connected => {
                    is_connected = push.is_some();
                    push.map(Action::Pushed)
                }
                Some(action) = self.requests.next() => Some(action),
                () = ends.next() => return Ok(()),
                () = sleep_until(next_picture) => continue,
            };
            // What has come meanwhile is in the same picture.
            let mut more = action;
            while let Some(action) = more {
                commands.extend(self.state.reduce(action, SystemClock.now_ms()));
                more = self.pushes.next().now_or_never().flatten().map(Action::Pushed);
            }
            next_picture = next_picture.min(now + FRAME);
        }
    }

    fn run(&self, command: Command) {
        let client = self.client;
        let request: BoxFuture<'_, Action> = match command {
            Command::Subscribe(session) => async move {
                let params = SessionSubscribeParams { session: session.clone(), epoch: None, seq: None };
                Action::Read { session, outcome: client.request(params).await }
            }
            .boxed(),
            Command::List => client.request(SessionListParams::default()).map(Action::Listed).boxed(),
            Command::Send { session, text, key } => async move {
                // Keys are made by the state, which makes valid ones.
                let idempotency_key = key.parse::<IdempotencyKey>().ok();
                let params = ChatSendParams { idempotency_key, ..ChatSendParams::text(session, text) };
                Action::Sent { key, outcome: client.request(params).await }
            }
            .boxed(),
            Command::Abort(session) => {
                client.request(ChatAbortParams { session, run_id: None }).map(Action::Stopped).boxed()
            }
            Command::Resolve(approval, verdict) => {
                client.request(ApprovalResolveParams::new(&approval, verdict)).map(Action::Resolved).boxed()
            }
            Command::Redraw | Command::Quit => return,
        };
        self.requests.push(request);
    }
}
