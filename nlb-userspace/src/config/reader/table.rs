//! A table of the file: which keys it may have, and those that it has.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Complaint, Notes, Value};
use crate::config::error::Reported;
use crate::config::nearest::{listed, nearest};
use crate::config::schema::{Absent, Section};

/// One table of the file.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    path: &'static str,
    notes: &'a Notes,
}

impl<'a> Table<'a> {
    pub(super) fn new(table: &'a DeTable<'a>, span: Range<usize>, path: &'static str, notes: &'a Notes) -> Self {
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

    /// Where the value of a key stands, or of `settings.key` within; where it is missing, the table that should have it.
    pub fn place(&self, path: &str) -> Range<usize> {
        let (mut table, mut span) = (self.table, self.span());
        for key in path.split('.') {
            let Some(value) = table.get(key) else { break };
            span = value.span();
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        span
    }

    /// The value of `key`, if it is there.
    pub fn get(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.notes.known(self.path).contains(&key), "`{key}` is not in the schema of {}", self.header());
        self.table.get(key).map(|value| Value::new(key, value, self.notes))
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
        match value.written() {
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
        let DeValue::Array(array) = value.written() else {
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

/// A header in backticks; words stay as they are.
fn quoted(header: &str) -> String {
    if header.starts_with('[') { format!("`{header}`") } else { header.to_owned() }
}
