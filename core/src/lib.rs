//! The domain of deepnode: pure data and rules.
//!
//! No I/O, no async, no clock. Everything that two programs must agree on to the bit is written
//! here once: what a quantised model computes ([`quant`]), how inputs and outputs are committed
//! to ([`commitment`], [`digest`]), in which order a batch's public inputs stand ([`statement`]),
//! labels among them ([`labels`]), and which ones an honest batch can have ([`canonical`]), how a task lives ([`task`]) and what the
//! sequencer says over HTTP ([`api`]). What work is worth is in [`powr`], what a worker's past is
//! worth in [`trust`], and what an epoch pays in [`economy`].

pub mod api;
pub mod bundle;
pub mod canonical;
pub mod chunks;
pub mod commitment;
pub mod digest;
pub mod economy;
pub mod groups;
pub mod labels;
pub mod poseidon;
pub mod powr;
pub mod proof_file;
pub mod protocol;
pub mod quant;
mod scheme;
mod scoring;
pub mod statement;
pub mod system;
pub mod task;
pub mod trust;
pub mod units;
pub mod vk_data;
mod width;

pub use scheme::Scheme;
pub use scoring::Scoring;
pub use width::Width;
