use crate::{Error, Moments};

/// Merges moments one by one in a balanced binary tree, holding at most log2(n) + 1 of them.
///
/// Works like a binary counter: two neighbours that stand for equally many inputs become one. Rounding errors
/// grow with the tree's depth instead of its size (pairwise summation), and the result depends on the order and
/// number of inputs alone. Merging consecutive groups of a power of two (the last one may be shorter) and then
/// the groups' results is the same tree, so it gives the same bits.
#[derive(Debug, Default)]
pub struct Merger {
    /// Merged neighbours in input order, each of `2^height` inputs, heights strictly decreasing.
    subtrees: Vec<Subtree>,
}

#[derive(Debug)]
struct Subtree {
    height: u32,
    moments: Moments,
}

impl Merger {
    /// Adds the next moments in order.
    ///
    /// # Errors
    /// As [`Moments::merge`]; the merger is then of no further use.
    pub fn push(&mut self, moments: Moments) -> Result<(), Error> {
        let mut newest = Subtree { height: 0, moments };
        while let Some(earlier) = self.subtrees.pop_if(|earlier| earlier.height == newest.height) {
            newest = Subtree { height: earlier.height + 1, moments: earlier.moments.merge(&newest.moments)? };
        }
        self.subtrees.push(newest);
        Ok(())
    }

    /// The moments of everything pushed, `None` if nothing was.
    ///
    /// # Errors
    /// As [`Moments::merge`].
    pub fn finish(self) -> Result<Option<Moments>, Error> {
        let mut subtrees = self.subtrees.into_iter().rev().map(|subtree| subtree.moments);
        let Some(last) = subtrees.next() else {
            return Ok(None);
        };
        subtrees.try_fold(last, |later, earlier| earlier.merge(&later)).map(Some)
    }
}
