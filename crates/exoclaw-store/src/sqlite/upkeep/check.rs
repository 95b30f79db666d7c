//! Whether a store is sound, and making its folds anew.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{
    super::{SqliteConfig, file, kv, open_writer, search},
    Problem, UpkeepError, look,
    refold::refold,
};

/// Problems that are named; more of them are only counted.
const NAMED: usize = 1000;

/// What a store holds, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Sessions.
    pub sessions: u64,
    /// Records.
    pub records: u64,
    /// Runs.
    pub runs: u64,
    /// Values that plugins keep.
    pub values: u64,
    /// What is wrong, at most the first thousand.
    pub problems: Vec<Problem>,
    /// What is wrong beyond those.
    pub unnamed: u64,
}

impl Findings {
    /// Nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, problem: Problem) {
        if self.problems.len() < NAMED {
            self.problems.push(problem);
        } else {
            self.unnamed += 1;
        }
    }

    /// Goes on after a part that could not be read to its end.
    fn part(&mut self, part: &str, look: impl FnOnce(&mut Self) -> rusqlite::Result<()>) {
        if let Err(error) = look(self) {
            self.add(Problem { session: None, seq: None, problem: format!("{part} can't be read: {error}") });
        }
    }
}

/// Verifies every checksum and every rule of the format. The store is not changed, and may be in use.
///
/// # Errors
/// When the store can't be opened. What is wrong inside is a finding.
pub fn check(path: &Path) -> Result<Findings, UpkeepError> {
    let connection = look(path)?;
    let mut findings = Findings::default();
    findings.part("the database", |findings| check_database(&connection, findings));
    findings.part("the journal", |findings| refold(&connection, &mut |problem| findings.add(problem)));
    findings.part("the runs", |findings| compare_runs(&connection, findings));
    findings.part("what was spent", |findings| compare_spending(&connection, findings));
    findings.part("the conversations", |findings| compare_conversations(&connection, findings));
    findings.part("the deliveries", |findings| compare_deliveries(&connection, findings));
    findings.part("the sessions", |findings| compare_sessions(&connection, findings));
    findings.part("the index of words", |findings| compare_search(&connection, findings));
    findings.part("the values", |findings| check_values(&connection, findings));
    findings.part("the jobs", |findings| check_jobs(&connection, findings));
    findings.part("the tables", |findings| count(&connection, findings));
    Ok(findings)
}

/// Folds sessions and runs anew from the records, in one transaction. Sessions with damaged records are quarantined, the
/// others freed. Forgotten keys come back, until they are forgotten again. Gives back what was wrong with the records.
///
/// # Errors
/// When the store is in use or can't be opened, read or written; then it is as it was.
pub fn rebuild(config: &SqliteConfig) -> Result<Findings, UpkeepError> {
    std::fs::metadata(&config.path).map_err(|error| UpkeepError::file("open", &config.path, error))?;
    let _ownership = file::claim(&config.path)?;
    let mut connection = open_writer(config)?;
    let mut findings = Findings::default();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    refold(&transaction, &mut |problem| findings.add(problem))?;
    transaction.execute_batch(
        "DELETE FROM main.runs;
         INSERT INTO main.runs SELECT * FROM temp.runs ORDER BY id;
         DELETE FROM main.spending;
         INSERT INTO main.spending SELECT * FROM temp.spending ORDER BY id;
         DELETE FROM main.conversations;
         INSERT INTO main.conversations SELECT * FROM temp.conversations;
         DELETE FROM main.deliveries;
         INSERT INTO main.deliveries SELECT * FROM temp.deliveries ORDER BY id;
         DELETE FROM main.sessions WHERE id NOT IN (SELECT session FROM temp.heads);
         UPDATE main.sessions SET
             created_ms = heads.created_ms, updated_ms = heads.updated_ms, last_seq = heads.last_seq,
             last_record = heads.last_record, messages = heads.messages,
             quarantined = (SELECT problem FROM temp.damaged WHERE damaged.session = sessions.id ORDER BY rowid LIMIT 1)
         FROM temp.heads WHERE heads.session = sessions.id;
         UPDATE main.kv_scopes SET bytes = (
             SELECT ifnull(sum(octet_length(key) + length(value)), 0) FROM main.kv WHERE scope = kv_scopes.id);",
    )?;
    search::rebuild(&transaction)?;
    count(&transaction, &mut findings)?;
    transaction.commit()?;
    Ok(findings)
}

