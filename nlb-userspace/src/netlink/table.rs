//! What is known of the network, which addresses are wanted, and whom a change concerns.
//!
//! Pure: changes go in, look-ups and answers come out. The invariant: an address stands in `undecided` from the moment
//! that anything its answer rests on changed until [`Table::answers`] has decided it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::Answer;
use super::resolve::{Link, Links, NeighbourKey, Route, Verdict, news, resolve};
use crate::control::event::NoNextHop;
use crate::model::XdpMode;

/// A neighbour entry of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) verdict: Verdict,
    /// The kernel keeps it fresh by itself, whoever asked it to.
    pub(crate) managed: bool,
    /// An agent asked for that.
    pub(crate) ours: bool,
    /// Entered by hand, or on an interface without ARP: it must not be touched.
    pub(crate) fixed: bool,
}

/// A change of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Link(u32, Link),
    LinkGone(u32),
    Neighbour(NeighbourKey, Neighbour),
    NeighbourGone(NeighbourKey),
    /// A route to this prefix came, changed or went.
    Routes(IpNet),
    /// Anything that may change any route: a rule, an address.
    AllRoutes,
}

/// One wanted address.
struct Way {
    route: Option<Route>,
    /// The interface it was last reached by, kept when the route is gone.
    last_egress: Option<u32>,
    told: Answer,
}

pub(crate) struct Table {
    mode: XdpMode,
    links: Links,
    neighbours: HashMap<NeighbourKey, Neighbour>,
    ways: BTreeMap<IpAddr, Way>,
    /// Who is reached by a neighbour.
    behind: HashMap<NeighbourKey, BTreeSet<IpAddr>>,
    unrouted: BTreeSet<IpAddr>,
    undecided: BTreeSet<IpAddr>,
    /// Neighbours that the kernel was asked to keep fresh since the last [`Table::ask_again`].
    asked: BTreeSet<NeighbourKey>,
    /// Neighbours that nobody is behind any more.
    left: BTreeSet<NeighbourKey>,
}

impl Table {
    pub(crate) fn new(mode: XdpMode) -> Self {
        Self {
            mode,
            links: Links::new(),
            neighbours: HashMap::new(),
            ways: BTreeMap::new(),
            behind: HashMap::new(),
            unrouted: BTreeSet::new(),
            undecided: BTreeSet::new(),
            asked: BTreeSet::new(),
            left: BTreeSet::new(),
        }
    }

    /// From now on these addresses are wanted, and no others.
    pub(crate) fn want(&mut self, wanted: &BTreeSet<IpAddr>) {
        let gone: Vec<IpAddr> = self.ways.keys().filter(|address| !wanted.contains(address)).copied().collect();
        for address in gone {
            self.stop_waiting_behind(address);
            self.ways.remove(&address);
            self.unrouted.remove(&address);
            self.undecided.remove(&address);
        }
        for &address in wanted {
            self.ways.entry(address).or_insert_with(|| {
                self.unrouted.insert(address);
                Way { route: None, last_egress: None, told: Err(NoNextHop::Pending) }
            });
        }
    }

    /// Takes the kernel's whole state, at the start and after changes were lost.
    pub(crate) fn replace(&mut self, links: Links, neighbours: HashMap<NeighbourKey, Neighbour>) {
        self.links = links;
        let mut old = std::mem::replace(&mut self.neighbours, neighbours);
        for key in self.behind.keys() {
            if let Some(known) = old.remove(key) {
                let now = self.neighbours.entry(*key).or_default();
                now.verdict = later(known.verdict, now.verdict);
            }
        }
        self.asked.clear();
        self.route_all();
    }

    /// Takes one change.
    pub(crate) fn change(&mut self, change: Change) {
        match change {
            Change::Link(index, link) => {
                if self.links.get(&index) != Some(&link) {
                    if !link.up {
                        self.forget_neighbours(index);
                    }
                    self.links.insert(index, link);
                    self.route_all();
                }
            }
            Change::LinkGone(index) => {
                if self.links.remove(&index).is_some() {
                    self.forget_neighbours(index);
                    self.route_all();
                }
            }
            Change::Neighbour(key, entry) => {
                let known = self.neighbours.get(&key).map(|known| known.verdict).unwrap_or_default();
                let verdict = later(known, entry.verdict);
                self.neighbours.insert(key, Neighbour { verdict, ..entry });
                if verdict != known {
                    self.undecided.extend(self.behind.get(&key).into_iter().flatten());
                }
            }
            Change::NeighbourGone(key) => {
                self.asked.remove(&key);
                let wanted = self.behind.contains_key(&key);
                match self.neighbours.get_mut(&key) {
                    // What the kernel forgot for want of use is asked again, and its MAC address is good until then.
                    Some(known) if wanted => *known = Neighbour { verdict: known.verdict, ..Neighbour::default() },
                    _ => drop(self.neighbours.remove(&key)),
                }
            }
            Change::Routes(prefix) => {
                let within = self.ways.range(prefix.network()..=prefix.broadcast());
                self.unrouted.extend(within.map(|(address, _)| *address));
            }
            Change::AllRoutes => self.route_all(),
        }
    }

