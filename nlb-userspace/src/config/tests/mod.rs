mod errors;
mod files;
mod reference;
mod round_trip;