/// SQLite's own structures: pages, indexes, types.
fn check_database(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            findings.add(Problem { session: None, seq: None, problem: text });
        }
    }
    Ok(())
}

/// Sessions with damaged records are named by those; what was folded from the records can't be told any more.
const UNDAMAGED: &str = "NOT IN (SELECT session FROM temp.damaged)";

fn compare_runs(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    // A key may be forgotten once its run has ended, and not otherwise.
    let mut statement = connection.prepare(&format!(
        "SELECT ifnull(sessions.key, '#' || session), run FROM (
             SELECT ifnull(kept.session, folded.session) AS session, ifnull(kept.run, folded.run) AS run
             FROM main.runs AS kept FULL JOIN temp.runs AS folded
               ON kept.session = folded.session AND kept.run = folded.run
             WHERE (kept.accepted_seq, kept.accepted_ms, kept.digest, kept.outcome, kept.resumed, kept.credential,
                    kept.options) IS NOT
                   (folded.accepted_seq, folded.accepted_ms, folded.digest, folded.outcome, folded.resumed,
                    folded.credential, folded.options)
                OR (kept.key IS NOT folded.key AND NOT (kept.key IS NULL AND kept.outcome IS NOT NULL))) AS wrong
         LEFT JOIN main.sessions ON sessions.id = wrong.session WHERE wrong.session {UNDAMAGED}"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let run: String = row.get(1)?;
        let problem = format!("the run {run} is not kept as the records say");
        findings.add(Problem { session: Some(row.get(0)?), seq: None, problem });
    }
    Ok(())
}

fn compare_spending(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!(
        "SELECT DISTINCT ifnull(sessions.key, '#' || session) FROM (
             SELECT ifnull(kept.session, folded.session) AS session
             FROM main.spending AS kept FULL JOIN temp.spending AS folded
               ON (kept.session, kept.day, kept.credential) = (folded.session, folded.day, folded.credential)
             WHERE (kept.steps, kept.input_tokens, kept.output_tokens, kept.cache_read_tokens, kept.cache_write_tokens,
                    kept.cost) IS NOT
                   (folded.steps, folded.input_tokens, folded.output_tokens, folded.cache_read_tokens,
                    folded.cache_write_tokens, folded.cost)) AS wrong
         LEFT JOIN main.sessions ON sessions.id = wrong.session WHERE wrong.session {UNDAMAGED}"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let problem = "what it spent is not summed up as the records say".to_owned();
        findings.add(Problem { session: Some(row.get(0)?), seq: None, problem });
    }
    Ok(())
}

fn compare_conversations(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!(
        "SELECT ifnull(sessions.key, '#' || wrong.session) FROM (
             SELECT ifnull(kept.session, folded.session) AS session
             FROM main.conversations AS kept FULL JOIN temp.conversations AS folded ON kept.session = folded.session
             WHERE (kept.first_seq, kept.reset_seq, kept.title, kept.settings, kept.origin, kept.recipient,
                    kept.summary_seq) IS NOT
                   (folded.first_seq, folded.reset_seq, folded.title, folded.settings, folded.origin, folded.recipient,
                    folded.summary_seq)) AS wrong
         LEFT JOIN main.sessions ON sessions.id = wrong.session WHERE wrong.session {UNDAMAGED}"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let problem = "its conversation is not kept as the records say".to_owned();
        findings.add(Problem { session: Some(row.get(0)?), seq: None, problem });
    }
    Ok(())
}

