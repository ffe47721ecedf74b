//! Aligned columns without borders: what a person reads, and what `awk` can.

use super::{Style, Tone};

/// One cell: a text, and what it means.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A text that means something.
    pub fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Some(tone) }
    }

    /// A number in force, and what the file says instead, where a runtime change is over it.
    pub fn overriding(number: u16, in_file: Option<u16>) -> Self {
        match in_file {
            Some(file) => Self::toned(Tone::Warn, format!("{number} (file {file})")),
            None => number.to_string().into(),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: None }
    }
}

/// Rows below a heading. An empty cell is shown as `-`, so that columns can be counted.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug)]
struct Column {
    heading: &'static str,
    right: bool,
}

impl Table {
    /// A table with these headings. One that begins with `>` is of numbers, flush right.
    pub fn new(headings: &[&'static str]) -> Self {
        let columns = headings.iter().map(|heading| match heading.strip_prefix('>') {
            Some(heading) => Column { heading, right: true },
            None => Column { heading, right: false },
        });
        Self { columns: columns.collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let filled = cells.into_iter().map(|mut cell| {
            if cell.text.is_empty() {
                cell.text.push('-');
            }
            cell
        });
        self.rows.push(filled.collect());
    }

    /// The table as text, a line a row, without trailing spaces.
    pub fn render(&self, style: Style) -> String {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|cell| width(&cell.text));
                cells.chain([width(column.heading)]).max().unwrap_or(0)
            })
            .collect();
        let headings = self.columns.iter().map(|column| Cell::toned(Tone::Bold, column.heading)).collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            text.push_str(&self.line(row, &widths, style));
            text.push('\n');
        }
        text
    }

    fn line(&self, row: &[Cell], widths: &[usize], style: Style) -> String {
        let mut line = String::new();
        let last = row.len().saturating_sub(1);
        for (index, ((cell, column), &wide)) in row.iter().zip(&self.columns).zip(widths).enumerate() {
            let space = " ".repeat(wide.saturating_sub(width(&cell.text)));
            let painted = cell.tone.map_or_else(|| cell.text.clone(), |tone| style.paint(tone, &cell.text));
            match (column.right, index == last) {
                (true, _) => line.extend([space.as_str(), painted.as_str()]),
                (false, false) => line.extend([painted.as_str(), space.as_str()]),
                (false, true) => line.push_str(&painted),
            }
            if index != last {
                line.push_str("  ");
            }
        }
        line
    }
}

/// Columns on a terminal. Everything shown here is of single width.
fn width(text: &str) -> usize {
    text.chars().count()
}
