//! How sums lie in `catalog.db`, and how minutes become hours.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::{BETWEEN, Cell, PAIRS, PROJECTS, SESSIONS, Sum, Tallies};

/// Grows whenever something is counted in another way: then all is counted again that can be.
const VERSION: i64 = 1;

/// Minutes of an hour, and the level of sums by the hour.
pub(super) const HOUR: i64 = 60;

/// The level of sums by the minute.
pub(super) const MINUTE: i64 = 1;

/// How long single minutes are kept: a week, and the day that it began on.
const MINUTES_KEPT: i64 = 8 * 24 * HOUR;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS sum_state (id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL,
    version INTEGER NOT NULL, is_complete INTEGER NOT NULL, minutes_from INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sum_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS sums (
    grp INTEGER NOT NULL, level INTEGER NOT NULL, minute INTEGER NOT NULL, name INTEGER NOT NULL, part INTEGER NOT NULL,
    events INTEGER NOT NULL, errors INTEGER NOT NULL, calls INTEGER NOT NULL, failed INTEGER NOT NULL,
    requests INTEGER NOT NULL, unpriced INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL, cache_creation INTEGER NOT NULL, cost_micros INTEGER, estimated_micros INTEGER NOT NULL,
    took_ms INTEGER NOT NULL, durations BLOB, PRIMARY KEY (grp, level, minute, name, part)) WITHOUT ROWID;
";

/// The columns of a sum, in the order of [`read`].
pub(super) const COLUMNS: &str = "events, errors, calls, failed, requests, unpriced, input, output, cache_read, \
    cache_creation, cost_micros, estimated_micros, took_ms, durations";

/// Adds a row to the sum whose columns begin at `first`.
pub(super) fn read(sum: &mut Sum, row: &Row<'_>, first: usize) -> rusqlite::Result<()> {
    let fields = [
        &mut sum.events,
        &mut sum.errors,
        &mut sum.calls,
        &mut sum.failed,
        &mut sum.requests,
        &mut sum.unpriced,
        &mut sum.input,
        &mut sum.output,
        &mut sum.cache_read,
        &mut sum.cache_creation,
    ];
    for (at, field) in (first..).zip(fields) {
        *field += row.get::<_, i64>(at)?;
    }
    sum.add_cost(row.get(first + 10)?);
    sum.estimated_micros += row.get::<_, i64>(first + 11)?;
    sum.took_ms += row.get::<_, i64>(first + 12)?;
    if let Ok(bytes) = row.get_ref(first + 13)?.as_blob() {
        sum.durations.merge_encoded(bytes);
    }
    Ok(())
}

/// Whether the sums are of this store, counted as this program counts, and complete. If not, what can be counted again is
/// forgotten: the shares of the days in `parts`, or everything when it is of another store. The same if `anew` asks for it.
pub(crate) fn begin(connection: &mut Connection, epoch: &str, parts: &[i64], anew: bool) -> rusqlite::Result<bool> {
    let sql = "SELECT epoch, version, is_complete FROM sum_state WHERE id = 1";
    let state = connection
        .query_row(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?)))
        .optional()?;
    if !anew && state.as_ref().is_some_and(|(of, version, complete)| of == epoch && *version == VERSION && *complete) {
        return Ok(true);
    }
    let transaction = connection.transaction()?;
    if state.is_some_and(|(of, ..)| of == epoch) {
        let list = vec!["?"; parts.len()].join(", ");
        transaction.execute(&format!("DELETE FROM sums WHERE part IN ({list})"), params_from_iter(parts))?;
    } else {
        transaction.execute_batch("DELETE FROM sums; DELETE FROM sum_names; DELETE FROM sum_state;")?;
    }
    transaction.execute(
        "INSERT INTO sum_state VALUES (1, ?1, ?2, 0, 0)
            ON CONFLICT (id) DO UPDATE SET version = ?2, is_complete = 0",
        params![epoch, VERSION],
    )?;
    transaction.commit()?;
    Ok(false)
}

/// Adds what was counted to what is written, inside the caller's transaction.
pub(crate) fn write(
    connection: &Connection,
    epoch: &str,
    tallies: &Tallies,
    is_complete: bool,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO sum_state VALUES (1, ?1, ?2, ?3, 0)
                ON CONFLICT (id) DO UPDATE SET epoch = ?1, version = ?2, is_complete = ?3",
        )?
        .execute(params![epoch, VERSION, is_complete])?;
    let minutes_from = minutes_from(connection)?;
    let mut names = vec![None; tallies.names.len()];
    // In order, so that pages are filled one after the other.
    let cells: BTreeMap<&Cell, &Sum> = tallies.sums.iter().collect();
    for (cell, sum) in cells {
        let name = match names.get(cell.name as usize).copied().flatten() {
            Some(name) => name,
            None => {
                let name = number_of(connection, tallies.name(cell))?;
                if let Some(known) = names.get_mut(cell.name as usize) {
                    *known = Some(name);
                }
                name
            }
        };
        let minute = i64::from(cell.minute);
        let (level, minute) =
            if minute < minutes_from { (HOUR, minute - minute.rem_euclid(HOUR)) } else { (MINUTE, minute) };
        put(connection, (i64::from(cell.group), level, minute, name, i64::from(cell.part)), sum)?;
    }
    Ok(())
}

