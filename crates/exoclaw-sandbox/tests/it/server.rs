//! A web server that says what it is told, and remembers what it was asked.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Answers each connection with what a function writes. The threads end with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` gets the request, head and body, and writes the response.
    pub(crate) fn start(answer: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", answer)
    }

    pub(crate) fn on(address: &str, answer: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static) -> Self {
        Self::wrapped(address, |stream| Box::new(stream), answer)
    }

    /// Each connection goes through `wrap`, for TLS.
    pub(crate) fn wrapped(
        address: &str,
        wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + 'static,
        answer: impl Fn(&str, &mut dyn Write) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mut stream, log, answer) = (wrap(stream), Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(request) = request(&mut *stream) else { return };
                    log.lock().unwrap().push(request.clone());
                    answer(&request, &mut stream);
                });
            }
        });
        Self { address, seen }
    }

    /// Answers `200` with this body.
    pub(crate) fn saying(body: &'static str) -> Self {
        Self::start(move |_, out| respond(out, "200 OK", "", body))
    }

    /// What it was asked.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Writes a whole response; the client may be gone.
pub(crate) fn respond(out: &mut dyn Write, status: &str, headers: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    out.write_all(head.as_bytes()).and_then(|()| out.write_all(body.as_bytes())).and_then(|()| out.flush()).ok();
}

/// The head, and as much body as it promises; `None` when the client left.
fn request(stream: &mut dyn Stream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let promised = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            let whole = match promised {
                Some(length) => body.len() >= length,
                None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
                None => true,
            };
            if whole {
                return Some(text);
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
