//! How things look to people: colours, marks, tables and units. Knows nothing of the agent.

mod style;
mod table;
mod units;

pub use style::{Style, Tone};
pub use table::{Cell, Table};
pub use units::{age, bar, bits, count, plural, rate};
