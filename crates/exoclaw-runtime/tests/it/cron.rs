//! Jobs: each of their times is seen to, and none twice.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::test_util::Answer;
use exoclaw_protocol::{
    AgentId, CronAddParams, CronGetParams, CronRemoveParams, CronRunParams, CronRunsParams, CronUpdateParams,
    ErrorCode, Job, JobRun, JobStatus, RpcError, RunId, Schedule, SendPolicy, limits,
};
use exoclaw_runtime::{Clock, JobAction, Plugins};
use exoclaw_store::{MemoryStore, Page, SqliteConfig, SqliteStore, Store};
use tokio::sync::Semaphore;

use crate::support::{Fault, World, asked, end, name, opened, settle};

const MINUTE: Duration = Duration::from_secs(60);

/// The session of the job `daily`.
const SESSION: &str = "agent:main:cron:daily";

fn job(schedule: Schedule) -> CronAddParams {
    let id = "daily".parse().unwrap();
    CronAddParams {
        id,
        schedule,
        text: "report".into(),
        session: None,
        agent: None,
        label: None,
        enabled: None,
        delete_after_run: None,
        timeout_ms: None,
    }
}

fn change() -> CronUpdateParams {
    let id = "daily".parse().unwrap();
    CronUpdateParams {
        id,
        schedule: None,
        text: None,
        session: None,
        label: None,
        enabled: None,
        delete_after_run: None,
        timeout_ms: None,
    }
}

fn every(time: Duration) -> CronAddParams {
    job(Schedule::Every { every_ms: u64::try_from(time.as_millis()).unwrap(), anchor_ms: None })
}

impl World {
    async fn add(&self, params: CronAddParams) -> Result<Job, RpcError> {
        self.runtime.cron_add(None, params).await
    }

    async fn job(&self) -> Job {
        self.runtime.cron_list().await.unwrap().jobs.pop().unwrap()
    }

    async fn runs(&self) -> Vec<JobRun> {
        self.runtime.cron_runs(CronRunsParams { id: "daily".parse().unwrap() }).await.unwrap().runs
    }

    /// What became of the job, the latest first.
    async fn became(&self) -> Vec<JobStatus> {
        self.runs().await.into_iter().map(|run| run.status).collect()
    }

