//! Supply against need as a picture that a browser shows.

use std::fmt::Write as _;

use super::{Report, Run};

const WIDTH: f64 = 1_200.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 50.0;
const TOP: f64 = 30.0;

/// Points across: more could not be told apart.
const POINTS: usize = 1_150;

/// One panel a rule: what was needed as an area, what served as a line, and where it was too little in red.
pub fn svg(report: &Report) -> String {
    let need: Vec<u32> = report.demand.need.iter().map(|need| need.unwrap_or(0)).collect();
    let highest =
        report.rules.iter().flat_map(|entry| &entry.run.supply).chain(&need).copied().max().unwrap_or(1).max(1);
    let panel = HEIGHT + TOP + 10.0;
    let count = f64::from(u32::try_from(report.rules.len()).unwrap_or(u32::MAX));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 10.0,
        panel * count + 10.0,
    );
    for (entry, index) in report.rules.iter().zip(0_u32..) {
        let offset = f64::from(index) * panel + TOP;
        let measures = entry.measures;
        // A String takes whatever is written to it; so all over this file.
        let _written = write!(
            text,
            "<g transform=\"translate({LEFT},{offset})\">\n<text x=\"0\" y=\"-8\">{}: under {:.2} % of time, \
             {:.0} instance-hours</text>\n<text x=\"-8\" y=\"12\" text-anchor=\"end\">{highest}</text>\n\
             <text x=\"-8\" y=\"{HEIGHT}\" text-anchor=\"end\">0</text>\n",
            entry.rule.name(),
            measures.time_under * 100.0,
            measures.instance_hours,
        );
        text.push_str(&lines(&need, &entry.run, highest));
        text.push_str("</g>\n");
    }
    text.push_str("</svg>\n");
    text
}

fn lines(need: &[u32], run: &Run, highest: u32) -> String {
    let chunk = need.len().div_ceil(POINTS).max(1);
    let across = f64::from(u32::try_from(need.len()).unwrap_or(u32::MAX)).max(1.0);
    let place = |index: usize| f64::from(u32::try_from(index).unwrap_or(u32::MAX)) / across * WIDTH;
    let high = |value: u32| HEIGHT - f64::from(value) / f64::from(highest) * HEIGHT;
    let (mut area, mut line, mut under) = (format!("M0,{HEIGHT}"), String::new(), String::new());
    for (number, (need, supply)) in need.chunks(chunk).zip(run.supply.chunks(chunk)).enumerate() {
        let (from, to) = (place(number * chunk), place(number * chunk + need.len()));
        let needed = need.iter().copied().max().unwrap_or(0);
        let served = supply.iter().copied().max().unwrap_or(0);
        let _written = write!(area, "L{from:.1},{0:.1}L{to:.1},{0:.1}", high(needed));
        let _written =
            write!(line, "{}{from:.1},{1:.1}L{to:.1},{1:.1}", if number == 0 { "M" } else { "L" }, high(served));
        // The bin in which most was missing stands for its neighbours.
        let missing =
            need.iter().zip(supply).filter(|(need, supply)| need > supply).max_by_key(|(need, supply)| *need - *supply);
        if let Some((need, supply)) = missing {
            let middle = f64::midpoint(from, to);
            let _written = write!(under, "M{middle:.1},{:.1}V{:.1}", high(*need), high(*supply));
        }
    }
    format!(
        "<path d=\"{area}L{WIDTH},{HEIGHT}Z\" fill=\"#cfd8e3\"/>\n<path d=\"{line}\" fill=\"none\" stroke=\"#1f5fa8\"/>\n\
         <path d=\"{under}\" stroke=\"#d03030\" stroke-width=\"1.5\"/>\n"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Aims, RuleKind, Setting, Trace, report};
    use super::*;

    #[test]
    fn a_drawing_has_a_panel_a_rule_and_marks_where_supply_was_too_little() {
        let points = (0..40).map(|index| (f64::from(index) * 300.0, if index % 9 == 8 { 30.0 } else { 3.0 }));
        let trace = Trace::of(points.collect()).expect("a trace");
        let setting = Setting { bin: Duration::from_secs(300), capacity: 1.0, start: Duration::ZERO };
        let rules = [RuleKind::Hpa, RuleKind::Oracle];
        let drawing = svg(&report(&trace, setting, Aims { quantile: 0.9, target: 0.7 }, &rules));
        assert_eq!(drawing.matches("<g ").count(), 2);
        assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"));
        let marks: Vec<_> = drawing.lines().filter(|line| line.contains("#d03030")).collect();
        assert!(marks[0].contains('V') && !marks[1].contains('V'), "the HPA is late, the oracle never");
    }
}
