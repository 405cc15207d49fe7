//! The registry of models: how a version is published, and how it ends.

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{keccak256, Address, Bytes, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolValue as _;
use dn_core::api::{self, Bytes32};
use dn_core::commitment::{null_input, to_bytes};
use dn_core::protocol::Protocol;
use dn_core::vk_data::{creation_code, vk_data};

use crate::call::{done, CallError};
use crate::contracts::{DnToken, IModelRegistry, ModelRegistry};
use crate::deposit::format_dn;
use crate::{random_salt, wire, Account};

/// A version of a model, as its developer offers it.
#[derive(Clone, Debug)]
pub struct Version {
    /// Keccak-256 of the package.
    pub model_id: Bytes32,
    /// The verifying key for batches of `slots` tasks.
    pub protocol: Protocol,
    /// Tasks that one proof covers.
    pub slots: u32,
    /// Work of one task: its multiply-accumulates.
    pub work_units: u64,
    /// Fee of one task, in wei of DN.
    pub price_wei: u128,
    /// Numbers of its input.
    pub input_len: usize,
    /// Task category in which it competes, for example "digits".
    pub service: String,
}

/// Where the contracts of a registration are.
#[derive(Clone, Copy, Debug)]
pub struct Registry {
    /// The registry.
    pub registry: Address,
    /// The token of its bond.
    pub token: Address,
}

impl From<&api::ChainView> for Registry {
    fn from(chain: &api::ChainView) -> Self {
        Self { registry: wire::address(chain.registry), token: wire::address(chain.token) }
    }
}

impl Registry {
    /// What a developer leaves with the registry for each version, in wei of DN.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn bond(&self, provider: impl Provider) -> Result<U256, CallError> {
        Ok(ModelRegistry::new(self.registry, provider).bond().call().await?)
    }

    /// Whether a version can be registered: nobody has, and the account has the bond, which is returned.
    ///
    /// # Errors
    /// When it is registered already, the account lacks the bond or the chain does not answer.
    pub async fn check(&self, developer: &Account, model_id: Bytes32) -> Result<U256, CallError> {
        let provider = &developer.provider;
        let registry = ModelRegistry::new(self.registry, provider);
        if !registry.vkCodeHash(B256::from(model_id.0)).call().await?.is_zero() {
            return Err(CallError::Refused(format!("model {model_id} is registered already")));
        }
        let bond = self.bond(provider).await?;
        let wallet =
            DnToken::new(self.token, provider).balanceOf(developer.address()).call().await?;
        if wallet < bond {
            return Err(CallError::Refused(format!(
                "the bond of a version is {} DN, the account has {}",
                format_dn(bond),
                format_dn(wallet)
            )));
        }
        Ok(bond)
    }

    /// Announces a version, puts its key on the chain and registers it with the account as its developer, who
    /// pays the bond. Returns the address of the key.
    ///
    /// # Errors
    /// When the key is none, the version is registered already, the account lacks the bond, a contract refuses or the
    /// chain does not answer.
    pub async fn publish(
        &self,
        developer: &Account,
        version: &Version,
    ) -> Result<Address, CallError> {
        let provider = &developer.provider;
        let refused = |e: &dyn std::error::Error| CallError::Refused(e.to_string());
        let code = vk_data(&version.protocol).map_err(|e| refused(&e))?;
        let bond = self.check(developer, version.model_id).await?;
        let token = DnToken::new(self.token, provider);
        let registry = ModelRegistry::new(self.registry, provider);
        let id = B256::from(version.model_id.0);
        // Before anybody can see the key: who sees the registration comes too late.
        let salt = B256::from(to_bytes(random_salt()));
        let announced = keccak256((id, developer.address(), salt).abi_encode());
        done(registry.announce(announced).send().await).await?;
        let vk = deploy_code(provider, creation_code(&code)).await?;
        done(token.approve(self.registry, bond).send().await).await?;
        let spec = IModelRegistry::ModelSpec {
            modelId: id,
            vk,
            batchSlots: version.slots,
            workUnits: version.work_units,
            price: version.price_wei,
            nullInputHash: B256::from(to_bytes(null_input(version.input_len))),
            developer: developer.address(),
            service: version.service.clone(),
        };
        done(registry.register(spec, salt).send().await).await?;
        Ok(vk)
    }

    /// Stops a version for good, with notice, in favour of another one if there is one.
    ///
    /// # Errors
    /// When the account is not its developer, or the chain does not answer.
    pub async fn deprecate(
        &self,
        developer: &Account,
        model_id: Bytes32,
        successor: Option<Bytes32>,
    ) -> Result<(), CallError> {
        let registry = ModelRegistry::new(self.registry, &developer.provider);
        let successor = successor.map_or(B256::ZERO, |id| B256::from(id.0));
        done(registry.deprecate(B256::from(model_id.0), successor).send().await).await
    }

    /// Pays the bond of a deprecated version back to its developer, once the notice is over.
    ///
    /// # Errors
    /// When it is not free yet, or the chain does not answer.
    pub async fn return_bond(&self, caller: &Account, model_id: Bytes32) -> Result<(), CallError> {
        let registry = ModelRegistry::new(self.registry, &caller.provider);
        done(registry.returnBond(B256::from(model_id.0)).send().await).await
    }
}

/// Puts creation code on the chain, and returns where it is.
///
/// # Errors
/// When the chain does not answer or makes no contract of it.
pub async fn deploy_code(provider: impl Provider, code: Vec<u8>) -> Result<Address, CallError> {
    let request = TransactionRequest::default().with_deploy_code(Bytes::from(code));
    let sent = provider.send_transaction(request).await.map_err(alloy::contract::Error::from)?;
    sent.get_receipt().await?.contract_address.ok_or(CallError::Reverted)
}