fn compare_deliveries(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!(
        "SELECT ifnull(sessions.key, '#' || session), run FROM (
             SELECT ifnull(kept.session, folded.session) AS session, ifnull(kept.run, folded.run) AS run
             FROM main.deliveries AS kept FULL JOIN temp.deliveries AS folded
               ON kept.session = folded.session AND kept.run = folded.run
             WHERE (kept.channel, kept.recipient, kept.ended_seq) IS NOT
                   (folded.channel, folded.recipient, folded.ended_seq)
                OR kept.run IS NULL OR folded.run IS NULL) AS wrong
         LEFT JOIN main.sessions ON sessions.id = wrong.session WHERE wrong.session {UNDAMAGED}"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let run: String = row.get(1)?;
        let problem = format!("the delivery of the answer of {run} is not kept as the records say");
        findings.add(Problem { session: Some(row.get(0)?), seq: None, problem });
    }
    Ok(())
}

fn compare_sessions(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!(
        "SELECT sessions.key, heads.session IS NULL FROM main.sessions
         LEFT JOIN temp.heads ON heads.session = sessions.id
         WHERE (heads.created_ms, heads.updated_ms, heads.last_seq, heads.last_record, heads.messages) IS NOT
               (sessions.created_ms, sessions.updated_ms, sessions.last_seq, sessions.last_record, sessions.messages)
           AND sessions.id {UNDAMAGED}"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let problem = if row.get(1)? { "it has no records" } else { "it is not summed up as the records say" };
        findings.add(Problem { session: Some(row.get(0)?), seq: None, problem: problem.to_owned() });
    }
    Ok(())
}

/// The index of words, beside one that is made of the records.
fn compare_search(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut wrong = Vec::new();
    search::compare(connection, |id, session, seq| wrong.push((id, session, seq)))?;
    let mut is_damaged = connection.prepare("SELECT 1 FROM temp.damaged WHERE session = ?1")?;
    for (id, session, seq) in wrong {
        if !is_damaged.exists([id])? {
            let problem = "it can't be found by its words, or is found by others".to_owned();
            findings.add(Problem { session, seq, problem });
        }
    }
    Ok(())
}

fn check_values(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT plugin, agent, key, crc32, value FROM main.kv LEFT JOIN main.kv_scopes ON kv_scopes.id = scope",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key: String = row.get(2)?;
        if i64::from(kv::checksum(&key, row.get_ref(4)?.as_bytes()?)) != row.get::<_, i64>(3)? {
            let (plugin, agent): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
            let (plugin, agent) = (plugin.unwrap_or_default(), agent.unwrap_or_default());
            let problem =
                format!("the value {key:?} of plugin {plugin} for agent {agent}: its checksum does not match");
            findings.add(Problem { session: None, seq: None, problem });
        }
    }
    let mut statement = connection.prepare(
        "SELECT plugin, agent FROM main.kv_scopes WHERE bytes <> (
             SELECT ifnull(sum(octet_length(key) + length(value)), 0) FROM main.kv WHERE scope = kv_scopes.id)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (plugin, agent): (String, String) = (row.get(0)?, row.get(1)?);
        let problem = format!("the values of plugin {plugin} for agent {agent} are not counted right");
        findings.add(Problem { session: None, seq: None, problem });
    }
    Ok(())
}

fn check_jobs(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT job, crc32, json FROM main.jobs")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let job: String = row.get(0)?;
        if i64::from(kv::checksum(&job, row.get_ref(2)?.as_bytes()?)) != row.get::<_, i64>(1)? {
            let problem = format!("the job {job:?}: its checksum does not match");
            findings.add(Problem { session: None, seq: None, problem });
        }
    }
    Ok(())
}

fn count(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let rows = |table: &str| connection.query_row(&format!("SELECT count(*) FROM main.{table}"), [], |row| row.get(0));
    findings.sessions = rows("sessions")?;
    findings.records = rows("records")?;
    findings.runs = rows("runs")?;
    findings.values = rows("kv")?;
    Ok(())
}
