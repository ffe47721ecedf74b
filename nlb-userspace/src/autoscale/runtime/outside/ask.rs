//! Asking: each question in a task of its own, with a time limit, and not too many at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::super::calls::{Outcome, Report};
use super::{Answer, Ask};
use crate::health::Prober;
use crate::model::{Name, PrometheusServer};
use crate::scrape::{NodeExporter, Prometheus};

/// How long an instance's node_exporter may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Questions under way at a time.
const MOST: usize = 128;

/// What asks. Clones share its room.
#[derive(Clone, Debug)]
pub(in super::super) struct Asker {
    prober: Prober,
    room: Arc<Semaphore>,
}

impl Default for Asker {
    fn default() -> Self {
        Self { prober: Prober::new(), room: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Asker {
    /// Asks for a group. In queries `$group` stands for its name.
    pub(in super::super) fn ask(
        &self,
        ask: Ask,
        group: &Name,
        server: Option<&PrometheusServer>,
        reports: &mpsc::Sender<Report>,
    ) {
        let (asker, group, reports, server) = (self.clone(), group.clone(), reports.clone(), server.cloned());
        tokio::spawn(async move {
            let room = asker.room.acquire().await;
            let answer = match ask {
                Ask::Query(query) => {
                    let samples = asker.samples(&query.replace("$group", group.as_str()), server).await;
                    Answer::Query(query, samples)
                }
                Ask::Host(token, socket) => Answer::Host(token, asker.usage(socket).await),
            };
            drop(room);
            // An agent that is stopping asks no more.
            drop(reports.send(Report { group, outcome: Outcome::Outside(answer) }).await);
        });
    }

    async fn samples(&self, query: &str, server: Option<PrometheusServer>) -> Result<Vec<f64>, String> {
        let server = server.ok_or("the configuration has no `[agent.prometheus]`")?;
        let prometheus = Prometheus { server: &server, prober: &self.prober };
        prometheus.instant(query).await.map_err(|error| error.to_string())
    }

    async fn usage(&self, socket: SocketAddr) -> Result<crate::scrape::Usage, String> {
        let exporter = NodeExporter { socket, prober: &self.prober };
        exporter.usage(LIMIT).await.map_err(|error| error.to_string())
    }
}