/// Makes an hour of the oldest minutes, once they are old enough: little at a time, for the live path waits.
pub(crate) fn fold(connection: &mut Connection, now_ms: i64) -> rusqlite::Result<()> {
    let limit = now_ms.div_euclid(super::MINUTE_MS) - MINUTES_KEPT;
    let limit = limit - limit.rem_euclid(HOUR);
    if minutes_from(connection)? >= limit {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    let oldest = oldest_minute(&transaction)?.filter(|minute| *minute < limit);
    let reached = match oldest {
        None => limit,
        Some(minute) => {
            let hour = minute - minute.rem_euclid(HOUR);
            fold_hour(&transaction, hour)?;
            hour + HOUR
        }
    };
    transaction.execute("UPDATE sum_state SET minutes_from = max(minutes_from, ?1) WHERE id = 1", [reached])?;
    transaction.commit()
}

fn fold_hour(connection: &Connection, hour: i64) -> rusqlite::Result<()> {
    let mut sums: BTreeMap<(i64, i64, i64), Sum> = BTreeMap::new();
    for group in groups(connection)? {
        let sql = format!(
            "SELECT name, part, {COLUMNS} FROM sums WHERE grp = ?1 AND level = ?2 AND minute BETWEEN ?3 AND ?4"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![group, MINUTE, hour, hour + HOUR - 1])?;
        while let Some(row) = rows.next()? {
            read(sums.entry((group, row.get(0)?, row.get(1)?)).or_default(), row, 2)?;
        }
        let sql = "DELETE FROM sums WHERE grp = ?1 AND level = ?2 AND minute BETWEEN ?3 AND ?4";
        connection.prepare_cached(sql)?.execute(params![group, MINUTE, hour, hour + HOUR - 1])?;
    }
    for ((group, name, part), sum) in sums {
        put(connection, (group, HOUR, hour, name, part), &sum)?;
    }
    Ok(())
}

/// Removes a session's name and sums, and those of projects that no other session is of.
pub(super) fn forget(connection: &mut Connection, session: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let names = |sql: &str| -> rusqlite::Result<Vec<(i64, String)>> {
        let mut statement = transaction.prepare(sql)?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let paired =
        format!("SELECT DISTINCT id, sum_names.name FROM sum_names JOIN sums ON sums.name = id WHERE grp = {PAIRS}");
    let (own, others): (Vec<_>, Vec<_>) = names(&paired)?
        .into_iter()
        .partition(|(_, pair)| pair.strip_prefix(super::cut(session)).is_some_and(|rest| rest.starts_with(BETWEEN)));
    let project = |pair: &str| pair.split_once(BETWEEN).map(|(_, project)| project.to_owned());
    let mut gone: Vec<(u8, String)> = own.iter().map(|(_, pair)| (PAIRS, pair.clone())).collect();
    gone.push((SESSIONS, session.to_owned()));
    let left: Vec<_> = others.iter().filter_map(|(_, pair)| project(pair)).collect();
    gone.extend(
        own.iter()
            .filter_map(|(_, pair)| project(pair))
            .filter(|name| !left.contains(name))
            .map(|name| (PROJECTS, name)),
    );
    for (group, name) in gone {
        transaction.execute(
            "DELETE FROM sums WHERE grp = ?1 AND name = (SELECT id FROM sum_names WHERE name = ?2)",
            params![group, &*super::named(group, &name)],
        )?;
    }
    transaction.execute("DELETE FROM sum_names WHERE id NOT IN (SELECT DISTINCT name FROM sums)", [])?;
    transaction.commit()
}

/// Before this minute there are hours alone.
pub(super) fn minutes_from(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT minutes_from FROM sum_state WHERE id = 1";
    let found = connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}

fn oldest_minute(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let mut oldest = None;
    for group in groups(connection)? {
        let sql = "SELECT min(minute) FROM sums WHERE grp = ?1 AND level = ?2";
        let first: Option<i64> = connection.prepare_cached(sql)?.query_row([group, MINUTE], |row| row.get(0))?;
        oldest = [oldest, first].into_iter().flatten().min();
    }
    Ok(oldest)
}

/// Which groups there are: each is one step in the table, however long it is.
fn groups(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached("SELECT min(grp) FROM sums WHERE grp > ?1")?;
    let (mut groups, mut last) = (Vec::new(), -1);
    while let Some(group) = statement.query_row([last], |row| row.get::<_, Option<i64>>(0))? {
        groups.push(group);
        last = group;
    }
    Ok(groups)
}

fn number_of(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let found = connection
        .prepare_cached("SELECT id FROM sum_names WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    match found {
        Some(id) => Ok(id),
        None => {
            connection.prepare_cached("INSERT INTO sum_names (name) VALUES (?1)")?.execute([name])?;
            Ok(connection.last_insert_rowid())
        }
    }
}

/// Adds a sum to its row.
fn put(connection: &Connection, key: (i64, i64, i64, i64, i64), sum: &Sum) -> rusqlite::Result<()> {
    let (group, level, minute, name, part) = key;
    let sql =
        format!("SELECT {COLUMNS} FROM sums WHERE grp = ?1 AND level = ?2 AND minute = ?3 AND name = ?4 AND part = ?5");
    let mut sum = sum.clone();
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![group, level, minute, name, part])?;
    if let Some(row) = rows.next()? {
        read(&mut sum, row, 0)?;
    }
    drop(rows);
    let numbers = [
        group,
        level,
        minute,
        name,
        part,
        sum.events,
        sum.errors,
        sum.calls,
        sum.failed,
        sum.requests,
        sum.unpriced,
        sum.input,
        sum.output,
        sum.cache_read,
        sum.cache_creation,
    ];
    let mut values: Vec<Value> = numbers.into_iter().map(Value::from).collect();
    values.push(sum.cost_micros.into());
    values.push(sum.estimated_micros.into());
    values.push(sum.took_ms.into());
    values.push(sum.durations.encode().into());
    let sql = "INSERT OR REPLACE INTO sums VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    connection.prepare_cached(sql)?.execute(params_from_iter(values))?;
    Ok(())
}
