//! The browser's own socket. The token, if there is one, is the first message; otherwise the login cookie goes along.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::{Future, poll_fn},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use exoclaw_protocol::limits;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{CloseEvent, Event, MessageEvent, WebSocket};

use super::{Socket, Transport};
use crate::{
    Endpoint,
    engine::{Gone, Greeting},
};

/// Texts that wait for the page. A browser can't hold a daemon back: when full, the socket is closed, and the client
/// resumes from the last event that was seen.
const WAITING_TEXTS: usize = 8_192;

/// Bytes that the browser may hold for a daemon that does not read; past that the socket counts as broken.
const UNSENT_BYTES: u32 = 4 * limits::MESSAGE_BYTES as u32;

/// Connects through the browser.
#[derive(Debug, Default)]
pub struct Browser {}

impl Browser {
    /// A transport of this page.
    pub fn new() -> Self {
        Self {}
    }
}

impl Transport for Browser {
    type Socket = BrowserSocket;

    async fn connect(&self, endpoint: Endpoint) -> Result<(BrowserSocket, Greeting), Gone> {
        let mut socket = BrowserSocket::new(&endpoint.url)?;
        poll_fn(|cx| socket.poll_open(cx)).await?;
        let greeting = endpoint.token.clone().map_or(Greeting::Probe, Greeting::Token);
        Ok((socket, greeting))
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        // `setTimeout` holds 31 bits of milliseconds.
        let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let promise = js_sys::Promise::new(&mut |resolve, _| {
            if let Some(window) = web_sys::window() {
                // It fails only in a window that is being torn down, where nobody waits any more.
                drop(window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis));
            }
        });
        // The promise is never rejected.
        async { drop(wasm_bindgen_futures::JsFuture::from(promise).await) }
    }

    fn now(&self) -> Duration {
        let clock = web_sys::window().and_then(|window| window.performance());
        Duration::from_secs_f64(clock.map_or(0.0, |clock| clock.now() / 1_000.0))
    }

    fn seed(&self) -> u64 {
        (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64
    }
}

/// What the browser's callbacks leave for the driver.
#[derive(Debug, Default)]
struct Inbox {
    open: bool,
    texts: VecDeque<String>,
    gone: Option<Gone>,
    waker: Option<Waker>,
}

/// A socket of the browser, closed when dropped.
#[derive(Debug)]
pub struct BrowserSocket {
    socket: WebSocket,
    inbox: Rc<RefCell<Inbox>>,
    /// Held for as long as the browser may call them.
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl BrowserSocket {
    fn new(url: &str) -> Result<Self, Gone> {
        let socket = WebSocket::new(url).map_err(|_| Gone::broken(format!("{url} is no address of a WebSocket")))?;
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        let tell = |inbox: &Rc<RefCell<Inbox>>| Rc::clone(inbox);

        let to = tell(&inbox);
        let on_open = Closure::<dyn FnMut()>::new(move || change(&to, |inbox| inbox.open = true));
        let to = tell(&inbox);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            change(&to, |inbox| match event.data().as_string() {
                Some(_) if inbox.texts.len() >= WAITING_TEXTS => gone(inbox, "the page reads too slowly".to_owned()),
                Some(text) => inbox.texts.push_back(text),
                None => gone(inbox, "the daemon sent no text".to_owned()),
            });
        });
        let to = tell(&inbox);
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            let why = format!("the connection was closed ({} {})", event.code(), event.reason());
            change(&to, |inbox| gone(inbox, why.trim_end().to_owned()));
        });
        let to = tell(&inbox);
        // A `close` event with the code follows each `error` event, which itself says nothing.
        let on_error = Closure::<dyn FnMut(Event)>::new(move |_: Event| change(&to, |_| {}));

        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        socket.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { socket, inbox, _on_open: on_open, _on_message: on_message, _on_close: on_close, _on_error: on_error })
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut inbox = self.inbox.borrow_mut();
        if let Some(gone) = inbox.gone.take() {
            return Poll::Ready(Err(gone));
        }
        if inbox.open {
            return Poll::Ready(Ok(()));
        }
        inbox.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Socket for BrowserSocket {
    fn poll_send(&mut self, _: &mut Context<'_>, outbox: &mut VecDeque<String>) -> Poll<Result<(), Gone>> {
        for text in outbox.drain(..) {
            if self.socket.buffered_amount() > UNSENT_BYTES || self.socket.send_with_str(&text).is_err() {
                return Poll::Ready(Err(Gone::broken("the browser takes nothing more to send")));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<String, Gone>> {
        let mut inbox = self.inbox.borrow_mut();
        if let Some(text) = inbox.texts.pop_front() {
            return Poll::Ready(Ok(text));
        }
        if let Some(gone) = inbox.gone.take() {
            return Poll::Ready(Err(gone));
        }
        inbox.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        // Refused only where the socket is closed already.
        drop(self.socket.close_with_code(1000));
        Poll::Ready(())
    }
}

impl Drop for BrowserSocket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        self.socket.set_onerror(None);
        // Refused only where the socket is closed already.
        drop(self.socket.close());
    }
}

/// The first reason stands.
fn gone(inbox: &mut Inbox, why: String) {
    inbox.gone.get_or_insert(Gone::broken(why));
}

fn change(inbox: &RefCell<Inbox>, change: impl FnOnce(&mut Inbox)) {
    let waker = {
        let mut inbox = inbox.borrow_mut();
        change(&mut inbox);
        inbox.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}
