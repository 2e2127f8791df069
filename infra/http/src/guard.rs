use std::net::IpAddr;

use fairlead_domain::network::Network;
use fairlead_domain::webhooks::RefusedUrl;
use url::{Host, Url};

use crate::network::is_public;

/// The most characters of a URL.
const MOST_CHARACTERS: usize = 2_000;

/// Says who may be called.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Whether calls may go without TLS.
    pub(crate) allows_http: bool,
    /// May be called although they are not public.
    pub(crate) allowed: Vec<Network>,
    /// Must not be called, whatever else is said of them.
    pub(crate) denied: Vec<Network>,
}

impl Guard {
    /// Reads a URL that may be called, as far as that shows in it.
    pub(crate) fn check(&self, url: &str) -> Result<Url, RefusedUrl> {
        if url.len() > MOST_CHARACTERS {
            return Err(RefusedUrl::TooLong(MOST_CHARACTERS));
        }
        let mut url = Url::parse(url.trim()).map_err(|_| RefusedUrl::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allows_http => {}
            _ => return Err(RefusedUrl::NotHttps),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedUrl::HasCredentials);
        }
        // Numbers in all their forms have become addresses by now: 2130706433, 0x7f.1, 017700000001.
        let address = match url.host().ok_or(RefusedUrl::NotAUrl)? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        };
        if address.is_some_and(|address| !self.allows(address)) {
            return Err(RefusedUrl::NotPublic);
        }
        // It is never sent.
        url.set_fragment(None);
        if url.as_str().len() > MOST_CHARACTERS {
            return Err(RefusedUrl::TooLong(MOST_CHARACTERS));
        }
        Ok(url)
    }

    /// Whether an address may be connected to.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let is_among = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        !is_among(&self.denied) && (is_public(address) || is_among(&self.allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Guard = Guard {
        allows_http: false,
        allowed: Vec::new(),
        denied: Vec::new(),
    };

    fn refused(url: &str) -> RefusedUrl {
        STRICT.check(url).expect_err(url)
    }

    #[test]
    fn a_url_is_brought_into_its_normal_form() {
        let url = |text: &str| STRICT.check(text).unwrap().to_string();

        assert_eq!(
            url(" HTTPS://Example.COM/a/../b?c=d#e "),
            "https://example.com/b?c=d"
        );
        assert_eq!(url("https://example.com:8443"), "https://example.com:8443/");
        assert_eq!(url("https://8.8.8.8/"), "https://8.8.8.8/");
        assert_eq!(url("https://bücher.example/"), "https://xn--bcher-kva.example/");
    }

    #[test]
    fn what_is_no_url_of_a_receiver_is_refused() {
        for text in [
            "",
            "example.com",
            "https://",
            "https:// /",
            "https://[::1",
            "https://a b/",
        ] {
            assert_eq!(refused(text), RefusedUrl::NotAUrl, "{text}");
        }
        for text in [
            "http://example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "data:,x",
        ] {
            assert_eq!(refused(text), RefusedUrl::NotHttps, "{text}");
        }
        for text in [
            "https://user@example.com",
            "https://user:secret@example.com",
            "https://:s@example.com",
        ] {
            assert_eq!(refused(text), RefusedUrl::HasCredentials, "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(2_000));
        assert_eq!(refused(&long), RefusedUrl::TooLong(2_000));
        // What is written shorter than it is sent.
        let growing = format!("https://example.com/{}", "ä".repeat(900));
        assert_eq!(refused(&growing), RefusedUrl::TooLong(2_000));
    }

    #[test]
    fn an_address_is_looked_at_in_whatever_form() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "169.254.169.254",
            "10.0.0.1",
            "１２７.０.０.１",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:a9fe:a9fe::1]",
            "[fe80::1]",
        ] {
            assert_eq!(
                refused(&format!("https://{host}/")),
                RefusedUrl::NotPublic,
                "{host}"
            );
        }
    }

    #[test]
    fn what_is_allowed_is_what_was_named() {
        let guard = Guard {
            allows_http: true,
            allowed: vec!["127.0.0.1/32".parse().unwrap()],
            denied: Vec::new(),
        };

        assert!(guard.check("http://127.0.0.1:8080/").is_ok());
        for url in [
            "http://127.0.0.2/",
            "http://[::ffff:127.0.0.1]/",
            "http://10.0.0.1/",
        ] {
            assert_eq!(guard.check(url), Err(RefusedUrl::NotPublic), "{url}");
        }
    }

    #[test]
    fn what_is_denied_is_denied_though_it_is_public_or_allowed() {
        let network = |text: &str| text.parse().unwrap();
        let guard = Guard {
            allows_http: false,
            allowed: vec![network("10.0.0.0/8")],
            denied: vec![
                network("10.1.0.0/16"),
                network("8.8.8.0/24"),
                network("2a00::/16"),
            ],
        };

        for url in ["https://10.2.0.1/", "https://8.8.4.4/", "https://[2600::1]/"] {
            assert!(guard.check(url).is_ok(), "{url}");
        }
        for url in ["https://10.1.0.1/", "https://8.8.8.8/", "https://[2a00::1]/"] {
            assert_eq!(guard.check(url), Err(RefusedUrl::NotPublic), "{url}");
        }
    }
}
