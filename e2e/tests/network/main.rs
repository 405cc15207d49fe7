//! The running network: nodes that cheat, users who do not pay, clients that hold on, a chain that
//! fails. Real services and real proofs.
//!
//! | what must hold | where |
//! |---|---|
//! | answers stay fast under steady load | `serving.rs` |
//! | nobody works without a stake | `nodes.rs` |
//! | no fault of the chain stops settlement | `chain.rs` |
//! | who does not pay is refused | `users.rs` |
//! | a liar is shut out within a batch | `nodes.rs` |
//! | nobody holds the queue | `nodes.rs` |
//! | sessions cannot be taken over, and renew | `interface.rs`, `nodes.rs` |
//! | a full disk heals | `faults.rs` |
//! | the port is guarded | `port.rs` |
//! | a quality is what probes found | `probes.rs` |
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chain;
mod nodes;
mod port;
mod probes;
mod users;

use std::path::Path;

/// Where the networks of these tests live.
fn root() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
