//! The figures on file: a JSON list, and a table within `benches/README.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::figure::Figure;
use crate::report::short;

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench --record` -->";
const END: &str = "<!-- end of figures -->";

/// The figures on file with the new ones in their place. A bench that was run anew loses its old figures.
pub(crate) fn merged(on_file: Vec<Figure>, new: Vec<Figure>) -> Vec<Figure> {
    let bench = |figure: &Figure| figure.name.split('/').next().unwrap_or_default().to_owned();
    let measured: Vec<String> = new.iter().map(bench).collect();
    let mut all: Vec<Figure> = on_file.into_iter().filter(|figure| !measured.contains(&bench(figure))).collect();
    all.extend(new);
    all
}

/// Replaces the table in `page`.
pub(crate) fn rewrite(page: &Path, figures: &[Figure]) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("read {}", page.display()))?;
    let place = || format!("{} has no lines '{BEGIN}' and '{END}' to put the table between", page.display());
    let (before, rest) = text.split_once(BEGIN).with_context(place)?;
    let (_, after) = rest.split_once(END).with_context(place)?;
    fs::write(page, format!("{before}{BEGIN}\n{}{END}{after}", table(figures)))
        .with_context(|| format!("write {}", page.display()))
}

fn table(figures: &[Figure]) -> String {
    let mut table =
        "| figure | median | least to greatest | goal | met |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for figure in figures {
        let goal = figure.goal.map(short).unwrap_or_default();
        let met = figure.met.map_or("", |met| if met { "yes" } else { "no" });
        let unit = if figure.unit == "ratio" { "" } else { &figure.unit };
        // A String takes whatever is written to it.
        let _written = writeln!(
            table,
            "| {} | {} {unit} | {} to {} | {goal} | {met} |",
            figure.name,
            short(figure.value),
            short(figure.min),
            short(figure.max)
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, value: f64) -> Figure {
        Figure::of(name.to_owned(), "ns", &[value], None).expect("one sample")
    }

    #[test]
    fn a_bench_that_ran_anew_loses_its_old_figures_and_others_stay() {
        let all = merged(
            vec![figure("a/gone", 1.0), figure("a/kept", 1.0), figure("b/other", 1.0)],
            vec![figure("a/kept", 2.0)],
        );
        let names: Vec<_> = all.iter().map(|figure| (figure.name.as_str(), figure.value)).collect();
        assert_eq!(names, [("b/other", 1.0), ("a/kept", 2.0)]);
    }

    #[test]
    fn the_table_is_rewritten_between_its_marks_only() {
        let folder = std::env::temp_dir().join(format!("nlb-bench-page-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        let page = folder.join("README.md");
        fs::write(&page, format!("above\n{BEGIN}\nold\n{END}\nbelow\n")).expect("a page");
        let rewritten = rewrite(&page, &[figure("a/b", 12.0)]);
        let text = fs::read_to_string(&page).expect("the page");
        fs::remove_dir_all(&folder).expect("the folder");
        rewritten.expect("rewritten");
        assert!(text.starts_with("above\n") && text.ends_with(&format!("{END}\nbelow\n")), "{text}");
        assert!(text.contains("| a/b | 12.00 ns | 12.00 to 12.00 |  |  |") && !text.contains("old"), "{text}");
    }
}
