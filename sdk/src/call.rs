//! A transaction that is sent and waited for.

use alloy::contract::Error;
use alloy::network::Ethereum;
use alloy::providers::{PendingTransactionBuilder, PendingTransactionError};
use thiserror::Error;

use crate::contracts::{DnToken, Epochs, InferenceRollup, ModelRegistry, Staking, Validators};

/// Why a call had no effect.
#[derive(Debug, Error)]
pub enum CallError {
    /// The contract refuses, or the chain does not answer.
    #[error("{}", reason(.0))]
    Call(#[source] Error),
    /// It was sent and its outcome is unknown.
    #[error("wait for the transaction")]
    Pending(#[from] PendingTransactionError),
    /// It was in a block without effect.
    #[error("the transaction reverted")]
    Reverted,
    /// What was asked for cannot be done as things stand.
    #[error("{0}")]
    Refused(String),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

/// What the contract says, where it says something.
fn reason(error: &Error) -> String {
    macro_rules! told {
        ($($contract:ident::$errors:ident),*) => {
            $(if let Some(told) = error.as_decoded_interface_error::<$contract::$errors>() {
                return format!("the contract refuses: {told:?}");
            })*
        };
    }
    told!(
        InferenceRollup::InferenceRollupErrors,
        Staking::StakingErrors,
        ModelRegistry::ModelRegistryErrors,
        Epochs::EpochsErrors,
        Validators::ValidatorsErrors,
        DnToken::DnTokenErrors
    );
    error.to_string()
}

/// Waits until what was sent is in a block.
pub(crate) async fn done(
    sent: Result<PendingTransactionBuilder<Ethereum>, Error>,
) -> Result<(), CallError> {
    let receipt = sent?.get_receipt().await?;
    receipt.status().then_some(()).ok_or(CallError::Reverted)
}
