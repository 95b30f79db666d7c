//! Load: sessions in which each message has a tool do one thing, and what must be true of it in the end.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use exoclaw_client::{Client, Options, RequestError};
use exoclaw_protocol::{
    Block, ChatHistoryParams, ChatSendParams, HistoryMessage, Role, RunId, SendStatus, SessionRef, ToolContent,
};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, ModelServer, Request},
    wait::wait_for,
};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    Chance,
    effects::{Means, World},
    watch::Watcher,
};

/// Sessions that write at the same time.
const SESSIONS: usize = 6;

/// Far longer than any answer takes, restarts included.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// What the model says when its tool has given something back.
pub(super) const LAST_WORDS: &str = "It is done.";

/// Pause before a sender asks again what became of its message.
const AGAIN: Duration = Duration::from_millis(15);

/// A daemon on a port that it keeps over restarts, with tools that do what can be counted.
pub(super) struct Place {
    model: ModelServer,
    pub(super) daemon: Daemon,
    world: World,
}

impl Place {
    pub(super) async fn new() -> Self {
        let model = ModelServer::start().await;
        model.usually_by(answer);
        let world = World::new();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let setup = world.plugins(Setup::with_model("anthropic", &model.anthropic_url()));
        Self { daemon: setup.arg("--port").arg(port.to_string()).start(), model, world }
    }

    /// A client that comes back quickly.
    fn client(&self) -> Client {
        let (backoff_first, backoff_max) = (Duration::from_millis(10), Duration::from_millis(100));
        let options = Options { backoff_first, backoff_max, request_timeout: PATIENCE, ..Options::default() };
        Client::connect(self.daemon.endpoint(), options)
    }
}

/// What was sent in one session: the run of each text.
type Sent = HashMap<String, RunId>;

/// Writers in several sessions, and a watcher of each.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    sends: Arc<AtomicUsize>,
    writers: JoinSet<(usize, Sent)>,
    watchers: Vec<Watcher>,
}

impl Load {
    pub(super) async fn start(place: &Place) -> Self {
        let (mut watchers, mut writers) = (Vec::new(), JoinSet::new());
        let (stop, sends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for number in 0..SESSIONS {
            watchers.push(Watcher::start(place.client(), number));
            let (client, stop, sends) = (place.client(), stop.clone(), sends.clone());
            writers.spawn(async move { (number, write(client, number, &stop, &sends).await) });
        }
        Self { stop, sends, writers, watchers }
    }

    /// Waits until the model was asked some more times, up to twice for each session.
    pub(super) async fn goes_on(&mut self, place: &Place, chance: &mut Chance) {
        assert!(self.writers.try_join_next().is_none(), "a writer failed");
        let more = 1 + usize::try_from(chance.below(2 * SESSIONS as u64)).unwrap();
        place.model.forget();
        let look = || if place.model.look(<[_]>::len) >= more { Ok(()) } else { Err(place.daemon.log()) };
        wait_for(PATIENCE, look).await;
    }

    /// Waits until the model was asked twice more in each session: the step between the two is recorded, so that no run counts
    /// as one that never gets on.
    pub(super) async fn each_goes_on(&mut self, place: &Place) {
        assert!(self.writers.try_join_next().is_none(), "a writer failed");
        place.model.forget();
        let asked = |requests: &[Request]| {
            let mut asked = [0; SESSIONS];
            requests.iter().for_each(|request| asked[session_of(request)] += 1);
            asked
        };
        let look = || match place.model.look(asked) {
            asked if asked.iter().all(|times| *times >= 2) => Ok(()),
            asked => Err(format!("asked in each session: {asked:?}\n{}", place.daemon.log())),
        };
        wait_for(PATIENCE, look).await;
    }

    /// Lets the last runs end, and checks everything.
    pub(super) async fn end(mut self, place: &Place) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sent = vec![Sent::new(); SESSIONS];
        while let Some(ended) =
            tokio::time::timeout(PATIENCE, self.writers.join_next()).await.expect("the last runs end")
        {
            let (number, texts) = ended.unwrap();
            sent[number] = texts;
        }
        let mut tally = check(place, &sent).await;
        tally.sends = self.sends.load(Ordering::Relaxed);
        for (watcher, sent) in self.watchers.into_iter().zip(&sent) {
            let (events, snapshots) = watcher.ended(sent).await;
            tally.events += events;
            tally.snapshots += snapshots;
        }
        place.model.assert_clean();
        tally
    }
}

/// Has the session's tool do what the user says; then says so.
fn answer(request: &Request) -> Answer {
    let last = request.body["messages"].as_array().and_then(|messages| messages.last()).map(|last| &last["content"]);
    let blocks = last.and_then(Value::as_array).cloned().unwrap_or_default();
    if blocks.iter().any(|block| block["type"] == "tool_result")
        && blocks.last().is_none_or(|last| last["type"] != "text")
    {
        return Answer::text(["It ", "is ", "done."]).usage(3, 2);
    }
    let text = blocks.last().and_then(|block| block["text"].as_str()).unwrap_or_default();
    let (tool, arguments) = means(text).call(text);
    Answer::text(["I ", "write."]).and_call("call", tool, &arguments).usage(1, 1)
}

