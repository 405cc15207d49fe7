//! What an error of the chain means: the one place where they are told apart.
//!
//! Only data that a contract reverted with is a refusal. Everything else a node may say is about
//! the node, and says nothing about the transaction.

use alloy::transports::{RpcError, TransportErrorKind};
use dn_sdk::contracts::InferenceRollup::InferenceRollupErrors;
use thiserror::Error;

/// JSON-RPC code of an execution that reverted.
const REVERTED: i64 = 3;

/// Why the chain has no answer.
#[derive(Debug, Error)]
pub(crate) enum ChainError {
    /// The contract reverts, and says why.
    #[error("the contract refuses: {reason}")]
    Refused {
        /// The contract's error, with its arguments.
        reason: String,
        /// Whether it is the proof that is refused.
        is_proof: bool,
    },
    /// The node has the transaction already.
    #[error("the node has the transaction already")]
    Known,
    /// The account has used the nonce.
    #[error("the nonce is used")]
    NonceUsed,
    /// Another transaction with this nonce pays as much.
    #[error("another transaction with this nonce pays as much")]
    Underpriced,
    /// The account cannot pay for gas.
    #[error("the sequencer's account cannot pay for gas")]
    NoFunds,
    /// Two nodes do not agree.
    #[error("the nodes do not agree on {0}")]
    Disagree(&'static str),
    /// The node cannot be reached, or cannot answer: nothing is known.
    #[error("the node does not answer: {0}")]
    Unavailable(String),
    /// The transaction cannot be signed.
    #[error("sign the transaction: {0}")]
    Sign(String),
}

impl From<RpcError<TransportErrorKind>> for ChainError {
    fn from(error: RpcError<TransportErrorKind>) -> Self {
        let Some(payload) = error.as_error_resp() else {
            return Self::Unavailable(error.to_string());
        };
        let has_data = payload.data.as_ref().is_some_and(|d| d.get().len() > 2);
        if let (true, Some(data)) = (payload.code == REVERTED || has_data, payload.as_revert_data())
        {
            let named = payload.as_decoded_interface_error::<InferenceRollupErrors>();
            let is_proof = matches!(named, Some(InferenceRollupErrors::InvalidProof(_)));
            let reason = named.map_or_else(|| data.to_string(), |named| format!("{named:?}"));
            return Self::Refused { reason, is_proof };
        }
        by_message(&payload.message)
    }
}

/// Nodes have no codes for these; the words are those of geth, which others repeat.
fn by_message(message: &str) -> ChainError {
    let text = message.to_ascii_lowercase();
    let says = |words: &str| text.contains(words);
    if says("already known") || says("already imported") {
        ChainError::Known
    } else if says("nonce too low") {
        ChainError::NonceUsed
    } else if says("underpriced") {
        ChainError::Underpriced
    } else if says("insufficient funds") {
        ChainError::NoFunds
    } else {
        ChainError::Unavailable(message.to_owned())
    }
}

impl From<alloy::contract::Error> for ChainError {
    fn from(error: alloy::contract::Error) -> Self {
        match error {
            alloy::contract::Error::TransportError(error) => error.into(),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &str) -> ChainError {
        RpcError::ErrorResp(serde_json::from_str(json).unwrap()).into()
    }

    #[test]
    fn only_revert_data_is_a_refusal() {
        let revert = r#"{"code":3,"message":"execution reverted","data":"0x58ad7d0e"}"#;
        assert!(matches!(answer(revert), ChainError::Refused { .. }));
        for other in [
            r#"{"code":-32603,"message":"internal error"}"#,
            r#"{"code":-32005,"message":"rate limited"}"#,
            r#"{"code":-32000,"message":"header not found"}"#,
            r#"{"code":-32000,"message":"execution reverted"}"#,
            r#"{"code":3,"message":"execution reverted"}"#,
            r#"{"code":-32000,"message":"busy","data":null}"#,
        ] {
            assert!(matches!(answer(other), ChainError::Unavailable(_)), "{other}");
        }
    }

    #[test]
    fn what_a_node_says_of_a_transaction_is_told_apart() {
        let says = |m: &str| answer(&format!(r#"{{"code":-32000,"message":"{m}"}}"#));
        assert!(matches!(says("already known"), ChainError::Known));
        assert!(matches!(says("nonce too low: next 5"), ChainError::NonceUsed));
        let replaced = says("replacement transaction underpriced");
        assert!(matches!(replaced, ChainError::Underpriced));
        assert!(matches!(says("Insufficient funds for gas * price"), ChainError::NoFunds));
    }
}
