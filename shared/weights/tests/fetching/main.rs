//! The whole way from a source to the cached model, over HTTP on loopback and from folders, with what can go wrong.

mod assembly;
mod data;
mod failing;
mod processes;
mod server;

use std::fs;
use std::path::Path;
use std::time::Duration;

use pomona_weights::{Cache, Error, Event, FetchOptions, Source, fetch, verify};
use server::{Reply, Server};

/// Small waits; a timeout long enough for a busy machine.
fn options(sources: impl Into<Vec<Source>>) -> FetchOptions {
    FetchOptions {
        edition: data::edition().clone(),
        sources: sources.into(),
        attempts: 3,
        first_wait: Duration::from_millis(1),
        timeout: Duration::from_secs(5),
        within: None,
    }
}

/// A cache of this test's own.
fn empty_cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    (folder, cache)
}

#[derive(Default, Debug, PartialEq, Eq)]
struct Seen {
    fetched: usize,
    retried: usize,
    next_sources: usize,
}

fn fetch_and_count(cache: &Cache, options: &FetchOptions) -> (Result<std::path::PathBuf, Error>, Seen) {
    let mut seen = Seen::default();
    let outcome = fetch(cache, options, |event| match event {
        Event::Fetched { .. } => seen.fetched += 1,
        Event::Retrying { .. } => seen.retried += 1,
        Event::NextSource { .. } => seen.next_sources += 1,
    });
    (outcome, seen)
}

/// The cache holds the whole model and nothing else.
fn assert_cached(cache: &Cache) {
    verify(&cache.model_path(data::edition()), data::edition()).unwrap();
    assert_eq!(names_in(cache.model_path(data::edition()).parent().unwrap()).len(), 1);
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_good_server_gives_the_model_and_the_second_fetch_asks_nobody() {
    let weights = data::weights();
    let (_folder, cache) = empty_cache();
    let server = Server::start(weights, |_, _| Reply::Good);

    let (path, seen) = fetch_and_count(&cache, &options([server.source()]));
    assert_eq!(path.unwrap(), cache.model_path(data::edition()));
    assert_eq!(seen, Seen { fetched: 104, ..Seen::default() });
    assert_eq!(cache.model(data::edition()).unwrap(), Some(cache.model_path(data::edition())));
    assert_cached(&cache);

    let (path, seen) = fetch_and_count(&cache, &options([]));
    assert_eq!((path.unwrap(), seen), (cache.model_path(data::edition()), Seen::default()));
}

#[test]
fn a_folder_is_a_source_too() {
    let weights = data::weights();
    let (_folder, cache) = empty_cache();
    let (path, seen) = fetch_and_count(&cache, &options([Source::Folder(weights)]));
    assert_eq!(path.unwrap(), cache.model_path(data::edition()));
    assert_eq!(seen, Seen { fetched: 104, ..Seen::default() });
    assert_cached(&cache);
}

#[test]
fn a_damaged_model_in_the_cache_is_replaced() {
    let weights = data::weights();
    let (_folder, cache) = empty_cache();
    fs::create_dir_all(cache.model_path(data::edition()).parent().unwrap()).unwrap();
    fs::write(cache.model_path(data::edition()), "half a model").unwrap();
    fetch_and_count(&cache, &options([Source::Folder(weights)])).0.unwrap();
    assert_cached(&cache);
}

#[test]
fn redirects_are_followed() {
    let weights = data::weights();
    let (_folder, cache) = empty_cache();
    let target = Server::start(weights.clone(), |_, _| Reply::Good);
    let base = target.base_url();
    let server = Server::start(weights, move |_, _| Reply::Redirect(base.clone()));
    fetch_and_count(&cache, &options([server.source()])).0.unwrap();
    assert_eq!(target.requests(), 104);
    assert_cached(&cache);
}

#[test]
fn a_passing_fault_on_every_file_is_retried_away() {
    let weights = data::weights();
    let faults: [fn() -> Reply; 6] = [
        || Reply::Status(500),
        || Reply::Status(429),
        || Reply::Status(503),
        || Reply::Cut,
        || Reply::CutUndeclared,
        || Reply::Altered,
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (_folder, cache) = empty_cache();
        let server = Server::start(weights.clone(), move |_, earlier| if earlier == 0 { fault() } else { Reply::Good });
        let (outcome, seen) = fetch_and_count(&cache, &options([server.source()]));
        outcome.unwrap();
        assert_eq!(seen, Seen { fetched: 104, retried: 1, next_sources: 0 }, "fault {number}: one retry is told of");
        assert_eq!(server.requests(), 208, "fault {number}");
        assert_cached(&cache);
    }
}

#[test]
fn a_later_source_is_asked_only_for_what_the_earlier_one_lacked() {
    let weights = data::weights();
    let (_folder, cache) = empty_cache();
    let last = data::edition().files.last().unwrap().name;
    let incomplete =
        Server::start(weights.clone(), move |file, _| if file == last { Reply::Status(404) } else { Reply::Good });
    let complete = Server::start(weights, |_, _| Reply::Good);

    let (outcome, seen) = fetch_and_count(&cache, &options([incomplete.source(), complete.source()]));
    outcome.unwrap();
    assert_eq!(seen, Seen { fetched: 104, retried: 0, next_sources: 1 });
    assert_eq!(incomplete.requests_for(last), 1, "a 404 is not asked for again");
    assert_eq!(complete.requests_for(last), 1);
    assert_eq!(incomplete.requests() - 1 + complete.requests(), 104);
    assert_cached(&cache);
}
