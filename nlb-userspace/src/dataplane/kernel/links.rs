//! Links between interfaces and the program. They are pinned, so that traffic goes on without an agent.
//!
//! A link is made once and then pointed to one program after the other, each in place of the last between two packets.
//! Only a change of mode needs an interface without program for a moment: the kernel has no native and generic program on
//! one interface at once. Its packets go to the stack meanwhile.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use aya_obj::generated::{XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};

use super::interface::{self, Interface};
use super::{KernelError, pins, sys};
use crate::dataplane::Attachment;
use crate::model::XdpMode;

/// The links of one pin path, by the index of their interface: an interface may be renamed.
#[derive(Debug)]
pub(super) struct Links {
    directory: PathBuf,
    held: BTreeMap<u32, OwnedFd>,
}

/// A link found pinned.
struct Pinned {
    pin: PathBuf,
    link: OwnedFd,
    info: sys::LinkInfo,
}

impl Links {
    /// The links that are, or will be, pinned in `directory`.
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self { directory, held: BTreeMap::new() }
    }

    /// Sees to it that `program` runs on exactly these interfaces: links that are there are pointed to it, missing ones
    /// made, others removed. May be repeated at any time, also when an interface was made anew.
    pub(super) fn point(&mut self, program: impl AsFd, names: &[String], mode: XdpMode) -> Result<(), KernelError> {
        let present = interface::list()?;
        let wanted = names.iter().map(|name| interface::find(&present, name)).collect::<Result<Vec<_>, _>>()?;
        // The pins hold the links; what is held here would keep alive what is to go.
        self.held.clear();
        let mut pinned = pinned(&self.directory)?;
        for interface in wanted {
            if self.held.contains_key(&interface.index) {
                continue;
            }
            let pin = self.directory.join(interface.index.to_string());
            let place = pinned.iter().position(|found| found.pin == pin);
            let link = match place.map(|place| pinned.swap_remove(place)) {
                None => attach(&program, interface, mode, &pin)?,
                Some(found) => take_over(found, &program, interface, mode)?,
            };
            self.held.insert(interface.index, link);
        }
        for found in pinned {
            tracing::info!(interface = found.info.interface, "detached from an interface that is no longer configured");
            found.remove()?;
        }
        Ok(())
    }

    /// Puts `program` in place of what runs now, on every link.
    pub(super) fn swap(&self, program: impl AsFd) -> Result<(), KernelError> {
        for (index, link) in &self.held {
            if let Err(source) = sys::link_update(link, &program) {
                // An interface that is gone carries no packets; another error would leave the old program running.
                if source.raw_os_error() != Some(libc::ENOLINK) {
                    return Err(KernelError::Attach { interface: index.to_string(), source });
                }
            }
        }
        Ok(())
    }
}

/// Where the links that are pinned in `directory` are attached, by what the kernel says.
pub(super) fn attachments(directory: &Path) -> Result<Vec<Attachment>, KernelError> {
    let present = interface::list()?;
    let attachment = |found: &Pinned| {
        let interface = present.iter().find(|interface| interface.index == found.info.interface)?;
        let mode = interface.mode_of(found.info.program_id)?;
        Some(Attachment { interface: interface.name.clone(), mode, program_id: found.info.program_id })
    };
    let mut attachments: Vec<Attachment> = pinned(directory)?.iter().filter_map(attachment).collect();
    attachments.sort_by(|a, b| a.interface.cmp(&b.interface));
    Ok(attachments)
}

/// Removes all links that are pinned in `directory`, and detaches them; their pins.
pub(super) fn remove_all(directory: &Path) -> Result<Vec<PathBuf>, KernelError> {
    let pinned = pinned(directory)?;
    let pins = pinned.iter().map(|found| found.pin.clone()).collect();
    for found in pinned {
        found.remove()?;
    }
    Ok(pins)
}

