//! Faults that stay: the message names the file, what was wrong and both ways out, and the cache stays empty.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use pomona_weights::{FetchOptions, Source};

use crate::server::{Reply, Server, TlsServer};
use crate::{Seen, data, empty_cache, fetch_and_count, names_in, options};

const FILE: &str = "Const_226.npy";

type Fault = fn() -> Reply;

/// Fetches in vain and returns the message.
fn message_of_failure(options: &FetchOptions) -> String {
    let (folder, cache) = empty_cache();
    let message = fetch_and_count(&cache, options).0.unwrap_err().to_string();
    assert!(names_in(folder.path()).is_empty(), "a failed download leaves the cache alone");
    assert!(message.contains("`pomona model fetch --from URL|FOLDER`"), "{message}");
    assert!(message.contains("`--model FILE`") && message.contains("`--untrained`"), "{message}");
    message
}

/// Fetches in vain from somewhere that cannot be reached, and returns what is said of it: once, without another try.
fn message_of_obstacle(sources: impl Into<Vec<Source>>) -> String {
    let sources = sources.into();
    let hosts = sources.len();
    let (_folder, cache) = empty_cache();
    let (outcome, seen) = fetch_and_count(&cache, &options(sources));
    assert_eq!(seen, Seen { next_sources: hosts - 1, ..Seen::default() });
    outcome.unwrap_err().to_string()
}

fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn each_host_that_refuses_connections_is_asked_and_told_of_once() {
    let ports = [closed_port(), closed_port()];
    let message = message_of_obstacle(ports.map(|port| format!("http://{port}/w").parse().unwrap()));
    for port in ports {
        assert_eq!(message.matches(&format!("{port}: Connection refused")).count(), 1, "{message}");
    }
}

#[test]
fn a_second_source_on_a_host_that_cannot_be_reached_is_not_asked() {
    let port = closed_port();
    let sources = ["a", "b"].map(|folder| format!("http://{port}/{folder}").parse().unwrap());
    let (_folder, cache) = empty_cache();
    let (outcome, seen) = fetch_and_count(&cache, &options(sources));
    assert_eq!(seen, Seen::default());
    assert_eq!(outcome.unwrap_err().to_string().matches("Connection refused").count(), 1);
}

#[test]
fn a_name_that_does_not_resolve_is_told_from_a_certificate_that_is_not_trusted() {
    let message = message_of_obstacle(["https://pomona.invalid/w".parse().unwrap()]);
    assert!(message.contains("pomona.invalid: the name does not resolve; see whether there is a network"), "{message}");

    let server = TlsServer::start();
    let message = message_of_obstacle([server.source()]);
    assert!(message.contains("its certificate is not trusted"), "{message}");
    assert!(message.contains("a proxy on the way signs TLS anew"), "{message}");
}

/// A host that takes connections and says nothing, as behind a firewall that lets only some things through.
#[test]
fn fetching_ends_when_all_its_time_is_over_and_asks_no_other_source() {
    let weights = data::weights();
    let servers = [(); 2].map(|()| Server::start(weights.clone(), |_, _| Reply::Silence));
    let (_folder, cache) = empty_cache();
    let patience =
        FetchOptions { within: Some(Duration::from_millis(300)), ..options(servers.each_ref().map(Server::source)) };
    let (outcome, seen) = fetch_and_count(&cache, &patience);
    assert_eq!(seen, Seen::default());
    assert!(outcome.unwrap_err().to_string().contains("not all of it came within 0.3 s"));
    assert_eq!(servers[1].requests(), 0);
}

#[test]
fn a_lasting_fault_of_one_file_is_reported_after_as_many_attempts_as_make_sense() {
    let weights = data::weights();
    let faults: [(Fault, usize, &str); 8] = [
        (|| Reply::Status(404), 1, "404"),
        (|| Reply::Status(403), 1, "403"),
        (|| Reply::Status(500), 3, "500"),
        (|| Reply::Altered, 3, "not the published file (sha256 is "),
        (|| Reply::Cut, 3, "disconnected"),
        (|| Reply::CutUndeclared, 3, "not the published file (sha256 is "),
        (|| Reply::Oversized, 1, "larger than"),
        (|| Reply::Redirect(String::new()), 11, "too many redirects"),
    ];
    for (fault, attempts, problem) in faults {
        let server = Server::start(weights.clone(), move |file, _| if file == FILE { fault() } else { Reply::Good });
        let message = message_of_failure(&options([server.source()]));
        assert!(message.contains(&format!("{}/{FILE}: ", server.base_url())), "{message}");
        assert!(message.contains(problem), "{problem}: {message}");
        assert_eq!(server.requests_for(FILE), attempts, "{message}");
    }
}

/// The server would stay silent for ten seconds and then close the connection, which reads differently.
#[test]
fn a_silent_server_runs_into_the_timeout() {
    let weights = data::weights();
    let server = Server::start(weights, |file, _| if file == FILE { Reply::Silence } else { Reply::Good });
    let impatient = FetchOptions { attempts: 2, timeout: Duration::from_millis(300), ..options([server.source()]) };
    let message = message_of_failure(&impatient);
    assert!(message.contains("timeout"), "{message}");
}

#[test]
fn a_folder_that_lacks_a_file_or_holds_another_is_reported_by_path() {
    let weights = data::weights();
    let folder = tempfile::tempdir().unwrap();
    for name in names_in(&weights) {
        fs::copy(weights.join(&name), folder.path().join(&name)).unwrap();
    }
    let path = folder.path().join(FILE);
    let source = Source::Folder(folder.path().into());

    fs::remove_file(&path).unwrap();
    let message = message_of_failure(&options([source.clone()]));
    assert!(message.contains(&format!("{}: No such file", path.display())), "{message}");

    fs::write(&path, "version https://git-lfs.github.com/spec/v1").unwrap();
    let message = message_of_failure(&options([source]));
    assert!(message.contains(&format!("{}: not the published file", path.display())), "{message}");
}
