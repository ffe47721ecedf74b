//! The network interfaces of this network namespace and the XDP programs on them, by rtnetlink.

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkXdp};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::KernelError;
use crate::model::XdpMode;

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) name: String,
    /// Id of the program that runs in the driver.
    pub(super) native: Option<u32>,
    /// Id of the program that runs in the stack.
    pub(super) generic: Option<u32>,
}

impl Interface {
    /// The mode in which the program of that id runs here, if it does.
    pub(super) fn mode_of(&self, program: u32) -> Option<XdpMode> {
        match program {
            _ if self.native == Some(program) => Some(XdpMode::Native),
            _ if self.generic == Some(program) => Some(XdpMode::Generic),
            _ => None,
        }
    }

    /// A program that runs here, whoever's it is.
    pub(super) fn program(&self) -> Option<(u32, XdpMode)> {
        let native = self.native.map(|id| (id, XdpMode::Native));
        native.or(self.generic.map(|id| (id, XdpMode::Generic)))
    }
}

/// The interface of that name.
pub(super) fn find<'a>(interfaces: &'a [Interface], name: &str) -> Result<&'a Interface, KernelError> {
    interfaces.iter().find(|interface| interface.name == name).ok_or_else(|| KernelError::UnknownInterface {
        name: name.to_owned(),
        known: interfaces.iter().map(|interface| interface.name.clone()).collect(),
    })
}

/// All interfaces.
pub(super) fn list() -> Result<Vec<Interface>, KernelError> {
    dump().map_err(KernelError::Interfaces)
}

fn dump() -> io::Result<Vec<Interface>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;

    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut request = NetlinkMessage::new(header, RouteNetlinkMessage::GetLink(LinkMessage::default()).into());
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut interfaces = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full()?;
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => interfaces.push(interface(&link)),
                NetlinkPayload::Done(_) => return Ok(interfaces),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            // Messages are aligned to 4 bytes (netlink(7)); the last one may end early.
            let length = usize::try_from(message.header.length).map_err(io::Error::other)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn interface(link: &LinkMessage) -> Interface {
    let mut found = Interface { index: link.header.index, ..Interface::default() };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => found.name.clone_from(name),
            LinkAttribute::Xdp(attributes) => {
                for attribute in attributes {
                    match attribute {
                        LinkXdp::DrvProgId(id) => found.native = Some(*id),
                        LinkXdp::SkbProgId(id) => found.generic = Some(*id),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    found
}
