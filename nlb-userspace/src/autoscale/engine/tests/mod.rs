//! What the engine promises, told by a world that it runs in: a provider with faults, a load balancer, agents that die.
//!
//! The world is a model of its own: it shares no code with the engine, and counts for itself.

mod life;
mod settings;
mod world;
