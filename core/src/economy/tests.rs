//! Laws of the economy, and the traces that the contracts replay.

use super::*;

mod traces;

const RATES: Rates =
    Rates { work_per_unit: 10, work_per_stake: 1_000, emission_cap: 1_000_000_000 };
const STAKE: u128 = 1 << 60;

/// An epoch in which each worker did all that its fees pay for, with a pool of `pool`. Returns what
/// each is paid.
fn paid(fees: &[u64], pool: u128) -> Vec<u64> {
    let mut epochs = Epochs::new(RATES);
    let mut workers = vec![Worker::default(); fees.len()];
    for (worker, fees) in workers.iter_mut().zip(fees) {
        worker.work.record(&RATES, u64::MAX, Fraction::ONE, 1, u128::from(*fees));
    }
    epochs.fund(pool);
    epochs.advance();
    assert_eq!(epochs.close(workers.iter_mut().map(|w| (w, STAKE, None)), 0).pool, pool);
    let paid: Vec<u64> = workers.iter_mut().map(|w| epochs.claim(w)).collect();
    assert!(paid.iter().map(|p| u128::from(*p)).sum::<u128>() <= pool);
    assert!(epochs.owed() <= epochs.balance());
    paid
}

#[test]
fn an_order_to_oneself_never_pays() {
    for fees in [1, 1_000, 123_456_789] {
        for others in [0, 1, 1_000_000_000] {
            for pool in [0, 1, 1_000_000, 1 << 60] {
                let lost = u128::from(fees) * (POOL_PER_MILLE + BURNED_PER_MILLE) / 1_000;
                assert!(u128::from(paid(&[fees, others], pool)[0]) <= lost);
            }
        }
    }
}

#[test]
fn splitting_an_identity_gains_nothing() {
    for pool in [1_000, 100_000, 10_000_000] {
        let whole = paid(&[1_000_000, 3_000_000], pool)[0];
        let split = paid(&[400_000, 600_000, 3_000_000], pool);
        assert!(split[0] + split[1] <= whole);
    }
}

#[test]
fn what_the_bound_leaves_over_burns() {
    let mut epochs = Epochs::new(RATES);
    let mut worker = Worker::default();
    worker.work.record(&RATES, 1_000, Fraction::ONE, 1, 1_000);
    epochs.fund(1_000_000);
    epochs.advance();
    epochs.close([(&mut worker, STAKE, None)].into_iter(), 0);
    assert_eq!(epochs.claim(&mut worker), 175);
    epochs.advance();
    let next = epochs.close([(&mut worker, STAKE, None)].into_iter(), 0);
    assert_eq!((next.pool, epochs.balance()), (0, 0));
}

#[test]
fn what_comes_before_a_late_closure_is_the_next_epochs() {
    let mut epochs = Epochs::new(RATES);
    let mut worker = Worker::default();
    worker.work.record(&RATES, 1_000, Fraction::ONE, 1, 1_000);
    epochs.fund(130);
    epochs.advance();
    epochs.fund(5_000);
    let closed = epochs.close([(&mut worker, STAKE, None)].into_iter(), 50);
    assert_eq!((closed.pool, closed.minted), (175, 45));
    epochs.advance();
    assert_eq!(epochs.close([(&mut worker, STAKE, None)].into_iter(), 0).pool, 5_000);
}

#[test]
fn less_than_half_of_the_stake_never_moves_the_median_out_of_the_range_of_the_others() {
    let honest = [(Fraction(10), 30), (Fraction(20), 30)];
    for lie in [Fraction::ZERO, Fraction::ONE] {
        let mut votes = vec![honest[0], (lie, 59), honest[1]];
        assert!((10..=20).contains(&median(&mut votes).0));
    }
    assert_eq!(median(&mut []), Fraction::ZERO);
}
