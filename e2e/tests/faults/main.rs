//! Faults that neighbouring networks paid for, each a test that is named after its number.
//!
//! What holds for all of them: a task that was acknowledged ends exactly once, paid or refunded, and
//! no token appears or vanishes.
//!
//! | number | fault | where |
//! |---|---|---|
//! | 1, 2, 3 | a process is killed, a write is torn | `storage.rs` |
//! | 4 | the disk is full | `disk.rs` |
//! | 5, 6 | a worker dies, a worker is slow | `work.rs` |
//! | 7, 8, 10, 11, 12 | late, lost, doubled and poisonous work | `sequencer/src/tests` |
//! | 9 | the news of an end is lost | `settling.rs` |
//! | 13 | an input is damaged | `storage.rs` |
//! | 14 | a cache is emptied | there is no cache: what a process remembers is asked again |
//! | 15, 16, 18, 20 | transactions and nodes of the chain | `sequencer/src/tests`, `tests/network/chain.rs` |
//! | 17 | two processes use one key | `sequencer/src/tests`, `tests/network/users.rs` |
//! | 19, 25, 26, 28 | forced orders, callbacks, exits, validators' votes | the contracts have none of these |
//! | 21 | the contract refuses a proof | `settling.rs` |
//! | 22 | a prover is killed | `settling.rs` |
//! | 23, 24, 27 | two provers, changed models, wrong clocks | `sequencer/src/tests` |
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;
mod player;
mod settling;
mod storage;
mod work;

use std::path::Path;

use dn_devnet::Options;
use dn_e2e::Stage;

/// Starts a network whose folder has this name.
async fn stage(name: &str, change: impl FnOnce(&mut Options)) -> Stage {
    Stage::start(root(), name, change).await.unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
