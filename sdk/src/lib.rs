//! What programs around the rollup share: contract bindings, typed signing, deployment.

mod account;
mod anvil;
pub mod contracts;
mod deploy;
mod order;

pub use account::Account;
pub use anvil::{Anvil, AnvilError};
pub use deploy::{deploy, deploy_code, DeployError, Deployment, Roles};
pub use order::{domain, header_instance, sign, task_id, Order, Receipt};
