//! The addresses that webhooks may reach: the public internet, and what an
//! allow-list names. An endpoint is chosen by whoever may edit a workflow, so
//! nothing else of the network that Waymark runs in is open to it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::Host;

/// The networks of IPv4 that are not the public internet, after the registry of special-purpose addresses.
const CLOSED_V4: [Ipv4Net; 16] = [
    v4([0, 0, 0, 0], 8),        // this network; 0.0.0.0 is the machine itself
    v4([10, 0, 0, 0], 8),       // private
    v4([100, 64, 0, 0], 10),    // behind a carrier's NAT; metadata of some clouds
    v4([127, 0, 0, 0], 8),      // loopback
    v4([168, 63, 129, 16], 32), // metadata of Azure, although the address looks public
    v4([169, 254, 0, 0], 16),   // link-local; metadata of most clouds
    v4([172, 16, 0, 0], 12),    // private
    v4([192, 0, 0, 0], 24),     // protocol assignments; metadata of Oracle's cloud
    v4([192, 0, 2, 0], 24),     // documentation
    v4([192, 88, 99, 0], 24),   // relays of 6to4
    v4([192, 168, 0, 0], 16),   // private
    v4([198, 18, 0, 0], 15),    // benchmarking
    v4([198, 51, 100, 0], 24),  // documentation
    v4([203, 0, 113, 0], 24),   // documentation
    v4([224, 0, 0, 0], 4),      // multicast
    v4([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// The part of IPv6 that is given out to networks of the internet. Everything else is closed: loopback, unspecified,
/// IPv4-mapped and IPv4-compatible, NAT64, unique local, link-local, site-local, multicast.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// The networks of that part that are not the public internet. 6to4 and Teredo carry an IPv4 address to which a gateway sends
/// them on; they are refused whole, since nobody serves webhooks there.
const CLOSED_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0], 23), // protocol assignments: Teredo, benchmarking, ORCHID
    v6([0x2001, 0xdb8, 0], 32), // documentation
    v6([0x2002, 0, 0], 16), // 6to4
    v6([0x3fff, 0, 0], 20), // documentation
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !CLOSED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !CLOSED_V6.iter().any(|net| net.contains(&address))
        }
    }
}

/// An allow-list of what webhooks may reach beside the public internet: networks, addresses and
/// names of hosts. An allowed name may lie at any address.
///
/// An address counts as it is written: `10.0.0.0/8` allows 10.1.2.3, and neither
/// `::ffff:10.1.2.3` nor another way of wrapping it into IPv6.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    networks: Vec<IpNet>,
    names: Vec<String>,
}

/// An entry of an allow-list that is no network, no address and no name of a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} is no network such as 10.1.0.0/16, no address and no name of a host")]
pub struct InvalidEntry {
    /// The entry.
    pub entry: String,
}

impl Allowed {
    /// Whether a connection to `host` may go to this address of it.
    pub(crate) fn permits(&self, host: &str, address: IpAddr) -> bool {
        is_public(address)
            || self.networks.iter().any(|net| net.contains(&address))
            || self.names.iter().any(|name| name == bare(host))
    }

    fn add(&mut self, entry: &str) -> Result<(), InvalidEntry> {
        if let Some(network) = network(entry) {
            self.networks.push(network);
        } else if let Some(name) = name(entry) {
            self.names.push(name);
        } else {
            let entry = entry.to_owned();
            return Err(InvalidEntry { entry });
        }
        Ok(())
    }
}

/// Reads entries parted by commas; blanks around them and empty ones do not count.
///
/// ```
/// use waymark_transports::Allowed;
///
/// assert!("10.1.0.0/16, 192.168.7.9, fd12::/16, erp.internal".parse::<Allowed>().is_ok());
/// let refused = "10.1.0.0/16, 10.2".parse::<Allowed>().unwrap_err();
/// assert_eq!(refused.entry, "10.2");
/// ```
impl FromStr for Allowed {
    type Err = InvalidEntry;

    fn from_str(text: &str) -> Result<Self, InvalidEntry> {
        let mut allowed = Self::default();
        for entry in text.split(',').map(str::trim) {
            if !entry.is_empty() {
                allowed.add(entry)?;
            }
        }
        Ok(allowed)
    }
}

/// A network whose address is its first one, so that nobody opens 10.0.0.0/8 by
/// writing 10.1.2.3/8; or a single address.
fn network(entry: &str) -> Option<IpNet> {
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Some(IpNet::from(address));
    }
    let network = entry.parse::<IpNet>().ok()?;
    (network == network.trunc()).then_some(network)
}

/// A name as URLs have it. Patterns are no names, and neither are addresses in
/// other notations, which [`Host`] would read as an address.
fn name(entry: &str) -> Option<String> {
    match Host::parse(entry) {
        Ok(Host::Domain(name)) if !name.contains('*') => Some(bare(&name).to_owned()),
        Ok(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => None,
    }
}

/// A name without the full stop of the root.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> Allowed {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_the_public_internet_is_closed() {
        for closed in "
            0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255
            127.0.0.1 127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2
            172.16.0.0 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.0
            192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
            239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::8.8.8.8
            ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808
            64:ff9b:1::a00:1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1
            2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1 3fff::1 4000::1
            5f00::1 fc00::1 fd00:ec2::254 fdff:ffff::1 fe80::1 febf::1 fec0::1 feff::1 ff02::1
            ff0e::1
        "
        .split_whitespace()
        {
            assert!(!is_public(closed.parse().unwrap()), "{closed}");
        }
    }

    #[test]
    fn what_lies_beside_is_open() {
        for open in "
            1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
            168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0
            192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
            2001:200::1 2001:db7::1 2001:db9::1 2001:4860:4860::8888 2003::1
            2606:4700:4700::1111 2a00::1 3ffe:ffff::1
        "
        .split_whitespace()
        {
            assert!(is_public(open.parse().unwrap()), "{open}");
        }
    }

    #[test]
    fn an_entry_allows_what_it_names_and_nothing_beside() {
        let list = allowed("10.1.0.0/16, 192.168.7.9, fd12::/16, ERP.Internal., bücher.example,");
        for (host, address, expected) in [
            ("a.example", "10.1.255.255", true),
            ("a.example", "10.2.0.0", false),
            ("a.example", "::ffff:10.1.0.1", false),
            ("a.example", "192.168.7.9", true),
            ("a.example", "192.168.7.8", false),
            ("a.example", "fd12::1", true),
            ("a.example", "fd13::1", false),
            ("erp.internal", "127.0.0.1", true),
            ("erp.internal.", "::1", true),
            ("xn--bcher-kva.example", "10.9.9.9", true),
            ("x.erp.internal", "127.0.0.1", false),
            ("internal", "127.0.0.1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(list.permits(host, address), expected, "{host} {address}");
        }
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for entry in [
            "10.1.2.3/8",
            "10.0.0.0/33",
            "10.0",
            "2130706433",
            "0x7f.1",
            "*.internal",
            "erp.internal:80",
            "http://erp.internal",
            "a b",
            "[::1]",
            "fd12::1/16",
            "-/8",
        ] {
            let refused = format!("10.1.0.0/16, {entry}").parse::<Allowed>();
            let entry = entry.to_owned();
            assert_eq!(refused, Err(InvalidEntry { entry }));
        }
    }

    #[test]
    fn nothing_is_allowed_by_an_empty_list() {
        assert_eq!(allowed(" , "), Allowed::default());
    }
}
