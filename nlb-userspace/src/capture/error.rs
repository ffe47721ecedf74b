//! What is wrong with a filter, where, and what would be right.

use crate::model::{Listener, Name};

/// A text that is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter is wrong at character {at}: {wrong}")]
pub struct FilterError {
    /// Where, counted from 1.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub wrong: Wrong,
}

/// What can be wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A word that no condition begins with.
    #[error("`{word}` is no condition: there are host, net, port, proto, vip, listener, target and dropped")]
    Unknown {
        /// The word.
        word: String,
    },
    /// The text ends where a condition should follow.
    #[error("a condition is missing behind `and`")]
    Ends,
    /// A condition without its value.
    #[error("`{condition}` needs a value, as `{condition} {example}`")]
    NoValue {
        /// The condition.
        condition: &'static str,
        /// A value.
        example: &'static str,
    },
    /// A value that the condition can't have.
    #[error("`{value}` is no value of `{condition}`: write {right}")]
    Value {
        /// The condition.
        condition: &'static str,
        /// The value.
        value: String,
        /// What it may be.
        right: &'static str,
    },
    /// Two conditions without `and` between them.
    #[error("`{word}` stands where `and` should: conditions are joined by `and`, all of them must hold")]
    NoAnd {
        /// What stands there.
        word: String,
    },
    /// A condition more often than a packet can meet it.
    #[error("`{condition}` for the {} time: {why}", if *.most == 1 { "second" } else { "third" })]
    TooMany {
        /// The condition.
        condition: &'static str,
        /// How often it may stand there.
        most: usize,
        /// Why not more often.
        why: &'static str,
    },
    /// A condition that another one says already.
    #[error("`listener` says address, port and protocol already: leave `{condition}` out")]
    SaidAlready {
        /// The condition.
        condition: &'static str,
    },
}

/// A filter names a listener that isn't there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no listener `{name}`; there are: {}", .known.join(", "))]
pub struct UnknownListener {
    /// The name.
    pub name: String,
    /// The names that there are.
    pub known: Vec<String>,
}

impl UnknownListener {
    pub(super) fn of(name: &Name, listeners: &[&Listener]) -> Self {
        let known = listeners.iter().map(|listener| listener.name.to_string()).collect();
        Self { name: name.to_string(), known }
    }
}
