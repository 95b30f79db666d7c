//! What plugins keep, with the bytes of each scope counted.

use rusqlite::{Connection, OptionalExtension, params};

use super::journal::failed;
use crate::{KvError, KvScope, ReadError};

pub(super) fn checksum(key: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(&[0]);
    hasher.update(value);
    hasher.finalize()
}

fn counted(key: &str, value_bytes: i64) -> i64 {
    i64::try_from(key.len()).unwrap_or(i64::MAX).saturating_add(value_bytes)
}

/// A scope's row and the bytes in it.
fn find_scope(connection: &Connection, scope: &KvScope) -> rusqlite::Result<Option<(i64, i64)>> {
    connection
        .prepare_cached("SELECT id, bytes FROM kv_scopes WHERE plugin = ?1 AND agent = ?2")?
        .query_row([scope.plugin.as_str(), scope.agent.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Bytes that a key and its value take, 0 where there is none.
fn size(connection: &Connection, scope: i64, key: &str) -> rusqlite::Result<i64> {
    let value = connection
        .prepare_cached("SELECT length(value) FROM kv WHERE scope = ?1 AND key = ?2")?
        .query_row(params![scope, key], |row| row.get(0))
        .optional()?;
    Ok(value.map_or(0, |bytes| counted(key, bytes)))
}

fn set_bytes(connection: &Connection, scope: i64, bytes: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached("UPDATE kv_scopes SET bytes = ?2 WHERE id = ?1")?.execute([scope, bytes])
}

pub(super) fn get(connection: &Connection, scope: &KvScope, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT crc32, value FROM kv
             WHERE scope = (SELECT id FROM kv_scopes WHERE plugin = ?1 AND agent = ?2) AND key = ?3",
        )
        .map_err(failed)?;
    let found: Option<(i64, Vec<u8>)> = statement
        .query_row([scope.plugin.as_str(), scope.agent.as_str(), key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(failed)?;
    match found {
        Some((crc, value)) if i64::from(checksum(key, &value)) != crc => {
            let KvScope { plugin, agent } = scope;
            let problem = format!("the value {key:?} of plugin {plugin} for agent {agent} is damaged");
            Err(ReadError::Failed(problem.into()))
        }
        found => Ok(found.map(|(_, value)| value)),
    }
}

pub(super) fn set(
    connection: &Connection,
    scope: &KvScope,
    key: &str,
    value: &[u8],
    quota: u64,
) -> rusqlite::Result<Result<(), KvError>> {
    let (id, bytes) = match find_scope(connection, scope)? {
        Some(found) => found,
        None => {
            connection
                .prepare_cached("INSERT INTO kv_scopes (plugin, agent, bytes) VALUES (?1, ?2, 0)")?
                .execute([scope.plugin.as_str(), scope.agent.as_str()])?;
            (connection.last_insert_rowid(), 0)
        }
    };
    let added = counted(key, i64::try_from(value.len()).unwrap_or(i64::MAX));
    let total = bytes.saturating_sub(size(connection, id, key)?).saturating_add(added);
    if u64::try_from(total).unwrap_or(0) > quota {
        return Ok(Err(KvError::OverQuota { quota }));
    }
    connection
        .prepare_cached(
            "INSERT INTO kv (scope, key, crc32, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (scope, key) DO UPDATE SET crc32 = excluded.crc32, value = excluded.value",
        )?
        .execute(params![id, key, checksum(key, value), value])?;
    set_bytes(connection, id, total)?;
    Ok(Ok(()))
}

pub(super) fn delete(connection: &Connection, scope: &KvScope, key: &str) -> rusqlite::Result<Result<(), KvError>> {
    let Some((id, bytes)) = find_scope(connection, scope)? else { return Ok(Ok(())) };
    let removed = size(connection, id, key)?;
    connection.prepare_cached("DELETE FROM kv WHERE scope = ?1 AND key = ?2")?.execute(params![id, key])?;
    set_bytes(connection, id, bytes.saturating_sub(removed))?;
    Ok(Ok(()))
}

pub(super) fn keys(
    connection: &Connection,
    scope: &KvScope,
    prefix: &str,
    limit: u32,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT key FROM kv WHERE scope = (SELECT id FROM kv_scopes WHERE plugin = ?1 AND agent = ?2) AND key >= ?3
         ORDER BY key LIMIT ?4",
    )?;
    let rows = statement.query_map(params![scope.plugin.as_str(), scope.agent.as_str(), prefix, limit], |row| {
        row.get::<_, String>(0)
    })?;
    // From the prefix on, the keys that start with it come first.
    rows.take_while(|key| key.as_ref().map_or(true, |key| key.starts_with(prefix))).collect()
}
