//! Certificates for servers that speak TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;
use crate::options::quoted;

/// What is right or wrong with the certificate of a server. Each server gets an authority of its own, which no machine
/// trusts: a client that is not given [`RedisServer::tls_authority`](crate::RedisServer::tls_authority) refuses all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// For `localhost` and `127.0.0.1`, and in its time.
    Valid,
    /// For the right names, and ended yesterday.
    Expired,
    /// In its time, and for a host of another name.
    OtherName,
}

impl Certificate {
    fn names(self) -> &'static str {
        match self {
            Self::Valid | Self::Expired => "DNS:localhost,IP:127.0.0.1",
            Self::OtherName => "DNS:elsewhere.invalid",
        }
    }

    /// Days from now to its end. OpenSSL takes a negative number as well.
    fn days(self) -> &'static str {
        match self {
            Self::Valid | Self::OtherName => "2",
            Self::Expired => "-1",
        }
    }
}

/// The files of one server.
#[derive(Debug)]
pub(crate) struct TlsFiles {
    folder: PathBuf,
}

impl TlsFiles {
    /// Makes an authority, and a certificate that it signs, in a new folder.
    pub(crate) fn create(folder: PathBuf, kind: Certificate) -> Result<Self, Error> {
        fs::create_dir_all(&folder).map_err(Error::system("making the TLS folder"))?;
        fs::write(
            folder.join("names"),
            format!("subjectAltName={}\n", kind.names()),
        )
        .map_err(Error::system("writing the certificate's names"))?;
        let key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let authority = [
            "req",
            "-x509",
            "-days",
            "2",
            "-subj",
            "/CN=redlock testkit",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ];
        let usage = ["-addext", "keyUsage=critical,keyCertSign"];
        let request = [
            "req",
            "-new",
            "-subj",
            "/CN=redlock testkit server",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
        ];
        let sign = [
            "x509",
            "-req",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "names",
        ];
        let signed = [
            "-in",
            "server.csr",
            "-out",
            "server.crt",
            "-days",
            kind.days(),
        ];
        openssl(&folder, &[&authority[..], &key, &usage].concat())?;
        openssl(&folder, &[&request[..], &key].concat())?;
        openssl(&folder, &[&sign[..], &signed].concat())?;
        Ok(Self { folder })
    }

    /// The authority's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The lines of the configuration file.
    pub(crate) fn lines(&self, port: u16) -> Vec<String> {
        let path = |name: &str| quoted(&self.folder.join(name).to_string_lossy());
        vec![
            format!("tls-port {port}"),
            format!("tls-cert-file {}", path("server.crt")),
            format!("tls-key-file {}", path("server.key")),
            format!("tls-ca-cert-file {}", path("ca.crt")),
            "tls-auth-clients no".into(),
        ]
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<(), Error> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::MissingOpenssl);
        }
        other => other.map_err(Error::system("running openssl"))?,
    };
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Openssl(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{Proxy, RedisServer, ServerOptions};

    /// Sends PING over TLS as a client that trusts the authority and checks the name.
    fn ping(server: &RedisServer, authority: &Path) -> String {
        ping_port(server.tls_port().unwrap(), authority)
    }

    fn ping_port(port: u16, authority: &Path) -> String {
        let mut client = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-verify_hostname",
                "localhost",
                "-connect",
            ])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-CAfile")
            .arg(authority)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A client that refused the certificate is gone and reads nothing.
        let _ = client.stdin.take().unwrap().write_all(b"PING\r\nQUIT\r\n");
        let output = client.wait_with_output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn server(kind: Certificate) -> RedisServer {
        RedisServer::start(&ServerOptions::new().tls(kind)).unwrap()
    }

    #[test]
    fn a_valid_certificate_is_accepted_by_those_who_know_its_authority() {
        let (one, other) = (server(Certificate::Valid), server(Certificate::Valid));
        let answer = ping(&one, one.tls_authority().as_deref().unwrap());
        assert!(answer.contains("+PONG"), "{answer}");
        let answer = ping(&one, other.tls_authority().as_deref().unwrap());
        assert!(
            !answer.contains("+PONG") && answer.contains("verify"),
            "{answer}"
        );
    }

    #[test]
    fn a_proxy_in_front_of_tls_lets_the_bytes_pass() {
        let server = server(Certificate::Valid);
        let proxy = Proxy::to_port(server.tls_port().unwrap()).unwrap();
        let answer = ping_port(proxy.port(), &server.tls_authority().unwrap());
        assert!(
            answer.contains("+PONG") && proxy.counts().connections == 1,
            "{answer}"
        );
    }

    #[test]
    fn bad_certificates_are_bad_in_the_way_they_say() {
        for (kind, reason) in [
            (Certificate::Expired, "has expired"),
            (Certificate::OtherName, "ostname mismatch"),
        ] {
            let server = server(kind);
            let answer = ping(&server, server.tls_authority().as_deref().unwrap());
            assert!(
                !answer.contains("+PONG") && answer.contains(reason),
                "{kind:?}: {answer}"
            );
        }
    }

    #[test]
    fn the_same_server_speaks_tls_and_plain_text_also_after_a_restart() {
        let server = server(Certificate::Valid);
        let (url, authority) = (server.tls_url(), server.tls_authority().unwrap());
        server.restart_empty().unwrap();
        assert_eq!(server.tls_url(), url);
        assert!(ping(&server, &authority).contains("+PONG"));
        assert_eq!(
            server.command(&["PING"]),
            redis::Value::SimpleString("PONG".into())
        );
    }
}
