//! What tools do to the world here: lines in a file, and requests to a server that remembers each of them.

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use exoclaw_plugin_format::{Manifest, pack};
use exoclaw_protocol::Effect;
use exoclaw_tests::{daemon::Setup, plugins};
use serde_json::{Value, json};

/// Time that the server takes for an answer, so that kills meet calls whose effect has taken place.
const THINKING: Duration = Duration::from_millis(2);

/// What a session's messages are done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// Lines in a file, `once`.
    Note,
    /// Requests, `once`.
    Post,
    /// Requests, `idempotent`.
    Put,
}

impl Means {
    pub(super) fn of(session: usize) -> Self {
        [Self::Note, Self::Post, Self::Put][session % 3]
    }

    /// A call that is cut off is made again.
    pub(super) fn is_repeated(self) -> bool {
        self == Self::Put
    }

    /// The tool as the model names it, and its arguments.
    pub(super) fn call(self, text: &str) -> (&'static str, Value) {
        let comment = json!({ "repo": "o/r", "issue": 1, "text": text });
        match self {
            Self::Note => ("notes__append", json!({ "text": text })),
            Self::Post => ("post__comment", comment),
            Self::Put => ("put__comment", comment),
        }
    }
}

/// The plugins, and what they have done.
pub(super) struct World {
    folder: tempfile::TempDir,
    server: Server,
}

impl World {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: Server::start() }
    }

    /// A daemon with the three plugins.
    pub(super) fn plugins(&self, setup: Setup) -> Setup {
        let folder = self.folder.path();
        let notes = format!(r#"fs = [{{ host = "{}", guest = "/notes", access = "read-write" }}]"#, folder.display());
        let address = self.server.address;
        let web =
            format!("http = [\"POST http://{address}/*\"]\nhttp-private = [\"{address}\"]\nenv = [\"GITHUB_API\"]");
        setup
            .tools(&["notes", "post", "put"])
            .plugin("notes", &plugins::example("notes"), &notes)
            .plugin("post", &self.commenter("post", Effect::Once), &web)
            .plugin("put", &self.commenter("put", Effect::Idempotent), &web)
            .env("GITHUB_API", &format!("http://{address}"))
    }

    /// The example that comments on issues, under another name, for this server, and with this effect.
    fn commenter(&self, name: &str, effect: Effect) -> PathBuf {
        let packed = std::fs::read(plugins::example("github-issues")).unwrap();
        let mut manifest = Manifest::of_component(&packed).unwrap();
        // The manifest is the last section: an empty component with the same one says how long that is.
        const EMPTY: [u8; 8] = *b"\0asm\x0d\0\x01\0";
        let section = pack(&EMPTY, &manifest).unwrap().len() - EMPTY.len();
        let component = &packed[..packed.len() - section];
        manifest.name = name.parse().unwrap();
        manifest.tools.retain(|tool| tool.name.as_str() == "comment");
        manifest.tools[0].effect = effect;
        manifest.requests.http = vec![format!("POST http://{}/*", self.server.address).parse().unwrap()];
        manifest.requests.secrets.clear();
        let path = self.folder.path().join(name).with_extension("wasm");
        std::fs::write(&path, pack(component, &manifest).unwrap()).unwrap();
        path
    }

    /// How often each text was written, and with which keys it was sent.
    pub(super) fn done(&self) -> Done {
        Done {
            lines: lines(&self.folder.path().join("notes.md")),
            requests: self.server.requests.lock().unwrap().clone(),
        }
    }
}

/// What has been done.
pub(super) struct Done {
    lines: HashMap<String, u32>,
    /// Keys of the requests that carried a text.
    requests: HashMap<String, Vec<String>>,
}

impl Done {
    /// How often it was done.
    pub(super) fn times(&self, text: &str) -> u32 {
        let requests = self.requests.get(text).map_or(0, Vec::len);
        self.lines.get(text).copied().unwrap_or(0) + u32::try_from(requests).unwrap()
    }

    /// Every request carried a key: the same for one text, and another for each text.
    pub(super) fn check_keys(&self) {
        let mut all = HashSet::new();
        for (text, keys) in &self.requests {
            let own: HashSet<_> = keys.iter().collect();
            assert_eq!(own.len(), 1, "{text} was sent under several keys");
            assert!(own.iter().all(|key| key.len() == 64), "{text}: no key of the host's: {own:?}");
            assert!(all.insert(&keys[0]), "{text}: its key is another text's");
        }
    }
}

fn lines(notes: &Path) -> HashMap<String, u32> {
    let mut lines = HashMap::new();
    for line in std::fs::read_to_string(notes).unwrap_or_default().lines() {
        *lines.entry(line.trim_start_matches("- ").to_owned()).or_insert(0) += 1;
    }
    lines
}

/// Takes comments and remembers the `Idempotency-Key` of each. Ends with the process of the tests.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(Mutex::default()));
        let taken = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let requests = Arc::clone(&taken);
                std::thread::spawn(move || serve(stream.unwrap(), &requests));
            }
        });
        Self { address, requests }
    }
}

/// One request; one that breaks off, as its sender was killed, has not taken place.
fn serve(stream: TcpStream, requests: &Mutex<HashMap<String, Vec<String>>>) -> Option<()> {
    let mut reader = BufReader::new(&stream);
    let (mut key, mut chunked, mut length) = (String::new(), false, 0);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|_| line.ends_with('\n'))?;
    assert!(line.starts_with("POST /repos/o/r/issues/1/comments "), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = value.to_owned(),
            "transfer-encoding" => chunked = value == "chunked",
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let body = if chunked { read_chunks(&mut reader)? } else { read_exactly(&mut reader, length)? };
    let body: Value = serde_json::from_slice(&body).unwrap();
    requests.lock().unwrap().entry(body["body"].as_str().unwrap().to_owned()).or_default().push(key);
    std::thread::sleep(THINKING);
    let answer = r#"{"html_url":"there"}"#;
    let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    (&stream).write_all(format!("{head}{answer}").as_bytes()).ok()
}

fn read_exactly(reader: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// A body of RFC 9112, section 7.1, without trailers.
fn read_chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok().filter(|bytes| *bytes > 0)?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let chunk = read_exactly(reader, size + 2)?;
        if size == 0 {
            return Some(body);
        }
        body.extend(&chunk[..size]);
    }
}
