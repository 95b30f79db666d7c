//! The task that owns the socket: it does what the engine says, and tells it what happened.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, channel::mpsc, channel::oneshot};

use crate::{
    CloseReason, Endpoint, Options, State,
    client::{Reply, Shared},
    engine::{Asked, Engine, Gone, Greeting, Output},
    push::Push,
    transport::{Socket, Transport},
};

/// What handles ask of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    Request(Asked<Reply>),
    Reconfigure(Endpoint, oneshot::Sender<()>),
    Check,
    Close(oneshot::Sender<()>),
}

/// What woke the driver.
enum Woken<S> {
    Connected(Result<(S, Greeting), Gone>),
    Received(Result<String, Gone>),
    Command(Option<Command>),
    Time,
}

/// Says so to all who still hold a handle when the driver ends, also where its task is dropped.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut listeners = self.0.lock();
        let closed = State::Closed { reason: CloseReason::Requested };
        if listeners.state != closed {
            listeners.push(&Push::State(closed));
        }
    }
}

pub(crate) async fn run<T: Transport>(
    mut endpoint: Endpoint,
    options: Options,
    transport: T,
    mut commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
) {
    let shared = Ended(shared);
    let mut engine: Engine<Reply> = Engine::new(options, transport.seed(), transport.now());
    let mut socket: Option<T::Socket> = None;
    // Texts that the socket has yet to take: at most those of the requests under way, whose number is bounded.
    let mut outbox: VecDeque<String> = VecDeque::new();
    let mut closers: Vec<oneshot::Sender<()>> = Vec::new();
    let mut reconfigured: Option<oneshot::Sender<()>> = None;
    let mut connecting = Slot(None);
    let mut timer = Slot(None);
    let mut timer_at: Option<Duration> = None;

    loop {
        while let Some(output) = engine.poll() {
            match output {
                Output::Connect => connecting.set(transport.connect(endpoint.clone())),
                Output::Send(text) => outbox.push_back(text),
                Output::Disconnect => {
                    connecting.clear();
                    outbox.clear();
                    if let Some(mut socket) = socket.take() {
                        part(&transport, &mut socket).await;
                    }
                }
                // Whoever asked may have gone.
                Output::Reply(reply, outcome) => drop(reply.outcome.send(outcome)),
                Output::Push(push) => shared.0.lock().push(&push),
                Output::Keep(snapshot) => shared.0.lock().keep(snapshot),
            }
        }
        if let Some(done) = reconfigured.take() {
            // Whoever asked may have gone.
            let _: Result<(), ()> = done.send(());
        }
        // A client that was refused waits for another endpoint.
        if engine.closed() == Some(&CloseReason::Requested) {
            break;
        }
        // A timer that rings too early does no harm, so that a deadline which moves on with each text costs nothing.
        if let Some(at) = engine.deadline()
            && timer_at.is_none_or(|armed| at < armed)
        {
            timer_at = Some(at);
            timer.set(transport.sleep(at.saturating_sub(transport.now())));
        }

        // One wait for everything. Nothing is lost when it ends early: each part keeps its own state.
        let woken = poll_fn(|cx| {
            if let Poll::Ready(connected) = connecting.poll(cx) {
                return Poll::Ready(Woken::Connected(connected));
            }
            if let Some(socket) = &mut socket {
                if let Poll::Ready(Err(gone)) = socket.poll_send(cx, &mut outbox) {
                    return Poll::Ready(Woken::Received(Err(gone)));
                }
                if let Poll::Ready(received) = socket.poll_receive(cx) {
                    return Poll::Ready(Woken::Received(received));
                }
            }
            if let Poll::Ready(command) = Pin::new(&mut commands).poll_next(cx) {
                return Poll::Ready(Woken::Command(command));
            }
            timer.poll(cx).map(|()| Woken::Time)
        });
        match woken.await {
            Woken::Connected(Ok((connected, greeting))) => {
                socket = Some(connected);
                engine.opened(transport.now(), &greeting);
            }
            Woken::Connected(Err(gone)) => engine.gone(transport.now(), gone),
            Woken::Received(Ok(text)) => engine.text(transport.now(), &text),
            Woken::Received(Err(gone)) => {
                socket = None;
                outbox.clear();
                engine.gone(transport.now(), gone);
            }
            Woken::Command(Some(Command::Request(asked))) => engine.request(transport.now(), asked),
            Woken::Command(Some(Command::Reconfigure(other, done))) => {
                reconfigured = Some(done);
                if other != endpoint || engine.closed().is_some() {
                    endpoint = other;
                    engine.reconfigured(transport.now());
                }
            }
            Woken::Command(Some(Command::Check)) => engine.check(transport.now()),
            Woken::Command(Some(Command::Close(done))) => {
                closers.push(done);
                engine.close(CloseReason::Requested);
            }
            Woken::Command(None) => engine.close(CloseReason::Requested),
            Woken::Time => {
                timer_at = None;
                engine.tick(transport.now());
            }
        }
    }
    drop(shared);
    for done in closers {
        // Whoever closed may have gone.
        let _: Result<(), ()> = done.send(());
    }
}

/// How long a close may take: the daemon is only told, not waited for.
const PARTING: Duration = Duration::from_millis(500);

async fn part<T: Transport>(transport: &T, socket: &mut T::Socket) {
    let mut limit = pin!(transport.sleep(PARTING));
    poll_fn(|cx| if socket.poll_close(cx).is_ready() { Poll::Ready(()) } else { limit.as_mut().poll(cx) }).await;
}

/// A place for one future, which may be empty. Empty, it is never ready; ready, it is empty again.
struct Slot<F>(Option<Pin<Box<F>>>);

impl<F: Future> Slot<F> {
    fn set(&mut self, future: F) {
        self.0 = Some(Box::pin(future));
    }

    fn clear(&mut self) {
        self.0 = None;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let ready = future.as_mut().poll(cx);
        if ready.is_ready() {
            self.0 = None;
        }
        ready
    }
}
