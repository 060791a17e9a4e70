//! Faults that stay: the message names the file, what was wrong and both ways out, and the cache stays empty.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use pomona_weights::{Options, Source};

use crate::server::{Reply, Server};
use crate::{data, empty_cache, fetch_and_count, names_in, options};

const FILE: &str = "Const_226.npy";

type Fault = fn() -> Reply;

/// Fetches in vain and returns the message.
fn message_of_failure(options: &Options) -> String {
    let (folder, cache) = empty_cache();
    let message = fetch_and_count(&cache, options).0.unwrap_err().to_string();
    assert!(names_in(folder.path()).is_empty(), "a failed download leaves the cache alone");
    assert!(message.contains("`pomona model fetch --from URL|FOLDER`"), "{message}");
    assert!(message.contains("`--model FILE`"), "{message}");
    message
}

#[test]
fn without_network_and_model_one_message_names_both_ways_out() {
    let closed_port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sources: [Source; 2] = [closed_port(), closed_port()].map(|port| format!("http://{port}/w").parse().unwrap());
    let message = message_of_failure(&options(sources.clone()));
    for source in sources {
        assert!(message.contains(&source.to_string()), "{message}");
    }
}

#[test]
fn a_lasting_fault_of_one_file_is_reported_after_as_many_attempts_as_make_sense() {
    let Some(weights) = data::weights() else { return };
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
    let Some(weights) = data::weights() else { return };
    let server = Server::start(weights, |file, _| if file == FILE { Reply::Silence } else { Reply::Good });
    let impatient = Options { attempts: 2, timeout: Duration::from_millis(300), ..options([server.source()]) };
    let message = message_of_failure(&impatient);
    assert!(message.contains("timeout"), "{message}");
}

#[test]
fn a_folder_that_lacks_a_file_or_holds_another_is_reported_by_path() {
    let Some(weights) = data::weights() else { return };
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
