//! A platform's side: an HTTP server that hears what the daemon sends, and a client that sends webhooks.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use exoclaw_tests::wait::wait_for;
use serde_json::{Value, json};

/// Far longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What the platform was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The request's head, names of headers in small letters.
    pub(super) head: String,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(super) fn text(&self) -> &str {
        self.body["text"].as_str().unwrap()
    }
}

/// What it answers.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: &'static str,
    pub(super) body: Value,
    /// Only once the platform is [released](Platform::release).
    pub(super) held: bool,
}

impl Reply {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: "", body, held: false }
    }
}

/// Answers with what is scripted, and else that all is well. Its threads end with the process.
pub(super) struct Platform {
    pub(super) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    released: Arc<(Mutex<bool>, Condvar)>,
}

impl Platform {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let replies = Arc::new(Mutex::new(VecDeque::<Reply>::new()));
        let released = Arc::new((Mutex::new(false), Condvar::new()));
        let (log, script, gate) = (asked.clone(), replies.clone(), released.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, script, gate) = (log.clone(), script.clone(), gate.clone());
                thread::spawn(move || serve(stream, &log, &script, &gate));
            }
        });
        Self { port, asked, replies, released }
    }

    pub(super) fn reply(&self, reply: Reply) -> &Self {
        self.replies.lock().unwrap().push_back(reply);
        self
    }

    /// Lets what is held go.
    pub(super) fn release(&self) {
        *self.released.0.lock().unwrap() = true;
        self.released.1.notify_all();
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    pub(super) async fn was_asked(&self, times: usize) -> Vec<Asked> {
        wait_for(PATIENCE, || {
            let asked = self.asked();
            if asked.len() >= times { Ok(asked) } else { Err(asked) }
        })
        .await
    }
}

fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    script: &Mutex<VecDeque<Reply>>,
    gate: &(Mutex<bool>, Condvar),
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (head, body) = read(&mut stream)?;
    let number = {
        let mut log = log.lock().unwrap();
        log.push(Asked { head, body: serde_json::from_slice(&body).unwrap_or_default() });
        log.len()
    };
    let well = json!({ "ok": true, "result": { "message_id": number }, "ts": format!("{number}.0") });
    let Reply { status, headers, body, held } =
        script.lock().unwrap().pop_front().unwrap_or_else(|| Reply::json(200, well));
    if held {
        let mut released = gate.0.lock().unwrap();
        while !*released {
            released = gate.1.wait(released).unwrap();
        }
    }
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.get_mut().write_all(format!("{head}{body}").as_bytes()).ok()
}

/// Head and body of a message; `None` if the other side left.
fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let value = |name: &str| {
        head.lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let mut body = Vec::new();
    if let Some(length) = value("content-length") {
        body.resize(length.parse().ok()?, 0);
        stream.read_exact(&mut body).ok()?;
    } else if value("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    Some((head, body))
}

/// What a webhook was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

/// Sends a request to the daemon.
pub(super) fn send(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
    let mut stream = TcpStream::connect(to).unwrap();
    let mut head = format!("{line} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // Whoever refuses a body early need not read it.
    stream.write_all(body).ok();
    let mut stream = BufReader::new(stream);
    let (head, body) = read(&mut stream).expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answered { status, head: head.to_ascii_lowercase(), body: String::from_utf8(body).unwrap() }
}
