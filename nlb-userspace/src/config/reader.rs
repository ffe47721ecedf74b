//! Reads tables of a file with their positions, and notes every problem instead of stopping at the first.
//!
//! A reading function asks for each of its keys and takes the values apart with `?` only at its end, so that one wrong
//! key does not hide another. [`Reported`] is the proof that the reason of a failure is already noted.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigErrors, Problem, Reported};
use super::nearest::{listed, nearest};
use super::schema::{Absent, Section};
use super::source::Source;

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

/// One table of the file.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    path: &'static str,
    notes: &'a Notes,
}

impl<'a> Table<'a> {
    fn new(table: &'a DeTable<'a>, span: Range<usize>, path: &'static str, notes: &'a Notes) -> Self {
        let this = Self { table, span, path, notes };
        this.refuse_unknown();
        this
    }

    fn refuse_unknown(&self) {
        let known = self.notes.known(self.path);
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let elsewhere =
                || self.notes.sections.iter().find(|section| section.keys.iter().any(|key| key.name == name));
            let help = if let Some(meant) = nearest(name, known.iter().copied()) {
                format!("did you mean `{meant}`?")
            } else if let Some(section) = elsewhere() {
                format!("`{name}` belongs in {}", quoted(&section.header()))
            } else {
                format!("known here: {}", listed(known.iter().copied()))
            };
            self.notes.add(&key.span(), format!("unknown key `{name}` {}", self.within()), Some(help));
        }
    }

    /// "in `[agent]`".
    fn within(&self) -> String {
        match self.path {
            "" => "at the top of the file".to_owned(),
            _ => format!("in {}", self.header()),
        }
    }

    fn header(&self) -> String {
        self.notes.section(self.path).map_or_else(String::new, |section| quoted(&section.header()))
    }

    /// Where the table's header stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The value of `key`, if it is there.
    pub fn get(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.notes.known(self.path).contains(&key), "`{key}` is not in the schema of {}", self.header());
        self.table.get(key).map(|value| Value { key, value, notes: self.notes })
    }

    /// The value of `key`, which must be there.
    pub fn require(&self, key: &'static str) -> Result<Value<'a>, Reported> {
        self.get(key).ok_or_else(|| {
            let section = self.notes.section(self.path);
            let help = section.and_then(|section| {
                let key = section.keys.iter().find(|known| known.name == key && known.absent == Absent::Required)?;
                Some(format!("add `{} = {}`: {}", key.name, key.example, key.about))
            });
            self.notes.add(&self.span, format!("{} needs `{key}`", self.header()), help)
        })
    }

    /// What `read` makes of the value of `key`, if it is there.
    pub fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(Value<'a>) -> Result<T, Reported>,
    ) -> Result<Option<T>, Reported> {
        self.get(key).map(read).transpose()
    }

    /// The table within this one, if it is there.
    pub fn table(&self, key: &'static str) -> Result<Option<Self>, Reported> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let section = self.child(key);
        match value.value.get_ref() {
            DeValue::Table(table) => Ok(Some(Self::new(table, value.span(), section.path, self.notes))),
            DeValue::Array(_) => Err(value.wrong(
                Complaint::new("may stand only once").help(format!("write the header as `{}`", section.header())),
            )),
            _ => Err(value.wrong(Complaint::new("is a table").help(format!("begin it with `{}`", section.header())))),
        }
    }

    /// The tables within this one. What is no table is reported and left out.
    pub fn tables(&self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let section = self.child(key);
        let DeValue::Array(array) = value.value.get_ref() else {
            let header = section.header();
            value.wrong(Complaint::new("may stand many times").help(format!("write the header as `{header}`")));
            return Vec::new();
        };
        let read = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::Table(table) => Some(Self::new(table, item.span(), section.path, self.notes)),
            _ => {
                let help = format!("begin each with `{}`", section.header());
                self.notes.add(&item.span(), format!("`{key}` is a list of tables"), Some(help));
                None
            }
        };
        array.iter().filter_map(read).collect()
    }

    fn child(&self, key: &str) -> &'static Section {
        self.notes
            .sections
            .iter()
            .find(|section| section.place() == Some((self.path, key)))
            .expect("every table that is read is in the schema")
    }

    /// Notes a problem of the whole table.
    pub fn wrong(&self, complaint: Complaint) -> Reported {
        self.notes.add(&self.span, complaint.message, complaint.help)
    }

    /// Notes a problem at a place that was read before.
    pub fn wrong_at(&self, span: &Range<usize>, complaint: Complaint) -> Reported {
        self.notes.add(span, complaint.message, complaint.help)
    }

    /// The line of a place that was read before, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        self.notes.source.line(span.start)
    }
}

