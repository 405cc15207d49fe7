//! What programs around the rollup share: contract bindings, typed signing and the sequencer's HTTP
//! client.

mod account;
mod client;
pub mod contracts;
pub mod economy;
mod key;
mod node;
mod order;
mod task;
pub mod wire;

pub use account::Account;
pub use client::{Client, ClientError};
pub use key::{read_key, read_or_create_key, KeyError};
pub use node::{patiently, Heart, Held, Node, NodeError};
pub use order::{
    domain, header_instance, recover, recover_hash, sign, task_id, Access, Order, Receipt, Register,
};
pub use task::{random_salt, signed_receipt, signed_task, Terms};
