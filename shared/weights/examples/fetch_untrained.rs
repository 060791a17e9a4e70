//! `fetch_untrained SOURCE`: fetches untrained weights from a URL or folder into the cache folder, as tests do that
//! need a process of its own: one with another environment, or another limit.

use std::time::Duration;

use pomona_weights::{Cache, Edition, Error, FetchOptions, fetch, untrained_files};

fn main() -> Result<(), Error> {
    let source = std::env::args().nth(1).unwrap_or_default().parse()?;
    let options = FetchOptions {
        edition: Edition::of(&untrained_files())?,
        sources: vec![source],
        attempts: 3,
        first_wait: Duration::from_millis(1),
        timeout: Duration::from_secs(5),
        within: None,
    };
    match fetch(&Cache::from_env()?, &options, |_| ()) {
        Ok(path) => println!("{}", path.display()),
        Err(error) => println!("{error}"),
    }
    Ok(())
}