    /// Lets time pass, and the scheduler look at the clock.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        tokio::time::sleep(2 * MINUTE).await;
    }

    async fn ended(&self, run_id: &RunId) {
        let (result, mut events) = self.subscribe_to(SESSION, None).await;
        if result.snapshot.is_some_and(|snapshot| snapshot.run.is_some()) {
            end(&mut events, run_id).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_when_its_time_comes_and_again() {
    let world = World::new().await;
    world.script.answer(Answer::text(["one"])).answer(Answer::text(["two"]));
    let added = world.add(every(10 * MINUTE)).await.unwrap();
    assert_eq!((added.session.as_str(), added.next_due_ms), (SESSION, Some(added.created_ms + 600_000)));
    world.pass(9 * MINUTE).await;
    assert_eq!(world.became().await, []);
    world.pass(MINUTE).await;
    assert_eq!(world.became().await, [JobStatus::Ok]);
    let job = world.job().await;
    assert_eq!(job.next_due_ms, Some(added.created_ms + 1_200_000));
    let last = job.last.unwrap();
    assert_eq!(last.due_ms, added.created_ms + 600_000);
    let summary = world.store.inner().find_run(&last.run_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(summary.session.as_str(), SESSION);
    world.pass(10 * MINUTE).await;
    assert_eq!(world.became().await, [JobStatus::Ok, JobStatus::Ok]);
    assert_eq!(asked(&world.script, 1), ["User: report", "Assistant: one", "User: report"]);
    let got = world.runtime.cron_get(CronGetParams { id: "daily".parse().unwrap() }).await.unwrap();
    assert_eq!(got, world.job().await);
    let unknown = world.runtime.cron_get(CronGetParams { id: "other".parse().unwrap() }).await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::UnknownJob);
    let status = world.runtime.cron_status().await.unwrap();
    assert_eq!((status.jobs, status.enabled), (1, 1));
    assert_eq!(status.next_due_ms, Some(added.created_ms + 1_800_000));
}

#[tokio::test(start_paused = true)]
async fn a_job_for_one_time_runs_once() {
    let world = World::new().await;
    world.script.answer(Answer::text(["one"]));
    let at_ms = world.clock.now_ms() + 5_000;
    world.add(job(Schedule::At { at_ms })).await.unwrap();
    world.pass(5 * MINUTE).await;
    world.pass(5 * MINUTE).await;
    assert_eq!((world.became().await, world.job().await.next_due_ms), (vec![JobStatus::Ok], None));
    let over = world.runtime.cron_update(CronUpdateParams { schedule: Some(Schedule::At { at_ms }), ..change() }).await;
    assert!(over.unwrap_err().message.contains("in the future"));
}

#[tokio::test(start_paused = true)]
async fn a_calendar_counts_in_its_time_zone() {
    let world = World::new().await;
    // 2027-01-15T08:00Z, 13:30 in Kolkata.
    let schedule = Schedule::Cron { expr: "0 14 * * *".into(), tz: Some("Asia/Kolkata".into()) };
    assert_eq!(world.add(job(schedule)).await.unwrap().next_due_ms, Some(1_800_001_800_000));
    world.script.answer(Answer::text(["one"]));
    world.pass(30 * MINUTE).await;
    assert_eq!(world.became().await, [JobStatus::Ok]);
    assert_eq!(world.job().await.next_due_ms, Some(1_800_001_800_000 + 86_400_000));
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_message_and_job_sends_nothing_twice() {
    for late in [Duration::ZERO, 10 * MINUTE, 90 * MINUTE] {
        let world = World::new().await;
        world.script.answer(Answer::text(["one"]));
        world.add(every(10 * MINUTE)).await.unwrap();
        let reached = Arc::new(Semaphore::new(0));
        world.store.on_set_job(reached.clone());
        world.pass(10 * MINUTE).await;
        reached.acquire().await.unwrap().forget();
        let page = Page { entries: 1, bytes: u64::MAX };
        let first = world.store.inner().read(&SESSION.parse().unwrap(), 0, page).await.unwrap();
        let first = first[0].record.run_id().unwrap();
        world.ended(first).await;
        world.runtime.tasks().stop(Duration::ZERO).await;

        world.clock.advance(late);
        let restarted = world.restart_to([Answer::text(["two"])]).await;
        restarted.pass(Duration::ZERO).await;
        let runs = restarted.runs().await;
        assert_eq!(runs.last().unwrap().run_id, Some(first.clone()), "{late:?}");
        let expected = if late.is_zero() { 1 } else { 2 };
        assert_eq!(runs.len(), expected, "{late:?}");
        assert_eq!(restarted.script.requests().len(), expected - 1, "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_are_found_again_and_what_was_missed_runs_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(folder.path().join("store.db"));
    let world = World::over(Arc::new(SqliteStore::open(&config).unwrap()), Arc::default(), |_| {}).await;
    let added = world.add(every(10 * MINUTE)).await.unwrap();
    world.runtime.shutdown(MINUTE).await;

    world.clock.advance(35 * MINUTE);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config).unwrap());
    let answers = [Answer::text(["one"])];
    let world = World::of(store, world.clock, Plugins::default(), answers, |_| {}).await.unwrap();
    world.pass(Duration::ZERO).await;
    let runs = world.runs().await;
    let seen: Vec<_> = runs.iter().map(|run| (run.due_ms - added.created_ms, run.run_id.is_some())).collect();
    assert_eq!(seen, [(1_800_000, true), (600_000, false)]);
    assert_eq!(world.job().await.next_due_ms, Some(added.created_ms + 2_400_000));
    world.runtime.shutdown(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_later_than_an_hour_is_missed() {
    let world = World::new().await;
    let at_ms = world.clock.now_ms() + 600_000;
    world.add(job(Schedule::At { at_ms })).await.unwrap();
    world.runtime.tasks().stop(Duration::ZERO).await;
    world.clock.advance(10 * MINUTE + limits::CRON_LATENESS + MINUTE);
    let restarted = world.restart().await;
    restarted.pass(Duration::ZERO).await;
    assert_eq!(restarted.became().await, [JobStatus::Missed]);
    assert_eq!(restarted.job().await.next_due_ms, None);
    assert_eq!(restarted.store.inner().session_count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_time_is_missed_while_the_earlier_run_goes_on() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"])).answer(Answer::text(["two"]));
    world.add(every(10 * MINUTE)).await.unwrap();
    for _ in 0..3 {
        world.pass(10 * MINUTE).await;
    }
    assert_eq!(world.became().await, [JobStatus::Missed, JobStatus::Pending]);
    gate.add_permits(1);
    settle().await;
    world.pass(10 * MINUTE).await;
    assert_eq!(world.became().await, [JobStatus::Ok, JobStatus::Missed, JobStatus::Ok]);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_sent_now_is_sent_later() {
    let world = World::new().await;
    world.script.answer(Answer::text(["one"]));
    world.add(every(10 * MINUTE)).await.unwrap();
    world.store.on_append(|_| Some(Fault::Fail));
    world.pass(10 * MINUTE).await;
    assert_eq!(world.became().await, []);
    world.store.heal();
    world.pass(MINUTE).await;
    assert_eq!(world.became().await, [JobStatus::Ok]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_said_and_the_job_goes_on() {
    let world = World::new().await;
    let added = world.add(every(10 * MINUTE)).await.unwrap();
    let deny = exoclaw_protocol::SessionPatchParams {
        send: Some(Some(SendPolicy::Deny)),
        ..exoclaw_protocol::SessionPatchParams::new(name(SESSION))
    };
    world.runtime.patch_session(deny).await.unwrap();
    world.pass(10 * MINUTE).await;
    let runs = world.runs().await;
    assert_eq!(runs[0].failure.as_ref().unwrap().code, ErrorCode::Forbidden);
    assert_eq!(world.job().await.next_due_ms, Some(added.created_ms + 1_200_000));
}

#[tokio::test(start_paused = true)]
async fn jobs_are_changed_run_by_hand_and_removed() {
    let world = World::new().await;
    world.script.answer(Answer::text(["one"]));
    world.add(CronAddParams { enabled: Some(false), ..every(10 * MINUTE) }).await.unwrap();
    world.pass(10 * MINUTE).await;
    assert_eq!((world.became().await, world.job().await.next_due_ms), (vec![], None));
    let run = world.runtime.cron_run(CronRunParams { id: "daily".parse().unwrap() }).await.unwrap();
    world.ended(&run.run_id.unwrap()).await;
    assert_eq!(world.became().await, [JobStatus::Ok]);
    assert_eq!(world.job().await.next_due_ms, None);

    let params = CronUpdateParams { text: Some("news".into()), enabled: Some(true), ..change() };
    let changed = world.runtime.cron_update(params).await.unwrap();
    assert_eq!((changed.text.as_str(), changed.enabled), ("news", true));
    assert!(changed.next_due_ms.unwrap() > world.clock.now_ms());
    world.script.answer(Answer::text(["two"]));
    world.pass(10 * MINUTE).await;
    assert_eq!(asked(&world.script, 1).last().unwrap(), "User: news");

    let params = || CronRemoveParams { id: "daily".parse().unwrap() };
    assert!(world.runtime.cron_remove(params()).await.unwrap().removed);
    assert!(!world.runtime.cron_remove(params()).await.unwrap().removed);
    world.pass(10 * MINUTE).await;
    assert_eq!(world.script.requests().len(), 2);
    let gone = world.runtime.cron_update(change()).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::UnknownJob);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_job_is_refused() {
    let world = World::new().await;
    let refused = async |params: CronAddParams, code| {
        let error = world.add(params).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
    };
    use ErrorCode::{Conflict, InvalidParams, TooLarge, UnknownAgent};
    refused(every(Duration::from_millis(999)), InvalidParams).await;
    refused(job(Schedule::At { at_ms: 1 }), InvalidParams).await;
    refused(job(Schedule::Cron { expr: "0 0 30 2 *".into(), tz: None }), InvalidParams).await;
    refused(job(Schedule::Cron { expr: "daily".into(), tz: None }), InvalidParams).await;
    refused(CronAddParams { text: " ".into(), ..every(MINUTE) }, InvalidParams).await;
    refused(CronAddParams { text: "/stop".into(), ..every(MINUTE) }, InvalidParams).await;
    refused(CronAddParams { text: "x".repeat(limits::CRON_TEXT_BYTES + 1), ..every(MINUTE) }, TooLarge).await;
    let agent: AgentId = "other".parse().unwrap();
    refused(CronAddParams { agent: Some(agent.clone()), ..every(MINUTE) }, UnknownAgent).await;
    refused(CronAddParams { agent: Some(agent), session: Some(name("main")), ..every(MINUTE) }, InvalidParams).await;
    world.add(every(MINUTE)).await.unwrap();
    refused(every(MINUTE), Conflict).await;
    for number in 1..limits::CRON_JOBS {
        world.add(CronAddParams { id: format!("job-{number}").parse().unwrap(), ..every(60 * MINUTE) }).await.unwrap();
    }
    let more = || CronAddParams { id: "more".parse().unwrap(), ..every(MINUTE) };
    refused(more(), TooLarge).await;
    assert_eq!(world.store.inner().jobs().await.unwrap().len(), limits::CRON_JOBS);
    // One that is over makes room.
    world.script.answer(Answer::text(["one"])).answer(Answer::text(["two"]));
    let schedule = Some(Schedule::At { at_ms: world.clock.now_ms() + 600 });
    world.runtime.cron_update(CronUpdateParams { schedule, ..change() }).await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    world.add(more()).await.unwrap();
    let jobs = world.store.inner().jobs().await.unwrap();
    assert!(jobs.len() == limits::CRON_JOBS && jobs.iter().all(|job| job.id.as_str() != "daily"));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_over_goes_where_it_was_made_so() {
    let world = World::new().await;
    let at_ms = world.clock.now_ms() + 5_000;
    let once = || CronAddParams { delete_after_run: Some(true), ..job(Schedule::At { at_ms }) };
    let failing = CronAddParams { id: "failing".parse().unwrap(), session: Some(name("other")), ..once() };
    world.add(once()).await.unwrap();
    world.script.answer(Answer::text(["one"]));
    world.pass(5 * MINUTE).await;
    assert_eq!(world.runtime.cron_list().await.unwrap().jobs, []);
    assert_eq!(world.store.inner().jobs().await.unwrap(), []);

    let at_ms = world.clock.now_ms() + 5_000;
    world.add(CronAddParams { schedule: Schedule::At { at_ms }, ..failing }).await.unwrap();
    world.script.answer(Answer::error(exoclaw_agent::ProviderErrorKind::Refused, "no"));
    world.pass(5 * MINUTE).await;
    let left = world.job().await;
    assert_eq!((left.next_due_ms, left.last.map(|last| last.status)), (None, Some(JobStatus::Error)));
}

#[tokio::test(start_paused = true)]
async fn a_job_stays_while_a_later_run_of_it_goes_on() {
    let world = World::new().await;
    let at_ms = world.clock.now_ms() + 5_000;
    world.add(CronAddParams { delete_after_run: Some(true), ..job(Schedule::At { at_ms }) }).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"]));
    world.script.answer(Answer::error(exoclaw_agent::ProviderErrorKind::Refused, "no"));
    world.pass(MINUTE).await;
    world.runtime.cron_run(CronRunParams { id: "daily".parse().unwrap() }).await.unwrap();
    assert_eq!(world.became().await, [JobStatus::Pending, JobStatus::Pending]);
    gate.add_permits(1);
    world.pass(MINUTE).await;
    assert_eq!(world.became().await, [JobStatus::Error, JobStatus::Ok]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_goes_with_its_run_goes_after_a_restart_too() {
    let world = World::new().await;
    let at_ms = world.clock.now_ms() + 5_000;
    world.add(CronAddParams { delete_after_run: Some(true), ..job(Schedule::At { at_ms }) }).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    world.script.answer(Answer::empty().and_wait(opened(&gate)).and_text(["one"]));
    world.pass(MINUTE).await;
    assert_eq!(world.became().await, [JobStatus::Pending]);
    world.runtime.tasks().stop(Duration::ZERO).await;
    let restarted = world.restart_to([Answer::text(["one"])]).await;
    restarted.pass(MINUTE).await;
    assert_eq!(restarted.runtime.cron_list().await.unwrap().jobs, []);
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_jobs_is_told() {
    let world = World::new().await;
    let mut events = world.runtime.job_events();
    world.script.answer(Answer::text(["one"]));
    world.add(every(10 * MINUTE)).await.unwrap();
    world.runtime.cron_update(CronUpdateParams { label: Some("Report".into()), ..change() }).await.unwrap();
    world.pass(10 * MINUTE).await;
    world.runtime.cron_remove(CronRemoveParams { id: "daily".parse().unwrap() }).await.unwrap();
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push((event.action, event.run.as_ref().map(|run| run.status), event.job.label.clone()));
    }
    let label = Some("Report".to_owned());
    let expected = [
        (JobAction::Added, None, None),
        (JobAction::Updated, None, label.clone()),
        (JobAction::Started, Some(JobStatus::Pending), label.clone()),
        (JobAction::Finished, Some(JobStatus::Ok), label.clone()),
        (JobAction::Removed, None, label),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_is_not_understood_any_more_is_said() {
    let store = Arc::new(MemoryStore::new());
    let first = World::over(store.clone(), Arc::default(), |_| {}).await;
    first.add(every(10 * MINUTE)).await.unwrap();
    first.runtime.tasks().stop(Duration::ZERO).await;
    let mut kept: serde_json::Value =
        serde_json::from_str(&store.jobs().await.unwrap().remove(0).text.unwrap()).unwrap();
    kept["job"]["schedule"] = serde_json::json!({ "kind": "cron", "expr": "* * * * *", "tz": "Mars/Olympus" });
    store.set_job(&"daily".parse().unwrap(), Some(kept.to_string())).await.unwrap();
    let world = World::over(store, Arc::default(), |_| {}).await;
    let listed = world.job().await;
    assert_eq!(listed.next_due_ms, None);
    assert!(listed.problem.unwrap().contains("Mars/Olympus"));
    let schedule = Some(Schedule::Every { every_ms: 600_000, anchor_ms: None });
    let mended = world.runtime.cron_update(CronUpdateParams { schedule, ..change() }).await.unwrap();
    assert!(mended.next_due_ms.is_some() && mended.problem.is_none());
}

#[tokio::test(start_paused = true)]
async fn only_the_latest_times_are_kept() {
    let world = World::new().await;
    world.add(every(10 * MINUTE)).await.unwrap();
    for _ in 0..limits::CRON_RUNS + 3 {
        world.script.answer(Answer::text(["done"]));
        world.pass(10 * MINUTE).await;
    }
    let runs = world.runs().await;
    assert_eq!(runs.len(), limits::CRON_RUNS);
    assert!(runs.windows(2).all(|pair| pair[0].due_ms > pair[1].due_ms));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_job_harms_no_other() {
    let store = Arc::new(MemoryStore::new());
    store.set_job(&"broken".parse().unwrap(), Some("{".into())).await.unwrap();
    let world = World::over(store, Arc::default(), |_| {}).await;
    world.script.answer(Answer::text(["one"]));
    world.add(every(10 * MINUTE)).await.unwrap();
    world.pass(10 * MINUTE).await;
    assert_eq!(world.became().await, [JobStatus::Ok]);
    world.runtime.cron_remove(CronRemoveParams { id: "broken".parse().unwrap() }).await.unwrap();
    assert_eq!(world.store.inner().jobs().await.unwrap().len(), 1);
}
