//! What a wrong file is told: `errors.txt` holds the cases, each with its problems marked below the line they are in.

use crate::config::{ConfigErrors, Problem, parse};

const CASES: &str = include_str!("errors.txt");
const AGENT: &str = "[agent]\ninterfaces = [\"eth0\"]\n";

struct Case {
    name: &'static str,
    marked: String,
}

fn cases() -> impl Iterator<Item = Case> {
    CASES.split("=== ").skip(1).map(|case| {
        let (name, marked) = case.split_once('\n').expect("a case has a name and a text");
        Case { name, marked: format!("{}\n", marked.trim_end()) }
    })
}

impl Case {
    fn text(&self) -> String {
        let lines = self.marked.lines().filter(|line| !line.trim_start().starts_with('^'));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// `text` with every problem marked below its line: `^^^ message`, and the help behind `// `.
fn mark(text: &str, problems: &[Problem]) -> String {
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        out += &format!("{line}\n");
        for problem in problems.iter().filter(|problem| problem.place.line == index + 1) {
            let place = &problem.place;
            out += &format!("{}{} {}", " ".repeat(place.column - 1), "^".repeat(place.length), problem.message);
            if let Some(help) = &problem.help {
                out += &format!(" // {help}");
            }
            out.push('\n');
        }
    }
    out
}

#[test]
fn every_problem_is_found_where_it_is() {
    let mut wrong = String::new();
    for case in cases() {
        let text = case.text();
        let whole = if text.contains("[agent]") { text.clone() } else { format!("{text}{AGENT}") };
        let problems = match parse(&whole, "nlb.toml") {
            Err(ConfigErrors::Invalid(problems)) => problems,
            Err(other) => panic!("{}: {other}", case.name),
            Ok(_) => Vec::new(),
        };
        let found = mark(&text, &problems);
        let marks = case.marked.lines().filter(|line| line.trim_start().starts_with('^')).count();
        if found != case.marked || problems.is_empty() || marks != problems.len() {
            wrong += &format!("=== {}\n{found}\n", case.name);
        }
    }
    assert!(wrong.is_empty(), "these cases are told otherwise:\n{wrong}");
}

#[test]
fn line_ends_and_tabs_do_not_move_columns() {
    for case in cases() {
        let text = case.text();
        let whole = if text.contains("[agent]") { text } else { format!("{text}{AGENT}") };
        let places = |text: &str| -> Vec<(usize, usize, usize)> {
            let errors = parse(text, "f").unwrap_err();
            errors.problems().iter().map(|p| (p.place.line, p.place.column, p.place.length)).collect()
        };
        assert_eq!(places(&whole.replace('\n', "\r\n")), places(&whole), "{}", case.name);
        assert_eq!(places(&whole.replace(" = ", "\t=\t")), places(&whole), "{}", case.name);
    }
}

#[test]
fn a_problem_is_rendered_for_editors_and_people() {
    let text = "[agent]\ninterfaces = [\"eth0\"]\n\tmdoe = \"native\"\n";
    let errors = parse(text, "/etc/nlb/nlb.toml").unwrap_err();
    let expected = [
        "/etc/nlb/nlb.toml:3:2: unknown key `mdoe` in `[agent]`",
        "  |",
        "3 | \tmdoe = \"native\"",
        "  | \t^^^^",
        "  = help: did you mean `mode`?",
    ];
    assert_eq!(errors.to_string(), expected.join("\n"));
}

#[test]
fn a_file_without_an_agent_is_told_how_to_begin() {
    for text in ["", "\n", "# nothing\n", "\u{feff}"] {
        let errors = parse(text, "f").unwrap_err();
        assert_eq!(errors.problems().len(), 1);
        assert!(errors.to_string().starts_with("f:1:1: the file has no `[agent]`\n"), "{errors}");
    }
}

#[test]
fn several_problems_end_with_their_number() {
    let errors = parse("[agent]\ninterfaces = []\nmode = 5\n", "f").unwrap_err();
    assert_eq!(errors.problems().len(), 2);
    assert!(errors.to_string().ends_with("\n\nf: 2 problems"), "{errors}");
}

#[test]
fn scripts_get_the_same_as_json() {
    let errors = parse("[agent]\ninterfaces = []\n", "f").unwrap_err();
    assert_eq!(
        errors.to_json(),
        serde_json::json!([{
            "file": "f", "line": 2, "column": 14, "length": 2, "text": "interfaces = []",
            "message": "`interfaces` is empty",
            "help": "name the interfaces that clients' packets come in by",
        }])
    );
}
