//! Clients that lose their connection in every way, again and again: each hears every event once, in order.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use exoclaw_client::Push;
use exoclaw_protocol::{ChatSendParams, Event, SessionEvent, SessionSubscribeResult};
use exoclaw_tests::{
    daemon::{Daemon, Setup, TOKEN},
    model::{Answer, ModelServer},
    wait::wait_for,
    ws::{Frame, RawSocket, opcode},
};
use futures::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, task::JoinSet};

use super::{
    Chance, faults, number,
    work::{PATIENCE, session},
};

/// Sessions that are read.
const SESSIONS: usize = 3;

/// Messages that a reader takes from one connection, at most.
const PATIENT_FOR: u64 = 5;

/// Runs that a reader may be behind: what is no longer kept can't be caught up with.
const BEHIND: usize = 8;

/// Connections that a reader leaves open at the same time: a process has only so many.
const LEFT_OPEN: usize = 4;

/// What a reader makes of each connection that it had.
#[derive(Debug, Clone, Copy)]
enum Break {
    /// Closes, and waits for the goodbye.
    Clean,
    /// The system resets it.
    Reset,
    /// Stays silent for ever: neither side hears of an end.
    HalfOpen,
    /// Leaves in the midst of a frame of its own.
    MidFrame,
}

/// One that reads a session from its first event on.
struct Reader {
    address: SocketAddr,
    session: usize,
    chance: Chance,
    /// Connections that it still loses.
    breaks: u32,
    /// Added to the number of the last event when it comes back: what is not 0 is a fault, which has to be noticed.
    off_by: u64,
    position: Option<(u64, u64)>,
    log: Log,
    /// Runs whose end it has read; all when it is done.
    ended: Arc<AtomicUsize>,
    /// The last connections that were left open.
    left: VecDeque<RawSocket>,
}

/// What was told, deltas put together as they may be on the way.
#[derive(Debug, Default, PartialEq)]
struct Log {
    lines: Vec<String>,
    ended: usize,
}

impl Log {
    fn add(&mut self, event: SessionEvent) {
        self.ended += usize::from(event.event.is_terminal());
        let run = event.run_id;
        if let Event::Delta { text } = &event.event
            && let Some(last) = self.lines.last_mut().filter(|last| last.starts_with(&format!("{run} says ")))
        {
            last.push_str(text);
            return;
        }
        self.lines.push(match event.event {
            Event::Delta { text } => format!("{run} says {text}"),
            other => format!("{run} {}", serde_json::to_string(&other).unwrap()),
        });
    }
}

impl Reader {
    async fn read(mut self, runs: usize) -> Result<(Log, u32), String> {
        let told = self.read_all(runs).await;
        self.ended.store(usize::MAX, Ordering::Relaxed);
        told.map(|broken| (self.log, broken))
    }

    /// Reads until so many runs have ended; says how many connections that took.
    async fn read_all(&mut self, runs: usize) -> Result<u32, String> {
        let mut broken = 0;
        while self.log.ended < runs {
            let mut socket = self.connect().await?;
            let limit = if self.breaks == 0 { u64::MAX } else { 1 + self.chance.below(PATIENT_FOR) };
            let mut taken = 0;
            while taken < limit && self.log.ended < runs {
                let Some(message) = message(&mut socket).await else { break };
                self.event(message)?;
                taken += 1;
            }
            if taken == limit && self.log.ended < runs {
                self.breaks -= 1;
                broken += 1;
                self.lose(socket).await;
            }
        }
        Ok(broken)
    }

    async fn connect(&mut self) -> Result<RawSocket, String> {
        let bearer = format!("Bearer {TOKEN}");
        let mut socket = loop {
            match RawSocket::connect(self.address, &[("Authorization", &bearer)]).await {
                Ok(socket) => break socket,
                // Of many that come at once from one place, some are dropped before they say who they are.
                Err(answer) if answer.status == 0 => {
                    tokio::time::sleep(Duration::from_millis(self.chance.below(20))).await;
                }
                Err(answer) => return Err(format!("{answer:?}")),
            }
        };
        let mut params = json!({ "session": session(self.session) });
        if let Some((epoch, seq)) = self.position {
            params["epoch"] = json!(epoch);
            params["seq"] = json!(seq + self.off_by);
        }
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "session.subscribe", "params": params });
        socket.send_text(&request.to_string()).await;
        let mut answer = message(&mut socket).await.ok_or("it was turned away")?;
        let result: SessionSubscribeResult = serde_json::from_value(answer["result"].take()).unwrap();
        if self.position.is_some() && !result.recovered {
            return Err("it was told to start afresh".to_owned());
        }
        self.position.get_or_insert((result.epoch, result.seq));
        Ok(socket)
    }

    fn event(&mut self, mut message: Value) -> Result<(), String> {
        assert_eq!(message["method"], "session.event", "{message}");
        let event: SessionEvent = serde_json::from_value(message["params"].take()).unwrap();
        let (epoch, seq) = self.position.unwrap();
        if (event.epoch, event.follows()) != (epoch, seq) {
            return Err(format!("after {seq} came what follows {}", event.follows()));
        }
        self.position = Some((epoch, event.seq));
        self.log.add(event);
        self.ended.store(self.log.ended, Ordering::Relaxed);
        Ok(())
    }

    async fn lose(&mut self, mut socket: RawSocket) {
        let ways = [Break::Clean, Break::Reset, Break::HalfOpen, Break::MidFrame];
        match ways[usize::try_from(self.chance.below(4)).unwrap()] {
            Break::Clean => {
                socket.send(&Frame::new(opcode::CLOSE, 1000_u16.to_be_bytes())).await;
                socket.closed().await;
            }
            Break::Reset => socket.stream.set_zero_linger().unwrap(),
            Break::HalfOpen => {
                self.left.push_back(socket);
                if self.left.len() > LEFT_OPEN {
                    self.left.pop_front();
                }
            }
            Break::MidFrame => {
                let frame = Frame::text(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).to_masked();
                // The daemon may have closed meanwhile, if it is quicker than this.
                socket.stream.write_all(&frame[..frame.len() / 2]).await.ok();
            }
        }
    }
}

