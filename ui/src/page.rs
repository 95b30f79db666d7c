//! Joins what the page knows to the connection: actions change it, commands go out, answers come back as actions.

use std::time::Duration;

use exoclaw_client::{Client, Endpoint, Options, Pushes};
use exoclaw_protocol::{
    ChatAbortParams, ChatSendParams, IdempotencyKey, Method, SessionListParams, SessionRef, SessionSubscribeParams,
    StatusParams,
};
use futures::{FutureExt, StreamExt, channel::oneshot};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    browser,
    state::{Action, Command, State},
};

/// Pushes of one screen frame are taken together, so that a fast answer costs one change of the page, not hundreds.
/// A timer, not an animation frame: those stop while the page is hidden.
const FRAME: Duration = Duration::from_millis(16);

/// The session that is shown where the address names none.
const MAIN: &str = "main";

/// The page. Cheap to copy; components find it in their context.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// What it knows.
    pub(crate) state: RwSignal<State>,
    /// Why signing in with a link did not work.
    pub(crate) sign_in_error: RwSignal<Option<String>>,
    client: StoredValue<Option<Client>>,
}

impl Page {
    /// A page that signs in, if its address has a code, and connects.
    pub(crate) fn start() -> Self {
        let code = browser::take_code();
        let open = browser::session_in_address().unwrap_or_else(|| SessionRef::Name(MAIN.to_owned()));
        let page = Self {
            state: RwSignal::new(State::new(open.clone())),
            sign_in_error: RwSignal::new(None),
            client: StoredValue::new(None),
        };
        spawn_local(async move {
            if let Some(code) = code {
                // A cookie from before may still do.
                page.sign_in_error.set(browser::log_in(&code).await.err());
            }
            page.connect();
            page.dispatch(Action::Open(open));
        });
        page
    }

    /// The page of the component that asks.
    pub(crate) fn here() -> Self {
        expect_context()
    }

    fn connect(self) {
        let client = Client::connect(Endpoint::new(browser::socket_url()), Options::default());
        let pushes = client.subscribe();
        self.client.set_value(Some(client));
        spawn_local(self.listen(pushes));
    }

    async fn listen(self, mut pushes: Pushes) {
        while let Some(push) = pushes.next().await {
            let mut batch = vec![Action::Pushed(push)];
            while let Some(Some(push)) = pushes.next().now_or_never() {
                batch.push(Action::Pushed(push));
            }
            self.dispatch_all(batch);
            sleep(FRAME).await;
        }
    }

    /// Something happened, or somebody wants something.
    pub(crate) fn dispatch(self, action: Action) {
        self.dispatch_all([action]);
    }

    fn dispatch_all(self, actions: impl IntoIterator<Item = Action>) {
        let mut commands = Vec::new();
        self.state.update(|state| {
            for action in actions {
                commands.extend(state.reduce(action));
            }
        });
        let mut done: Vec<Command> = Vec::new();
        for command in commands {
            // Two of a kind in one frame ask for the same.
            if !done.contains(&command) {
                done.push(command.clone());
                self.run(command);
            }
        }
    }

    fn run(self, command: Command) {
        match command {
            Command::Subscribe(session) => {
                let params = SessionSubscribeParams { session: session.clone(), epoch: None, seq: None };
                self.request(params, move |outcome| Action::Read { session, outcome });
            }
            Command::List => self.request(SessionListParams::default(), Action::Listed),
            Command::Status => self.request(StatusParams {}, Action::Told),
            Command::Abort(session) => self.request(ChatAbortParams { session, run_id: None }, Action::Stopped),
            Command::Send { session, text, key } => {
                // Keys are made by `browser::random_key`, which makes valid ones.
                let idempotency_key = key.parse::<IdempotencyKey>().ok();
                let params = ChatSendParams { idempotency_key, ..ChatSendParams::text(session, text) };
                self.request(params, move |outcome| Action::Sent { key, outcome });
            }
        }
    }

    fn request<M: Method + 'static>(
        self,
        params: M,
        then: impl FnOnce(Result<M::Output, exoclaw_client::RequestError>) -> Action + 'static,
    ) {
        let Some(client) = self.client.get_value() else { return };
        spawn_local(async move {
            let outcome = client.request(params).await;
            self.dispatch(then(outcome));
        });
    }

    /// Sends a message to the session that is shown.
    pub(crate) fn send(self, text: String) {
        self.dispatch(Action::Send { text, key: browser::random_key() });
    }

    /// Stops what is under way in the session that is shown.
    pub(crate) fn stop(self) {
        self.dispatch(Action::Stop);
    }

    /// Shows a session, in the address too.
    pub(crate) fn open(self, session: SessionRef) {
        browser::show_in_address(&session);
        if self.state.with_untracked(|state| state.open != session) {
            self.dispatch(Action::Open(session));
        }
    }

    /// Shows a session that has not begun.
    pub(crate) fn open_new(self) {
        let name: String = browser::random_key().chars().take(8).collect();
        self.open(SessionRef::Name(format!("web-{name}")));
    }
}

async fn sleep(time: Duration) {
    let (wake, woken) = oneshot::channel();
    // It wakes when the timer rings, or is dropped with the page.
    set_timeout(move || drop(wake), time);
    let _: Result<(), oneshot::Canceled> = woken.await;
}
