//! The frames of OpenClaw's gateway protocol at `/`, so that its clients just work. What is said differs; credentials,
//! limits and runs are those of every other connection.

mod admission;
mod answers;
mod approvals;
mod attachment;
mod changes;
mod chat;
mod cron;
mod devices;
mod handshake;
mod health;
mod history;
mod line;
mod lists;
mod presence;
mod proof;
mod sessions;
mod settings;
mod telling;
mod tools;
mod usage;

use std::{borrow::Cow, sync::Arc};

use exoclaw_protocol::{
    SessionKey,
    openclaw::{EventFrame, decode},
};
use exoclaw_runtime::{ApprovalEvent, Clock, JobEvent, Published};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use self::{answers::OpenClawAsked, line::Line, telling::Telling};
pub(crate) use self::{
    health::{Health, follow as follow_health},
    presence::Presence,
};
use crate::socket::{
    changes::Changed,
    devices::DeviceEvent,
    dialect::{Desk, Dialect, Goodbye, Greeted},
    outbox::Outbox,
};

/// One connection of a client of OpenClaw's.
pub(crate) struct OpenClaw {
    /// What a device has to sign.
    nonce: String,
    clock: Arc<dyn Clock>,
    /// None before `connect`.
    talk: Option<Talk>,
}

struct Talk {
    line: Arc<Line>,
    telling: Telling,
    jobs: broadcast::Receiver<Arc<JobEvent>>,
    devices: broadcast::Receiver<Arc<DeviceEvent>>,
    approvals: broadcast::Receiver<Arc<ApprovalEvent>>,
}

/// What happens outside of sessions.
pub(crate) enum News {
    /// To a job.
    Job(Arc<JobEvent>),
    /// To a device that waits.
    Device(Arc<DeviceEvent>),
    /// To a call that has to be allowed, and is no run's.
    Approval(Arc<ApprovalEvent>),
}

impl OpenClaw {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { nonce: crate::auth::random_text(), clock, talk: None }
    }
}

impl Dialect for OpenClaw {
    type Asked = OpenClawAsked;
    type News = News;

    const GREETING: &'static str = "connect";
    const UNSHOWN: Goodbye = (CloseCode::Normal, Cow::Borrowed(""));
    const STOPPING: Goodbye = (CloseCode::Restart, Cow::Borrowed("service restart"));

    fn open(&mut self) -> Option<String> {
        Some(line::text(&EventFrame::challenge(&self.nonce, self.clock.now_ms())))
    }

    fn is_greeting(&self, _: &str, _: bool, _: bool) -> bool {
        self.talk.is_none()
    }

    fn greet(&mut self, text: &str, desk: &Desk<'_>) -> Greeted {
        match handshake::connect(text, &self.nonce, desk) {
            Ok(connected) => {
                let line = Arc::new(Line::new(&connected, desk.door));
                let telling = Telling::new(Arc::clone(&line), Arc::clone(&self.clock));
                let jobs = desk.door.runtime.job_events();
                let devices = desk.door.device_events.subscribe();
                let approvals = desk.door.runtime.approval_events();
                self.talk = Some(Talk { line: Arc::clone(&line), telling, jobs, devices, approvals });
                let door = Arc::clone(desk.door);
                Greeted::In(
                    connected.pass,
                    Box::pin(handshake::welcome(door, line, connected.request, connected.issue)),
                )
            }
            Err(turned) => turned.into(),
        }
    }

    fn read(&mut self, text: &str) -> Option<OpenClawAsked> {
        let line = &self.talk.as_ref()?.line;
        OpenClawAsked::of(decode(text.as_bytes(), line.version), line)
    }

    fn event(&mut self, event: &Published, outbox: &mut Outbox) {
        if let Some(talk) = &mut self.talk {
            talk.telling.event(event.event(), outbox);
        }
    }

    fn changed(&mut self, changed: Changed, outbox: &mut Outbox) {
        if let Some(talk) = &mut self.talk {
            talk.telling.changed(&changed, outbox);
        }
    }

    fn dropped(&mut self, session: &SessionKey, _: &mut Outbox) {
        if let Some(talk) = &mut self.talk {
            talk.telling.forget(session);
            talk.line.ignore_messages(session);
        }
    }

    fn stopping(&mut self, outbox: &mut Outbox) {
        if let Some(talk) = &mut self.talk {
            talk.telling.stopping(outbox);
        }
    }

    async fn news(&mut self) -> News {
        let Some(talk) = &mut self.talk else { return std::future::pending().await };
        tokio::select! {
            event = heard(&mut talk.jobs) => News::Job(event),
            event = heard(&mut talk.devices) => News::Device(event),
            event = heard(&mut talk.approvals) => News::Approval(event),
        }
    }

    fn tell(&mut self, news: News, outbox: &mut Outbox) {
        if let Some(talk) = &mut self.talk {
            match news {
                News::Job(event) => talk.telling.job(&event, outbox),
                News::Device(event) => talk.telling.device(&event, outbox),
                News::Approval(event) => talk.telling.approval(&event, outbox),
            }
        }
    }

    fn wakes(&self) -> Option<Instant> {
        self.talk.as_ref().map(|talk| talk.telling.next_tick())
    }

    fn wake(&mut self, now: Instant, outbox: &mut Outbox) {
        if let Some(talk) = &mut self.talk {
            talk.telling.tick(now, outbox);
        }
    }
}

/// The next event. Who is too far behind hears a later one: the lists say how things are now.
async fn heard<T: Clone>(events: &mut broadcast::Receiver<T>) -> T {
    loop {
        match events.recv().await {
            Ok(event) => return event,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
