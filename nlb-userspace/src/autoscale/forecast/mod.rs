//! Forecasts of load, with prediction intervals.
//!
//! Pure: values in, distributions out, no clock. [`Outlook`] forecasts one value a fixed number of steps ahead and learns
//! from each that comes.

mod errors;
mod experts;
mod features;
mod outlook;
mod past;
mod smoothing;
mod solve;

pub use outlook::{Distribution, Observed, Outlook, Score};

#[cfg(test)]
mod tests;
