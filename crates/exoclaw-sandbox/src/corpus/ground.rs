//! Where the attacks happen: a folder with something to steal, and a web server that nobody may reach.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};

use crate::{KeyValue, KeyValueError, Resolve};

/// What a case may damage, and what it must not. Dropping it stops the server; the folder is the caller's to remove.
#[derive(Debug)]
pub struct Ground {
    folder: PathBuf,
    pub(super) server: SocketAddr,
    hits: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ground {
    /// Lays out an empty folder, and starts the server on a free port of the loopback.
    ///
    /// # Errors
    /// A folder that can't be written, and no port.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = listener.local_addr()?;
        let (hits, stop) = (Arc::default(), Arc::<AtomicBool>::default());
        let thread = thread::Builder::new().name("exoclaw-canary".into()).spawn({
            let (hits, stop) = (Arc::clone(&hits), Arc::clone(&stop));
            move || serve(&listener, &hits, &stop)
        })?;
        let ground = Self { folder, server, hits, stop, thread: Some(thread) };
        ground.lay_out()?;
        Ok(ground)
    }

    /// Puts everything where it was.
    pub(super) fn lay_out(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        self.hits.store(0, SeqCst);
        fs::create_dir(self.granted())?;
        fs::create_dir(self.other())?;
        fs::write(self.granted().join("inside.txt"), "inside")?;
        fs::write(self.other().join("theirs.txt"), "theirs")?;
        fs::write(self.folder.join("secret.txt"), "secret")?;
        std::os::unix::fs::symlink("../secret.txt", self.granted().join("way-out"))?;
        std::os::unix::fs::symlink(&self.folder, self.granted().join("door"))?;
        std::os::unix::fs::symlink("/etc/passwd", self.granted().join("users"))
    }

    /// The folder that cases are granted.
    pub(super) fn granted(&self) -> PathBuf {
        self.folder.join("granted")
    }

    /// A folder beside it.
    pub(super) fn other(&self) -> PathBuf {
        self.folder.join("other")
    }

    /// The folder around all.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a refused attack must leave as it is: every file with its bytes, and the requests that came through.
    pub(super) fn state(&self) -> io::Result<(BTreeMap<PathBuf, String>, usize)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let kind = path.symlink_metadata()?;
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                let bytes = if kind.is_file() { fs::read_to_string(&path)? } else { String::new() };
                files.insert(path, bytes);
            }
        }
        Ok((files, self.hits.load(SeqCst)))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        // Wakes the server, which then sees that it is to stop.
        TcpStream::connect(self.server).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn serve(listener: &TcpListener, hits: &AtomicUsize, stop: &AtomicBool) {
    for stream in listener.incoming().map_while(Result::ok) {
        if stop.load(SeqCst) {
            return;
        }
        hits.fetch_add(1, SeqCst);
        // A client that leaves is the rule here.
        answer(stream).ok();
    }
}

/// `/drip` never ends and `/flood` is too long; everything else is short.
fn answer(mut stream: TcpStream) -> io::Result<()> {
    /// A case that is not stopped must not stop the server.
    const PATIENCE: Duration = Duration::from_secs(5);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = [0; 4096];
    let read = stream.read(&mut head)?;
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    match path.as_str() {
        "/drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            // Ends when the client leaves.
            stream.write_all(b".")?;
            stream.read(&mut [0]).map(drop)
        }
        "/flood" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            (0..512).try_for_each(|_| stream.write_all(&[b'x'; 65536]))
        }
        "/head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            (0..4096).try_for_each(|n| write!(stream, "x-{n}: {n:0100}\r\n"))?;
            stream.write_all(b"\r\n")
        }
        "/away" => {
            let port = stream.local_addr()?.port();
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{port}/inside\r\ncontent-length: 0\r\n\r\n"
            )
        }
        "/echo" => {
            let value = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
            // A 404 unless the secret came.
            let status = if value == "none" { "404 Not Found" } else { "200 OK" };
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{value}", value.len())
        }
        _ => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ninside"),
    }
}

/// Names that lead inside, whoever is asked.
#[derive(Debug)]
pub(super) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        let inside = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let addresses = match name.as_str() {
            "inside.test" => vec![inside],
            // Documentation's own (RFC 5737): nobody is asked, for the other address refuses both.
            "mixed.test" => vec![IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14)), inside],
            "mapped.test" => vec![IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped())],
            _ => Vec::new(),
        };
        async move { Ok(addresses) }.boxed()
    }
}

/// The stores of two agents; each call is lent one.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) agent: &'static str,
    pub(super) quota: usize,
}

impl KeyValue for Store {
    fn get(&self, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>, KeyValueError>> {
        let value = (self.agent == "theirs" && key == "diary").then(|| b"dear diary".to_vec());
        async move { Ok(value) }.boxed()
    }

    fn set(&self, _: String, value: Vec<u8>) -> BoxFuture<'_, Result<(), KeyValueError>> {
        let kept = if value.len() > self.quota { Err(KeyValueError::OverQuota) } else { Ok(()) };
        async move { kept }.boxed()
    }

    fn delete(&self, _: String) -> BoxFuture<'_, Result<(), KeyValueError>> {
        async { Ok(()) }.boxed()
    }

    fn keys(&self, _: String, _: u32) -> BoxFuture<'_, Result<Vec<String>, KeyValueError>> {
        async { Ok(Vec::new()) }.boxed()
    }
}
