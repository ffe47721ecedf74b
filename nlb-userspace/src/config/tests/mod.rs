//! What the configuration file promises: which mistakes are told and where, which files are read, and that text and
//! settings are each other's image.

mod any_autoscaling_group;
mod docs;
mod errors;
mod files;
mod reference;
mod round_trip;
