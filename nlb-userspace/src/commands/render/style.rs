//! Colours and marks, where they are wanted.

use std::io::IsTerminal;

use crate::args::ColorChoice;

/// What a text means, which its colour shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// To be looked at.
    Warn,
    /// Broken.
    Bad,
    /// Less important than the rest.
    Dim,
    /// A heading.
    Bold,
}

/// What the place that is written to can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are wanted.
    pub colours: bool,
    /// Whether a person looks: marks and bars besides words.
    pub marks: bool,
}

impl Style {
    /// Neither colours nor marks.
    pub const PLAIN: Self = Self { colours: false, marks: false };

    /// What `stream` can show, as `choice` and the environment want it (<https://no-color.org>).
    pub fn of(choice: ColorChoice, stream: &impl IsTerminal) -> Self {
        let terminal = stream.is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let colours = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self { colours, marks: terminal || choice == ColorChoice::Always }
    }

    /// `text` in the colour of `tone`.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
            Tone::Dim => "2",
            Tone::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// `text` behind the mark of `tone`, where marks are wanted.
    pub fn marked(self, tone: Tone, text: &str) -> String {
        if !self.marks {
            return text.to_owned();
        }
        let mark = match tone {
            Tone::Good => "●",
            Tone::Warn => "▲",
            Tone::Bad => "✖",
            Tone::Dim | Tone::Bold => "○",
        };
        format!("{mark} {text}")
    }
}