/// The next message, with pings answered; none when the daemon has ended the connection.
async fn message(socket: &mut RawSocket) -> Option<Value> {
    loop {
        let frame = socket.recv().await?;
        match frame.opcode {
            opcode::TEXT => return Some(serde_json::from_slice(&frame.payload).unwrap()),
            opcode::PING => socket.stream.write_all(&Frame::new(opcode::PONG, frame.payload).to_masked()).await.ok()?,
            _ => return None,
        }
    }
}

/// Has the model answer messages of a session, one after the other, no faster than they are read.
async fn talk(daemon: &Daemon, number: usize, runs: usize, readers: &[Arc<AtomicUsize>]) {
    let client = daemon.client();
    let mut pushes = client.subscribe();
    for text in 0..runs {
        let slowest = || readers.iter().map(|ended| ended.load(Ordering::Relaxed)).min().unwrap_or(usize::MAX);
        let look = || if slowest() >= text.saturating_sub(BEHIND) { Ok(()) } else { Err(slowest()) };
        wait_for(PATIENCE, look).await;
        let sent = client.request(ChatSendParams::text(session(number), text.to_string())).await.unwrap();
        loop {
            match pushes.next().await {
                Some(Push::Event(event)) if event.run_id == sent.run_id && event.event.is_terminal() => break,
                Some(Push::Event(_) | Push::State(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    client.close().await;
}

/// What the readers of each session were told, that of one that loses nothing first, and how many connections were lost.
async fn storm(test: &str, off_by: u64) -> Vec<Vec<Result<(Log, u32), String>>> {
    let (breaks, readers) = (faults(8), number("EXOCLAW_CLIENTS").unwrap_or(4));
    let runs = usize::try_from(breaks).unwrap() + 2;
    let mut chance = Chance::new(test);
    let model = ModelServer::start().await;
    model.usually(Answer::text((0..24).map(|word| format!("{word} "))).usage(1, 24));
    let daemon = Setup::with_model("openai", &model.openai_url()).start();
    let (mut reading, mut ends) = (Vec::new(), Vec::new());
    for number in 0..SESSIONS {
        let (mut tasks, mut ended) = (JoinSet::new(), Vec::new());
        for reader in 0..=readers {
            let mut reader = Reader {
                address: daemon.address(),
                session: number,
                chance: chance.another(),
                breaks: if reader == 0 { 0 } else { breaks },
                off_by: if reader == 0 { 0 } else { off_by },
                position: None,
                log: Log::default(),
                ended: Arc::default(),
                left: VecDeque::new(),
            };
            // All of them have the place before the first event, and the session's numbers stay while one is there.
            let socket = reader.connect().await.unwrap();
            reader.left.push_back(socket);
            ended.push(reader.ended.clone());
            tasks.spawn(reader.read(runs));
        }
        reading.push(tasks);
        ends.push(ended);
    }
    join_all((0..SESSIONS).map(|number| talk(&daemon, number, runs, &ends[number]))).await;
    let told = join_all(reading.into_iter().map(JoinSet::join_all));
    let mut told = tokio::time::timeout(PATIENCE, told).await.expect("all readers come to their end");
    for told in &mut told {
        told.sort_by_key(|told| told.as_ref().map_or(u32::MAX, |(_, broken)| *broken));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_that_comes_back_hears_every_event_once() {
    let (mut events, mut lost) = (0, 0);
    for told in storm("storm", 0).await {
        let mut told = told.into_iter().map(|told| told.expect("every event, in order"));
        let (steady, none) = told.next().unwrap();
        assert_eq!(none, 0, "one loses nothing");
        for (log, broken) in told {
            assert!(broken > 0);
            assert_eq!(log, steady);
            lost += broken;
        }
        events += steady.lines.len();
    }
    println!("storm: {events} different events, {lost} connections lost");
}

/// The test above is worth nothing unless this is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_one_event_too_late_is_noticed() {
    for told in storm("storm, off by one", 1).await {
        let (sound, faulty): (Vec<_>, Vec<_>) = told.into_iter().partition(Result::is_ok);
        assert_eq!(sound.len(), 1, "the one that loses nothing");
        assert!(!faulty.is_empty());
    }
}
