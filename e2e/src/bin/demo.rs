//! `make demo`: the digits model from ONNX to paid batches on a development chain.

use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use dn_circuits::field::CoreFr;
use dn_circuits::Slot;
use dn_e2e::{settle_batch, Balances, Market, Settled, Task};
use dn_import::{arg_max, import_onnx, npz, Calibration, Imported};

/// Images that go in.
const TASKS: usize = 256;
/// Images that one proof covers.
const BATCH: usize = 64;

#[tokio::main]
async fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let data = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".deepnode".into()));
    let (imported, heldout) = import(&root.join("models/digits"))?;
    let anvil = root.join("contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    say("opening the market: keys, development chain, contracts, model, deposits and stakes");
    let market = Market::open(&anvil, imported.package, BATCH, &data).await?;
    let before = market.balances().await?;

    let tasks = order(&market, &heldout)?;
    let labels = heldout.y.context("the held-out split has labels")?;
    let right = tasks
        .iter()
        .zip(&labels)
        .filter(|(t, y)| usize::try_from(**y) == Ok(arg_max(&t.answer(&market).output)))
        .count();
    say(&format!("answered {TASKS} tasks at once; {right} of them right"));
    let mut batches = Vec::new();
    for (id, batch) in (0u64..).zip(tasks.chunks(BATCH)) {
        say(&format!("batch {id}: committing, proving, verifying, settling"));
        batches.push(settle_batch(&market, id, batch).await?);
    }
    let after = market.balances().await?;
    report(&batches, &before, &after);
    check(&market, &batches, &before, &after).await
}

#[expect(clippy::print_stderr, reason = "progress of a command")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn import(folder: &Path) -> Result<(Imported, Calibration)> {
    let onnx = std::fs::read(folder.join("mlp.onnx")).context("read models/digits/mlp.onnx")?;
    let calibration = npz::read(&folder.join("calibration.npz"))?;
    let heldout = npz::read(&folder.join("heldout.npz"))?;
    let imported = import_onnx(&onnx, &calibration, "digits")?;
    let accuracy = imported.accuracy(&heldout).context("the held-out split has labels")?;
    say(&format!(
        "digits MLP 64-32-10 on {} held-out images: float {:.2} %, int8 {:.2} %",
        heldout.x.len(),
        accuracy.float * 100.0,
        accuracy.int8 * 100.0
    ));
    ensure!(accuracy.float >= 0.95 && accuracy.float - accuracy.int8 <= 0.005, "accuracy");
    Ok((imported, heldout))
}

/// Two users take turns to order one task per image.
fn order(market: &Market, heldout: &Calibration) -> Result<Vec<Task>> {
    (0u64..)
        .zip(heldout.x.iter().take(TASKS))
        .map(|(i, x)| {
            let input = market.package.quantize_input(x);
            let slot = Slot { input, salt: CoreFr::from(i + 1), label: None };
            Task::order(market, usize::from(i % 2 == 1), slot, i)
        })
        .collect()
}

#[expect(clippy::print_stdout, reason = "the output of a command")]
fn report(batches: &[Settled], before: &Balances, after: &Balances) {
    println!("\nbatch  tasks  prove CPU s  ms/inference  proof bytes  gas        transaction");
    for (id, b) in batches.iter().enumerate() {
        let (cpu, tasks) = (b.proof.usage.cpu_s, b.task_ids.len());
        println!(
            "{id:5}  {tasks:5}  {cpu:11.2}  {:12.1}  {:11}  {:9}  {}",
            cpu * 1e3 / tasks as f64,
            b.proof.bytes.len(),
            b.gas,
            b.transaction
        );
    }
    println!("\nmember       before (wei of DN)        after");
    for ((name, old), (_, new)) in before.members.iter().zip(&after.members) {
        println!("{name:11}  {old:24}  {new}");
    }
    println!("burned       {}", before.supply - after.supply);
}

/// Every task settled once, and the books balance.
#[expect(clippy::print_stdout, reason = "the output of a command")]
async fn check(
    market: &Market,
    batches: &[Settled],
    before: &Balances,
    after: &Balances,
) -> Result<()> {
    use dn_sdk::contracts::InferenceRollup;
    let provider = &market.members.sequencer.provider;
    let rollup = InferenceRollup::new(market.contracts.rollup, provider);
    let mut settled = 0;
    for id in batches.iter().flat_map(|b| &b.task_ids) {
        ensure!(rollup.isCharged(*id).call().await?, "task {id} is not paid");
        settled += 1;
    }
    ensure!(settled == TASKS, "{settled} tasks settled, expected {TASKS}");
    let credits: alloy::primitives::U256 = after.members.iter().map(|m| m.1).sum();
    let escrow: alloy::primitives::U256 = before.members.iter().map(|m| m.1).sum();
    let burned = before.supply - after.supply;
    let balanced = credits == after.rollup_tokens && escrow == credits + burned;
    println!("tasks settled exactly once: {settled}");
    println!("sum of DN unchanged but for the burn: {}", if balanced { "yes" } else { "no" });
    ensure!(balanced, "the books do not balance");
    Ok(())
}
