//! What the engine promises, told by a world that it runs in: a provider with faults, a load balancer, agents that die.
//!
//! The world is a model of its own: it shares no code with the engine, and counts for itself.

mod faults;
mod hooks;
mod life;
mod order;
mod properties;
mod refresh;
mod replacement;
mod schedules;
mod settings;
mod warm_pool;
mod world;
