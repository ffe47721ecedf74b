//! A file's text, or why there is none.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::error::ConfigErrors;

/// More than a configuration of a hundred thousand targets takes.
const LARGEST: u64 = 64 << 20;

/// Reads the text of the file at `path`.
pub fn read_text(path: &Path) -> Result<String, ConfigErrors> {
    let file = path.to_owned();
    // A pipe or a device would block or never end.
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(ConfigErrors::NotAFile { file }),
        Ok(metadata) if metadata.len() > LARGEST => {
            return Err(ConfigErrors::TooLarge { file, size: metadata.len(), limit: LARGEST });
        }
        Ok(_) => {}
        Err(error) => return Err(unreadable(path, error)),
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|opened| opened.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let line = valid.matches('\n').count() + 1;
        let column = valid.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        ConfigErrors::NotUtf8 { file, line, column }
    })
}

fn unreadable(path: &Path, source: std::io::Error) -> ConfigErrors {
    let file = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ConfigErrors::NotFound { file },
        ErrorKind::PermissionDenied => ConfigErrors::PermissionDenied { file },
        _ => ConfigErrors::Unreadable { file, source },
    }
}
