//! Where answers go: standard output, as text or as JSON.

use std::io::{self, Write as _};

use serde::Serialize;

use super::CommandError;
use super::render::Style;
use crate::args::Global;

/// How this process shows its answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
    style: Style,
}

impl Output {
    /// What the arguments and the terminal want.
    pub(super) fn new(global: &Global) -> Self {
        Self { json: global.json, style: Style::of(global.color, &io::stdout()) }
    }

    /// Whether JSON is wanted.
    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    /// What the terminal can show.
    pub(super) const fn style(self) -> Style {
        self.style
    }

    /// Shows `value`: as JSON, or as the text that `text` makes of it.
    pub(super) fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T, Style) -> String,
    ) -> Result<(), CommandError> {
        if self.json {
            let mut json = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
            json.push('\n');
            self.text(&json)
        } else {
            self.text(&text(value, self.style))
        }
    }

    /// Shows `value` on a line: one of many that come one by one.
    pub(super) fn line<T: Serialize>(self, value: &T, text: &str) -> Result<(), CommandError> {
        let line = if self.json { serde_json::to_string(value).map_err(io::Error::from)? } else { text.to_owned() };
        self.text(&format!("{line}\n"))
    }

    /// Shows a text as it is.
    pub(super) fn text(self, text: &str) -> Result<(), CommandError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }
}
