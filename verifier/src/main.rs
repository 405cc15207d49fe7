//! The validator's program.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    dn_service::main(dn_verifier::daemon::run).await
}