/// A value of the file, and the key that it belongs to.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    key: &'static str,
    value: &'a Spanned<DeValue<'a>>,
    notes: &'a Notes,
}

impl<'a> Value<'a> {
    /// Where it stands.
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// The key that it belongs to.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// Notes that the value is wrong: "`key` …".
    pub fn wrong(&self, complaint: Complaint) -> Reported {
        self.notes.add(&self.span(), format!("`{}` {}", self.key, complaint.message), complaint.help)
    }

    fn wrong_type(&self, expected: &str) -> Reported {
        let (found, written) = match self.value.get_ref() {
            DeValue::String(text) => ("a string", Some((text.as_ref(), true))),
            DeValue::Integer(number) => ("an integer", Some((number.as_str(), false))),
            DeValue::Float(number) => ("a float", Some((number.as_str(), false))),
            DeValue::Boolean(true) => ("a boolean", Some(("true", false))),
            DeValue::Boolean(false) => ("a boolean", Some(("false", false))),
            DeValue::Datetime(_) => ("a date", None),
            DeValue::Array(_) => ("a list", None),
            DeValue::Table(_) => ("a table", None),
        };
        let bare = |text: &str| text.parse::<u64>().is_ok() || matches!(text, "true" | "false");
        let help = match written {
            Some((text, true)) if expected != "a string" && bare(text) => {
                Some(format!("write it without quotes: {text}"))
            }
            Some((text, false)) if expected == "a string" => Some(format!("write it in quotes: \"{text}\"")),
            Some((text, true)) if expected == "a list" => Some(format!("write it in brackets: [\"{text}\"]")),
            _ => None,
        };
        self.wrong(Complaint { message: format!("must be {expected}, not {found}"), help })
    }

