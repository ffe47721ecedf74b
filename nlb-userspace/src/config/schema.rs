//! What a file may hold, as data: the reader refuses keys that are not here, and the documentation is held against it.

/// A table of the file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Where it stands, as in its header: `target_group.health_check`. Empty for the top of the file.
    pub path: &'static str,
    /// Whether there may be many: `[[…]]`.
    pub repeated: bool,
    /// What it describes.
    pub about: &'static str,
    /// Its keys, without the tables within it.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Type and range, for people.
    pub kind: &'static str,
    /// What holds when it is absent.
    pub absent: Absent,
    /// What it means.
    pub about: &'static str,
    /// A value that may be written, as TOML.
    pub example: &'static str,
}

/// What holds when a key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is an error.
    Required,
    /// This value, as TOML.
    Is(&'static str),
    /// What the words say.
    Means(&'static str),
}

/// A key, in one line of a list.
pub(crate) const fn key(
    name: &'static str,
    kind: &'static str,
    absent: Absent,
    example: &'static str,
    about: &'static str,
) -> Key {
    Key { name, kind, absent, about, example }
}

impl Section {
    /// The header that begins it: `[agent]`, `[[listener]]`.
    pub fn header(&self) -> String {
        match (self.path, self.repeated) {
            ("", _) => "the top of the file".to_owned(),
            (path, true) => format!("[[{path}]]"),
            (path, false) => format!("[{path}]"),
        }
    }

    /// The path of the table that it stands in, and its own name there; `None` for the top.
    pub fn place(&self) -> Option<(&'static str, &'static str)> {
        match self.path {
            "" => None,
            path => Some(path.rsplit_once('.').unwrap_or(("", path))),
        }
    }
}
