//! A rollup on a development chain, driven from one process: contracts, model, users, workers and
//! a prover. The end-to-end tests and the demonstration run on it.

mod market;
mod settle;

pub use market::{Balances, Market, Members};
pub use settle::{settle_batch, Answer, Settled, Task};
