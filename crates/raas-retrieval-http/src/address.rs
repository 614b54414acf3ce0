//! Which addresses may be asked.
//!
//! An index says where a provider listens, and anybody may write into an index: without a policy, a
//! node could be sent to its own loopback services, its cloud's metadata service or its
//! neighbours. The check is made on the address that is connected to, after names are resolved.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::HttpError;

/// Lets public addresses pass, and others only where they are allowed by name.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Host(String),
    Network { address: IpAddr, bits: u8 },
}

/// That the policy forbids an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is {what}, and not a public address; allow {host} by name if it is one of yours")]
pub(crate) struct Forbidden {
    host: String,
    what: String,
}

impl AddressPolicy {
    /// Public addresses only.
    pub fn public_only() -> Self {
        Self::default()
    }

    /// Public addresses, and these besides: addresses (`127.0.0.1`), networks (`10.0.0.0/8`) and
    /// host names (`sp.internal`, whatever they resolve to).
    pub fn allowing<S: AsRef<str>>(rules: impl IntoIterator<Item = S>) -> Result<Self, HttpError> {
        let rules = rules.into_iter().map(|rule| Rule::parse(rule.as_ref()));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Whether an address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.check(address).is_ok()
    }

    /// Refuses a URL whose host may not be asked. A name that does not resolve passes: the client
    /// says better why it cannot connect, and resolves it again under the same policy.
    pub(crate) async fn check_host(&self, url: &Url) -> Result<(), Forbidden> {
        self.check_url(url)?;
        if let Some(Host::Domain(name)) = url.host() {
            let addresses = tokio::net::lookup_host((name, 0)).await;
            let addresses: Vec<SocketAddr> = addresses.map(Iterator::collect).unwrap_or_default();
            self.check_resolved(name, &addresses)?;
        }
        Ok(())
    }

