//! A model's quality is what a validator's probes found, and that is the truth: whatever is killed meanwhile, and
//! whatever a validator says of the labels afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use alloy::consensus::Transaction as _;
use alloy::eips::BlockId;
use alloy::primitives::{B256, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::Log;
use alloy::sol_types::SolCall as _;
use dn_core::powr;
use dn_core::quant::execute;
use dn_core::statement::Score;
use dn_e2e::Stage;
use dn_sdk::contracts::probes::Probes::{self, recordCall, ProbesErrors, ProbesRecorded};
use dn_sdk::contracts::{Epochs, Validators};
use dn_sdk::wire;
use dn_verifier::daemon::probes::{secret, Draw, Pool, PoolFile, Subject, PER_MODEL};

/// An epoch and its half, in which the probes of the one before are recorded, and the time of proofs.
const RECORDED: Duration = Duration::from_secs(240);
const EPOCH: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
async fn a_quality_is_the_accuracy_that_probes_found() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/digits/pool.jsonl");
    let change = |options: &mut dn_devnet::Options| {
        options.pools = vec![("digits".into(), file.clone())];
        options.epoch = EPOCH;
        options.batch_wait = Duration::from_secs(4);
    };
    let mut stage = Stage::start(super::root(), "network-probes", change).await.unwrap();
    let (provider, contracts) = (stage.provider(), stage.devnet.contracts);
    let validators = Validators::new(contracts.validators, provider.clone());
    let probes = Probes::new(contracts.probes, provider.clone());
    let drawn = async || {
        let seed = validators.seedOf(1).call().await.ok()?;
        (seed != B256::ZERO).then_some(())
    };
    stage.until("epoch 1 is drawn", RECORDED, drawn).await.unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    stage.devnet.kill("validator").unwrap();
    let recorded = async || {
        let found = probes.ProbesRecorded_filter().from_block(0).query().await.ok()?;
        found.into_iter().next()
    };
    let (found, log) = stage.until("probes are recorded", RECORDED, recorded).await.unwrap();

    let score = expected(&stage, &file, found.epoch);
    let told = [found.count, found.correct, found.marginSum].map(|x| x.to::<u32>());
    assert_eq!(told, [score.probe_count, score.probe_correct, score.margin_sum]);
    assert_eq!(score.probe_count as usize, PER_MODEL);
    assert!(score.probe_correct * 10 >= score.probe_count * 8, "{score:?}");
    // The first sample moves a quarter up by a 64th of the distance.
    let epochs = Epochs::new(contracts.epochs, provider);
    let quality: u32 = epochs.qualityOf(found.modelId).call().await.unwrap().to();
    let (first, sample) = (u32::MAX / 4, powr::quality(score).unwrap().0);
    assert_eq!(quality, first + ((sample - first) >> 6));

    asked_by_nobody_special(&stage).await;
    a_lying_label_is_refused(&stage, &found, &log).await;
    // Probes of the next epoch are on their way: the books balance between two settlements.
    let deadline = Instant::now() + RECORDED;
    while !stage.devnet.balances().await.unwrap().balance_since(&stage.before) {
        assert!(Instant::now() < deadline, "tokens are lost");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What the model really says to the probes of an epoch.
fn expected(stage: &Stage, file: &Path, epoch: u32) -> Score {
    let from = PoolFile { service: "digits".into(), file: file.to_owned() };
    let pool = Pool::read(&from).unwrap();
    let secret = secret(&stage.devnet.accounts.validator.signer).unwrap();
    let (model, terms) =
        (&stage.user.model, (stage.user.model.service.clone(), stage.user.model.price));
    let subject = Subject::new(model.model_id, terms, &stage.digits.package);
    subject.suits(&pool).unwrap();
    let draw = Draw::new(&secret, epoch, &[(&subject, &pool)]);
    let mut score = Score::default();
    for probe in &draw.probes {
        let output = execute(&stage.digits.package.graph, &probe.input);
        let label = usize::from(probe.label);
        let others = output.iter().enumerate().filter(|(i, _)| *i != label).map(|(_, x)| *x);
        let lead = i32::from(output[label]) - i32::from(others.max().unwrap());
        score.probe_count += 1;
        score.probe_correct += u32::from(lead > 0);
        score.margin_sum += u32::try_from(lead.max(0)).unwrap();
    }
    score
}

/// Probes are the asker's orders, without a word of the validator, and without labels.
async fn asked_by_nobody_special(stage: &Stage) {
    let asker = stage.devnet.accounts.asker.as_ref().unwrap().address();
    let validator = wire::api_address(stage.devnet.accounts.validator.address());
    let mut asked = 0;
    for batch in stage.user.client.batches(0).await.unwrap() {
        let batch = stage.user.client.batch(batch.id).await.unwrap();
        assert!(batch.score.is_none_or(|score| score.labelled == 0), "labels are told");
        assert!(batch.slots.iter().all(|slot| slot.order.user != validator));
        asked += batch.slots.iter().filter(|s| s.order.user == wire::api_address(asker)).count();
    }
    assert!(asked >= PER_MODEL, "{asked} are asked");
}

/// The transaction with one label changed, against the state before it.
async fn a_lying_label_is_refused(stage: &Stage, found: &ProbesRecorded, log: &Log) {
    let provider = stage.provider();
    let sent = provider.get_transaction_by_hash(log.transaction_hash.unwrap()).await.unwrap();
    let input = sent.unwrap().inner.input().clone();
    let honest = recordCall::abi_decode(&input).unwrap();
    let probes = Probes::new(stage.devnet.contracts.probes, provider);
    let before = BlockId::number(log.block_number.unwrap() - 1);
    let call = |call: &recordCall| {
        let again = probes.record(call.epoch, call.modelId, call.chunks.clone());
        again.from(found.validator).block(before)
    };
    assert_eq!(call(&honest).call().await.unwrap().count, found.count);
    let mut lie = honest;
    let answer = &mut lie.chunks[0].answers[0];
    answer.label = (answer.label + U256::from(1)) % U256::from(10);
    let index = answer.index;
    let refused = call(&lie).call().await.unwrap_err();
    match refused.as_decoded_interface_error::<ProbesErrors>() {
        Some(ProbesErrors::NotInPool(error)) => assert_eq!(error.index, index),
        other => panic!("{other:?}: {refused}"),
    }
}
