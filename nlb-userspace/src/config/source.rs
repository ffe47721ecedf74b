//! A file's text, and where in it a byte stands as people and editors count.

use std::ops::Range;

use serde::Serialize;

/// A text with its file's name.
#[derive(Clone, Debug)]
pub struct Source {
    file: String,
    text: String,
    /// Byte offset of every line's first byte.
    lines: Vec<usize>,
}

/// A part of one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file's name as the user gave it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; a tab is one.
    pub column: usize,
    /// Characters from there on, at least 1.
    pub length: usize,
    /// The line, without its end.
    pub text: String,
}

impl Source {
    /// The text of `file`.
    pub fn new(file: &str, text: &str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.to_owned(), text: text.to_owned(), lines }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the bytes of `span` stand. What reaches beyond its first line is cut there.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let start = self.floor(span.start);
        let index = self.lines.partition_point(|&line| line <= start) - 1;
        let begin = self.lines[index];
        let line = self.text[begin..].split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let end = begin + line.len();

        let before = &self.text[begin..start.min(end)];
        let marked = &self.text[start.min(end)..self.floor(span.end).clamp(start.min(end), end)];
        // A byte order mark is no column of its own.
        let mark = usize::from(before.starts_with('\u{feff}'));
        Place {
            file: self.file.clone(),
            line: index + 1,
            column: before.chars().count() + 1 - mark,
            length: marked.chars().count().max(1),
            text: line.trim_start_matches('\u{feff}').to_owned(),
        }
    }

    /// The line of the byte at `offset`, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.place(&(offset..offset)).line
    }

    /// The start of the character that holds the byte at `offset`.
    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_whatever_the_line_ends() {
        let cases = [
            ("a = 1\nb = 2\n", 6..7, (2, 1, 1)),
            ("a = 1\r\nb = 2\r\n", 11..12, (2, 5, 1)),
            ("\ta = 1", 1..2, (1, 2, 1)),
            ("ä = \"ö\"\nb", 5..9, (1, 5, 3)),
            ("\u{feff}a = 1", 3..4, (1, 1, 1)),
            ("a = [\n1]", 4..8, (1, 5, 1)),
            ("a\r\n", 1..3, (1, 2, 1)),
            ("a\n", 2..2, (2, 1, 1)),
            ("", 0..0, (1, 1, 1)),
            ("a", 7..9, (1, 2, 1)),
        ];
        for (text, span, (line, column, length)) in cases {
            let place = Source::new("f", text).place(&span);
            assert_eq!((place.line, place.column, place.length), (line, column, length), "{text:?} {span:?}");
            assert!(!place.text.contains(['\r', '\n']), "{:?}", place.text);
        }
    }
}
