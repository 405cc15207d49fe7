//! EIP-712 orders and receipts, and the header's public input.

use alloy::primitives::{keccak256, Address, B256, U256};
use alloy::signers::{local::PrivateKeySigner, Error, SignerSync};
use alloy::sol_types::{eip712_domain, Eip712Domain, SolStruct, SolValue};

use crate::contracts::IInferenceRollup::BatchHeader;

alloy::sol! {
    /// A user's signed wish to have one input answered.
    #[derive(Debug, PartialEq, Eq)]
    struct Order {
        address user;
        bytes32 modelId;
        bytes32 inputHash;
        uint128 maxFee;
        uint64 deadline;
        uint64 nonce;
    }

    /// A worker's signed claim of an answer.
    #[derive(Debug, PartialEq, Eq)]
    struct Receipt {
        bytes32 taskId;
        bytes32 modelId;
        bytes32 inputHash;
        bytes32 outputHash;
        uint64 startedAtMs;
        uint64 finishedAtMs;
    }
}

/// The domain that separates a rollup's signatures from all others.
#[must_use]
pub fn domain(chain_id: u64, rollup: Address) -> Eip712Domain {
    eip712_domain! {
        name: "deepnode",
        version: "1",
        chain_id: chain_id,
        verifying_contract: rollup,
    }
}

/// The digest that names an order: the task's id.
#[must_use]
pub fn task_id<T: SolStruct>(message: &T, domain: &Eip712Domain) -> B256 {
    message.eip712_signing_hash(domain)
}

/// Signs an order or a receipt.
///
/// # Errors
/// When the signer fails.
pub fn sign<T: SolStruct>(
    message: &T,
    domain: &Eip712Domain,
    signer: &PrivateKeySigner,
) -> Result<Vec<u8>, Error> {
    Ok(signer.sign_hash_sync(&message.eip712_signing_hash(domain))?.as_bytes().to_vec())
}

/// The public input that binds a batch to its header: its hash without the top three bits.
#[must_use]
pub fn header_instance(header: &BatchHeader) -> U256 {
    let mask = (U256::from(1) << 253) - U256::from(1);
    U256::from_be_bytes(keccak256(header.abi_encode()).0) & mask
}
