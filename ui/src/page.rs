//! Joins what the page knows to the connection: actions change it, commands go out, answers come back as actions.

mod export;
mod preferences;
mod requests;

use std::{collections::HashMap, time::Duration};

use exoclaw_client::{Client, Endpoint, Options, Push, Pushes, RequestError};
use exoclaw_protocol::{AgentId, Event, Method, SessionKey, SessionRef};
use futures::{FutureExt, StreamExt, channel::oneshot};
use leptos::{prelude::*, task::spawn_local};

pub(crate) use export::Form;
pub(crate) use preferences::{Preferences, Theme};

use crate::{
    browser::{self, Place, address, http, storage},
    state::{Action, Attachment, Command, State},
};

/// Pushes of one screen frame are taken together, so that a fast answer costs one change of the page, not hundreds.
/// A timer, not an animation frame: those stop while the page is hidden.
const FRAME: Duration = Duration::from_millis(16);

/// Bytes of text that are taken together, about: a frame stays short also where an answer comes all at once. Models write
/// a tenth of it.
const BYTES_OF_FRAME: usize = 512;

/// What a push counts for at least.
const BYTES_OF_PUSH: usize = 16;

/// Time between two looks at the list of sessions while somebody sees the page: other programs talk in them too, and the
/// daemon tells this page only of those that it showed.
const LIST_EVERY: Duration = Duration::from_secs(15);

/// The session that is shown where the address names none.
const MAIN: &str = "main";

/// Where this browser's notes of sessions are kept.
const NOTES: &str = "sessions";

/// Sessions whose unsent attachments are kept while another one is shown; then all of them go.
const PARKED: usize = 16;

/// The page. Cheap to copy; components find it in their context.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// What it knows.
    pub(crate) state: RwSignal<State>,
    /// What is shown.
    pub(crate) place: RwSignal<Place>,
    /// Why signing in with a link did not work.
    pub(crate) sign_in_error: RwSignal<Option<String>>,
    /// What the reader chose.
    pub(crate) preferences: Preferences,
    /// A text for the field of the message, to be changed and sent again.
    pub(crate) to_edit: RwSignal<Option<String>>,
    /// What is attached to messages that were not sent, by session.
    pub(crate) parked: StoredValue<HashMap<SessionRef, Vec<Attachment>>>,
    client: StoredValue<Option<Client>>,
}

impl Page {
    /// A page that signs in, if its address has a code, and connects.
    pub(crate) fn start() -> Self {
        let code = address::take_code();
        let main = || SessionRef::Name(MAIN.to_owned());
        let place = address::place().unwrap_or_else(|| Place::Session(main()));
        let open = if let Place::Session(session) = &place { session.clone() } else { main() };
        let mut state = State::new(open.clone());
        state.visible = browser::is_visible();
        if let Some(notes) = storage::kept(NOTES) {
            state.sessions.remember(&notes);
        }
        let page = Self {
            state: RwSignal::new(state),
            place: RwSignal::new(place),
            sign_in_error: RwSignal::new(None),
            preferences: Preferences::kept(),
            to_edit: RwSignal::new(None),
            parked: StoredValue::new(HashMap::new()),
            client: StoredValue::new(None),
        };
        spawn_local(async move {
            if let Some(code) = code {
                // A cookie from before may still do.
                page.sign_in_error.set(http::log_in(&code).await.err());
            }
            page.connect();
            page.dispatch(Action::Open(open));
            page.list_often().await;
        });
        page
    }

    /// The page of the component that asks.
    pub(crate) fn here() -> Self {
        expect_context()
    }

    fn connect(self) {
        let client = Client::connect(Endpoint::new(address::socket_url()), Options::default());
        let pushes = client.subscribe();
        self.client.set_value(Some(client));
        spawn_local(self.listen(pushes));
    }

    async fn listen(self, mut pushes: Pushes) {
        while let Some(push) = pushes.next().await {
            let mut bytes = weight(&push);
            let mut batch = vec![Action::Pushed(push)];
            while bytes < BYTES_OF_FRAME
                && let Some(Some(push)) = pushes.next().now_or_never()
            {
                bytes += weight(&push);
                batch.push(Action::Pushed(push));
            }
            self.dispatch_all(batch);
            sleep(FRAME).await;
        }
    }

    async fn list_often(self) {
        loop {
            sleep(LIST_EVERY).await;
            let wanted = self.state.with_untracked(|state| state.visible && state.link == exoclaw_client::State::Open);
            if wanted {
                self.run(Command::List);
            }
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

    /// Asks the daemon something that only the component that asks wants to know.
    ///
    /// # Errors
    /// As the client's.
    pub(crate) async fn ask<M: Method + 'static>(self, params: M) -> Result<M::Output, RequestError> {
        match self.client.get_value() {
            Some(client) => client.request(params).await,
            None => Err(RequestError::Busy),
        }
    }

    /// Sends a message to the session that is shown.
    pub(crate) fn send(self, text: String, attachments: Vec<Attachment>) {
        self.dispatch(Action::Send { text, attachments, key: browser::random_key() });
    }

    /// Stops what is under way in the session that is shown.
    pub(crate) fn stop(self) {
        self.dispatch(Action::Stop);
    }

    /// Shows a place, in the address too.
    pub(crate) fn go(self, place: Place) {
        address::show(&place);
        self.went(place);
    }

    /// The address names another place.
    pub(crate) fn went(self, place: Place) {
        if let Place::Session(session) = &place
            && self.state.with_untracked(|state| state.open != *session)
        {
            self.dispatch(Action::Open(session.clone()));
        }
        if self.place.with_untracked(|old| *old != place) {
            self.place.set(place);
        }
    }

    /// Shows a session.
    pub(crate) fn open(self, session: SessionRef) {
        self.go(Place::Session(session));
    }

    /// Shows a session that has not begun: with an agent, or with the default one.
    pub(crate) fn open_new(self, agent: Option<&AgentId>) {
        let name = format!("web-{}", browser::random_key().chars().take(8).collect::<String>());
        let key = agent.and_then(|agent| SessionKey::new(agent, [name.as_str()]).ok());
        self.open(key.map_or(SessionRef::Name(name), SessionRef::Key));
    }

    /// Keeps what is attached to a message of a session that is left.
    pub(crate) fn park(self, session: SessionRef, attachments: Vec<Attachment>) {
        self.parked.update_value(|parked| {
            if parked.len() >= PARKED {
                parked.clear();
            }
            if !attachments.is_empty() {
                parked.insert(session, attachments);
            }
        });
    }

    /// Another tab of this browser kept something.
    pub(crate) fn kept_elsewhere(self, name: &str) {
        if name == NOTES {
            self.dispatch(Action::Noted(storage::kept(NOTES).unwrap_or_default()));
        } else {
            self.preferences.kept_elsewhere(name);
        }
    }
}

/// What a push brings to show, in bytes.
fn weight(push: &Push) -> usize {
    match push {
        Push::Event(event) => match &event.event {
            Event::Delta { text } | Event::Thinking { text } => text.len().max(BYTES_OF_PUSH),
            _ => BYTES_OF_PUSH,
        },
        _ => BYTES_OF_PUSH,
    }
}

/// Waits.
pub(crate) async fn sleep(time: Duration) {
    let (wake, woken) = oneshot::channel();
    // It wakes when the timer rings, or is dropped with the page.
    set_timeout(move || drop(wake), time);
    let _: Result<(), oneshot::Canceled> = woken.await;
}
