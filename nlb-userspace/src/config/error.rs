//! What is wrong with a configuration, where, and what would be right.
//!
//! Shared by the edge's file and the target host's: nothing here knows what the keys mean.

use std::fmt::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::source::Place;

/// Why a configuration can't be used: every problem of the file, not just the first.
#[derive(Debug, thiserror::Error)]
pub enum ConfigErrors {
    /// No file of that name.
    #[error("{}: no such file: write one, or name another with `--config FILE`", file.display())]
    NotFound {
        /// The file.
        file: PathBuf,
    },
    /// A directory, device or socket.
    #[error("{}: not a file: name the configuration file itself", file.display())]
    NotAFile {
        /// What was named.
        file: PathBuf,
    },
    /// The file may not be read.
    #[error("{}: no permission to read it: run as root, or as a user who may", file.display())]
    PermissionDenied {
        /// The file.
        file: PathBuf,
    },
    /// The file can't be read for another reason.
    #[error("{}: can't be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Much larger than any configuration.
    #[error("{}: {size} bytes: a configuration has at most {limit}", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        size: u64,
        /// The largest that is read.
        limit: u64,
    },
    /// Not a text.
    #[error("{}:{line}:{column}: not UTF-8: save the file in UTF-8", file.display())]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// Line of the first byte that is wrong, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
    /// A text with problems.
    #[error("{}", render(.0))]
    Invalid(
        /// In the order of the file; at least one.
        Vec<Problem>,
    ),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What would be right, when there is more to say than the message does.
    pub help: Option<String>,
}

/// Proof that a problem was noted: whoever holds one need not report again. Made by the reader only.
#[derive(Clone, Copy, Debug)]
pub struct Reported(pub(super) ());

impl ConfigErrors {
    /// The problems within the text; none when the file could not be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            _ => &[],
        }
    }

    /// For scripts: a list of objects with `message`, `help`, and where known `file`, `line`, `column`, `length` and
    /// `text` of the line.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Invalid(problems) => json!(problems),
            Self::NotUtf8 { file, line, column } => {
                json!([{ "file": file, "line": line, "column": column, "message": self.to_string(), "help": null }])
            }
            Self::NotFound { file }
            | Self::NotAFile { file }
            | Self::PermissionDenied { file }
            | Self::Unreadable { file, .. }
            | Self::TooLarge { file, .. } => {
                json!([{ "file": file, "message": self.full(), "help": null }])
            }
        }
    }

    /// The message together with its cause.
    fn full(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: message`, the line with the place marked, and the help.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column, length, text } = &self.place;
        writeln!(f, "{file}:{line}:{column}: {}", self.message)?;

        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        // Tabs are kept, so that the mark stands below its text however wide the terminal makes them.
        let indent: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", Printable(text))?;
        write!(f, "{gutter} | {indent}{}", "^".repeat(*length))?;
        if let Some(help) = &self.help {
            write!(f, "\n{gutter} = help: {help}")?;
        }
        Ok(())
    }
}

/// A line of somebody's file, safe for a terminal.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(if c.is_control() && c != '\t' { '\u{fffd}' } else { c }))
    }
}

fn render(problems: &[Problem]) -> String {
    let mut out: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if let [first, _, ..] = problems {
        out.push(format!("{}: {} problems", first.place.file, problems.len()));
    }
    out.join("\n\n")
}
