//! What programs around the rollup share: contract bindings, typed signing and the sequencer's HTTP
//! client.

mod account;
mod api_key;
mod bundle;
mod call;
mod client;
pub mod contracts;
pub mod deposit;
pub mod economy;
mod key;
mod node;
mod order;
pub mod registry;
pub mod settlement;
pub mod stake;
mod task;
mod user;
pub mod wire;

pub use account::Account;
pub use alloy::signers::local::PrivateKeySigner as Signer;
pub use api_key::{check_name, KeyMaker, NameError};
pub use bundle::{bundle_of, order_signer, signed_tasks};
pub use call::CallError;
pub use client::{Client, ClientError};
pub use key::{read_key, read_or_create_key, KeyError};
pub use node::{patiently, Heart, Held, Node, NodeError};
pub use order::{
    domain, recover, recover_hash, sign, task_id, Access, Bundle, Invoice, Order, Receipt, Register,
};
pub use task::{random_salt, signed_receipt, signed_task, Asked, Terms};
pub use user::{choose_model, User};
