//! WebSocket frames by hand (RFC 6455), so that a test can send what no library would.

use std::{fmt, io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Frame types of RFC 6455, section 5.2.
pub mod opcode {
    /// Goes on with the message before.
    pub const CONTINUATION: u8 = 0;
    /// Begins a text message.
    pub const TEXT: u8 = 1;
    /// Begins a binary message.
    pub const BINARY: u8 = 2;
    /// Ends the connection.
    pub const CLOSE: u8 = 8;
    /// Asks whether someone is there.
    pub const PING: u8 = 9;
    /// Answers a ping.
    pub const PONG: u8 = 10;
}

/// An answer that is no upgrade.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status; 0 where the connection ended without an answer.
    pub status: u16,
    /// The whole answer.
    pub text: String,
}

/// One frame as it was on the wire, unmasked.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The last of its message.
    pub fin: bool,
    /// Its type.
    pub opcode: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.payload);
        write!(f, "Frame {{ fin: {}, opcode: {}, {text:?} }}", self.fin, self.opcode)
    }
}

impl Frame {
    /// A whole message of one frame.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, opcode, payload: payload.into() }
    }

    /// A whole text.
    pub fn text(text: &str) -> Self {
        Self::new(opcode::TEXT, text)
    }

    /// The close code, where it has one.
    pub fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk::<2>().filter(|_| self.opcode == opcode::CLOSE)?;
        Some(u16::from_be_bytes(*code))
    }

    /// The frame as a client sends it, masked.
    pub fn to_masked(&self) -> Vec<u8> {
        const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
        let mut bytes = self.head(0x80);
        bytes.extend(MASK);
        bytes.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// The frame as only a server may send it.
    pub fn to_unmasked(&self) -> Vec<u8> {
        let mut bytes = self.head(0);
        bytes.extend(&self.payload);
        bytes
    }

    fn head(&self, mask_bit: u8) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.fin) << 7 | self.opcode];
        match self.payload.len() {
            length @ 0..126 => bytes.push(mask_bit | u8::try_from(length).unwrap_or_default()),
            length @ 126..=0xffff => {
                bytes.push(mask_bit | 126);
                bytes.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
            }
            length => {
                bytes.push(mask_bit | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes
    }
}

/// A socket after the upgrade.
#[derive(Debug)]
pub struct RawSocket {
    /// The bare connection.
    pub stream: TcpStream,
}

impl RawSocket {
    /// Asks for `/ws` with these headers besides the necessary ones; a header given here replaces a necessary one.
    ///
    /// # Errors
    /// What else was answered.
    pub async fn connect(address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, Answer> {
        Self::connect_at(address, "/ws", headers).await
    }

    /// The same at another path.
    ///
    /// # Errors
    /// What else was answered.
    pub async fn connect_at(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, Answer> {
        let host = address.to_string();
        let necessary = [
            ("Host", host.as_str()),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let mut request = format!("GET {path} HTTP/1.1\r\n");
        let replaced = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        for (name, value) in necessary.iter().filter(|(name, _)| !replaced(name)).chain(headers) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(address).await.expect("the daemon listens");
        if let Err(error) = stream.write_all(request.as_bytes()).await {
            return Err(Answer { status: 0, text: error.to_string() });
        }
        let head = read_head(&mut stream).await;
        let status = status_of(&head);
        if status == 101 {
            return Ok(Self { stream });
        }
        // A server may keep the connection open: the head says where the answer ends.
        let mut body = vec![0; content_length(&head)];
        stream.read_exact(&mut body).await.expect("the answer is as long as its head says");
        Err(Answer { status, text: head + &String::from_utf8_lossy(&body) })
    }

    /// A socket that has shown this token.
    pub async fn with_token(address: SocketAddr, token: &str) -> Self {
        let bearer = format!("Bearer {token}");
        Self::connect(address, &[("Authorization", &bearer)]).await.expect("the daemon takes its token")
    }

    /// Sends one frame, masked.
    pub async fn send(&mut self, frame: &Frame) {
        self.stream.write_all(&frame.to_masked()).await.expect("the socket is open");
    }

    /// Sends a text message.
    pub async fn send_text(&mut self, text: &str) {
        self.send(&Frame::text(text)).await;
    }

    /// The next frame; none after the end of the connection.
    pub async fn recv(&mut self) -> Option<Frame> {
        self.try_recv().await.ok()
    }

    /// The next text message as JSON; pings are passed over.
    pub async fn recv_json(&mut self) -> serde_json::Value {
        loop {
            let frame = self.recv().await.expect("the socket is open");
            match frame.opcode {
                opcode::TEXT => return serde_json::from_slice(&frame.payload).expect("the daemon sends JSON"),
                opcode::PING => {}
                _ => panic!("{frame:?} where a text was expected"),
            }
        }
    }

    /// Reads until the daemon closes, and the code that it gave.
    pub async fn closed(&mut self) -> Option<u16> {
        while let Some(frame) = self.recv().await {
            if frame.opcode == opcode::CLOSE {
                return frame.close_code();
            }
        }
        None
    }

    async fn try_recv(&mut self) -> io::Result<Frame> {
        let first = self.stream.read_u8().await?;
        let length = self.stream.read_u8().await?;
        assert_eq!(length & 0x80, 0, "a server must not mask (RFC 6455, section 5.1)");
        let length = match length {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).expect("it fits into memory")];
        self.stream.read_exact(&mut payload).await?;
        Ok(Frame { fin: first & 0x80 != 0, opcode: first & 0x0f, payload })
    }
}

/// Sends a request as it is written and reads the whole answer.
pub async fn http(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("the daemon listens");
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut bytes = Vec::new();
    // A reset after the answer takes nothing from it.
    stream.read_to_end(&mut bytes).await.ok();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: status_of(&text), text }
}

/// Byte by byte, so that no frame behind the head is swallowed.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Zero where the head names none, as with an answer that has no body.
fn content_length(head: &str) -> usize {
    let named = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = named.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().map_or(0, |(_, value)| value.trim().parse().expect("content-length is a number"))
}

fn status_of(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
