//! Multiaddrs of HTTP servers, as URLs.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::Url;

/// The base URL that a textual multiaddr names; `None` where it names no HTTP server.
///
/// Reads `/ip4|ip6|dns|dns4|dns6/HOST[/tcp/PORT]` followed by `/http`, `/https`, `/tls/http` or
/// `/tls/sni/NAME/http`, and `/http-path/PATH` and `/p2p/ID` after it.
pub(crate) fn base_url(text: &str) -> Option<Url> {
    let mut parts = text.strip_prefix('/')?.split('/');
    let host = match parts.next()? {
        "ip4" => parts.next()?.parse::<Ipv4Addr>().ok()?.to_string(),
        "ip6" => format!("[{}]", parts.next()?.parse::<Ipv6Addr>().ok()?),
        "dns" | "dns4" | "dns6" => name(parts.next()?)?.to_owned(),
        _ => return None,
    };
    let mut port = None;
    let mut tls = false;
    let mut http = false;
    let mut path = String::new();
    while let Some(part) = parts.next() {
        match part {
            "tcp" if port.is_none() => port = Some(parts.next()?.parse::<u16>().ok()?),
            "tls" => tls = true,
            "sni" => _ = parts.next()?,
            "http" => http = true,
            "https" => (tls, http) = (true, true),
            // The path's own slashes are written %2F.
            "http-path" if http => path = parts.next()?.replace("%2F", "/").replace("%2f", "/"),
            "p2p" => _ = parts.next()?,
            _ => return None,
        }
    }
    if !http {
        return None;
    }
    let scheme = if tls { "https" } else { "http" };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = path.trim_matches('/');
    Url::parse(&format!("{scheme}://{host}{port}/{path}")).ok()
}

/// A host name and nothing that would end one in a URL.
fn name(text: &str) -> Option<&str> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (!text.is_empty() && text.bytes().all(sound)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_multiaddrs_become_urls() {
        for (multiaddr, url) in [
            ("/ip4/1.2.3.4/tcp/80/http", "http://1.2.3.4/"),
            ("/ip4/1.2.3.4/tcp/7777/http", "http://1.2.3.4:7777/"),
            ("/ip6/2606:4700::1/tcp/8080/http", "http://[2606:4700::1]:8080/"),
            ("/dns/sp.example/tcp/443/https", "https://sp.example/"),
            ("/dns4/sp.example/tcp/443/tls/http", "https://sp.example/"),
            ("/dns6/sp.example/tcp/8443/https", "https://sp.example:8443/"),
            ("/dns/sp.example/https", "https://sp.example/"),
            ("/dns/sp.example/tcp/443/tls/sni/x.example/http", "https://sp.example/"),
            ("/dns/sp.example/https/http-path/a%2Fb", "https://sp.example/a/b"),
            ("/dns/sp.example/tcp/80/http/p2p/12D3KooW", "http://sp.example/"),
        ] {
            assert_eq!(base_url(multiaddr).unwrap().as_str(), url, "{multiaddr}");
        }
    }

    #[test]
    fn other_multiaddrs_are_passed_over() {
        for multiaddr in [
            "",
            "/",
            "/ip4/1.2.3.4/tcp/24001",
            "/ip4/1.2.3.4/udp/4001/quic-v1",
            "/ip4/1.2.3/tcp/80/http",
            "/ip4/1.2.3.4/tcp/99999/http",
            "/ip4/1.2.3.4/tcp/80/ws",
            "/dns/evil@host/tcp/80/http",
            "/dns/a%2fb/tcp/80/http",
            "/dns//tcp/80/http",
            "/dnsaddr/sp.example/http",
            "/unix/tmp/http",
            "http://sp.example",
        ] {
            assert_eq!(base_url(multiaddr), None, "{multiaddr}");
        }
    }
}
