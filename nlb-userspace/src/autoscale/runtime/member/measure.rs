//! What is measured for a group: recorded, told to its engine, and shown.

use std::sync::Arc;

use super::super::figures::{self, Figures};
use super::super::meter::Meter;
use super::{Context, Member};
use crate::autoscale::engine::Event;
use crate::autoscale::model::Metric;

impl Member {
    /// Records the loads that are forecast.
    pub(in super::super) fn record(&mut self, meter: &Meter, context: &Context) {
        let (now, snapshot) = (context.clock.now(), context.agent.snapshot());
        for (policy, load) in Figures::new(meter, &self.outside, &self.engine, &snapshot, now).loads() {
            if let Some(foresight) = self.foresights.get_mut(&policy) {
                foresight.record(load, now);
            }
        }
    }

    /// A period is over: what has to be asked outside is asked, and figures that don't wait for that are told.
    pub(in super::super) fn end_period(&mut self, meter: &Meter, context: &Context) {
        let (now, group) = (context.clock.now(), self.engine.group());
        let sources = figures::sources(&self.engine).into_iter().map(|(source, _)| source).collect();
        let asks = self.outside.begin(&sources, self.engine.instances(), group.node_exporter_port, now);
        let configuration = Arc::clone(&context.agent.snapshot().configuration);
        for ask in asks {
            let server = configuration.agent.prometheus.as_ref();
            context.asker.ask(ask, &self.caller.group, server, &self.caller.reports);
        }
        self.measure(meter, context, |metric| !metric.is_from_outside());
        self.tell_awaited(meter, context);
    }

    /// Tells the figures that waited for answers from outside, once all of these are in.
    pub(in super::super) fn tell_awaited(&mut self, meter: &Meter, context: &Context) {
        if self.outside.is_complete(context.clock.now()) {
            self.measure(meter, context, Metric::is_from_outside);
        }
    }

    /// Tells the engine the figures of metrics of that kind.
    fn measure(&mut self, meter: &Meter, context: &Context, of: impl Fn(&Metric) -> bool) {
        let (now, snapshot) = (context.clock.now(), context.agent.snapshot());
        let figures = Figures::new(meter, &self.outside, &self.engine, &snapshot, now);
        let samples = figures.samples(of);
        self.measured = Some((now, Arc::new(figures.measured())));
        for (gauge, sample) in samples {
            self.tell(Event::Sampled { gauge, sample }, now);
        }
    }
}
