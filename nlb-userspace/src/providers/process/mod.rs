//! Instances as server processes of this host, each in a network namespace of its own.
//!
//! ```text
//! agent's namespace, or another ── bridge ── veth │ eth0 ── instance's namespace: the server, its address
//! ```
//! An instance outlives the agent: it is the leader of a session of its own, and a file says all that is needed to find it again
//! ([`record`]). Its namespace is called as its token is, behind a prefix. The agent needs CAP_SYS_ADMIN besides, and the programs
//! `ip`, `ethtool` and `setsid`.
//!
//! The invariant: the file is there before anything else of an instance is, and goes last. So whatever an agent that was killed
//! left half made is made anew by the next launch with the token, or ended.

mod namespace;
mod record;
mod server;
mod settings;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::sleep;

use self::namespace::Namespace;
use self::record::{Record, Records};
use self::settings::ProcessSettings;
use super::{Launch, Provided, ProvidedState, Provider, ProviderError};
use crate::autoscale::model::{InstanceId, LaunchTemplate};
use crate::model::{Name, Timestamp};

/// Held while an address is chosen and noted: groups may share a pool.
static CHOICE: Mutex<()> = Mutex::const_new(());

/// A server that was started is in its namespace after so long.
const ENTERS: Duration = Duration::from_millis(300);

/// The provider.
#[derive(Clone, Debug)]
pub(super) struct Processes {
    records: Records,
}

impl Processes {
    /// One that launches from `template`, and keeps its files in `directory`.
    pub(super) fn new(template: &LaunchTemplate, directory: PathBuf) -> Result<Self, ProviderError> {
        ProcessSettings::of(template)?;
        Ok(Self { records: Records::new(directory) })
    }

    async fn begin(&self, launch: &Launch) -> Result<InstanceId, ProviderError> {
        let settings = ProcessSettings::of(&launch.template)?;
        let id = InstanceId(launch.token.0.clone());
        let known = self.records.read(&launch.group, &id)?;
        if let Some(record) = &known
            && (record.stopped || record.server.is_some())
        {
            return Ok(id);
        }
        let namespace = Namespace::of(&settings, &launch.token);
        let mut record = match known {
            Some(record) => {
                // An agent before this one did not finish it. What that started last may not have come in yet.
                sleep(ENTERS).await;
                server::kill(namespace.processes().await).await;
                record
            }
            None => self.note(launch, &settings).await?,
        };
        namespace.remove().await?;
        namespace.make(&settings, record.address).await?;
        self.serve(&mut record, &settings).await?;
        Ok(id)
    }

    /// Notes that there is to be an instance, and which address is its own.
    async fn note(&self, launch: &Launch, settings: &ProcessSettings) -> Result<Record, ProviderError> {
        let _held = CHOICE.lock().await;
        let taken = self.records.all()?.into_iter().map(|record| record.address).collect();
        let address = settings
            .pool
            .free(&taken)
            .ok_or_else(|| ProviderError::Capacity(format!("all addresses of {} are in use", settings.pool)))?;
        let record = Record { launch: launch.clone(), address, noted: now(), server: None, stopped: false };
        self.records.write(&record)?;
        Ok(record)
    }

    /// Starts the server in its namespace, and notes it.
    async fn serve(&self, record: &mut Record, settings: &ProcessSettings) -> Result<(), ProviderError> {
        let namespace = Namespace::of(settings, &record.launch.token);
        let log = self.records.log(record)?;
        let server = server::start(namespace.name(), record, settings, log)?;
        record.server = Some(server);
        record.stopped = false;
        let noted = self.records.write(record);
        if noted.is_err() {
            server::kill(namespace.processes().await).await;
        }
        noted
    }

    async fn end(&self, group: &Name, id: &InstanceId) -> Result<(), ProviderError> {
        let Some(record) = self.records.read(group, id)? else { return Ok(()) };
        let settings = ProcessSettings::of(&record.launch.template)?;
        self.end_server(&record, &settings).await;
        Namespace::of(&settings, &record.launch.token).remove().await?;
        self.records.remove(&record)
    }

    async fn end_server(&self, record: &Record, settings: &ProcessSettings) {
        if let Some(server) = &record.server {
            server.end(settings.stop_timeout).await;
        }
        server::kill(Namespace::of(settings, &record.launch.token).processes().await).await;
    }

    async fn pause(&self, group: &Name, id: &InstanceId) -> Result<(), ProviderError> {
        let Some(mut record) = self.records.read(group, id)? else { return Err(unknown(id)) };
        let settings = ProcessSettings::of(&record.launch.template)?;
        // Noted first: one that stands still for the while is no instance that failed.
        record.stopped = true;
        self.records.write(&record)?;
        self.end_server(&record, &settings).await;
        record.server = None;
        self.records.write(&record)
    }

    async fn go_on(&self, group: &Name, id: &InstanceId) -> Result<(), ProviderError> {
        let Some(mut record) = self.records.read(group, id)? else { return Err(unknown(id)) };
        if record.server.as_ref().is_some_and(server::Server::is_alive) {
            return Ok(());
        }
        let settings = ProcessSettings::of(&record.launch.template)?;
        // One may run that nobody noted.
        self.end_server(&record, &settings).await;
        self.serve(&mut record, &settings).await
    }

    fn listed(&self, group: &Name) -> Result<Vec<Provided>, ProviderError> {
        let records = self.records.of(group)?;
        Ok(records.into_iter().filter_map(|record| self.provided(record, now())).collect())
    }

    /// An instance as its record says it is. One that is being made isn't there yet: its launch is asked for until it is
    /// answered.
    fn provided(&self, record: Record, now: Timestamp) -> Option<Provided> {
        let state = match &record.server {
            _ if record.stopped => ProvidedState::Stopped,
            Some(server) if server.is_alive() => ProvidedState::Running,
            Some(_) => {
                ProvidedState::Failed { reason: format!("its process ended{}", self.records.last_words(&record)) }
            }
            None if now.since(record.noted) < record::UNFINISHED => return None,
            None => ProvidedState::Failed { reason: "its launch was never finished".to_owned() },
        };
        let Launch { token, template, zone, .. } = record.launch;
        Some(Provided {
            id: InstanceId(token.0.clone()),
            token: Some(token),
            zone,
            address: Some(record.address),
            port: Some(template.port),
            state,
            launched: Some(record.noted),
        })
    }
}

fn unknown(id: &InstanceId) -> ProviderError {
    ProviderError::Unavailable { what: format!("look for instance {id}"), reason: "there is none".to_owned() }
}

fn now() -> Timestamp {
    Timestamp::from_epoch(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

impl Provider for Processes {
    fn list<'a>(&'a self, group: &'a Name) -> BoxFuture<'a, Result<Vec<Provided>, ProviderError>> {
        async move { self.listed(group) }.boxed()
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<InstanceId, ProviderError>> {
        self.begin(launch).boxed()
    }

    fn terminate<'a>(&'a self, group: &'a Name, ids: &'a [InstanceId]) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let ended = futures_util::future::join_all(ids.iter().map(|id| self.end(group, id))).await;
            ended.into_iter().collect()
        }
        .boxed()
    }

    fn stop<'a>(&'a self, group: &'a Name, id: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.pause(group, id).boxed()
    }

    fn start<'a>(&'a self, group: &'a Name, id: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.go_on(group, id).boxed()
    }
}
