//! An account on a chain: a key and a provider that signs with it.

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::TransportError;

/// A key with its connection.
#[derive(Clone, Debug)]
pub struct Account {
    /// Signs orders, receipts and transactions.
    pub signer: PrivateKeySigner,
    /// Sends transactions signed by it.
    pub provider: DynProvider,
}

impl Account {
    /// Connects a key to an HTTP endpoint. `None` when the endpoint is not a URL.
    #[must_use]
    pub fn connect(signer: PrivateKeySigner, url: &str) -> Option<Self> {
        let wallet = EthereumWallet::from(signer.clone());
        let provider = ProviderBuilder::new()
            .with_simple_nonce_management()
            .wallet(wallet)
            .connect_http(url.parse().ok()?);
        Some(Self { signer, provider: provider.erased() })
    }

    /// The account's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Id of the chain it is connected to.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn chain_id(&self) -> Result<u64, TransportError> {
        self.provider.get_chain_id().await
    }

    /// Sets the account's gas money on a development chain.
    ///
    /// # Errors
    /// When the chain is not anvil.
    pub async fn fund_on_dev_chain(&self, wei: U256) -> Result<(), TransportError> {
        let params = (self.address(), wei);
        self.provider.raw_request::<_, ()>("anvil_setBalance".into(), params).await
    }
}
