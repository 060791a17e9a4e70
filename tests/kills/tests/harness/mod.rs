//! What the tests share: pictures and what runs on them come to, folders with the program at work in them, the loss of
//! power, and random choices that can be made again.

mod ledger;
mod parallel;
mod pool;
mod power;
mod program;
mod random;
mod world;

pub use ledger::Ledger;
pub use parallel::{each, most, most_of_each_group, some};
pub use pool::{Case, Kind, Pool, VARIANTS};
pub use power::lose_power;
pub use program::{Ended, Order, Process, SIGNALS};
pub use random::Random;
pub use world::World;