    /// All routes are looked up again.
    pub(crate) fn route_all(&mut self) {
        self.unrouted.extend(self.ways.keys());
    }

    /// The addresses whose route is to be looked up, each once.
    pub(crate) fn look_ups(&mut self) -> BTreeSet<IpAddr> {
        std::mem::take(&mut self.unrouted)
    }

    /// Takes the kernel's answer to a look-up.
    pub(crate) fn route(&mut self, address: IpAddr, route: Route) {
        let Some(way) = self.ways.get(&address) else { return };
        let key = route.neighbour(address);
        if way.route.as_ref().and_then(|route| route.neighbour(address)) != key {
            self.stop_waiting_behind(address);
        }
        let Some(way) = self.ways.get_mut(&address) else { return };
        if let Some(key) = key {
            way.last_egress = Some(key.0);
            self.behind.entry(key).or_default().insert(address);
            self.left.remove(&key);
        }
        way.route = Some(route);
        self.undecided.insert(address);
    }

    /// The answers that are new since the last call.
    pub(crate) fn answers(&mut self) -> Vec<(IpAddr, Answer)> {
        let mut answers = Vec::new();
        for address in std::mem::take(&mut self.undecided) {
            let Some(way) = self.ways.get_mut(&address) else { continue };
            let Some(route) = &way.route else { continue };
            let neighbour = route.neighbour(address).and_then(|key| self.neighbours.get(&key));
            let verdict = neighbour.map(|known| known.verdict).unwrap_or_default();
            let decided = resolve(address, route, &self.links, verdict, self.mode, way.last_egress);
            if let Some(answer) = news(&way.told, decided, &self.links) {
                way.told = answer.clone();
                answers.push((address, answer));
            }
        }
        answers
    }

    /// The neighbours that the kernel is to be asked to keep fresh, each once until [`Table::ask_again`].
    pub(crate) fn neighbours_to_ask(&mut self) -> Vec<NeighbourKey> {
        let links = &self.links;
        let can_answer = |index| links.get(&index).is_some_and(|link| link.up && link.mac.is_some());
        let fresh = |key| self.neighbours.get(key).is_some_and(|known| known.managed || known.fixed);
        let to_ask = self.behind.keys().filter(|key| can_answer(key.0) && !fresh(key) && !self.asked.contains(key));
        let to_ask: Vec<_> = to_ask.copied().collect();
        self.asked.extend(&to_ask);
        to_ask
    }

    /// Lets those be asked again that the kernel has not confirmed.
    pub(crate) fn ask_again(&mut self) {
        self.asked.clear();
    }

    /// The neighbours that need not be kept fresh any more.
    pub(crate) fn neighbours_to_release(&mut self) -> Vec<NeighbourKey> {
        let left = std::mem::take(&mut self.left);
        left.into_iter().filter(|key| self.neighbours.get(key).is_some_and(|known| known.ours)).collect()
    }

    /// What an agent before this one asked for and nobody is behind now. To be called once, when all routes are known:
    /// two agents that did it again and again would undo each other's wishes for ever.
    pub(crate) fn leave_orphans(&mut self) {
        let orphans = self.neighbours.keys().filter(|key| !self.behind.contains_key(key));
        self.left.extend(orphans);
    }

    fn stop_waiting_behind(&mut self, address: IpAddr) {
        let route = self.ways.get(&address).and_then(|way| way.route.as_ref());
        let Some(key) = route.and_then(|route| route.neighbour(address)) else { return };
        if let Some(waiting) = self.behind.get_mut(&key) {
            waiting.remove(&address);
            if waiting.is_empty() {
                self.behind.remove(&key);
                self.asked.remove(&key);
                self.left.insert(key);
            }
        }
    }

    fn forget_neighbours(&mut self, interface: u32) {
        self.neighbours.retain(|key, _| key.0 != interface);
        self.asked.retain(|key| key.0 != interface);
    }
}

/// What is known after `now` was seen: a neighbour that is merely asked again keeps what was known.
fn later(known: Verdict, now: Verdict) -> Verdict {
    if now == Verdict::Unknown { known } else { now }
}

#[cfg(test)]
mod tests;
