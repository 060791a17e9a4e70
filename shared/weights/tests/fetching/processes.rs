//! What only shows in processes of their own: a full disk, a proxy in the environment, several fetches at once.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::server::{Reply, Server};
use crate::{assert_cached, data, empty_cache, names_in};

/// The program of examples/fetch_untrained.rs, which cargo builds with the tests.
fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let program = test.parent().unwrap().with_file_name("examples").join("fetch_untrained");
    assert!(program.exists(), "{} is missing: run the tests with `cargo test`", program.display());
    program
}

/// Starts to fetch after some shell commands.
fn start(shell: &str, source: &str, cache: &Path, proxy: Option<&str>) -> Child {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell} exec \"$0\" \"$1\"")])
        .arg(program())
        .arg(source)
        .env("POMONA_CACHE", cache)
        .stdout(Stdio::piped());
    if let Some(proxy) = proxy {
        for variable in ["ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(variable);
        }
        command.env("HTTPS_PROXY", proxy);
    }
    command.spawn().unwrap()
}

fn output(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The system refuses to let a file of this process grow beyond some 2 MB.
#[test]
fn a_disk_without_room_is_named_and_nothing_half_written_stays() {
    let weights = data::weights();
    let (folder, cache) = empty_cache();
    let small_disk = "ulimit -f 4096; trap '' XFSZ;";
    let message = output(start(small_disk, &weights.display().to_string(), folder.path(), None));
    assert!(message.contains(&format!("cache folder {}", folder.path().display())), "{message}");
    assert!(message.contains("make room, or set POMONA_CACHE to another folder"), "{message}");
    assert!(names_in(cache.model_path(data::edition()).parent().unwrap()).is_empty());

    output(start("", &weights.display().to_string(), folder.path(), None));
    assert_cached(&cache);
}

#[test]
fn processes_that_fetch_at_the_same_time_all_end_well() {
    let weights = data::weights();
    let (folder, cache) = empty_cache();
    let server = Server::start(weights, |_, _| Reply::Good);
    let children = [(); 4].map(|()| start("", &server.base_url(), folder.path(), None));
    for child in children {
        let path = output(child);
        assert!(path.contains(&cache.model_path(data::edition()).display().to_string()), "{path}");
    }
    assert_cached(&cache);
}

/// No name server knows the host, so only the proxy can have answered.
#[test]
fn a_proxy_in_the_environment_is_used() {
    let weights = data::weights();
    let (folder, cache) = empty_cache();
    let proxy = Server::start(weights, |_, _| Reply::Good);
    let path = output(start("", "http://weights.invalid/w", folder.path(), Some(&proxy.proxy_url())));
    assert!(path.contains(&cache.model_path(data::edition()).display().to_string()), "{path}");
    assert_eq!(proxy.requests(), 104);
    assert_cached(&cache);
}
