//! HTTP as weights need it: bounded in time, and with errors that tell a host that cannot be reached from a file that
//! did not come.

use std::io;
use std::time::{Duration, Instant};

use ureq::http::Uri;

use crate::obstacle::Obstacle;
use crate::{Error, Result};

/// The most that one file may take, however steadily its bytes drip.
const FILE_TIMEOUT: Duration = Duration::from_secs(600);

/// Asks for files until its time is over.
pub(crate) struct Client {
    agent: ureq::Agent,
    timeout: Duration,
    /// How long it may take in all, and when that is over.
    limit: Option<(Duration, Instant)>,
}

impl Client {
    /// Its roots of trust are Mozilla's, compiled in, so that a machine without certificates can fetch too.
    pub(crate) fn new(timeout: Duration, within: Option<Duration>) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_resolve(Some(timeout))
            .timeout_connect(Some(timeout))
            .timeout_per_read(Some(timeout))
            .timeout_per_write(Some(timeout))
            .user_agent(concat!("pomona/", env!("CARGO_PKG_VERSION")))
            .build();
        let limit = within.map(|within| (within, Instant::now() + within));
        Self { agent: agent.into(), timeout, limit }
    }

    /// What `url` holds, `most` bytes at most.
    pub(crate) fn get(&self, url: &str, most: u64) -> Result<Vec<u8>> {
        let left = self.time_left().min(FILE_TIMEOUT);
        let request = self.agent.get(url).config().timeout_global(Some(left)).build();
        let answer = request.call().and_then(|mut answer| answer.body_mut().with_config().limit(most).read_to_vec());
        answer.map_err(|reason| self.error(url, reason))
    }

    /// Until its time is over.
    pub(crate) fn time_left(&self) -> Duration {
        self.limit.map_or(Duration::MAX, |(_, end)| end.saturating_duration_since(Instant::now()))
    }

    fn error(&self, url: &str, reason: ureq::Error) -> Error {
        if let Some((within, _)) = self.limit
            && self.time_left().is_zero()
        {
            return Error::OutOfTime { within };
        }
        match self.obstacle(reason) {
            Ok(obstacle) => {
                let host = host(url).unwrap_or_else(|| url.to_owned());
                Error::Unreachable { host, proxy: self.proxy_of(url), obstacle }
            }
            Err(reason) => Error::Download { url: url.to_owned(), reason: Box::new(reason) },
        }
    }

    /// What keeps the host out of reach, or the reason as it was where it is about the file alone.
    fn obstacle(&self, reason: ureq::Error) -> std::result::Result<Obstacle, ureq::Error> {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable, PermissionDenied};
        match reason {
            ureq::Error::HostNotFound | ureq::Error::Timeout(ureq::Timeout::Resolve) => Ok(Obstacle::UnknownName),
            ureq::Error::Timeout(ureq::Timeout::Connect) => Ok(Obstacle::NoAnswer(self.timeout)),
            ureq::Error::ConnectProxyFailed(answer) => Ok(Obstacle::ClosedProxy(answer)),
            ureq::Error::Io(reason) if is_of_name_service(&reason) => Ok(Obstacle::UnknownName),
            ureq::Error::Io(reason) => match untrusted(&reason) {
                Some(certificate) => Ok(Obstacle::Untrusted(certificate)),
                None => match reason.kind() {
                    ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | PermissionDenied => {
                        Ok(Obstacle::NoConnection(reason))
                    }
                    _ => Err(ureq::Error::Io(reason)),
                },
            },
            ureq::Error::Rustls(rustls::Error::InvalidCertificate(certificate)) => Ok(Obstacle::Untrusted(certificate)),
            other => Err(other),
        }
    }

    /// The proxy between this machine and the URL.
    fn proxy_of(&self, url: &str) -> Option<String> {
        let uri: Uri = url.parse().ok()?;
        let proxy = self.agent.config().proxy().filter(|proxy| !proxy.is_no_proxy(&uri))?;
        Some(format!("{}:{}", proxy.host(), proxy.port()))
    }
}

/// The host that a URL names.
pub(crate) fn host(url: &str) -> Option<String> {
    url.parse::<Uri>().ok()?.authority().map(|authority| authority.as_str().to_owned())
}

/// Whether another try may end better.
pub(crate) fn may_pass(reason: &ureq::Error) -> bool {
    use ureq::Error::{ConnectionFailed, Io, Protocol, StatusCode, Timeout};
    match reason {
        StatusCode(status) => matches!(status, 408 | 429 | 500..),
        Io(_) | Timeout(_) | ConnectionFailed | Protocol(_) => true,
        _ => false,
    }
}

/// The standard library has no kind of its own for names that do not resolve.
fn is_of_name_service(reason: &io::Error) -> bool {
    reason.to_string().starts_with("failed to lookup address information")
}

/// What is wrong with the certificate, where that is what ended a handshake.
fn untrusted(reason: &io::Error) -> Option<rustls::CertificateError> {
    let inner = reason.get_ref()?;
    let error = inner.downcast_ref().or_else(|| inner.source()?.downcast_ref())?;
    match error {
        rustls::Error::InvalidCertificate(certificate) => Some(certificate.clone()),
        _ => None,
    }
}
