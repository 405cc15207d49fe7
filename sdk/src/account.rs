//! An account on a chain: a key and a provider that signs with it.

use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::Address;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::TransportError;

/// Longest wait for an answer of the chain.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a connection to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A key with its connection.
#[derive(Clone, Debug)]
pub struct Account {
    /// Signs orders, receipts and transactions.
    pub signer: PrivateKeySigner,
    /// Sends transactions signed by it.
    pub provider: DynProvider,
}

impl Account {
    /// Connects a key to an HTTP endpoint. A request that the endpoint does not answer in time
    /// fails. `None` when the endpoint is not a URL.
    #[must_use]
    pub fn connect(signer: PrivateKeySigner, url: &str) -> Option<Self> {
        let wallet = EthereumWallet::from(signer.clone());
        let http = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
        let provider = ProviderBuilder::new()
            .with_simple_nonce_management()
            .wallet(wallet)
            .connect_reqwest(http.build().ok()?, url.parse().ok()?);
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
}
