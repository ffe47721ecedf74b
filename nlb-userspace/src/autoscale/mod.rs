//! Capacity follows demand: autoscaling groups launch, add, drain and replace instances.
//!
//! Pure but for the `runtime`: what is configured is `model`, what to do about what happens is `engine`, a function of
//! (state, event, now). What launches an instance is `crate::providers`' business, what a target is `crate::control`'s.
//!
//! The invariant: an instance that a provider was asked for is in the store before the asking, under a token that the
//! provider gives back, so that a crash at any moment neither loses an instance nor launches it twice.

pub mod backtest;
pub mod engine;
pub mod forecast;
pub mod model;
pub mod policy;
pub mod runtime;
