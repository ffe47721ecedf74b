//! Why the store can't be used, and what would mend it.

use std::path::{Path, PathBuf};

/// An operation on the store that did not succeed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory can't be made.
    #[error("{}: can't make the state directory: see `agent.state_dir`", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file can't be read or written.
    #[error("{}: can't be read or written: check its owner, its mode and the room on its disk", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("{}: in use by another agent: stop it, or give each agent an `agent.state_dir` of its own", file.display())]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// A later version wrote the file.
    #[error(
        "{}: written by a newer nlb (version {found}, this one knows up to {known}): install that one, or move the file \
         away to begin without a seed and without changes made at run time", file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u64,
        /// The latest version that this program knows.
        known: u64,
    },
    /// The file is not what was written.
    #[error(
        "{}: damaged, or not a store of nlb: put back a copy, or move the file away to begin without a seed and without \
         changes made at run time", file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<redb::Error>,
    },
    /// A value that can't be understood.
    #[error("{}: the value `{key}` of the table `{table}` can't be understood: put back a copy, or move the file away", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The table.
        table: String,
        /// The value's key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl StoreError {
    pub(super) fn at(file: &Path, error: impl Into<redb::Error>) -> Self {
        let file = file.to_owned();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse { file },
            // How a foreign file is refused.
            redb::Error::Io(source) if source.kind() != std::io::ErrorKind::InvalidData => Self::Io { file, source },
            source => Self::Damaged { file, source: Box::new(source) },
        }
    }
}
