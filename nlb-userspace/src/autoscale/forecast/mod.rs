//! Forecasts of load, with prediction intervals.
//!
//! Pure: values in, distributions out, no clock. [`Outlook`] forecasts one value a fixed number of steps ahead and learns
//! from each that comes; a [`Forecaster`] has one for each distance of the next 48 hours; a [`History`] is what it begins with.

mod errors;
mod experts;
mod features;
mod forecaster;
mod history;
mod outlook;
mod past;
mod smoothing;
mod solve;

pub use forecaster::{Choice, Expected, Forecaster};
pub use history::{History, Minutes};
pub use outlook::{Distribution, Observed, Outlook, Score};

#[cfg(test)]
mod tests;
