//! Builds the kernel programs with a toolchain that has `core` as source, and hands their objects to the crate.
//!
//! Two toolchains will do, looked for in this order: a rustup toolchain `nightly` with the component `rust-src`, and a
//! distribution's rustc under `/usr` with its library source (Debian: `rustc-web rust-web-src`). `NLB_EBPF_RUSTC` and
//! `NLB_EBPF_CARGO` name another. Either way `bpf-linker` must be on the path.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

const PROGRAMS: [&str; 4] = ["nlb-edge", "nlb-target", "nlb-generator", "nlb-measure"];

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set: run this by cargo")?);
    // Asked for when it runs: a target folder may have been copied here with this program in it, built elsewhere.
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?);
    let workspace = own.parent().context("the crate has no parent folder")?;
    for watched in ["nlb-ebpf", "nlb-common", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", workspace.join(watched).display());
    }
    for variable in ["NLB_EBPF_RUSTC", "NLB_EBPF_CARGO"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let toolchain = Toolchain::find()?;
    toolchain.build(workspace, &out.join("ebpf"))?;
    for program in PROGRAMS {
        let built = out.join("ebpf/bpfel-unknown-none/release").join(program);
        std::fs::copy(&built, out.join(program)).with_context(|| format!("cannot copy {}", built.display()))?;
    }
    Ok(())
}

/// A compiler and a cargo that can build `core` from source.
struct Toolchain {
    rustc: PathBuf,
    cargo: PathBuf,
}

impl Toolchain {
    fn find() -> Result<Self> {
        if let (Some(rustc), Some(cargo)) = (env::var_os("NLB_EBPF_RUSTC"), env::var_os("NLB_EBPF_CARGO")) {
            return Ok(Self { rustc: rustc.into(), cargo: cargo.into() });
        }
        let rustup = |tool| {
            let found = Command::new("rustup").args(["which", "--toolchain", "nightly", tool]).output().ok()?;
            found.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()))
        };
        let candidates = [
            rustup("rustc").zip(rustup("cargo")).map(|(rustc, cargo)| Self { rustc, cargo }),
            Some(Self { rustc: "/usr/bin/rustc".into(), cargo: "/usr/bin/cargo".into() }),
        ];
        candidates.into_iter().flatten().find(Self::has_library_source).context(
            "no toolchain with the source of `core`: `rustup toolchain install nightly --component rust-src`, or on \
             Debian 12 `apt-get install rustc-web cargo-web rust-web-src`, or set NLB_EBPF_RUSTC and NLB_EBPF_CARGO",
        )
    }

    fn has_library_source(&self) -> bool {
        let Ok(sysroot) = Command::new(&self.rustc).args(["--print", "sysroot"]).output() else { return false };
        let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
        self.cargo.exists() && sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
    }

    fn build(&self, workspace: &Path, target_dir: &Path) -> Result<()> {
        let arch = env::var("CARGO_CFG_TARGET_ARCH").context("CARGO_CFG_TARGET_ARCH is not set: run this by cargo")?;
        ensure!(
            env::var("CARGO_CFG_TARGET_ENDIAN").as_deref() == Ok("little"),
            "only little-endian hosts are built for"
        );
        let mut command = Command::new(&self.cargo);
        // Cargo gives build scripts the settings of the host's build; none of them may reach this one.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO") && name != "CARGO_HOME" || name.starts_with("RUST") && name != "RUSTUP_HOME" {
                command.env_remove(&*name);
            }
        }
        let flags = [
            "-Cdebuginfo=2",
            "-Clink-arg=--btf",
            // 32-bit arithmetic and jumps, in every kernel since 5.1.
            "-Ctarget-cpu=v3",
            // Headers in packets are seldom aligned. Without this each word of one is read byte by byte; the kernel
            // allows it wherever the CPU does (CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS: x86-64, arm64 and others).
            "-Ctarget-feature=+allows-misaligned-mem-access",
            &format!("--cfg=bpf_target_arch=\"{arch}\""),
        ]
        .join("\u{1f}");
        let status = command
            .current_dir(workspace)
            .env("RUSTC", &self.rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .args(["build", "--release", "--package", "nlb-ebpf", "--bins", "-Zbuild-std=core"])
            .args(["--target", "bpfel-unknown-none", "--target-dir"])
            .arg(target_dir)
            .status()
            .with_context(|| format!("cannot run {}", self.cargo.display()))?;
        if !status.success() {
            bail!("the kernel programs do not build; is bpf-linker on the path? (`cargo install bpf-linker`)");
        }
        Ok(())
    }
}
