//! Who acts on a rollup: a key, the chain it is connected to, and where the contracts are.

use dn_core::api::ChainView;
use dn_sdk::deposit::{parse_dn, Wei};
use dn_sdk::{read_key, Account, CallError, Client, Signer};

use crate::args::AccountOf;
use crate::error::Failure;

/// An account of a rollup.
pub(crate) struct Member {
    /// Its key and connection.
    pub(crate) account: Account,
    /// Where the contracts are.
    pub(crate) chain: ChainView,
}

impl Member {
    /// Reads the key and asks the sequencer where the contracts are.
    ///
    /// # Errors
    /// When there is no key or no sequencer, or the chain's endpoint is not a URL.
    pub(crate) async fn connect(of: &AccountOf) -> Result<Self, Failure> {
        let key = read_key(&of.key_file)
            .map_err(|e| Failure::of("key", &e, "give a file with 64 hex digits"))?;
        let chain = Client::new(&of.sequencer)?.chain().await?;
        let account = connect(&of.rpc_url, key)?;
        Ok(Self { account, chain })
    }
}

impl From<CallError> for Failure {
    fn from(e: CallError) -> Self {
        let hint = match e {
            CallError::Call(_) => {
                "check --rpc-url; deepnode account show and deepnode node stake tell what there is, and when it is free"
            }
            CallError::Refused(_) => "nothing was sent: change what the message names",
            CallError::Pending(_) | CallError::Reverted => {
                "look whether it took effect before you try again: deepnode account show, deepnode node stake"
            }
        };
        Self::of("contract", &e, hint)
    }
}

/// An account at a chain.
pub(crate) fn connect(rpc_url: &str, key: Signer) -> Result<Account, Failure> {
    Account::connect(key, rpc_url).ok_or_else(|| {
        let message = format!("{rpc_url} is not a URL");
        Failure::new("bad_url", message, "give an http URL, for example http://127.0.0.1:8545")
    })
}

/// Reads an amount of DN.
pub(crate) fn amount(text: &str) -> Result<Wei, Failure> {
    parse_dn(text).ok_or_else(|| {
        let message = format!("{text} is no amount of DN");
        Failure::new("amount", message, "give DN with up to 18 decimals, for example 2.5")
    })
}
