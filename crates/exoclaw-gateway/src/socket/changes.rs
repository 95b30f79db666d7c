//! Changes of all sessions, as one socket follows them.

use std::sync::Arc;

use exoclaw_protocol::{SessionGetParams, SessionInfo};
use exoclaw_runtime::{ChangeFeed, Runtime, SessionChange};
use futures::{StreamExt, stream, stream::BoxStream};

/// What is told of one change.
#[derive(Debug)]
pub(crate) enum Changed {
    /// A session changed; what is known of it now, if there is anything.
    One(Arc<SessionChange>, Option<Box<SessionInfo>>),
    /// Changes were missed, for the client or the store is slow.
    Missed,
}

/// What becomes of a socket's following.
#[derive(Default)]
pub(crate) enum Following {
    /// It stays as it is.
    #[default]
    Same,
    /// It begins, or begins anew.
    Begun(Changes),
    /// It ends.
    Ended,
}

/// One change after the other, at the pace of the reader: nothing is queued here.
pub(crate) struct Changes(BoxStream<'static, Changed>);

impl Changes {
    /// The changes from now on.
    pub(crate) fn of(runtime: &Runtime) -> Self {
        let state = (runtime.changes(), runtime.clone());
        Self(
            stream::unfold(state, async |(mut feed, runtime)| Some((next(&mut feed, &runtime).await, (feed, runtime))))
                .boxed(),
        )
    }

    /// The next one. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Changed {
        match self.0.next().await {
            Some(changed) => changed,
            None => std::future::pending().await,
        }
    }
}

async fn next(feed: &mut ChangeFeed, runtime: &Runtime) -> Changed {
    let Ok(change) = feed.next().await else { return Changed::Missed };
    // One that was deleted, or can't be read at present, is told by its name alone.
    let info = runtime.session(SessionGetParams { session: change.session.clone().into() }).await;
    Changed::One(change, info.ok().map(Box::new))
}
