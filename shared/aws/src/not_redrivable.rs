//! Why an execution cannot go on where it ended.

/// Why an execution cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRedrivable {
    /// It has not ended.
    #[error("it is still running; follow it with `pomona watch`")]
    Running,
    /// There is nothing left to do.
    #[error("it succeeded; start a new run with `pomona start` where the images have changed")]
    Succeeded,
    /// It ended too long ago.
    #[error(
        "it ended more than 14 days ago; start a new run with `pomona start`: what is finished is not computed again"
    )]
    TooOld,
    /// It gave up.
    #[error(
        "it ended in the state `{state}`, which a redrive would only enter again; start a new run with `pomona start`: \
         what is finished is not computed again"
    )]
    GaveUp {
        /// The state that ends an execution.
        state: String,
    },
    /// Another run is going, and the lock that would keep them apart is taken by a plan only.
    #[error(
        "the run `{other}` is going, and one that goes on does not take the output's lock again; wait until that one \
         has ended (`pomona watch {other}`), or end it (`pomona stop {other}`)"
    )]
    Beside {
        /// The name of the execution that is going.
        other: String,
    },
    /// Step Functions has a reason of its own.
    #[error("AWS says: {reason}; start a new run with `pomona start`: what is finished is not computed again")]
    Refused {
        /// AWS's explanation.
        reason: String,
    },
}
