//! `deepnode account ...`

use dn_sdk::deposit::{format_dn, parse_dn, DepositError, Deposits};
use dn_sdk::{read_key, Account, Client};
use dn_service::Report;

use crate::args::AccountCommand;
use crate::error::Failure;

impl From<DepositError> for Failure {
    fn from(e: DepositError) -> Self {
        let hint = "deepnode account show tells what there is, and when an exit is paid";
        Self::of("account", &e, hint)
    }
}

/// Does what was asked for, and tells what the account has then.
#[tokio::main]
pub(crate) async fn account(command: &AccountCommand) -> Result<Report, Failure> {
    let of = command.of();
    let key = read_key(&of.key_file)
        .map_err(|e| Failure::of("key", &e, "give a file with 64 hex digits"))?;
    let chain = Client::new(&of.sequencer)?.chain().await?;
    let account = connect(&of.rpc_url, key)?;
    let deposits = Deposits::new(&account, chain);
    match command {
        AccountCommand::Show(_) => {}
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

/// An account at a chain.
pub(crate) fn connect(rpc_url: &str, key: dn_sdk::Signer) -> Result<Account, Failure> {
    Account::connect(key, rpc_url).ok_or_else(|| {
        let message = format!("{rpc_url} is not a URL");
        Failure::new("bad_url", message, "give an http URL, for example http://127.0.0.1:8545")
    })
}

/// An amount of DN.
pub(crate) fn amount(text: &str) -> Result<dn_sdk::deposit::Wei, Failure> {
    parse_dn(text).ok_or_else(|| {
        let message = format!("{text} is no amount of DN");
        Failure::new("amount", message, "give DN with up to 18 decimals, for example 2.5")
    })
}
