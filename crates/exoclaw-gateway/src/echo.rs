//! A server of nothing but an echo, over the gateway's own handshake, frames and limits: what a conformance suite of
//! WebSocket wants to talk to.

use std::{convert::Infallible, io};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use hyper::{server::conn::http1, service::service_fn, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::{http::upgrade, socket::echo::echo, wire::Wire};

/// Serves until it is dropped, as known clients are served, but without asking for a credential.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let mut connections = FuturesUnordered::new();
    loop {
        // Both only wait: connections stay in their set.
        tokio::select! {
            accepted = listener.accept() => connections.push(connection(accepted?.0).boxed()),
            Some(()) = connections.next() => {}
        }
    }
}

async fn connection(stream: TcpStream) {
    // One upgrade is all that a connection can have.
    let (upgrades, mut upgraded) = mpsc::channel(1);
    let service = service_fn(move |mut request| {
        let answer = match upgrade::accept_key(&request) {
            Ok(accept) => {
                upgrades.try_send(hyper::upgrade::on(&mut request)).ok();
                upgrade::switch(accept)
            }
            Err(refusal) => *refusal,
        };
        async { Ok::<_, Infallible>(answer) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(Wire::Tcp(stream)), service).with_upgrades();
    if serving.await.is_ok()
        && let Some(upgraded) = upgraded.recv().await
        && let Ok(Ok(parts)) = upgraded.await.map(Upgraded::downcast::<TokioIo<Wire>>)
    {
        echo(parts.io.into_inner(), parts.read_buf).await;
    }
}
