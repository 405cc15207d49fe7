//! `deepnode account ...`

use dn_devnet::grant;
use dn_sdk::deposit::{format_dn, Deposits};
use dn_sdk::{read_or_create_key, wire};
use dn_service::Report;

use crate::args::AccountCommand;
use crate::error::Failure;
use crate::member::{amount, Member};

/// Does what was asked for, and tells what the account has then.
#[tokio::main]
pub(crate) async fn account(command: &AccountCommand) -> Result<Report, Failure> {
    if let AccountCommand::Fund(a) = command {
        let file = &a.amount.of.key_file;
        read_or_create_key(file)
            .map_err(|e| Failure::of("key", &e, "give a file with 64 hex digits"))?;
    }
    let Member { account, chain } = Member::connect(command.of()).await?;
    let deposits = Deposits::new(&account, chain);
    match command {
        AccountCommand::Show(_) => {}
        AccountCommand::Fund(a) => {
            let (wei, token) = (amount(&a.amount.amount)?, wire::address(chain.token));
            grant(&a.state, &a.amount.of.rpc_url, token, &account, wei).await.map_err(|e| {
                let hint =
                    "only a devnet has a faucet: --state names its folder, --rpc-url its chain";
                Failure::new("faucet", format!("{e:#}"), hint)
            })?;
        }
        AccountCommand::Deposit(a) => deposits.deposit(amount(&a.amount)?).await?,
        AccountCommand::Exit(a) if a.amount == "all" => {
            deposits.request_exit(deposits.holdings().await?.balance).await?;
        }
        AccountCommand::Exit(a) => deposits.request_exit(amount(&a.amount)?).await?,
        AccountCommand::CancelExit(_) => deposits.cancel_exit().await?,
        AccountCommand::ClaimExit(_) => deposits.claim_exit().await?,
    }
    let holdings = deposits.holdings().await?;
    let mut report = Report::default();
    report
        .set("account", account.address().to_string())
        .set("wallet_dn", format_dn(holdings.wallet))
        .set("balance_dn", format_dn(holdings.balance))
        .set("spendable_dn", format_dn(holdings.spendable));
    if holdings.leaving.1 != 0 {
        report
            .set("exit_dn", format_dn(holdings.leaving.0))
            .set("exit_paid_from_unix_s", holdings.leaving.1);
    }
    Ok(report)
}
