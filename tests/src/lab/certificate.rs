//! A certificate that nobody vouches for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::host::Finished;

/// A self-signed certificate and its key.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate's file (PEM).
    pub certificate: PathBuf,
    /// The key's file (PEM).
    pub key: PathBuf,
}

impl Certificate {
    /// Makes one for `name` in `dir`.
    ///
    /// # Errors
    /// When `openssl` is missing or fails.
    pub fn make(dir: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let made = Self { certificate: dir.join("certificate.pem"), key: dir.join("key.pem") };
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "30", "-subj", &format!("/CN={name}"), "-out"]).arg(&made.certificate);
        openssl.arg("-keyout").arg(&made.key);
        Finished::of(&mut openssl)?.success()?;
        Ok(made)
    }
}
