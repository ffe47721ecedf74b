//! Supply against need in blocks, as wide as a terminal is at least.

use super::super::render::{Style, Tone};

const WIDTH: usize = 76;
const HEIGHT: u32 = 8;

/// Eighths of a cell.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Need as blocks, and above it the supply as a line; a column in which supply was too little for a moment is red (or
/// marked below, where there are no colours).
pub fn lines(need: &[Option<u32>], supply: &[u32], style: Style) -> String {
    let columns = columns(need, supply);
    let highest = columns.iter().map(|column| column.need.max(column.supply)).max().unwrap_or(1).max(1);
    let mut text = String::new();
    for row in (0..HEIGHT).rev() {
        let label = if row + 1 == HEIGHT { highest.to_string() } else { String::new() };
        text.push_str(&format!("{label:>4} "));
        for column in &columns {
            let filled = (column.need * HEIGHT * 8).div_ceil(highest).saturating_sub(row * 8).min(8);
            let served = (column.supply * HEIGHT).div_ceil(highest);
            let cell = match filled {
                0 if served == row + 1 => '─',
                0 => ' ',
                filled => BLOCKS[filled as usize - 1],
            };
            let tone = if column.under { Tone::Bad } else { Tone::Dim };
            let painted = if cell == ' ' { cell.to_string() } else { style.paint(tone, &cell.to_string()) };
            text.push_str(&painted);
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    let marks: String = columns.iter().map(|column| if column.under { '!' } else { ' ' }).collect();
    if !style.colours && !marks.trim().is_empty() {
        text.push_str(&format!("     {}\n", marks.trim_end()));
    }
    text
}

/// A stretch of time.
struct Column {
    need: u32,
    supply: u32,
    under: bool,
}

fn columns(need: &[Option<u32>], supply: &[u32]) -> Vec<Column> {
    let length = need.len().min(supply.len());
    let count = WIDTH.min(length).max(1);
    let part = |index: usize| index * length / count;
    let column = |index: usize| {
        let (need, supply) = (&need[part(index)..part(index + 1)], &supply[part(index)..part(index + 1)]);
        let under = need.iter().zip(supply).any(|(need, supply)| need.is_some_and(|need| need > *supply));
        Column {
            need: need.iter().flatten().copied().max().unwrap_or(0),
            supply: supply.iter().copied().max().unwrap_or(0),
            under,
        }
    };
    (0..count).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn need_is_filled_supply_is_a_line_and_what_was_missing_is_marked() {
        let need = [Some(8), Some(4), None, Some(8)];
        let supply = [8, 8, 8, 2];
        let drawn = lines(&need, &supply, Style::PLAIN);
        let rows: Vec<&str> = drawn.lines().collect();
        assert_eq!(rows.len(), 9, "{drawn}");
        assert_eq!((rows[0], rows[7], rows[8]), ("   8 █──█", "     ██ █", "        !"), "{drawn}");
        assert_eq!(rows[3], "     █  █", "half of need is half as high: {drawn}");
        assert_eq!(rows[4], "     ██ █", "{drawn}");
    }
}
