//! `deepnode mcp`

use dn_gateway::mcp::{Session, SessionError};
use dn_sdk::read_key;
use dn_service::Report;

use crate::args::Mcp;
use crate::error::Failure;
use crate::member::amount;

impl From<SessionError> for Failure {
    fn from(e: SessionError) -> Self {
        Self::of("mcp", &e, "check --sequencer and --rpc-url; an agent's program speaks first")
    }
}

/// Serves an agent until it closes stdin.
#[tokio::main]
pub(crate) async fn serve(args: &Mcp) -> Result<Report, Failure> {
    let key = read_key(&args.of.key_file)
        .map_err(|e| Failure::of("key", &e, "give a file with 64 hex digits"))?;
    let budget_wei = amount(&args.budget)?.saturating_to();
    let session = Session {
        sequencer: args.of.sequencer.clone(),
        key,
        budget_wei,
        rpc_url: args.of.rpc_url.clone(),
    };
    dn_gateway::mcp::serve(session).await?;
    Ok(Report::default())
}
