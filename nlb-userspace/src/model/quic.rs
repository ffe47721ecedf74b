//! Which target a connection of QUIC belongs to, whatever address its client has.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use nlb_common::quic::LONGEST_SERVER_ID;
use serde::{Deserialize, Serialize};

use super::Target;

/// How the servers of a listener make the connection ids of QUIC: draft-ietf-quic-load-balancers, without encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quic {
    /// Bytes of a server's id, 1 to 15.
    pub server_id_length: u8,
    /// The number of their configuration, 0 to 6: the three bits that a connection id begins with.
    pub config_rotation: u8,
}

impl Quic {
    /// The id of `target`: the one it is given, or the last bytes of its address, with zeros before an address that is shorter.
    pub fn server_id(&self, target: &Target) -> QuicServerId {
        target.quic_server_id.clone().unwrap_or_else(|| {
            let mut bytes = vec![0; usize::from(LONGEST_SERVER_ID)];
            match target.address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
            QuicServerId(bytes.split_off(bytes.len() - usize::from(self.server_id_length)))
        })
    }
}

/// A server's id in connection ids: 1 to 15 bytes. Written in hexadecimal, two digits a byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QuicServerId(Vec<u8>);

impl QuicServerId {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Not 1 to 15 bytes in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use 1 to 15 bytes in hexadecimal, two digits each, like `0a07`")]
pub struct InvalidServerId;

impl FromStr for QuicServerId {
    type Err = InvalidServerId;

    fn from_str(text: &str) -> Result<Self, InvalidServerId> {
        let bytes = from_hex(text).ok_or(InvalidServerId)?;
        if (1..=usize::from(LONGEST_SERVER_ID)).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidServerId) }
    }
}

impl TryFrom<String> for QuicServerId {
    type Error = InvalidServerId;

    fn try_from(text: String) -> Result<Self, InvalidServerId> {
        text.parse()
    }
}

impl From<QuicServerId> for String {
    fn from(id: QuicServerId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for QuicServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

/// A connection id of QUIC, of a length that any version allows: 0 to 255 bytes (RFC 8999). Written in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionId(Vec<u8>);

impl ConnectionId {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Not a connection id in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a connection id in hexadecimal, two digits a byte")]
pub struct InvalidConnectionId;

impl FromStr for ConnectionId {
    type Err = InvalidConnectionId;

    fn from_str(text: &str) -> Result<Self, InvalidConnectionId> {
        let bytes = from_hex(text).ok_or(InvalidConnectionId)?;
        if bytes.len() <= usize::from(u8::MAX) { Ok(Self(bytes)) } else { Err(InvalidConnectionId) }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

/// The bytes that `text` has two hexadecimal digits each for.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| Some(pair.first()? << 4 | pair.get(1)?));
    pairs.collect()
}

fn hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Weight;

    #[test]
    fn a_target_without_an_id_has_the_end_of_its_address() {
        let id = |address: &str, length, own: Option<&str>| {
            let quic_server_id = own.map(|own| own.parse().unwrap());
            let address = address.parse().unwrap();
            let target = Target { address, port: 443, zone: None, weight: Weight::default(), quic_server_id };
            Quic { server_id_length: length, config_rotation: 0 }.server_id(&target).to_string()
        };
        let ten = "10.1.2.250";
        assert_eq!(id(ten, 1, None), "fa");
        assert_eq!(id(ten, 2, None), "02fa");
        assert_eq!(id(ten, 4, None), "0a0102fa");
        assert_eq!(id(ten, 6, None), "00000a0102fa");
        assert_eq!(id(ten, 15, None), "00000000000000000000000a0102fa");
        assert_eq!(id("2001:db8::1:2", 3, None), "010002");
        assert_eq!(id("2001:db8::1:2", 15, None), "010db8000000000000000000010002");
        assert_eq!(id(ten, 2, Some("BEef")), "beef");
    }

    #[test]
    fn ids_are_whole_bytes_in_hexadecimal() {
        for wrong in ["", "0", "0g", "0x0a", " 0a", "0a0", "é0", &"00".repeat(16)] {
            assert_eq!(wrong.parse::<QuicServerId>(), Err(InvalidServerId), "{wrong:?}");
        }
        assert_eq!("000A".parse::<QuicServerId>().unwrap().bytes(), [0, 10]);
    }
}
