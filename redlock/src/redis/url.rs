//! From a URL to an address and credentials, without ever repeating a secret.

use std::fmt;

use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use crate::connector::Address;

/// User, password and database of a node. `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Credentials(pub(super) RedisConnectionInfo);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Why a URL cannot be used. Never repeats the URL: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Not a URL of a Redis server.
    #[error(
        "expected redis://[user[:password]@]host[:port][/database], rediss://… for TLS, or unix:///path (the URL is not shown because it may hold a password)"
    )]
    Unreadable,
    /// `rediss://` and the library was built without TLS.
    #[error("rediss:// needs the feature `tls` of the crate `redlock`")]
    NeedsTls,
    /// A fragment other than `#insecure`.
    #[error("the only fragment allowed is #insecure, on rediss://")]
    Fragment,
}

/// Reads `redis://`, `rediss://` (with `#insecure`), `unix://` and `redis+unix://` URLs.
///
/// # Errors
///
/// [`UrlError`], which never contains the user or the password.
pub fn parse_url(url: &str) -> Result<(Address, Credentials), UrlError> {
    let mut url = redis::parse_redis_url(url).ok_or(UrlError::Unreadable)?;
    let tls = matches!(url.scheme(), "rediss" | "valkeys");
    let insecure = match url.fragment() {
        None | Some("") => false,
        Some("insecure") if tls => true,
        Some(_) => return Err(UrlError::Fragment),
    };
    if tls && !cfg!(feature = "tls") {
        return Err(UrlError::NeedsTls);
    }
    if tls {
        // redis-rs reads TLS URLs only when it does the TLS itself; here the connector does.
        url.set_fragment(None);
        url.set_scheme("redis").map_err(|()| UrlError::Unreadable)?;
    }
    let info = url
        .into_connection_info()
        .map_err(|_| UrlError::Unreadable)?;
    let address = match info.addr() {
        ConnectionAddr::Tcp(host, port) if tls => Address::Tls {
            host: host.clone(),
            port: *port,
            insecure,
        },
        ConnectionAddr::Tcp(host, port) => Address::Tcp {
            host: host.clone(),
            port: *port,
        },
        ConnectionAddr::Unix(path) => Address::Unix { path: path.clone() },
        _ => return Err(UrlError::Unreadable),
    };
    Ok((address, Credentials(info.redis_settings().clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_named_without_user_and_password() {
        for (url, name) in [
            ("redis://localhost", "localhost:6379"),
            ("redis://u:p@10.0.0.1:7000/3", "10.0.0.1:7000"),
            ("unix:///run/redis.sock?user=u&pass=p", "/run/redis.sock"),
            ("redis+unix:///run/redis.sock", "/run/redis.sock"),
        ] {
            let (address, credentials) = parse_url(url).unwrap();
            assert_eq!(address.to_string(), name);
            assert_eq!(format!("{credentials:?}"), "Credentials(..)");
        }
        let (_, credentials) = parse_url("redis://u:p%40ss@h:1/3").unwrap();
        assert_eq!(credentials.0.username(), Some("u"));
        assert_eq!(credentials.0.password(), Some("p@ss"));
        assert_eq!(credentials.0.db(), 3);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_is_read_from_the_scheme_and_the_fragment() {
        for (url, expected) in [
            ("rediss://u:p@h:7000", false),
            ("rediss://u:p@h:7000/#insecure", true),
        ] {
            let Address::Tls { insecure, port, .. } = parse_url(url).unwrap().0 else {
                panic!("{url} is TLS");
            };
            assert_eq!((insecure, port), (expected, 7000));
        }
        assert_eq!(
            parse_url("rediss://h/#unsafe").unwrap_err(),
            UrlError::Fragment
        );
    }

    #[test]
    fn secrets_never_shown_in_the_errors_of_urls() {
        for url in [
            "http://user:hunter2@host",
            "redis://user:hunter2@host:notaport",
            "redis://user:hunter2@host/notadb",
            "redis://user:hunter2@/",
            "redis://user:hunter2@host#insecure",
            "hunter2",
        ] {
            let error = parse_url(url).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("hunter2") && !shown.contains("user:h"),
                "{shown}"
            );
        }
    }
}