    /// Refuses a URL whose host is an address that may not be asked. A name passes here, and is
    /// checked when it is resolved.
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), Forbidden> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            _ => Ok(()),
        }
    }

    fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        let allowed = self.rules.iter().any(|rule| rule.covers(address));
        match not_public(address) {
            Some(what) if !allowed => {
                Err(Forbidden { host: address.to_string(), what: what.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// A name is refused as a whole when one of its addresses is: nobody honest needs both.
    fn check_resolved(&self, name: &str, addresses: &[SocketAddr]) -> Result<(), Forbidden> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if self.rules.contains(&Rule::Host(name.clone())) {
            return Ok(());
        }
        for address in addresses {
            self.check(address.ip()).map_err(|forbidden| Forbidden {
                host: name.clone(),
                what: format!("at {}, {}", forbidden.host, forbidden.what),
            })?;
        }
        Ok(())
    }
}

/// Resolves names and lets only allowed addresses through; the client connects to nothing else.
impl Resolve for AddressPolicy {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.clone();
        Box::pin(async move {
            let addresses: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            policy.check_resolved(name.as_str(), &addresses)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, HttpError> {
        let bad = || HttpError::BadRule(text.to_owned());
        let (host, bits) = match text.split_once('/') {
            Some((host, bits)) => (host, Some(bits.parse::<u8>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(most);
            return if bits <= most { Ok(Self::Network { address, bits }) } else { Err(bad()) };
        }
        match (Host::parse(host), bits) {
            (Ok(Host::Domain(name)), None) => Ok(Self::Host(name.to_ascii_lowercase())),
            _ => Err(bad()),
        }
    }

    fn covers(&self, address: IpAddr) -> bool {
        let Self::Network { address: network, bits } = self else { return false };
        match (network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(*bits);
                let top = |ip: &Ipv4Addr| ip.to_bits().checked_shr(shift).unwrap_or(0);
                top(network) == top(&address)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(*bits);
                let top = |ip: &Ipv6Addr| ip.to_bits().checked_shr(shift).unwrap_or(0);
                top(network) == top(&address)
            }
            _ => false,
        }
    }
}

impl fmt::Display for AddressPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("public addresses")?;
        self.rules.iter().try_for_each(|rule| match rule {
            Rule::Host(name) => write!(f, ", {name}"),
            Rule::Network { address, bits } => write!(f, ", {address}/{bits}"),
        })
    }
}

/// What an address is, where it is not public (the IANA special-purpose registries of IPv4 and
/// IPv6 addresses); `None` where it is.
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "an unspecified address",
        [127, ..] => "a loopback address",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private address",
        [100, 64..=127, ..] => "an address behind carrier-grade NAT",
        [169, 254, ..] => "a link-local address",
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18 | 19, ..] => {
            "an address for protocols, documents or benchmarks"
        }
        [192, 88, 99, _] => "a relay address",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    })
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    Some(match segments {
        _ if address.is_unspecified() => "an unspecified address",
        _ if address.is_loopback() => "a loopback address",
        _ if address.to_ipv4_mapped().is_some() => "an IPv4 address in disguise",
        [0xfc00..=0xfdff, ..] => "a unique local address",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        // Teredo and 6to4 lead to IPv4 addresses of the writer's choice.
        [0x2001, 0..=0x01ff, ..] | [0x2002, ..] => "an address of a protocol or tunnel",
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => "an address for documents",
        [0x2000..=0x3fff, ..] => return None,
        // Among them 64:ff9b::/96, which also leads to IPv4.
        _ => "outside the public range 2000::/3",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_public_addresses_pass() {
        let policy = AddressPolicy::public_only();
        for address in ["1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "198.20.0.1"]
        {
            assert!(policy.allows(ip(address)), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!policy.allows(ip(address)), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_by_name_passes_and_nothing_beside_it() {
        let policy =
            AddressPolicy::allowing(["127.0.0.1", "10.1.0.0/16", "[fd00::1]", "fe80::/10"]);
        let policy = policy.unwrap();
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.255.1", "fd00::1", "fe80::77"] {
            assert!(policy.allows(ip(address)), "{address}");
        }
        for address in ["127.0.0.2", "10.2.0.1", "fd00::2", "192.168.0.1"] {
            assert!(!policy.allows(ip(address)), "{address}");
        }
        assert!(AddressPolicy::allowing(["0.0.0.0/0"]).unwrap().allows(ip("127.0.0.1")));
        assert!(!AddressPolicy::allowing(["0.0.0.0/0"]).unwrap().allows(ip("::1")));
    }

    #[test]
    fn a_name_is_refused_when_one_of_its_addresses_is() {
        let both = ["1.1.1.1:0", "127.0.0.1:0"].map(|address| address.parse().unwrap());
        let policy = AddressPolicy::public_only();
        assert!(policy.check_resolved("rebinding.example", &both[..1]).is_ok());
        let error = policy.check_resolved("rebinding.example", &both).unwrap_err().to_string();
        assert!(error.contains("rebinding.example") && error.contains("127.0.0.1"), "{error}");
        let policy = AddressPolicy::allowing(["Rebinding.example"]).unwrap();
        assert!(policy.check_resolved("rebinding.example.", &both).is_ok());
        assert!(policy.check_resolved("other.example", &both).is_err());
    }

    #[test]
    fn addresses_in_other_spellings_are_the_same_addresses() {
        let policy = AddressPolicy::public_only();
        for url in ["http://0x7f.1/", "http://2130706433/", "http://127.1/", "http://[::1]/"] {
            assert!(policy.check_url(&url.parse().unwrap()).is_err(), "{url}");
        }
        assert!(policy.check_url(&"https://1.1.1.1/".parse().unwrap()).is_ok());
    }

    #[test]
    fn rules_that_are_none_are_refused() {
        for rule in ["", "10.0.0.0/33", "::/129", "sp.example/8", "10.0.0.0/x", "a b"] {
            assert!(AddressPolicy::allowing([rule]).is_err(), "{rule:?}");
        }
    }
}
