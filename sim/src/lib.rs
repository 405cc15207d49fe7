//! What honesty is worth: thousands of nodes live through thousands of epochs, each group by another
//! strategy, under the integers of [`dn_core::economy`] that the contracts replay.
//!
//! Every group has the same number of nodes, capacity and stake, so what a strategy earns beside the
//! honest group is its payoff. Money is in units of 10^-6 DN. The market and the nodes' behaviour are
//! a model; trust, scores, pools, bounds and slashes are the protocol's.

mod market;
mod node;
mod random;
mod report;
mod strategy;

pub use market::{payoffs, Payoff, Size};
pub use report::{plot, table};
pub use strategy::Strategy;
