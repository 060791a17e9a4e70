//! Going on past damage, so that one pass finds all of it.

use pomona_formats::Error;

/// The damage that was met so far.
#[derive(Debug, Default)]
pub(crate) struct Damages(Option<Error>);

impl Damages {
    /// The outcome, or nothing where it is damage, which is kept for the end; any other failure ends the pass at once.
    pub(crate) fn keep<T>(&mut self, outcome: Result<T, Error>) -> Result<Option<T>, Error> {
        match outcome {
            Err(damage @ Error::Damaged { .. }) => {
                self.0.get_or_insert(damage);
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    /// Fails with the first damage, if there was any.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}
