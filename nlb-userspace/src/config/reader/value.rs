//! A value of the file: what it must be, and what is wrong where it isn't.

use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::{Complaint, Notes};
use crate::config::error::Reported;
use crate::config::nearest::nearest;

/// A value of the file, and the key that it belongs to.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    key: &'static str,
    value: &'a Spanned<DeValue<'a>>,
    notes: &'a Notes,
}

impl<'a> Value<'a> {
    pub(super) fn new(key: &'static str, value: &'a Spanned<DeValue<'a>>, notes: &'a Notes) -> Self {
        Self { key, value, notes }
    }

    /// As the parser has read it.
    pub(super) fn written(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

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
        let (found, written) = match self.written() {
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
        match self.written() {
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
        let DeValue::Integer(number) = self.written() else { return Err(self.wrong_type("an integer")) };
        let (least, most) = ((*range.start()).into(), (*range.end()).into());
        u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.wrong(Complaint::new(format!("is {number}: it must be from {least} to {most}"))))
    }

    /// The whole number, which may be below zero and must be in `range`.
    pub fn signed(&self, range: RangeInclusive<i32>) -> Result<i32, Reported> {
        let DeValue::Integer(number) = self.written() else { return Err(self.wrong_type("an integer")) };
        let read = i32::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number));
        read.ok_or_else(|| {
            let (least, most) = range.into_inner();
            self.wrong(Complaint::new(format!("is {number}: it must be from {least} to {most}")))
        })
    }

    /// The number, with a fraction or without, which must be in `range`. A range up to [`f64::MAX`] is that of what is above 0.
    pub fn number(&self, range: RangeInclusive<f64>) -> Result<f64, Reported> {
        let written = match self.written() {
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
        match json(self.written()) {
            serde_json::Value::Object(table) => Ok(table),
            _ => Err(self.wrong_type("a table")),
        }
    }

    /// The number as it is written, when the value is one.
    pub fn as_integer(&self) -> Option<String> {
        self.written().as_integer().map(ToString::to_string)
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Result<bool, Reported> {
        self.written().as_bool().ok_or_else(|| self.wrong_type("`true` or `false`"))
    }

    /// The values of a list.
    pub fn list(&self) -> Result<Vec<Self>, Reported> {
        let array = self.written().as_array().ok_or_else(|| self.wrong_type("a list"))?;
        Ok(array.iter().map(|value| Self { value, ..self.clone() }).collect())
    }

    /// One of `words`, and what stands beside it.
    pub fn one_of<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, Reported> {
        let known = || words.iter().map(|&(word, _)| word);
        let expected = || known().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let Some(text) = self.written().as_str() else { return Err(self.wrong_type(&expected())) };
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
