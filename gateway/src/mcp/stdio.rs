//! A session over stdin and stdout.

use std::os::fd::AsFd as _;
use std::time::Duration;

use dn_sdk::{Account, Client, ClientError, Signer, User};
use rmcp::ServiceExt as _;
use thiserror::Error;

use super::tools::Tools;
use crate::config::{ANSWER_LIMIT_S, ORDER_LIFE_S};
use crate::inference::Terms;

/// What a session over stdio is started with.
#[derive(Clone, Debug)]
pub struct Session {
    /// The sequencer's HTTP interface.
    pub sequencer: String,
    /// Pays from its escrow.
    pub key: Signer,
    /// The most that the session spends, in wei of DN.
    pub budget_wei: u128,
    /// HTTP endpoint of the chain.
    pub rpc_url: String,
}

/// Why a session ended, or did not begin.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The sequencer does not answer.
    #[error("ask the sequencer for its rollup")]
    Sequencer(#[from] ClientError),
    /// The chain's address is no URL.
    #[error("{0} is not a URL")]
    BadUrl(String),
    /// Stdin or stdout cannot be used.
    #[error("use stdin and stdout")]
    Stdio(#[from] std::io::Error),
    /// The agent did not begin as the protocol says.
    #[error("begin the session: {0}")]
    Begin(String),
}

/// Serves tools on stdin and stdout until stdin ends.
///
/// # Errors
/// When the session cannot begin.
pub async fn serve(session: Session) -> Result<(), SessionError> {
    let Session { sequencer, key, budget_wei, rpc_url } = session;
    let client = Client::new(&sequencer)?;
    let chain = client.chain().await?;
    let user = User::new(&client, chain, key.clone());
    let account = Account::connect(key, &rpc_url).ok_or(SessionError::BadUrl(rpc_url))?;
    let terms = Terms {
        order_life: Duration::from_secs(ORDER_LIFE_S),
        answer_limit: Duration::from_secs(ANSWER_LIMIT_S),
    };
    let tools = Tools::of_session(&client, chain, (user, account), terms, budget_wei);
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
    let file = |fd: std::os::fd::OwnedFd| tokio::fs::File::from_std(std::fs::File::from(fd));
    let running = tools.serve((file(stdin), file(stdout))).await;
    let running = running.map_err(|e| SessionError::Begin(e.to_string()))?;
    // It ends when stdin does.
    let _ = running.waiting().await;
    Ok(())
}
