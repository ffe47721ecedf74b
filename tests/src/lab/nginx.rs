//! nginx on a host: pages that name the target, a file to download, a place to upload to; HTTP and HTTPS.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::certificate::Certificate;
use super::host::Host;
use super::process::Process;

const READY: Duration = Duration::from_secs(10);
const BLOCK: usize = 1 << 16;

/// What this nginx serves besides its page.
#[derive(Debug, Clone, Copy, Default)]
pub struct NginxOptions {
    /// The size of `/file`, in bytes of noise.
    pub file_bytes: u64,
    /// Keep connections open between requests? Else each request is a connection, so that each is balanced.
    pub keep_alive: bool,
}

/// A running nginx. Every address of the host is served: 80 by HTTP, 443 by HTTPS.
///
/// - `/` answers `NAME CLIENT-ADDRESS SERVER-ADDRESS` in one line;
/// - `/file` is a file of noise;
/// - `PUT /upload/NAME` keeps what is sent, see [`Nginx::uploaded`].
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    dir: PathBuf,
}

impl Nginx {
    pub(super) fn start(host: &Host, options: NginxOptions) -> Result<Self> {
        let dir = host.dir().join("nginx");
        for folder in ["upload", "scratch"] {
            fs::create_dir_all(dir.join(folder)).context("cannot make nginx's folder")?;
        }
        let certificate = Certificate::make(&dir, host.name())?;
        write_noise(&dir.join("file"), options.file_bytes)?;
        let file = dir.join("nginx.conf");
        fs::write(&file, configuration(host.name(), &dir, &certificate, options)).context("cannot configure nginx")?;
        let mut command = host.command("nginx")?;
        command.arg("-p").arg(&dir).arg("-c").arg(&file).args(["-e", "stderr"]);
        let mut process = host.spawn("nginx", command)?;
        process.wait_ready(READY, || host.answers(80) && host.answers(443))?;
        Ok(Self { process, dir })
    }

    /// The file that `/file` serves.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.dir.join("file")
    }

    /// Where an upload by that name is kept.
    #[must_use]
    pub fn uploaded(&self, name: &str) -> PathBuf {
        self.dir.join("upload").join(name)
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it: its port then refuses connections.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self) -> Result<()> {
        self.process.stop().map(drop)
    }
}

impl Host {
    /// Starts nginx on this host, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn nginx(&self, options: NginxOptions) -> Result<Nginx> {
        Nginx::start(self, options)
    }

    /// Does something accept TCP connections on that port of this host?
    pub(super) fn answers(&self, port: u16) -> bool {
        let address = (self.v4(), port).into();
        let timeout = Duration::from_millis(500);
        self.inside(|| std::net::TcpStream::connect_timeout(&address, timeout).is_ok()).unwrap_or(false)
    }
}

/// The same noise on every target, so that a download tells nothing about who served it but whether it is whole: one
/// block over and over, each time under its number.
fn write_noise(path: &Path, bytes: u64) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block: Vec<u8> = Vec::with_capacity(BLOCK);
    while block.len() < BLOCK {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend(state.to_le_bytes());
    }
    let (mut left, mut number) = (usize::try_from(bytes)?, 0_u64);
    while left > 0 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        let take = left.min(BLOCK);
        file.write_all(&block[..take]).with_context(|| format!("cannot write {}", path.display()))?;
        (left, number) = (left - take, number + 1);
    }
    Ok(())
}

fn configuration(name: &str, dir: &Path, certificate: &Certificate, options: NginxOptions) -> String {
    let dir = dir.display();
    let keep_alive = if options.keep_alive { "65s" } else { "0" };
    let (certificate, key) = (certificate.certificate.display(), certificate.key.display());
    format!(
        "daemon off;
user root;
pid {dir}/nginx.pid;
worker_processes 1;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {dir}/scratch;
    proxy_temp_path {dir}/scratch;
    fastcgi_temp_path {dir}/scratch;
    uwsgi_temp_path {dir}/scratch;
    scgi_temp_path {dir}/scratch;
    keepalive_timeout {keep_alive};
    client_max_body_size 0;
    default_type text/plain;
    server {{
        listen 80 backlog=4096;
        listen [::]:80 backlog=4096;
        listen 443 ssl backlog=4096;
        listen [::]:443 ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location = / {{ return 200 \"{name} $remote_addr $server_addr\\n\"; }}
        location = /file {{ root {dir}; }}
        location /upload/ {{ root {dir}; dav_methods PUT; }}
    }}
}}
"
    )
}
