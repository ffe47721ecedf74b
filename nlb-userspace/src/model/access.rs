//! Who may reach a listener, and how many flows he may begin.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use xxhash_rust::xxh3::Xxh3;

/// What a network is listed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Its packets are dropped.
    Deny,
    /// Its packets are forwarded.
    Allow,
}

/// Networks with a verdict each, the whole of both families among them: for a source the longest prefix that covers it decides.
#[derive(Clone, Debug)]
pub struct AccessList {
    networks: BTreeMap<IpNet, Verdict>,
    tag: u64,
}

/// All of IPv4, and all of IPv6.
const EVERYBODY: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
];

/// Lists are compared by their tags: they may be long, and are compared often.
impl PartialEq for AccessList {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl Eq for AccessList {}

impl AccessList {
    /// A list of `networks`, which says `otherwise` of sources that none of them covers.
    pub fn new(otherwise: Verdict, mut networks: BTreeMap<IpNet, Verdict>) -> Self {
        for everybody in EVERYBODY {
            networks.entry(everybody).or_insert(otherwise);
        }
        let tag = Self::tag_of(&networks);
        Self { networks, tag }
    }

    /// The networks.
    pub const fn networks(&self) -> &BTreeMap<IpNet, Verdict> {
        &self.networks
    }

    /// An identity that outlives the agent: the same for lists that say the same.
    pub const fn tag(&self) -> u64 {
        self.tag
    }

    /// What it says of `source`, and the network that decides.
    pub fn verdict(&self, source: IpAddr) -> Option<(Verdict, IpNet)> {
        let whole = IpNet::from(source).max_prefix_len();
        let covering = (0..=whole).rev().filter_map(|length| IpNet::new(source, length).ok());
        covering.map(|network| network.trunc()).find_map(|network| Some((*self.networks.get(&network)?, network)))
    }

    fn tag_of(networks: &BTreeMap<IpNet, Verdict>) -> u64 {
        let mut hash = Xxh3::new();
        for (network, verdict) in networks {
            match network {
                IpNet::V4(network) => hash.update(&network.addr().octets()),
                IpNet::V6(network) => hash.update(&network.addr().octets()),
            }
            hash.update(&[network.prefix_len(), u8::from(*verdict == Verdict::Allow)]);
        }
        hash.digest()
    }
}

/// Networks as a configuration names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// In the configuration itself.
    pub listed: Option<Vec<IpNet>>,
    /// In a file of their own.
    pub file: Option<PathBuf>,
}

impl Networks {
    /// Whether the configuration names none, not even an empty list.
    pub const fn is_absent(&self) -> bool {
        self.listed.is_none() && self.file.is_none()
    }
}

/// Who may reach a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Networks that may. Where any are named, no others may.
    pub allow: Networks,
    /// Networks that may not.
    pub deny: Networks,
    /// What both come to, with what their files held; `None` when neither is named: everybody may.
    pub list: Option<Arc<AccessList>>,
}

impl Access {
    /// The access that `allow` and `deny` come to, of which files hold `allow_file` and `deny_file`. A network that is in both is
    /// denied.
    pub fn new(allow: Networks, deny: Networks, allow_file: &[IpNet], deny_file: &[IpNet]) -> Self {
        if allow.is_absent() && deny.is_absent() {
            return Self::default();
        }
        let otherwise = if allow.is_absent() { Verdict::Allow } else { Verdict::Deny };
        let named = |networks: &Networks| networks.listed.clone().unwrap_or_default();
        let (allowed, denied) = (named(&allow), named(&deny));
        let allowed = allowed.iter().chain(allow_file).map(|network| (*network, Verdict::Allow));
        let denied = denied.iter().chain(deny_file).map(|network| (*network, Verdict::Deny));
        let networks = allowed.chain(denied).collect();
        Self { allow, deny, list: Some(Arc::new(AccessList::new(otherwise, networks))) }
    }
}

/// How many flows each source may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewFlowLimit {
    /// Flows per second.
    pub rate: NonZero<u32>,
    /// Flows at once.
    pub burst: NonZero<u32>,
    /// IPv4 sources that share this prefix are one.
    pub prefix_v4: u8,
    /// IPv6 sources that share this prefix are one.
    pub prefix_v6: u8,
}

impl fmt::Display for NewFlowLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, burst, prefix_v4, prefix_v6 } = self;
        write!(f, "{rate} a second and {burst} at once for each /{prefix_v4} or /{prefix_v6}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Networks {
        let listed = text.split_whitespace().map(|network| crate::config::address::network(network).unwrap()).collect();
        Networks { listed: Some(listed), file: None }
    }

    #[test]
    fn what_both_lists_name_is_denied_and_an_allow_list_denies_all_others() {
        let neither = Access::new(Networks::default(), Networks::default(), &[], &[]);
        assert_eq!(neither.list, None);
        for (allow, deny, otherwise, expected) in [
            (Networks::default(), networks("10.0.0.0/8"), Verdict::Allow, Verdict::Deny),
            (networks("10.0.0.0/8"), Networks::default(), Verdict::Deny, Verdict::Allow),
            (networks("10.0.0.0/8"), networks("10.0.0.0/8"), Verdict::Deny, Verdict::Deny),
        ] {
            let list = Access::new(allow, deny, &[], &[]).list.unwrap();
            let of = |source: &str| list.verdict(source.parse().unwrap()).unwrap().0;
            assert_eq!((of("192.0.2.1"), of("2001:db8::1"), of("10.0.0.1")), (otherwise, otherwise, expected));
        }
        let nobody = Access::new(networks(""), Networks::default(), &[], &[]).list.unwrap();
        assert_eq!(nobody.verdict("192.0.2.1".parse().unwrap()).unwrap().0, Verdict::Deny);
    }

    #[test]
    fn the_longest_prefix_decides() {
        let access = Access::new(networks("10.1.0.0/16 10.1.2.3"), networks("10.0.0.0/8 10.1.2.0/24"), &[], &[]);
        let list = access.list.unwrap();
        for (source, verdict, network) in [
            ("10.2.0.1", Verdict::Deny, "10.0.0.0/8"),
            ("10.1.0.1", Verdict::Allow, "10.1.0.0/16"),
            ("10.1.2.1", Verdict::Deny, "10.1.2.0/24"),
            ("10.1.2.3", Verdict::Allow, "10.1.2.3/32"),
            ("192.0.2.1", Verdict::Deny, "0.0.0.0/0"),
            ("2001:db8::1", Verdict::Deny, "::/0"),
        ] {
            let decided = Some((verdict, network.parse().unwrap()));
            assert_eq!(list.verdict(source.parse().unwrap()), decided, "{source}");
        }
    }

    #[test]
    fn a_list_that_says_something_else_has_another_tag() {
        let tag = |allow: &str, deny: &str| Access::new(networks(allow), networks(deny), &[], &[]).list.unwrap().tag();
        let one = tag("10.0.0.0/8 192.0.2.0/24", "2001:db8::/32");
        assert_eq!(one, tag("192.0.2.0/24 10.0.0.0/8 10.0.0.0/8", "2001:db8::/32"));
        for (allow, deny) in [
            ("10.0.0.0/9 192.0.2.0/24", "2001:db8::/32"),
            ("192.0.2.0/24", "10.0.0.0/8 2001:db8::/32"),
            ("10.0.0.0/8 192.0.2.0/24", "2001:db8::/33"),
            ("10.0.0.0/8 192.0.2.0/24", ""),
        ] {
            assert_ne!(one, tag(allow, deny), "{allow} {deny}");
        }
    }
}
