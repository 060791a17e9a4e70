//! Why a host could not be asked at all.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why a host could not be asked at all, so that there is no use in asking it for other files, or again.
#[derive(Debug)]
pub enum Obstacle {
    /// No name server knows the host.
    UnknownName,
    /// The system or the host refuses a connection.
    NoConnection(io::Error),
    /// Nobody answers within the time that is given for that.
    NoAnswer(Duration),
    /// The proxy does not let the client through.
    ClosedProxy(String),
    /// The host's certificate, or that of whoever stands before it, is none that Mozilla's roots vouch for.
    Untrusted(rustls::CertificateError),
}

impl Obstacle {
    /// What stands in the way of `host`, and what to do about it.
    pub(crate) fn describe(&self, host: &str, proxy: Option<&str>) -> impl fmt::Display {
        let asked = proxy.map_or_else(|| host.to_owned(), |proxy| format!("proxy {proxy}"));
        let mend = match proxy {
            Some(_) => "see HTTPS_PROXY, and NO_PROXY for hosts that need none",
            None => "see whether there is a network, or a proxy for HTTPS_PROXY to name",
        };
        match self {
            Obstacle::UnknownName => format!("{asked}: the name does not resolve; {mend}"),
            Obstacle::NoConnection(reason) => format!("{asked}: {reason}; {mend}"),
            Obstacle::NoAnswer(time) => format!("{asked}: no connection within {} s; {mend}", time.as_secs_f64()),
            Obstacle::ClosedProxy(answer) => format!("{asked}: no way through to {host} ({answer}); {mend}"),
            Obstacle::Untrusted(problem) => format!(
                "{host}: its certificate is not trusted ({problem}); most likely a proxy on the way signs TLS anew: fetch \
                 the files with a program that trusts it, and name their folder"
            ),
        }
    }
}
