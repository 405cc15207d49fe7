//! Runs the Solidity verifier in an in-process EVM: the verdict and the gas of the real contract.

use dn_core::protocol::{Protocol, Word};
use dn_core::vk_data::{creation_code, vk_data, VkDataError};
use dn_core::{Scheme, Width};
use revm::context::result::{ExecutionResult, Output};
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
pub use revm::primitives::Address;
use revm::primitives::{hardfork::SpecId, Bytes, TxKind};
use revm::{Context, ExecuteCommitEvm, MainBuilder, MainContext};
use sha3::{Digest, Keccak256};
use thiserror::Error;

/// ABI and creation code of each layout's verifier of each scheme, checked in by `contracts/export-abi.sh`.
const NARROW: &str = include_str!("../../sdk/abi/NarrowVerifier.json");
const DEFAULT: &str = include_str!("../../sdk/abi/DefaultVerifier.json");
const WIDE: &str = include_str!("../../sdk/abi/WideVerifier.json");
const MERGED_NARROW: &str = include_str!("../../sdk/abi/MergedNarrowVerifier.json");
const MERGED_DEFAULT: &str = include_str!("../../sdk/abi/MergedDefaultVerifier.json");
const MERGED_WIDE: &str = include_str!("../../sdk/abi/MergedWideVerifier.json");
const VERIFY: &str = "verify(address,bytes,uint256[])";
const VERIFY_BATCH: &str = "verifyBatch(address[],bytes[],uint256[][])";
/// Limit of every transaction; below the cap of 2^24 that EIP-7825 sets.
const GAS_LIMIT: u64 = 16_000_000;
/// Gas of a transaction that does nothing.
const BASE_GAS: u64 = 21_000;

/// Why the contract could not be asked.
#[derive(Debug, Error)]
pub enum EvmError {
    /// The key does not fit a data contract.
    #[error("build the verifying-key contract")]
    VkData(#[from] VkDataError),
    /// The checked-in artifact is malformed.
    #[error("the verifier's artifact is malformed")]
    Artifact,
    /// A transaction did not succeed.
    #[error("{what} failed in the EVM: {reason}")]
    Transaction {
        /// Which one.
        what: &'static str,
        /// What the EVM says.
        reason: String,
    },
}

/// What the contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvmVerdict {
    /// The return value; a revert counts as a rejection.
    pub accepted: bool,
    /// Gas of a transaction that does nothing else, calldata and its base cost of 21,000 included.
    pub gas: u64,
    /// The same without the floor of 40 gas for each byte of calldata (EIP-7623), which binds from
    /// some 500 slots on. A transaction that also settles spends more than the floor.
    pub gas_above_floor: u64,
    /// Gas of running the contract alone.
    pub execution_gas: u64,
    /// Bytes of calldata.
    pub calldata_bytes: u64,
}

impl EvmVerdict {
    /// Gas of the transaction under a flat floor of so much gas for each byte of calldata.
    #[must_use]
    pub fn gas_with_floor(&self, gas_per_byte: u64) -> u64 {
        self.gas_above_floor.max(BASE_GAS + gas_per_byte * self.calldata_bytes)
    }
}

/// The deployed contracts.
#[derive(Debug)]
pub struct EvmVerifier {
    db: CacheDB<EmptyDB>,
    verifier: Address,
    key: Address,
    nonce: u64,
    /// Gas that deploying the key took.
    pub key_gas: u64,
    /// Bytes of the key's contract.
    pub key_bytes: usize,
}

impl EvmVerifier {
    /// Deploys the verifier and the key of `protocol`.
    ///
    /// # Errors
    /// When the key does not fit or a deployment fails.
    pub fn deploy(protocol: &Protocol) -> Result<Self, EvmError> {
        let artifact: serde_json::Value =
            serde_json::from_str(artifact(protocol)).map_err(|_| EvmError::Artifact)?;
        let code = artifact["bytecode"].as_str().and_then(|c| c.strip_prefix("0x"));
        let code = code.and_then(|c| hex::decode(c).ok()).ok_or(EvmError::Artifact)?;
        let data = vk_data(protocol)?;
        let mut evm = Self {
            db: CacheDB::new(EmptyDB::default()),
            verifier: Address::ZERO,
            key: Address::ZERO,
            nonce: 0,
            key_gas: 0,
            key_bytes: data.len(),
        };
        evm.verifier = evm.create("the verifier's deployment", code)?.0;
        (evm.key, evm.key_gas) = evm.create("the key's deployment", creation_code(&data))?;
        Ok(evm)
    }

    /// The contract of the first key.
    #[must_use]
    pub fn key(&self) -> Address {
        self.key
    }

    /// Deploys the key of another protocol, for [`Self::verify_batch`].
    ///
    /// # Errors
    /// When the key does not fit or its deployment fails.
    pub fn deploy_key(&mut self, protocol: &Protocol) -> Result<Address, EvmError> {
        let data = vk_data(protocol)?;
        Ok(self.create("the key's deployment", creation_code(&data))?.0)
    }

    /// Asks the contract.
    ///
    /// # Errors
    /// When the EVM refuses the transaction itself.
    pub fn verify(&mut self, instances: &[Word], proof: &[u8]) -> Result<EvmVerdict, EvmError> {
        self.ask(encode_call(self.key, instances, proof))
    }

