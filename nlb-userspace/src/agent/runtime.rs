//! The agent put together: the owner in the middle, the kernel below it, and around it what watches the world.
//!
//! ```text
//! signals, API ──▶ commands ─┐
//! health checks ─▶ events ───┼─▶ owner ─▶ kernel
//! netlink ───────▶ events ───┘     ├────▶ snapshots ─▶ API, metrics; targets ─▶ health checks; addresses ─▶ netlink
//! autoscaling ───▶ commands ───────┘ (and it watches the snapshots)
//! ```

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::handle::Handle;
use super::owner::{Inlets, Owner, settle};
use crate::api::server;
use crate::autoscale::model::LaunchTemplate;
use crate::autoscale::runtime::{self as scaling, Runtime};
use crate::clock::Clock;
use crate::control::{Event, Kept, State};
use crate::dataplane::{Dataplane as _, Kernel, KernelSettings};
use crate::metrics::HealthChecks;
use crate::model::AgentSettings;
use crate::store::Store;
use crate::{config, dataplane, fragments, health, metrics, netlink, providers};

/// Events and commands that wait for the owner.
const WAITING: usize = 16_384;

/// How long the end waits for work that can't be broken off, such as a write into the store. What takes longer, such as a forecast
/// that is being learnt, is lost with the process, and is begun anew by the next.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the agent that the file at `path` describes, until it is told to stop. The packet path goes on afterwards.
pub fn run(path: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime can't start: raise the limits of threads and open files")?;
    let ended = runtime.block_on(agent(path));
    runtime.shutdown_timeout(LAST_WORDS);
    ended
}

async fn agent(path: &Path) -> Result<()> {
    let configuration = config::load(path)?;
    let settings = configuration.agent.clone();
    // The socket first: where another agent answers, this one must not touch the kernel.
    let api = server::Server::bind(&settings.socket).await?;
    let metrics = match settings.metrics {
        Some(address) => Some(metrics::server::Server::bind(address).await?),
        None => None,
    };
    let store = Store::open(&settings.state_dir)?;
    let seed = seed(&settings, &store)?;
    let (mut overlay, drains) = (store.overlay()?, store.drains()?);
    settle(&mut overlay, &configuration, &drains, &store);

    let mut kernel = Kernel::open(&KernelSettings::new(&settings, seed))?;
    if let Some(early) = kernel.take_early_fragments() {
        fragments::spawn(early)?;
    }
    let current = kernel.read()?;
    info!("found in the kernel: {} listeners, {} targets", current.listeners.len(), current.targets.len());
    let clock = Clock::new();
    let kept = Kept { seed, overlay, drains };
    let state = State::new(configuration, kept, &current, clock.beginning());
    let (owner, inlets) = Owner::begin(state, kernel, current, store.clone(), path.to_owned(), clock)?;

    let checks = HealthChecks::default();
    let events = watch_world(&inlets, &settings, &checks)?;
    let (commands, commanded) = mpsc::channel(WAITING);
    let handle = Handle::new(commands, inlets.snapshots);
    let scaling = scale(handle.clone(), store, clock, checks.clone(), &settings);
    tokio::spawn(serve(api, metrics, handle.clone(), scaling, checks));
    tokio::spawn(obey_signals(handle, signal(SignalKind::hangup())?));
    tokio::select! {
        () = owner.run(events, commanded) => {}
        () = stopped() => info!("the agent stops; the packet path goes on"),
    }
    Ok(())
}

/// The cluster's seed: the configured one, or the one made at the first start. Should the store be lost, the seed of the
/// program that runs is kept: with another, every flow would move.
fn seed(settings: &AgentSettings, store: &Store) -> Result<u64> {
    if let Some(seed) = settings.seed {
        return Ok(seed);
    }
    if let Some(seed) = store.seed()? {
        return Ok(seed);
    }
    if let Some(seed) = dataplane::seed_in_force(&settings.pin_path)? {
        store.set_seed(seed)?;
        return Ok(seed);
    }
    // The standard library keys its hashers from the system's source of randomness.
    let seed = RandomState::new().hash_one("seed");
    store.set_seed(seed)?;
    info!("made a seed; give every edge of a cluster the same `agent.seed`");
    Ok(seed)
}

/// Starts the health checks and netlink. Gives the events that they find.
fn watch_world(inlets: &Inlets, settings: &AgentSettings, checks: &HealthChecks) -> Result<mpsc::Receiver<Event>> {
    let (events, seen) = mpsc::channel(WAITING);
    let (ways, mut answers) = mpsc::channel(WAITING);
    netlink::spawn(inlets.addresses.clone(), settings.mode, ways)?;
    let (reports, mut reported) = mpsc::channel(WAITING);
    health::spawn(inlets.checked.clone(), reports, Arc::new(checks.clone()));
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                Some((address, way)) = answers.recv() => Event::NextHop(address, way),
                Some(report) = reported.recv() => Event::Health(report),
                else => break,
            };
            if events.send(event).await.is_err() {
                break;
            }
        }
    });
    Ok(seen)
}

/// Starts what drives the autoscaling groups. Instances outlive it.
fn scale(agent: Handle, store: Store, clock: Clock, checks: HealthChecks, settings: &AgentSettings) -> scaling::Handle {
    let directory = settings.state_dir.join("instances");
    let open = Box::new(move |template: &LaunchTemplate| providers::open(template, &directory));
    let (handle, runtime) = Runtime::new(agent, store, clock, checks, open);
    tokio::spawn(runtime.run());
    handle
}

/// Serves until the process ends. Without its endpoints an agent still balances: they are no reason to stop it.
async fn serve(
    api: server::Server,
    metrics: Option<metrics::server::Server>,
    handle: Handle,
    scaling: scaling::Handle,
    checks: HealthChecks,
) {
    let scrapes = async {
        match metrics {
            Some(server) => server.serve(handle.clone(), checks, stopped()).await,
            None => Ok(()),
        }
    };
    let (answered, scraped) = tokio::join!(api.serve(handle.clone(), scaling, stopped()), scrapes);
    if let Err(error) = answered {
        warn!("the control API ended: {error}");
    }
    if let Err(error) = scraped {
        warn!("the Prometheus endpoint ended: {error}");
    }
}

/// SIGHUP reloads. What a reload finds wrong is in the log already.
async fn obey_signals(handle: Handle, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        drop(handle.reload().await);
    }
}

/// Waits for SIGTERM or SIGINT.
async fn stopped() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers, the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
