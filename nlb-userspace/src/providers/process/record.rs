//! What is written down of each instance: a file for each, by group and token.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::server::Server;
use crate::autoscale::model::InstanceId;
use crate::model::{Name, Timestamp};
use crate::providers::{Launch, ProviderError};

/// An instance that has been in the making for longer will never be finished.
pub(super) const UNFINISHED: Duration = Duration::from_secs(300);

/// Most letters of a server's last line that are passed on.
const LONGEST: usize = 200;

/// Bytes of the end of a log that the last line is looked for in.
const TAIL: u64 = 4096;

/// What an instance's file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// What was asked for.
    pub(super) launch: Launch,
    /// Its address.
    pub(super) address: IpAddr,
    /// When its launch began.
    pub(super) noted: Timestamp,
    /// Its process; `None` before it is started, and while it is stopped.
    pub(super) server: Option<Server>,
    /// Whether it waits to be started again.
    pub(super) stopped: bool,
}

/// The files.
#[derive(Clone, Debug)]
pub(super) struct Records {
    directory: PathBuf,
}

impl Records {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The record of an instance, if there is one.
    pub(super) fn read(&self, group: &Name, id: &InstanceId) -> Result<Option<Record>, ProviderError> {
        // Only what this provider has named itself is a name here, never a way out of the directory.
        let of_group = self.of(group)?;
        Ok(of_group.into_iter().find(|record| record.launch.token.0 == id.0))
    }

    /// The records of a group.
    pub(super) fn of(&self, group: &Name) -> Result<Vec<Record>, ProviderError> {
        self.within(&self.directory.join(group.as_str()))
    }

    /// All records.
    pub(super) fn all(&self) -> Result<Vec<Record>, ProviderError> {
        let groups = entries(&self.directory).map_err(|error| failed("read", &self.directory, &error))?;
        let records: Result<Vec<_>, _> = groups.iter().map(|group| self.within(group)).collect();
        Ok(records?.into_iter().flatten().collect())
    }

    /// Writes a record: all of it, or none.
    pub(super) fn write(&self, record: &Record) -> Result<(), ProviderError> {
        let path = self.path(record, "json");
        let text = serde_json::to_vec(record).expect("names, addresses and numbers are JSON");
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.directory))?;
            let unfinished = path.with_extension("new");
            fs::write(&unfinished, text)?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(|error| failed("write", &path, &error))
    }

    /// Removes a record, and what its server said.
    pub(super) fn remove(&self, record: &Record) -> Result<(), ProviderError> {
        for extension in ["log", "json"] {
            let path = self.path(record, extension);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", &path, &error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Where what a server says goes.
    pub(super) fn log(&self, record: &Record) -> Result<File, ProviderError> {
        let path = self.path(record, "log");
        File::options().create(true).append(true).open(&path).map_err(|error| failed("open", &path, &error))
    }

    /// The last line that a server said, to be put behind what became of it; nothing when it said nothing.
    pub(super) fn last_words(&self, record: &Record) -> String {
        let read = || {
            let mut log = File::open(self.path(record, "log"))?;
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut said = Vec::new();
            log.read_to_end(&mut said)?;
            io::Result::Ok(said)
        };
        // A log that can't be read says nothing.
        let said = read().unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        last.map_or_else(String::new, |line| format!(": {}", line.trim().chars().take(LONGEST).collect::<String>()))
    }

    fn path(&self, record: &Record, extension: &str) -> PathBuf {
        let Launch { group, token, .. } = &record.launch;
        self.directory.join(group.as_str()).join(format!("{token}.{extension}"))
    }

    fn within(&self, directory: &Path) -> Result<Vec<Record>, ProviderError> {
        let files = entries(directory).map_err(|error| failed("read", directory, &error))?;
        let records = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let read = |path: &PathBuf| match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| failed("understand", path, &error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", path, &error)),
        };
        records.filter_map(|path| read(path).transpose()).collect()
    }
}

/// What is in a directory; nothing when it isn't there.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn failed(what: &str, path: &Path, error: &dyn std::error::Error) -> ProviderError {
    ProviderError::Unavailable { what: format!("{what} {}", path.display()), reason: error.to_string() }
}
