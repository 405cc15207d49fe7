//! The gateway's program.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    dn_service::main(dn_gateway::run).await
}
