//! `deepnode stake`, `unbond`, `withdraw` and `node`

use dn_core::api::TrustView;
use dn_sdk::deposit::format_dn;
use dn_sdk::stake::{StakeRole, Stakes};
use dn_sdk::Client;
use dn_service::Report;
use serde_json::{json, Value};

use crate::args::{NodeCommand, NodeList, StakeAmount, StakeOf};
use crate::error::Failure;
use crate::member::{amount, Member};

/// 1.0 of the protocol's fractions.
const ONE: f64 = u32::MAX as f64;

/// Puts up a stake and takes the seat or place that the role has.
#[tokio::main]
pub(crate) async fn stake(args: &StakeAmount) -> Result<Report, Failure> {
    let member = Member::connect(&args.of).await?;
    let role = StakeRole::from(args.role);
    let stakes = Stakes::new(&member.account, member.chain, role);
    stakes.add(amount(&args.amount)?).await?;
    told(&member, role).await
}

/// Starts to take a stake out.
#[tokio::main]
pub(crate) async fn unbond(args: &StakeAmount) -> Result<Report, Failure> {
    let member = Member::connect(&args.of).await?;
    let role = StakeRole::from(args.role);
    let stakes = Stakes::new(&member.account, member.chain, role);
    let amount = match args.amount.as_str() {
        "all" => stakes.stake().await?.bonded,
        text => amount(text)?,
    };
    stakes.unbond(amount).await?;
    told(&member, role).await
}

/// Pays out what was taken out.
#[tokio::main]
pub(crate) async fn withdraw(args: &StakeOf) -> Result<Report, Failure> {
    let member = Member::connect(&args.of).await?;
    let role = StakeRole::from(args.role);
    Stakes::new(&member.account, member.chain, role).withdraw().await?;
    told(&member, role).await
}

/// Tells of nodes.
#[tokio::main]
pub(crate) async fn node(command: &NodeCommand) -> Result<Report, Failure> {
    match command {
        NodeCommand::List(args) => list(args).await,
        NodeCommand::Stake(args) => show(args).await,
    }
}

/// Tells what an account has put up.
async fn show(args: &StakeOf) -> Result<Report, Failure> {
    let member = Member::connect(&args.of).await?;
    told(&member, args.role.into()).await
}

async fn told(member: &Member, role: StakeRole) -> Result<Report, Failure> {
    let stake = Stakes::new(&member.account, member.chain, role).stake().await?;
    let mut report = Report::default();
    report
        .set("account", member.account.address().to_string())
        .set("role", json!(role))
        .set("wallet_dn", format_dn(stake.wallet))
        .set("bonded_dn", format_dn(stake.bonded))
        .set("minimum_dn", format_dn(stake.minimum))
        .set("active", stake.is_active)
        .set("seated", stake.is_seated);
    if stake.release_at != 0 && !stake.unbonding.is_zero() {
        report
            .set("unbonding_dn", format_dn(stake.unbonding))
            .set("withdrawn_from_unix_s", stake.release_at);
    }
    Ok(report)
}

/// Lists the nodes that a sequencer knows.
async fn list(args: &NodeList) -> Result<Report, Failure> {
    let nodes = Client::new(&args.sequencer)?.nodes().await?;
    let rows: Vec<Value> = nodes
        .iter()
        .map(|n| {
            let TrustView { completion, accuracy, uptime, speed, history, weight } = n.trust;
            let part = |x: u32| (f64::from(x) / ONE * 1e4).round() / 1e4;
            json!({
                "node": n.node,
                "role": n.role,
                "alive": n.is_alive,
                "barred": n.is_barred,
                "completed": n.completed,
                "held": n.held,
                "allowance": n.allowance,
                "trust": part(weight),
                "completion": part(completion),
                "accuracy": part(accuracy),
                "uptime": part(uptime),
                "speed": part(speed),
                "history": part(history),
            })
        })
        .collect();
    let mut report = Report::default();
    report.set("nodes", rows);
    Ok(report)
}