    /// Asks the contract about several proofs at once.
    ///
    /// # Errors
    /// When the EVM refuses the transaction itself.
    pub fn verify_batch(&mut self, claims: &[Claim<'_>]) -> Result<EvmVerdict, EvmError> {
        self.ask(encode_batch(claims))
    }

    fn ask(&mut self, calldata: Vec<u8>) -> Result<EvmVerdict, EvmError> {
        let intrinsic = intrinsic_gas(&calldata);
        let calldata_bytes = calldata.len() as u64;
        let result = self.send("the call", TxKind::Call(self.verifier), calldata)?;
        let accepted = match &result {
            ExecutionResult::Success { output, .. } => {
                let out = output.data();
                out.len() == 32 && out[..31].iter().all(|b| *b == 0) && out[31] == 1
            }
            ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => false,
        };
        let gas_above_floor = result.gas().spent_sub_refunded();
        Ok(EvmVerdict {
            accepted,
            gas: result.tx_gas_used(),
            gas_above_floor,
            execution_gas: gas_above_floor.saturating_sub(intrinsic),
            calldata_bytes,
        })
    }

    fn create(&mut self, what: &'static str, code: Vec<u8>) -> Result<(Address, u64), EvmError> {
        let result = self.send(what, TxKind::Create, code)?;
        let gas = result.tx_gas_used();
        match result {
            ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } => {
                Ok((address, gas))
            }
            other => Err(EvmError::Transaction { what, reason: format!("{other:?}") }),
        }
    }

    fn send(
        &mut self,
        what: &'static str,
        kind: TxKind,
        data: Vec<u8>,
    ) -> Result<ExecutionResult, EvmError> {
        let failed = |reason: String| EvmError::Transaction { what, reason };
        let tx = TxEnv::builder()
            .caller(Address::repeat_byte(0x11))
            .kind(kind)
            .data(Bytes::from(data))
            .gas_limit(GAS_LIMIT)
            .nonce(self.nonce)
            .build()
            .map_err(|e| failed(format!("{e:?}")))?;
        self.nonce += 1;
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(SpecId::PRAGUE))
            .build_mainnet();
        evm.transact_commit(tx).map_err(|e| failed(format!("{e:?}")))
    }
}

/// One proof of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The contract of its key.
    pub key: Address,
    /// Public inputs.
    pub instances: &'a [Word],
    /// Transcript bytes.
    pub proof: &'a [u8],
}

/// Base cost of a transaction and of its calldata (EIP-2028).
fn intrinsic_gas(calldata: &[u8]) -> u64 {
    let zeros = calldata.iter().filter(|b| **b == 0).count() as u64;
    BASE_GAS + 4 * zeros + 16 * (calldata.len() as u64 - zeros)
}

/// The verifier of a key's layout and scheme, by the number of its columns. A wrong one refuses the key.
fn artifact(protocol: &Protocol) -> &'static str {
    let cells = |width: Width| 3 * width.lanes() + 1;
    let first = protocol.phases.first().map_or(0, |p| p.advice.len());
    let width = Width::ALL.into_iter().find(|width| cells(*width) == first).unwrap_or_default();
    match (protocol.scheme(), width) {
        (Scheme::Plain, Width::Narrow) => NARROW,
        (Scheme::Plain, Width::Default | Width::Sequence) => DEFAULT,
        (Scheme::Plain, Width::Wide) => WIDE,
        (Scheme::Merged, Width::Narrow) => MERGED_NARROW,
        (Scheme::Merged, Width::Default | Width::Sequence) => MERGED_DEFAULT,
        (Scheme::Merged, Width::Wide) => MERGED_WIDE,
    }
}

fn number(n: usize) -> Word {
    let mut word = [0u8; 32];
    word[24..].copy_from_slice(&(n as u64).to_be_bytes());
    word
}

fn address(key: Address) -> Word {
    let mut word = [0u8; 32];
    word[12..].copy_from_slice(key.as_slice());
    word
}

/// ABI encoding of `bytes`.
fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut data = number(bytes.len()).to_vec();
    data.extend(bytes);
    data.resize(32 + bytes.len().next_multiple_of(32), 0);
    data
}

/// ABI encoding of `uint256[]`.
fn encode_words(words: &[Word]) -> Vec<u8> {
    [&number(words.len())[..], &words.concat()].concat()
}

/// ABI encoding of a tuple of dynamic values, each encoded: offsets, then values.
fn encode_tuple(values: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut at = 32 * values.len();
    for value in values {
        data.extend(number(at));
        at += value.len();
    }
    data.extend(values.iter().flatten());
    data
}

/// ABI encoding of an array of dynamic values, each encoded.
fn encode_array(values: &[Vec<u8>]) -> Vec<u8> {
    [&number(values.len())[..], &encode_tuple(values)].concat()
}

/// ABI encoding of `verify(address vk, bytes proof, uint256[] instances)`.
fn encode_call(key: Address, instances: &[Word], proof: &[u8]) -> Vec<u8> {
    let proof = encode_bytes(proof);
    let mut data = Keccak256::digest(VERIFY)[..4].to_vec();
    data.extend(address(key));
    data.extend(number(3 * 32));
    data.extend(number(3 * 32 + proof.len()));
    data.extend(proof);
    data.extend(encode_words(instances));
    data
}

/// ABI encoding of `verifyBatch(address[] vks, bytes[] proofs, uint256[][] instances)`.
fn encode_batch(claims: &[Claim<'_>]) -> Vec<u8> {
    let keys: Vec<Word> = claims.iter().map(|c| address(c.key)).collect();
    let proofs: Vec<_> = claims.iter().map(|c| encode_bytes(c.proof)).collect();
    let instances: Vec<_> = claims.iter().map(|c| encode_words(c.instances)).collect();
    let lists = [encode_words(&keys), encode_array(&proofs), encode_array(&instances)];
    let mut data = Keccak256::digest(VERIFY_BATCH)[..4].to_vec();
    data.extend(encode_tuple(&lists));
    data
}