    /// The text.
    pub fn text(&self) -> Result<&'a str, Reported> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// What `parse` makes of the text, with its place.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, Complaint>) -> Result<Spanned<T>, Reported> {
        let value = parse(self.text()?).map_err(|complaint| self.wrong(complaint))?;
        Ok(Spanned::new(self.span(), value))
    }

    /// The number, which must be in `range`.
    pub fn integer<T: TryFrom<u64> + Copy + Into<u64>>(&self, range: RangeInclusive<T>) -> Result<T, Reported> {
        let DeValue::Integer(number) = self.value.get_ref() else { return Err(self.wrong_type("an integer")) };
        let (least, most) = ((*range.start()).into(), (*range.end()).into());
        u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.wrong(Complaint::new(format!("is {number}: it must be from {least} to {most}"))))
    }

    /// The whole number, which may be below zero and must be in `range`.
    pub fn signed(&self, range: RangeInclusive<i32>) -> Result<i32, Reported> {
        let DeValue::Integer(number) = self.value.get_ref() else { return Err(self.wrong_type("an integer")) };
        let read = i32::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number));
        read.ok_or_else(|| {
            let (least, most) = range.into_inner();
            self.wrong(Complaint::new(format!("is {number}: it must be from {least} to {most}")))
        })
    }

    /// The number, with a fraction or without, which must be in `range`. A range up to [`f64::MAX`] is that of what is above 0.
    pub fn number(&self, range: RangeInclusive<f64>) -> Result<f64, Reported> {
        let written = match self.value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return Err(self.wrong_type("a number")),
        };
        let number = written.parse::<f64>().ok().filter(|number| number.is_finite());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (least, most) = range.into_inner();
            let right = match number {
                None => "it must be finite".to_owned(),
                Some(_) if most >= f64::MAX => "it must be above 0".to_owned(),
                Some(_) => format!("it must be from {least} to {most}"),
            };
            self.wrong(Complaint::new(format!("is {written}: {right}")))
        })
    }

    /// A table of whatever somebody else understands.
    pub fn json_table(&self) -> Result<serde_json::Map<String, serde_json::Value>, Reported> {
        match json(self.value.get_ref()) {
            serde_json::Value::Object(table) => Ok(table),
            _ => Err(self.wrong_type("a table")),
        }
    }

    /// The number as it is written, when the value is one.
    pub fn as_integer(&self) -> Option<String> {
        self.value.get_ref().as_integer().map(ToString::to_string)
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Result<bool, Reported> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong_type("`true` or `false`"))
    }

    /// The values of a list.
    pub fn list(&self) -> Result<Vec<Self>, Reported> {
        let array = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type("a list"))?;
        Ok(array.iter().map(|value| Self { value, ..self.clone() }).collect())
    }

    /// One of `words`, and what stands beside it.
    pub fn one_of<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, Reported> {
        let known = || words.iter().map(|&(word, _)| word);
        let expected = || known().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let Some(text) = self.value.get_ref().as_str() else { return Err(self.wrong_type(&expected())) };
        words.iter().find(|(word, _)| *word == text).map(|&(_, meaning)| meaning).ok_or_else(|| {
            let complaint = Complaint::new(format!("must be {}, not {text:?}", expected()));
            self.wrong(match nearest(text, known()) {
                Some(meant) => complaint.help(format!("did you mean \"{meant}\"?")),
                None => complaint,
            })
        })
    }

    /// An absolute path of at most `longest` bytes.
    pub fn path(&self, longest: usize) -> Result<PathBuf, Reported> {
        let path = self.parsed(|text| match text {
            _ if !text.starts_with('/') => {
                Err(Complaint::new(format!("is no absolute path: {text:?}")).help("begin it with `/`"))
            }
            _ if text.contains(char::is_control) => Err(Complaint::new("holds a control character")),
            _ if text.len() > longest => {
                Err(Complaint::new(format!("is {} bytes long: at most {longest} may be", text.len())))
            }
            _ => Ok(PathBuf::from(text)),
        })?;
        Ok(path.into_inner())
    }

    /// Address and port.
    pub fn socket_address(&self) -> Result<SocketAddr, Reported> {
        let address = self.parsed(|text| {
            let complaint = || Complaint::new(format!("is no address and port: {text:?}"));
            let help = "write it like \"127.0.0.1:9099\" or \"[::1]:9099\"";
            match text.parse::<SocketAddr>() {
                Ok(address) if address.port() == 0 => Err(Complaint::new("has port 0: it must be from 1 to 65535")),
                Ok(address) => Ok(address),
                Err(_) => Err(match text.strip_prefix(':') {
                    Some(port) if port.parse::<u16>().is_ok() => {
                        complaint().help(format!("for every address of this host write \"[::]:{port}\""))
                    }
                    _ => complaint().help(help),
                }),
            }
        })?;
        Ok(address.into_inner())
    }
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.as_str().into(), serde_json::Value::from),
        DeValue::Float(number) => number.as_str().parse::<f64>().unwrap_or(f64::NAN).into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Array(values) => values.iter().map(|value| json(value.get_ref())).collect(),
        DeValue::Table(table) => {
            let pairs = table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())));
            serde_json::Value::Object(pairs.collect())
        }
    }
}

/// A header in backticks; words stay as they are.
fn quoted(header: &str) -> String {
    if header.starts_with('[') { format!("`{header}`") } else { header.to_owned() }
}
