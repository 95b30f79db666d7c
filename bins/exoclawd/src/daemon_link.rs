//! A command's connection to the running daemon: found by itself, with words for when it is not there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use exoclaw_client::{Client, CloseReason, Endpoint, Options, Pushes, RequestError, State};
use exoclaw_protocol::{ErrorCode, Method, PingParams};

use crate::{
    command::Context,
    config::Flags,
    error::{CliError, Exit},
    keys,
    runtime_file::RuntimeFile,
};

/// A connection that was made.
pub(crate) struct DaemonLink {
    /// Where the daemon listens, for people.
    pub(crate) address: String,
    client: Client,
}

impl DaemonLink {
    /// Connects to the daemon of this home.
    pub(crate) async fn open(context: &Context<'_>) -> Result<Self, CliError> {
        let running = RuntimeFile::read(&context.home.runtime_file());
        let address = find(running.as_ref(), context)?;
        let endpoint = Endpoint::new(format!("ws://{address}/ws"));
        // A token that was named is meant; without one the daemon knows its own user.
        let is_tls = running.as_ref().is_some_and(|running| running.tls);
        let endpoint = match (keys::named_token(context.env)?, running.and_then(|running| running.socket)) {
            // Where it speaks TLS, its certificate need not be checked on the way from the same machine.
            (Some(token), None) => endpoint.with_token(token),
            (Some(token), Some(_)) if !is_tls => endpoint.with_token(token),
            (_, Some(socket)) => endpoint.by_socket(socket),
            (None, None) => {
                let token = keys::gateway_token(context.env, &context.home)?.ok_or_else(|| nobody(address))?;
                endpoint.with_token(token)
            }
        };
        let client = Client::connect(endpoint, Options::default());
        let link = Self { address: address.to_string(), client };
        link.greet(address).await?;
        Ok(link)
    }

    /// The first connection is made now or not at all; later ones are made again and again.
    async fn greet(&self, address: SocketAddr) -> Result<(), CliError> {
        let mut states = self.client.states();
        let refused = states.wait_for(|state| matches!(state, State::Waiting { .. } | State::Closed { .. }));
        tokio::select! {
            // Both only wait; whichever is dropped has changed nothing.
            answer = self.request(PingParams {}) => answer.map(drop),
            state = refused => Err(match state {
                Some(State::Closed { reason: CloseReason::Unauthorized }) => self.failed(unauthorized()),
                Some(State::Waiting { why, .. }) => nobody(address).because(why),
                _ => nobody(address).because("the connection was closed"),
            }),
        }
    }

    /// Asks and waits for the answer.
    pub(crate) async fn request<M: Method + 'static>(&self, params: M) -> Result<M::Output, CliError> {
        self.client.request(params).await.map_err(|error| self.failed(error))
    }

    /// The connection itself.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Nothing can be asked any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.client.state(), State::Closed { .. })
    }

    /// Everything that comes without being asked for, and before it what is known already.
    pub(crate) fn pushes(&self) -> Pushes {
        self.client.subscribe()
    }

    fn failed(&self, error: RequestError) -> CliError {
        let at = format!("the daemon at {}", self.address);
        match error {
            RequestError::Rpc(error) => CliError::new(exit_of(error.code), error.message),
            RequestError::Closed(CloseReason::Unauthorized) => CliError::new(
                Exit::Permission,
                format!("{at} does not take this token"),
            )
            .hint(
                "it is wrong, has expired or was revoked: set EXOCLAW_TOKEN to one that it takes, or make one where it \
                     runs: exoclawd token create NAME",
            ),
            error => CliError::new(Exit::Unavailable, at).because(error),
        }
    }
}

fn unauthorized() -> RequestError {
    RequestError::Closed(CloseReason::Unauthorized)
}

/// Where the daemon listens: it says so itself, or the config does.
fn find(running: Option<&RuntimeFile>, context: &Context<'_>) -> Result<SocketAddr, CliError> {
    if let Some(file) = running {
        return Ok(reachable(file.address));
    }
    let gateway = context.config(&Flags::default())?.config.gateway;
    Ok(reachable(SocketAddr::new(gateway.bind, gateway.port)))
}

/// An address that one can connect to, where the daemon listens on all.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

fn nobody(address: SocketAddr) -> CliError {
    CliError::new(Exit::Unavailable, format!("no daemon answers at {address}"))
        .hint("start one with `exoclawd gateway`, or try it without a model: `exoclawd gateway --demo`")
}

/// What a script sees of a refusal.
pub(crate) fn exit_of(code: ErrorCode) -> Exit {
    match code {
        ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::ProviderAuth => Exit::Permission,
        ErrorCode::InvalidParams | ErrorCode::TooLarge | ErrorCode::UnknownAgent | ErrorCode::UnknownSession => {
            Exit::Data
        }
        ErrorCode::StoreReadOnly => Exit::Io,
        code if code.is_retryable() => Exit::Unavailable,
        _ => Exit::Failed,
    }
}