impl Pinned {
    /// Detaches the link and removes its pin, in this order: a link without a pin could no longer be found.
    fn remove(self) -> Result<(), KernelError> {
        sys::link_detach(&self.link).map_err(pins::failed("detach", &self.pin))?;
        pins::remove_pin(&self.pin)
    }
}

fn pinned(directory: &Path) -> Result<Vec<Pinned>, KernelError> {
    let mut found = Vec::new();
    for pin in pins::entries(directory)? {
        let link = sys::object_get(&pin).map_err(pins::failed("open", &pin))?;
        if let Some(info) = sys::xdp_link_info(&link).map_err(pins::failed("look at", &pin))? {
            found.push(Pinned { pin, link, info });
        }
    }
    Ok(found)
}

/// Points a link to `program`, or makes a new one where it no longer serves.
fn take_over(found: Pinned, program: &impl AsFd, interface: &Interface, mode: XdpMode) -> Result<OwnedFd, KernelError> {
    let alive = found.info.interface == interface.index;
    let pin = found.pin.clone();
    match interface.mode_of(found.info.program_id).filter(|_| alive) {
        Some(now) if now == mode => {
            sys::link_update(&found.link, program)
                .map_err(|source| KernelError::Attach { interface: interface.name.clone(), source })?;
            Ok(found.link)
        }
        Some(now) => {
            tracing::warn!(
                interface = interface.name,
                ?mode,
                "the mode changes: packets pass the balancer for a moment"
            );
            found.remove()?;
            attach(program, interface, mode, &pin).inspect_err(|_| {
                // The interface must not be left without a program because the new mode was refused.
                if let Err(error) = attach(program, interface, now, &pin) {
                    tracing::error!(interface = interface.name, %error, "cannot go back to the former mode");
                }
            })
        }
        None => {
            // The interface of that index was made anew, or someone has detached the link.
            pins::remove_pin(&pin)?;
            attach(program, interface, mode, &pin)
        }
    }
}

/// Makes a link and pins it. Should the process die in between, the link goes with it.
fn attach(program: &impl AsFd, interface: &Interface, mode: XdpMode, pin: &Path) -> Result<OwnedFd, KernelError> {
    let flags = match mode {
        XdpMode::Native => XDP_FLAGS_DRV_MODE,
        XdpMode::Generic => XDP_FLAGS_SKB_MODE,
    };
    let link =
        sys::xdp_link_create(program, interface.index, flags).map_err(|source| refusal(interface, mode, source))?;
    sys::object_pin(&link, pin).map_err(pins::failed("pin", pin))?;
    Ok(link)
}

/// What the kernel's refusal of a link means.
fn refusal(interface: &Interface, mode: XdpMode, source: std::io::Error) -> KernelError {
    let name = interface.name.clone();
    match source.raw_os_error() {
        // EEXIST: a program in the other mode.
        Some(libc::EBUSY | libc::EEXIST) => match interface.program() {
            Some((id, mode)) => KernelError::OtherProgram { interface: name, program: describe(id), mode },
            None => KernelError::Attach { interface: name, source },
        },
        Some(libc::EPERM | libc::EACCES) => KernelError::Denied { action: format!("attaching to `{name}`"), source },
        Some(libc::ENODEV | libc::ENOMEM) => KernelError::Attach { interface: name, source },
        _ => match mode {
            XdpMode::Native => KernelError::NativeRefused { interface: name, source },
            XdpMode::Generic => KernelError::Attach { interface: name, source },
        },
    }
}

/// A program's id, and its name where we may ask for it (CAP_SYS_ADMIN).
fn describe(id: u32) -> String {
    let info = aya::programs::loaded_programs().filter_map(Result::ok).find(|info| info.id() == id);
    match info.as_ref().and_then(|info| info.name_as_str()).filter(|name| !name.is_empty()) {
        Some(name) => format!("`{name}` (id {id})"),
        None => format!("with id {id}"),
    }
}
