//! Addresses of HTTP servers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where an HTTP server is, and the path below which it answers: `https://metrics.example:9090/prometheus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl {
    tls: bool,
    /// A name or an address; IPv6 in brackets.
    host: String,
    port: u16,
    /// Empty, or with a `/` at its beginning and none at its end.
    path: String,
}

/// A text that is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHttpUrl {
    /// Another scheme, or none.
    #[error("it begins with neither `http://` nor `https://`")]
    Scheme,
    /// No name, no address.
    #[error("it has no host: a name, an IPv4 address or an IPv6 address in brackets")]
    Host,
    /// A port that is none.
    #[error("`{0}` is no port: 1 to 65535")]
    Port(String),
    /// What can't stand in a path, or does not belong here.
    #[error("its path holds {0:?}: it is what comes before `/metrics` or `/api`, percent-encoded")]
    Path(char),
}

impl HttpUrl {
    /// Whether it is asked by TLS.
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, as the system resolves it.
    pub fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// As a `Host` header names it: the scheme's own port left out.
    pub fn authority(&self) -> String {
        if self.port == default_port(self.tls) { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The path of `below`, which begins with `/`, on this server.
    pub fn below(&self, below: &str) -> String {
        format!("{}{below}", self.path)
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl From<SocketAddr> for HttpUrl {
    /// The server there, without TLS.
    fn from(socket: SocketAddr) -> Self {
        let host = match socket.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        Self { tls: false, host, port: socket.port(), path: String::new() }
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidHttpUrl;

    fn from_str(text: &str) -> Result<Self, InvalidHttpUrl> {
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(InvalidHttpUrl::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address are within its brackets.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if !is_host(host) {
            return Err(InvalidHttpUrl::Host);
        }
        let port = match port {
            None => default_port(tls),
            Some(text) => {
                let port = text.parse().ok().filter(|port| *port > 0);
                port.ok_or_else(|| InvalidHttpUrl::Port(text.to_owned()))?
            }
        };
        if let Some(wrong) = path.chars().find(|letter| !letter.is_ascii_graphic() || matches!(letter, '?' | '#')) {
            return Err(InvalidHttpUrl::Path(wrong));
        }
        Ok(Self { tls, host: host.to_owned(), port, path: path.trim_end_matches('/').to_owned() })
    }
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    (1..=253).contains(&text.len()) && text.chars().all(allowed)
}

impl TryFrom<String> for HttpUrl {
    type Error = InvalidHttpUrl;

    fn try_from(text: String) -> Result<Self, InvalidHttpUrl> {
        text.parse()
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_shown_as_the_shortest_of_its_kind() {
        for (text, tls, name, port, below, shown) in [
            ("http://127.0.0.1:9090", false, "127.0.0.1", 9090, "/x", "http://127.0.0.1:9090"),
            ("http://[2001:db8::1]", false, "2001:db8::1", 80, "/x", "http://[2001:db8::1]"),
            ("http://[::1]:81/", false, "::1", 81, "/x", "http://[::1]:81"),
            ("https://a-b.example:443/p/q/", true, "a-b.example", 443, "/p/q/x", "https://a-b.example/p/q"),
            ("https://a:80", true, "a", 80, "/x", "https://a:80"),
        ] {
            let url: HttpUrl = text.parse().expect(text);
            assert_eq!((url.is_tls(), url.name(), url.port()), (tls, name, port), "{text}");
            assert_eq!((url.below("/x").as_str(), url.to_string().as_str()), (below, shown), "{text}");
            assert_eq!(shown.parse(), Ok(url), "{text}");
        }
        let socket: SocketAddr = "[2001:db8::1]:9100".parse().expect("an address");
        assert_eq!(HttpUrl::from(socket).to_string(), "http://[2001:db8::1]:9100");
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, wrong) in [
            ("", InvalidHttpUrl::Scheme),
            ("127.0.0.1:9090", InvalidHttpUrl::Scheme),
            ("ftp://a", InvalidHttpUrl::Scheme),
            ("http://", InvalidHttpUrl::Host),
            ("http://:90", InvalidHttpUrl::Host),
            ("http://[::1", InvalidHttpUrl::Host),
            ("http://::1", InvalidHttpUrl::Host),
            ("http://user:word@a", InvalidHttpUrl::Port("word@a".to_owned())),
            ("http://user@a", InvalidHttpUrl::Host),
            ("http://a:0", InvalidHttpUrl::Port("0".to_owned())),
            ("http://a:", InvalidHttpUrl::Port(String::new())),
            ("http://a/p?q", InvalidHttpUrl::Path('?')),
            ("http://a/p q", InvalidHttpUrl::Path(' ')),
        ] {
            assert_eq!(text.parse::<HttpUrl>(), Err(wrong), "{text}");
        }
    }
}
