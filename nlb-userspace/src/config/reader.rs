//! Reads tables of a file with their positions, and notes every problem instead of stopping at the first.
//!
//! A reading function asks for each of its keys and takes the values apart with `?` only at its end, so that one wrong
//! key does not hide another. [`Reported`] is the proof that the reason of a failure is already noted.

mod table;
mod value;

use std::cell::RefCell;
use std::ops::Range;

use toml::de::DeTable;

use super::error::{ConfigErrors, Problem, Reported};
use super::schema::Section;
use super::source::Source;

pub use table::Table;
pub use value::Value;

/// What is wrong with a value, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong, after the key's name: "is no address".
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Complaint {
    /// Says what is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// Adds what would be right.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Reads `text` of the file `file` with `build`, which sees the top of the file. Any problem noted makes it fail.
pub fn read<T>(
    text: &str,
    file: &str,
    sections: &'static [Section],
    build: impl FnOnce(&Table<'_>) -> Result<T, Reported>,
) -> Result<T, ConfigErrors> {
    let notes = Notes { source: Source::new(file, text), sections, problems: RefCell::default() };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        notes.syntax(error);
    }
    // What the parser makes of a broken file would only add noise.
    let built = if errors.is_empty() { build(&Table::new(document.get_ref(), 0..0, "", &notes)).ok() } else { None };

    let mut problems = notes.problems.into_inner();
    problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
    problems.dedup();
    match built {
        Some(built) if problems.is_empty() => Ok(built),
        _ => Err(ConfigErrors::Invalid(problems)),
    }
}

/// The problems so far, and what is needed to say where they are.
#[derive(Debug)]
struct Notes {
    source: Source,
    sections: &'static [Section],
    problems: RefCell<Vec<Problem>>,
}

impl Notes {
    fn add(&self, span: &Range<usize>, message: String, help: Option<String>) -> Reported {
        self.problems.borrow_mut().push(Problem { place: self.source.place(span), message, help });
        Reported(())
    }

    fn syntax(&self, error: &toml::de::Error) {
        let span = error.span().unwrap_or(0..0);
        let place = self.source.place(&span);
        // One mistake may be told twice, as with a text that ends in `\r`.
        if self.problems.borrow().iter().any(|problem| problem.place == place) {
            return;
        }
        let value = place.text.split_once('=').map_or("", |(_, value)| value.trim_start());
        let help = value
            .starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | ':' | '.'))
            .then(|| "text stands in quotes: key = \"value\"".to_owned());
        self.add(&span, error.message().to_owned(), help);
    }

    fn section(&self, path: &str) -> Option<&'static Section> {
        self.sections.iter().find(|section| section.path == path)
    }

    /// Names of the keys and tables that may stand in the section `path`.
    fn known(&self, path: &str) -> Vec<&'static str> {
        let keys = self.section(path).into_iter().flat_map(|section| section.keys).map(|key| key.name);
        let tables = self.sections.iter().filter_map(Section::place).filter(|(parent, _)| *parent == path);
        keys.chain(tables.map(|(_, name)| name)).collect()
    }
}
