use crate::Error;

/// What adding up over rows comes to: the sums of two sets of rows merge to the sum of both.
pub trait Sum: Sized {
    /// The sum of these rows and the `later` ones together.
    ///
    /// # Errors
    /// Where the sums are of rows of other shapes.
    fn merge(self, later: &Self) -> Result<Self, Error>;
}

/// Merges sums one by one in a balanced binary tree, holding at most log2(n) + 1 of them.
///
/// Works like a binary counter: two neighbours that stand for equally many inputs become one. Rounding errors
/// grow with the tree's depth instead of its size (pairwise summation), and the result depends on the order and
/// number of inputs alone. Merging consecutive groups of a power of two (the last one may be shorter) and then
/// the groups' results is the same tree, so it gives the same bits.
#[derive(Debug)]
pub struct Merger<S> {
    /// Merged neighbours in input order, each of `2^height` inputs, heights strictly decreasing.
    subtrees: Vec<Subtree<S>>,
}

#[derive(Debug)]
struct Subtree<S> {
    height: u32,
    sum: S,
}

impl<S> Default for Merger<S> {
    fn default() -> Self {
        Self { subtrees: Vec::new() }
    }
}

impl<S: Sum> Merger<S> {
    /// Adds the next sum in order.
    ///
    /// # Errors
    /// As [`Sum::merge`]; the merger is then of no further use.
    pub fn push(&mut self, sum: S) -> Result<(), Error> {
        let mut newest = Subtree { height: 0, sum };
        while let Some(earlier) = self.subtrees.pop_if(|earlier| earlier.height == newest.height) {
            newest = Subtree { height: earlier.height + 1, sum: earlier.sum.merge(&newest.sum)? };
        }
        self.subtrees.push(newest);
        Ok(())
    }

    /// The sum of everything pushed, `None` if nothing was.
    ///
    /// # Errors
    /// As [`Sum::merge`].
    pub fn finish(self) -> Result<Option<S>, Error> {
        let mut subtrees = self.subtrees.into_iter().rev().map(|subtree| subtree.sum);
        let Some(last) = subtrees.next() else {
            return Ok(None);
        };
        subtrees.try_fold(last, |later, earlier| earlier.merge(&later)).map(Some)
    }
}
