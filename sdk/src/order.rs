//! Messages that are signed by EIP-712.

use alloy::primitives::{Address, Signature, B256};
use alloy::signers::{local::PrivateKeySigner, Error, SignerSync};
use alloy::sol_types::{eip712_domain, Eip712Domain, SolStruct};

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
        bytes32 tag;
    }

    /// A user's signed wish to have several inputs answered.
    #[derive(Debug, PartialEq, Eq)]
    struct Bundle {
        address user;
        bytes32 modelId;
        bytes32 inputs;
        uint128 maxFee;
        uint64 deadline;
        uint64 nonce;
        bytes32 tags;
        uint8 size;
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

    /// A worker's claim of its share of a chunk.
    #[derive(Debug, PartialEq, Eq)]
    struct Invoice {
        bytes32 batchHash;
        uint256 chunk;
        bytes32 outputs;
    }

    /// A node's proof that it holds its key.
    #[derive(Debug, PartialEq, Eq)]
    struct Register {
        address node;
        uint8 role;
        bytes32 challenge;
    }

    /// A user's leave to read what is theirs, to whoever bears it.
    #[derive(Debug, PartialEq, Eq)]
    struct Access {
        address user;
        uint64 expiresAt;
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

/// The account that signed a message, if the signature is one that the contracts accept: 65 bytes,
/// `v` of 27 or 28, `s` in the lower half.
#[must_use]
pub fn recover<T: SolStruct>(
    message: &T,
    domain: &Eip712Domain,
    signature: &[u8],
) -> Option<Address> {
    recover_hash(message.eip712_signing_hash(domain), signature)
}

/// As [`recover`], where the message's hash is known.
#[must_use]
pub fn recover_hash(hash: B256, signature: &[u8]) -> Option<Address> {
    if signature.len() != 65 || !matches!(signature[64], 27 | 28) {
        return None;
    }
    let signature = Signature::from_raw(signature).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    signature.recover_address_from_prehash(&hash).ok()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;

    use super::*;

    #[test]
    fn only_signatures_that_contracts_accept_are_recovered() {
        let signer = PrivateKeySigner::random();
        let domain = domain(31337, Address::repeat_byte(7));
        let challenge = B256::repeat_byte(1);
        let message = Register { node: signer.address(), role: 0, challenge };
        let good = sign(&message, &domain, &signer).unwrap();
        assert_eq!(recover(&message, &domain, &good), Some(signer.address()));

        let other = Register { role: 1, ..message.clone() };
        assert_ne!(recover(&other, &domain, &good), Some(signer.address()));
        assert_eq!(recover(&message, &domain, &good[..64]), None);
        let parity = [&good[..64], &[good[64] - 27]].concat();
        assert_eq!(recover(&message, &domain, &parity), None);
        let signature = Signature::from_raw(&good).unwrap();
        let order = U256::from_str_radix(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            16,
        );
        let high = Signature::new(signature.r(), order.unwrap() - signature.s(), !signature.v());
        assert_eq!(recover(&message, &domain, &high.as_bytes()), None);
    }

    /// The vector was made with ethers.js; `sdk/js/access.test.js` has the same.
    #[test]
    fn an_access_token_is_that_of_javascript() {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap();
        let domain = domain(31337, Address::repeat_byte(7));
        let access = Access { user: signer.address(), expiresAt: 1234 };
        let signature = alloy::hex::encode_prefixed(sign(&access, &domain, &signer).unwrap());
        let expected = "0xa576b928fe45054136e32d14a77e488d8451849711920d72178ebb9f07c077247357607aee96470fc302aeb7e1929271c9174d69746afab068bfd12851f4efab1b";
        assert_eq!(signature, expected);
    }
}
