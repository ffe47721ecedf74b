//! The embedded store: what must survive a restart of the agent, in one file `nlb.redb` of its state directory.
//!
//! Every save is one durable transaction: after it the file holds all of it, before it none. Values are JSON, so that
//! a field can come without a new version. What a table means is known here; what to keep is the callers' matter. Each
//! kind of state has a table of its own and a pair of methods.

mod error;
mod schema;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use error::StoreError;

use crate::autoscale::engine;
use crate::autoscale::forecast::{History, Minutes};
use crate::model::{Drain, Drains, Name, Overlay, Overridden, ShareKey, TargetKey, Weight};
use schema::{AUTOSCALING, DRAINS, HISTORY, OVERLAY, RECENT, SETTINGS, SHARES};

/// Name of the file within the state directory.
pub const FILE_NAME: &str = "nlb.redb";

/// Bytes of the file that are kept in memory: it is read once, at the start.
const CACHE_SIZE: usize = 1 << 20;

const SEED: &str = "seed";

/// An open store, and clones of it. Only one may be open for a directory at a time.
#[derive(Clone, Debug)]
pub struct Store {
    database: Arc<Database>,
    file: PathBuf,
}

/// A row of the table [`OVERLAY`].
#[derive(Serialize, Deserialize)]
struct OverlayRow {
    target: TargetKey,
    change: Overridden,
}

/// A row of the table [`DRAINS`].
#[derive(Serialize, Deserialize)]
struct DrainRow {
    target: TargetKey,
    drain: Drain,
}

/// A row of the table [`SHARES`].
#[derive(Serialize, Deserialize)]
struct ShareRow {
    share: ShareKey,
    weight: Weight,
}

/// The key of what is recorded for a policy.
fn load_of(group: &Name, policy: &Name) -> String {
    format!("{group}/{policy}")
}

fn json(row: &impl Serialize) -> String {
    serde_json::to_string(row).expect("names, addresses and numbers are JSON")
}

/// Makes `rows` the whole of `table`.
fn replace(
    transaction: &WriteTransaction,
    table: TableDefinition<'_, &str, &str>,
    rows: impl Iterator<Item = (String, String)>,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(table)?;
    table.retain(|_, _| false)?;
    for (key, json) in rows {
        table.insert(key.as_str(), json.as_str())?;
    }
    Ok(())
}

/// The database in `file`, locked. It is checked whole: redb would trust a damaged one, and panic later.
fn database(file: File) -> Result<Database, DatabaseError> {
    let storage = redb::backends::FileBackend::new(file)?;
    Database::builder().set_cache_size(CACHE_SIZE).set_check_integrity_on_open(true).create_with_backend(storage)
}

impl Store {
    /// Opens the store of the state directory `dir`, or makes both: the directory for its owner and group, the file
    /// for its owner alone. An older file is brought to this version.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let directory = |source| StoreError::Directory { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o750).create(dir).map_err(directory)?;

        let path = dir.join(FILE_NAME);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let opened = open.map_err(|source| StoreError::Io { file: path.clone(), source })?;
        let database = database(opened).map_err(|error| StoreError::at(&path, error))?;
        let store = Self { database: Arc::new(database), file: path };
        schema::migrate(&store.database, &store.file)?;
        Ok(store)
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The cluster's seed, `None` before it was set.
    pub fn seed(&self) -> Result<Option<u64>, StoreError> {
        self.value(SETTINGS, SEED)?.map(|json| self.decode(SETTINGS, SEED, &json)).transpose()
    }

    /// Keeps the cluster's seed.
    pub fn set_seed(&self, seed: u64) -> Result<(), StoreError> {
        self.set_value(SETTINGS, SEED, &seed.to_string())
    }

