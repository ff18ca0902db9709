//! Asking for sums.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use rusqlite::{Connection, params};

use super::tables::{COLUMNS, HOUR, MINUTE, minutes_from, read};
use super::{MINUTE_MS, Sum, Sums};
use crate::error::StoreError;
use crate::schema;
use crate::vault;

/// For the pages of one look: a month of one group.
const CACHE_KIB: u32 = 1_024;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// By what names are grouped.
    pub group: u8,
    /// The first minute since 1970.
    pub from: i64,
    /// The first minute that is not asked for any more.
    pub to: i64,
    /// Minutes in a bin, at least 1; the first bin begins at `from`.
    pub step: i64,
}

/// The sums of each name by bins; empty bins are left out.
#[derive(Clone, Debug, Default)]
pub struct Binned {
    /// By name, then by the number of the bin.
    pub names: BTreeMap<String, BTreeMap<u32, Sum>>,
    /// Before this minute there are whole hours, which count into the bin in which they begin.
    pub minutes_from: i64,
}

impl Sums {
    /// The sums in some time.
    pub fn ask(&self, asked: &Asked) -> Result<Binned, StoreError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever writes holds this until its transaction is over: nothing is seen twice or not at all.
        let pending = self.pending();
        if reader.is_none() && self.path.exists() {
            *reader = Some(self.open()?);
        }
        let mut binned = Binned::default();
        let snapshot = match &*reader {
            Some(connection) => {
                let snapshot = connection.unchecked_transaction().map_err(self.sql("reading"))?;
                binned.minutes_from = minutes_from(&snapshot).map_err(self.sql("reading"))?;
                Some(snapshot)
            }
            None => None,
        };
        for (cell, sum) in &pending.sums {
            let minute = i64::from(cell.minute);
            if cell.group == asked.group
                && let Some(bin) = asked.bin_of(minute)
            {
                let bins = binned.names.entry(pending.name(cell).to_owned()).or_default();
                bins.entry(bin).or_default().add(sum);
            }
        }
        drop(pending);
        if let Some(snapshot) = snapshot {
            written(&snapshot, asked, &mut binned).map_err(self.sql("reading"))?;
        }
        Ok(binned)
    }

    /// A connection that may write, for erasing.
    pub(crate) fn open_writer(&self) -> Result<Connection, StoreError> {
        let key = vault::load(&self.path, self.user.as_ref())?;
        schema::open_writer(&self.path, key.as_ref(), CACHE_KIB)
    }

    /// Removes a session's name and sums, and those of projects that no other session is of.
    pub(crate) fn forget(&self, connection: &mut Connection, session: &str) -> rusqlite::Result<()> {
        super::tables::forget(connection, session)
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let key = vault::load(&self.path, self.user.as_ref())?;
        schema::open_reader(&self.path, key.as_ref(), CACHE_KIB)
    }

    fn sql(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        move |source| StoreError::Sql { action, path: path.clone(), source }
    }
}

impl Asked {
    fn bin_of(&self, minute: i64) -> Option<u32> {
        let is_asked = (self.from..self.to).contains(&minute);
        is_asked.then(|| ((minute - self.from) / self.step.max(1)) as u32)
    }

    /// The minutes of this range, for messages and answers.
    pub fn time_ms(minute: i64) -> i64 {
        minute.saturating_mul(MINUTE_MS)
    }
}

fn written(connection: &Connection, asked: &Asked, binned: &mut Binned) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT minute, name, {COLUMNS} FROM sums WHERE grp = ?1 AND level = ?2 AND minute >= ?3 AND minute < ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut bins: HashMap<i64, BTreeMap<u32, Sum>> = HashMap::new();
    for level in [HOUR, MINUTE] {
        let mut rows = statement.query(params![asked.group, level, asked.from, asked.to])?;
        while let Some(row) = rows.next()? {
            let Some(bin) = asked.bin_of(row.get(0)?) else { continue };
            read(bins.entry(row.get(1)?).or_default().entry(bin).or_default(), row, 2)?;
        }
    }
    let mut name_of = connection.prepare_cached("SELECT name FROM sum_names WHERE id = ?1")?;
    for (name, bins) in bins {
        let name: String = name_of.query_row([name], |row| row.get(0))?;
        let all = binned.names.entry(name).or_default();
        for (bin, sum) in bins {
            all.entry(bin).or_default().add(&sum);
        }
    }
    Ok(())
}
