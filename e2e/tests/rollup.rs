//! A real chain, real contracts, real proofs: honest batches are paid, lies are slashed.

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, U256};
use dn_circuits::field::CoreFr;
use dn_circuits::Slot;
use dn_core::quant::{Activation, Dense, Graph};
use dn_e2e::{settle_batch, Market, Task};
use dn_import::Package;
use dn_sdk::contracts::{IInferenceRollup, InferenceRollup, Staking};
use dn_sdk::{domain, sign, Receipt};

fn anvil() -> PathBuf {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/node_modules");
    modules.join("@foundry-rs/anvil-linux-amd64/bin/anvil")
}

fn package() -> Package {
    let layer = Dense {
        inputs: 12,
        outputs: 4,
        weights: (0..48).map(|i| ((i * 29) % 17 - 8) as i8).collect(),
        bias: vec![3, -5, 70, 0],
        shift: 5,
        activation: Activation::identity(),
    };
    let graph = Graph { layers: vec![layer] };
    Package { name: "small".into(), graph, input_scale: 1.0, output_scale: 1.0 }
}

fn tasks(market: &Market, from: u64, count: u64) -> Vec<Task> {
    (from..from + count)
        .map(|i| {
            let input = (0..12).map(|j| (i * 31 + j * 17) as i8).collect();
            let slot = Slot { input, salt: CoreFr::from(i + 1), label: (i % 4 == 0).then_some(2) };
            Task::order(market, (i % 2) as usize, slot, i).expect("an order")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_paid_and_a_false_receipt_is_slashed() {
    let data = std::env::temp_dir().join(format!("dn-e2e-{}", std::process::id()));
    let market = Market::open(&anvil(), package(), 8, &data).await.expect("a market");
    let before = market.balances().await.expect("balances");
    let batch = tasks(&market, 0, 7);
    let settled = settle_batch(&market, 0, &batch).await.expect("a settled batch");
    let after = market.balances().await.expect("balances");
    println!("gas {} for {} tasks", settled.gas, batch.len());

    let price = U256::from(market.price_wei);
    let share = |name: &str| {
        let of = |b: &dn_e2e::Balances| b.members.iter().find(|m| m.0 == name).expect(name).1;
        (of(&before), of(&after))
    };
    assert_eq!(share("user 1").0 - share("user 1").1, price * U256::from(4));
    assert_eq!(share("user 2").0 - share("user 2").1, price * U256::from(3));
    assert_eq!(share("worker 1").1, price * U256::from(65 * 4) / U256::from(100));
    assert_eq!(share("developer").1, price * U256::from(15 * 7) / U256::from(100));
    let credits: U256 = after.members.iter().map(|m| m.1).sum();
    assert_eq!(credits, after.rollup_tokens);
    assert_eq!(before.supply - after.supply, price * U256::from(5 * 7) / U256::from(100));

    replays_are_rejected(&market, &batch).await;
    false_receipt_is_slashed(&market, &batch[0], settled.task_ids[0]).await;
    std::fs::remove_dir_all(&data).expect("remove the temporary folder");
}

async fn replays_are_rejected(market: &Market, batch: &[Task]) {
    let again = settle_batch(market, 1, batch).await.expect_err("tasks are charged once");
    assert!(format!("{again:#}").contains("send the proof"), "{again:#}");
}

/// The worker of slot 0 signed another output than the proven one: anyone may submit the receipt.
async fn false_receipt_is_slashed(market: &Market, task: &Task, task_id: B256) {
    let worker = &market.members.workers[0];
    let honest = task.answer(market).output_hash;
    let reporter = &market.members.users[1].provider;
    let rollup = InferenceRollup::new(market.contracts.rollup, reporter);
    let staking = Staking::new(market.contracts.staking, reporter);
    let staked = staking.slashableOf(0, worker.address()).call().await.expect("a stake");
    assert!(staked > U256::ZERO);
    let user = task.order.user;
    let before = rollup.balanceOf(user).call().await.expect("a balance");

    for (output_hash, is_slashed) in [(honest, false), (B256::repeat_byte(1), true)] {
        let receipt = Receipt {
            taskId: task_id,
            modelId: market.model_id,
            inputHash: task.order.inputHash,
            outputHash: output_hash,
            startedAtMs: 1,
            finishedAtMs: 2,
        };
        let domain = domain(market.chain_id, market.contracts.rollup);
        let signature = sign(&receipt, &domain, &worker.signer).expect("a signature");
        let receipt = IInferenceRollup::Receipt {
            taskId: receipt.taskId,
            modelId: receipt.modelId,
            inputHash: receipt.inputHash,
            outputHash: receipt.outputHash,
            startedAtMs: 1,
            finishedAtMs: 2,
        };
        let call = rollup.slashReceipt(task.contract_order(), receipt, signature.into());
        let sent = call.send().await;
        assert_eq!(sent.is_ok(), is_slashed);
        if let Ok(pending) = sent {
            assert!(pending.get_receipt().await.expect("a receipt").status());
        }
    }
    let left = staking.slashableOf(0, worker.address()).call().await.expect("a stake");
    assert!(left < staked);
    let after = rollup.balanceOf(user).call().await.expect("a balance");
    assert_eq!(after - before, U256::from(market.price_wei));
}
