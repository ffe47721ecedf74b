//! The store's tables, and how an older file becomes one of this version.

use std::path::Path;

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use super::error::StoreError;

/// Facts about the file itself: its version.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Single values by name, as JSON.
pub(super) const SETTINGS: TableDefinition<'_, &str, &str> = TableDefinition::new("settings");
/// Changes of targets made at run time, as JSON, by `GROUP/ADDRESS:PORT`.
pub(super) const OVERLAY: TableDefinition<'_, &str, &str> = TableDefinition::new("overlay");

/// Targets that are leaving, as JSON, by `GROUP/ADDRESS:PORT`.
pub(super) const DRAINS: TableDefinition<'_, &str, &str> = TableDefinition::new("drains");

/// States of autoscaling groups' engines, as JSON, by the group's name.
pub(super) const AUTOSCALING: TableDefinition<'_, &str, &str> = TableDefinition::new("autoscaling");

/// Recorded loads, as JSON, by `GROUP/POLICY` of autoscaling groups.
pub(super) const HISTORY: TableDefinition<'_, &str, &str> = TableDefinition::new("history");

/// The last minutes of recorded loads, that their rows in [`HISTORY`] don't have yet, as JSON, by `GROUP/POLICY`.
pub(super) const RECENT: TableDefinition<'_, &str, &str> = TableDefinition::new("recent_history");

/// Weights of groups that share listeners, set at run time, as JSON, by `LISTENER/GROUP`.
pub(super) const SHARES: TableDefinition<'_, &str, &str> = TableDefinition::new("shares");

/// The key of the version in [`META`].
pub(super) const VERSION_KEY: &str = "version";

type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// What brings a file from the version of its index to the next. Files of version 0 are empty.
const STEPS: &[Step] = &[first_tables, drains, autoscaling, history, shares, recent];

/// The version that this program writes.
pub(super) const VERSION: u64 = STEPS.len() as u64;

fn first_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(SETTINGS)?;
    transaction.open_table(OVERLAY)?;
    Ok(())
}

fn drains(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(DRAINS)?;
    Ok(())
}

fn autoscaling(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(AUTOSCALING)?;
    Ok(())
}

fn history(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(HISTORY)?;
    Ok(())
}

fn shares(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(SHARES)?;
    Ok(())
}

fn recent(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(RECENT)?;
    Ok(())
}

/// Brings `database`, which is in `file`, to [`VERSION`]: whole, or not at all.
pub(super) fn migrate(database: &Database, file: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::at(file, error);
    let transaction = database.begin_write().map_err(|error| failed(redb::Error::from(error)))?;
    let found = version(&transaction).map_err(failed)?;
    let steps = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
    let steps = steps.ok_or_else(|| StoreError::Newer { file: file.to_owned(), found, known: VERSION })?;
    if steps.is_empty() {
        return transaction.abort().map_err(|error| failed(error.into()));
    }
    let run = || {
        steps.iter().try_for_each(|step| step(&transaction))?;
        transaction.open_table(META)?.insert(VERSION_KEY, VERSION)?;
        Ok(())
    };
    run().map_err(failed)?;
    transaction.commit().map_err(|error| failed(error.into()))
}

fn version(transaction: &WriteTransaction) -> Result<u64, redb::Error> {
    let table = transaction.open_table(META)?;
    let version = table.get(VERSION_KEY)?;
    Ok(version.map_or(0, |version| version.value()))
}