/// What a text is written with.
fn means(text: &str) -> Means {
    Means::of(number_of(text))
}

/// A text begins with its session.
fn number_of(text: &str) -> usize {
    text.trim_start_matches('s').split('-').next().and_then(|number| number.parse().ok()).unwrap()
}

/// The session whose model is asked: all of its texts name it.
fn session_of(request: &Request) -> usize {
    number_of(request.body["messages"][0]["content"][0]["text"].as_str().unwrap())
}

pub(super) fn session(number: usize) -> SessionRef {
    format!("s{number}").parse().unwrap()
}

/// Sends one message after the other until told to stop, each again and again under its key until its run has ended.
async fn write(client: Client, number: usize, stop: &AtomicBool, sends: &AtomicUsize) -> Sent {
    let mut sent = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let text = format!("s{number}-{}", sent.len());
        let key = Some(text.parse().unwrap());
        let params = ChatSendParams { idempotency_key: key, ..ChatSendParams::text(session(number), text.clone()) };
        let mut run: Option<RunId> = None;
        loop {
            sends.fetch_add(1, Ordering::Relaxed);
            match client.request(params.clone()).await {
                Ok(result) => {
                    let known = run.get_or_insert_with(|| result.run_id.clone());
                    assert_eq!(*known, result.run_id, "{text}: one key, two runs");
                    if matches!(result.status, SendStatus::Ok | SendStatus::Error) {
                        break;
                    }
                }
                Err(RequestError::Rpc(error)) => assert!(error.code.is_retryable(), "{text}: {error:?}"),
                Err(error) => assert!(!matches!(error, RequestError::Closed(_)), "{text}: {error:?}"),
            }
            tokio::time::sleep(AGAIN).await;
        }
        sent.insert(text, run.unwrap());
    }
    client.close().await;
    sent
}

/// All of it, page by page.
async fn history(client: &Client, number: usize) -> Vec<HistoryMessage> {
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let params = ChatHistoryParams { before, ..ChatHistoryParams::new(session(number)) };
        let page = client.request(params).await.unwrap().messages;
        let Some(first) = page.first() else { break };
        before = Some(first.seq);
        pages.push(page);
    }
    pages.into_iter().rev().flatten().collect()
}

/// What came of all the calls.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: usize,
    /// Calls of which nobody knows whether they took effect, each said so once.
    pub(super) unknown: usize,
    /// Of these, the ones that did.
    pub(super) unknown_and_done: usize,
    /// Calls that were made again, under their key.
    pub(super) repeated: usize,
    /// Sends, repeated ones included: each text is one run.
    pub(super) sends: usize,
    /// Told to the watchers.
    pub(super) events: usize,
    pub(super) snapshots: usize,
}

/// Every message has one run with one end; what may be done once was done at most once; every call has one result, which is
/// the tool's own or, where it may not be made again, says that nobody knows.
async fn check(place: &Place, sent: &[Sent]) -> Tally {
    let done = place.world.done();
    done.check_keys();
    let client = place.client();
    let mut tally = Tally::default();
    for (number, sent) in sent.iter().enumerate() {
        let history = history(&client, number).await;
        let (mut asked, mut results, mut ended) = (HashMap::new(), HashMap::<_, Vec<String>>::new(), 0);
        for message in &history {
            assert_eq!(message.interrupted, None, "{message:?}");
            for block in &message.content {
                match (message.role, block) {
                    (Role::User, Block::Text { text }) => {
                        assert_eq!(
                            asked.insert(message.run_id.clone(), text.clone()),
                            None,
                            "{text} was accepted twice"
                        );
                    }
                    (Role::User, Block::ToolResult { content, .. }) => {
                        let [ToolContent::Text { text }] = content.as_slice() else { panic!("{content:?}") };
                        results.entry(message.run_id.clone()).or_default().push(text.clone());
                    }
                    (Role::Assistant, Block::Text { text }) => ended += usize::from(text == LAST_WORDS),
                    _ => {}
                }
            }
        }
        let runs: HashMap<_, _> = sent.iter().map(|(text, run)| (run.clone(), text.clone())).collect();
        assert_eq!(asked, runs, "what was acknowledged is not what is there");
        assert_eq!(ended, runs.len(), "s{number}: ends");
        for (run, text) in runs {
            let results = results.get(&run).map(Vec::as_slice).unwrap_or_default();
            let [result] = results else { panic!("{text}: results {results:?}") };
            let (means, times) = (means(&text), done.times(&text));
            if matches!(result.as_str(), "noted" | "commented: there") {
                assert!(times > 0, "{text} is said to be done and is not");
            } else {
                assert!(result.contains("not known whether"), "{text}: {result}");
                assert!(!means.is_repeated(), "{text} could have been done again");
                tally.unknown += 1;
                tally.unknown_and_done += usize::from(times > 0);
            }
            assert!(times <= 1 || means.is_repeated(), "{text} was done {times} times");
            tally.repeated += usize::from(times > 1);
            tally.runs += 1;
        }
    }
    client.close().await;
    tally
}
