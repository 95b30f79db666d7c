//! A real daemon whose disk stalls, fails or is full: what its clients see.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use exoclaw_client::{Client, RequestError};
use exoclaw_protocol::{ChatHistoryParams, ChatSendParams, ErrorCode, PingParams, RunId, SessionRef};
use exoclaw_tests::{
    daemon::{Daemon, Setup},
    model::{Answer, ModelServer},
    ws,
};
use futures::future::join_all;

use crate::{Tier, disk::Disk};

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running process whose system calls have faults, until dropped.
struct Tampered(Child);

impl Tampered {
    fn with(pid: u32, calls: &str, fault: &str) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-p", &pid.to_string()]);
        strace.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{fault}")]);
        let mut child = strace.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("attached"), "{said}");
        Self(child)
    }
}

impl Drop for Tampered {
    fn drop(&mut self) {
        // Told to end, it lets the process go on as before.
        Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        self.0.wait().unwrap();
    }
}

/// Whatever the user says, the model says yes.
async fn model() -> ModelServer {
    let model = ModelServer::start().await;
    model.usually(Answer::text(["yes"]));
    model
}

fn setup(model: &ModelServer) -> Setup {
    Setup::with_model("anthropic", &model.anthropic_url())
}

fn session(number: usize) -> SessionRef {
    format!("s{number}").parse().unwrap()
}

async fn send(client: &Client, number: usize) -> Result<RunId, RequestError> {
    client.request(ChatSendParams::text(session(number), "is it kept?")).await.map(|result| result.run_id)
}

fn is_read_only(outcome: &Result<RunId, RequestError>) -> bool {
    matches!(outcome, Err(RequestError::Rpc(error)) if error.code == ErrorCode::StoreReadOnly)
}

async fn get(address: SocketAddr, path: &str) -> ws::Answer {
    ws::http(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).await
}

/// The runs that can be read are these.
async fn assert_kept(client: &Client, runs: &[RunId]) {
    let read = (0..runs.len()).map(async |number| {
        let params = ChatHistoryParams::new(session(number));
        client.request(params).await.unwrap().messages.first().map(|message| message.run_id.clone())
    });
    assert_eq!(join_all(read).await, runs.iter().cloned().map(Some).collect::<Vec<_>>());
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

/// While every sync takes two seconds, nothing is acknowledged, and whoever asks for health is answered at once.
pub(crate) fn stalled_sync(tier: Tier) -> String {
    /// More than the daemon has threads for async work.
    const SENDERS: usize = 16;
    /// Far fewer than fit into a stall, far more than come before one begins.
    const ANSWERS: usize = 100;
    let stalls = tier.count(1, 20);
    let mut times = Vec::new();
    block_on(async {
        let model = model().await;
        for _ in 0..stalls {
            let daemon = setup(&model).start();
            let client = daemon.client();
            client.request(PingParams {}).await.unwrap();
            let stall = Tampered::with(daemon.pid(), "fsync,fdatasync", "delay_enter=2000000");
            let first = async { futures::future::select_all((0..SENDERS).map(|n| Box::pin(send(&client, n)))).await.0 };
            let mut first = std::pin::pin!(first);
            let before = times.len();
            loop {
                // A look that is left is left with its socket; nothing is made of it.
                tokio::select! {
                    biased;
                    acknowledged = &mut first => break drop(acknowledged.unwrap()),
                    time = look(&daemon, &client) => times.push(time),
                }
            }
            let looks = times.len() - before;
            assert!(looks >= ANSWERS, "{looks} answers while the disk stood still");
            drop(stall);
        }
    });
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100];
    format!("{stalls} × 2 s, {} looks at health meanwhile: p99 {:.1} ms", times.len(), p99.as_secs_f64() * 1e3)
}

/// How long `ping` and `/livez` take, a moment after the look before.
async fn look(daemon: &Daemon, client: &Client) -> Duration {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let started = Instant::now();
    client.request(PingParams {}).await.unwrap();
    assert_eq!(get(daemon.address(), "/livez").await.status, 200);
    started.elapsed()
}

/// One sync fails: from then on nothing is taken, readiness says why, and reading goes on.
pub(crate) fn failed_sync(_: Tier) -> String {
    block_on(async {
        let model = model().await;
        let mut daemon = setup(&model).start();
        let client = daemon.client();
        let mut kept = Vec::new();
        for number in 0..5 {
            kept.push(send(&client, number).await.unwrap());
        }
        assert_eq!(get(daemon.address(), "/readyz").await.status, 200);

        let fault = Tampered::with(daemon.pid(), "fsync,fdatasync", "error=EIO:when=1");
        let look = async || get(daemon.address(), "/readyz").await;
        // A run's own records may have met the failure before this one does.
        let refused = send(&client, kept.len()).await;
        assert!(is_read_only(&refused), "{refused:?}");
        drop(fault);
        let refused = send(&client, kept.len()).await;
        assert!(is_read_only(&refused), "{refused:?}");
        let ready = look().await;
        assert!(ready.status == 503 && ready.text.contains("then restart"), "{ready:?}");
        assert_eq!(get(daemon.address(), "/livez").await.status, 200);
        assert_kept(&client, &kept).await;

        tokio::task::block_in_place(|| daemon.restart());
        let client = daemon.client();
        assert_eq!(get(daemon.address(), "/readyz").await.status, 200);
        assert_kept(&client, &kept).await;
        send(&client, kept.len() + 1).await.unwrap();
    });
    "nothing taken after it, readiness says so, reading goes on, 0 lost".to_owned()
}

/// The disk is really full: nothing is taken, readiness says why, reading goes on; with room again all is as before.
pub(crate) fn full_disk(tier: Tier) -> String {
    let times = tier.count(1, 10);
    let kept = block_on(async {
        let model = model().await;
        let disk = Disk::new(48 << 20).unwrap();
        let mut daemon = setup(&model).within(&disk.folder()).start();
        let client = daemon.client();
        let mut kept = Vec::new();
        for _ in 0..times {
            for _ in 0..5 {
                kept.push(send(&client, kept.len()).await.unwrap());
            }
            disk.fill();
            // What lies in the log already may be written over for a while.
            let refused = loop {
                match send(&client, kept.len()).await {
                    Ok(run) => kept.push(run),
                    refused => break refused,
                }
            };
            assert!(is_read_only(&refused), "{refused:?}");
            let ready = get(daemon.address(), "/readyz").await;
            assert!(ready.status == 503 && ready.text.contains("disk is full"), "{ready:?}");
            assert_kept(&client, &kept).await;
            disk.free();
            let deadline = Instant::now() + PATIENCE;
            while get(daemon.address(), "/readyz").await.status != 200 {
                assert!(Instant::now() < deadline, "it does not recover: {}", daemon.log());
            }
        }
        kept.push(send(&client, kept.len()).await.unwrap());
        tokio::task::block_in_place(|| daemon.restart());
        assert_kept(&daemon.client(), &kept).await;
        kept.len()
    });
    format!("{times} times full and free again, {kept} messages acknowledged, 0 lost")
}
