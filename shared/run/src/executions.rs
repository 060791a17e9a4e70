//! What executions of the state machine are called: lists of them tell names, and not what they are for.

/// How the names begin of those that uploads start; the template's rule for runs that found the output in use looks for
/// it.
pub const OF_UPLOADS: &str = "uploads-";

/// How the names begin of those that erase, and make no run over the input.
pub const OF_ERASURES: &str = "erase-";