    /// The changes made at run time.
    pub fn overlay(&self) -> Result<Overlay, StoreError> {
        let rows = self.rows(OVERLAY)?;
        let targets = rows
            .iter()
            .map(|(key, json)| self.decode(OVERLAY, key, json).map(|row: OverlayRow| (row.target, row.change)))
            .collect::<Result<Overlay, _>>()?;
        let rows = self.rows(SHARES)?;
        let shares = rows
            .iter()
            .map(|(key, json)| self.decode(SHARES, key, json).map(|row: ShareRow| (row.share, row.weight)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(targets.with_shares(shares))
    }

    /// The targets that are leaving.
    pub fn drains(&self) -> Result<Drains, StoreError> {
        let rows = self.rows(DRAINS)?;
        rows.iter()
            .map(|(key, json)| self.decode(DRAINS, key, json).map(|row: DrainRow| (row.target, row.drain)))
            .collect()
    }

    /// Keeps `overlay` and `drains` in place of what was kept before: both or neither.
    pub fn save(&self, overlay: &Overlay, drains: &Drains) -> Result<(), StoreError> {
        let changes = overlay.iter().map(|(target, change)| {
            (target.to_string(), json(&OverlayRow { target: target.clone(), change: change.clone() }))
        });
        let shares = overlay
            .shares()
            .map(|(share, weight)| (share.to_string(), json(&ShareRow { share: share.clone(), weight })));
        let leaving = drains.iter().map(|(target, drain)| {
            (target.to_string(), json(&DrainRow { target: target.clone(), drain: drain.clone() }))
        });
        let write = || {
            let transaction = self.database.begin_write()?;
            replace(&transaction, OVERLAY, changes)?;
            replace(&transaction, SHARES, shares)?;
            replace(&transaction, DRAINS, leaving)?;
            Ok(transaction.commit()?)
        };
        write().map_err(|error: redb::Error| self.failed(error))
    }

    /// The state of an autoscaling group's engine, `None` before it was first kept.
    pub fn autoscaling(&self, group: &Name) -> Result<Option<engine::State>, StoreError> {
        let json = self.value(AUTOSCALING, group.as_str())?;
        json.map(|json| self.decode(AUTOSCALING, group.as_str(), &json)).transpose()
    }

    /// Keeps the state of an autoscaling group's engine in place of what was kept before, and with it what came of the loads of its
    /// policies since their whole history was kept.
    pub fn save_autoscaling(
        &self,
        group: &Name,
        state: &engine::State,
        recent: &[(&Name, Minutes)],
    ) -> Result<(), StoreError> {
        let write = || {
            let transaction = self.database.begin_write()?;
            transaction.open_table(AUTOSCALING)?.insert(group.as_str(), json(state).as_str())?;
            for (policy, minutes) in recent {
                transaction.open_table(RECENT)?.insert(load_of(group, policy).as_str(), json(minutes).as_str())?;
            }
            Ok(transaction.commit()?)
        };
        write().map_err(|error: redb::Error| self.failed(error))
    }

    /// What was recorded of the load of an autoscaling group's policy; empty before it was first kept.
    pub fn history(&self, group: &Name, policy: &Name) -> Result<History, StoreError> {
        let key = load_of(group, policy);
        let kept = self.value(HISTORY, &key)?.map(|json| self.decode(HISTORY, &key, &json));
        let mut history: History = kept.transpose()?.unwrap_or_default();
        if let Some(json) = self.value(RECENT, &key)? {
            history.import(&self.decode(RECENT, &key, &json)?);
        }
        Ok(history)
    }

    /// Keeps what was recorded of the loads of policies in place of what was kept before: of all, or of none.
    pub fn save_histories(&self, group: &Name, histories: &[(&Name, &History)]) -> Result<(), StoreError> {
        let write = || {
            let transaction = self.database.begin_write()?;
            for (policy, history) in histories {
                let key = load_of(group, policy);
                transaction.open_table(HISTORY)?.insert(key.as_str(), json(history).as_str())?;
                transaction.open_table(RECENT)?.remove(key.as_str())?;
            }
            Ok(transaction.commit()?)
        };
        write().map_err(|error: redb::Error| self.failed(error))
    }

    fn value(&self, table: TableDefinition<'_, &str, &str>, key: &str) -> Result<Option<String>, StoreError> {
        let read = || {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(table)?;
            Ok(table.get(key)?.map(|json| json.value().to_owned()))
        };
        read().map_err(|error: redb::Error| self.failed(error))
    }

    fn set_value(&self, table: TableDefinition<'_, &str, &str>, key: &str, json: &str) -> Result<(), StoreError> {
        let write = || {
            let transaction = self.database.begin_write()?;
            transaction.open_table(table)?.insert(key, json)?;
            Ok(transaction.commit()?)
        };
        write().map_err(|error: redb::Error| self.failed(error))
    }

    fn rows(&self, table: TableDefinition<'_, &str, &str>) -> Result<Vec<(String, String)>, StoreError> {
        let read = || {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(table)?;
            let rows =
                table.iter()?.map(|row| row.map(|(key, json)| (key.value().to_owned(), json.value().to_owned())));
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        read().map_err(|error: redb::Error| self.failed(error))
    }

    fn decode<T: DeserializeOwned>(
        &self,
        table: TableDefinition<'_, &str, &str>,
        key: &str,
        json: &str,
    ) -> Result<T, StoreError> {
        let table = redb::TableHandle::name(&table).to_owned();
        serde_json::from_str(json).map_err(|source| StoreError::Value {
            file: self.file.clone(),
            table,
            key: key.to_owned(),
            source,
        })
    }

    fn failed(&self, error: redb::Error) -> StoreError {
        StoreError::at(&self.file, error)
    }
}
