//! What is asked in an epoch, and how. All of it follows from the validator's secret, the epoch, the models and their
//! pools, so that nothing has to be remembered of what was drawn.

use alloy::primitives::{keccak256, B256};
use alloy::sol_types::SolValue as _;
use dn_core::api::Bytes32;
use dn_core::commitment::{self, from_bytes, to_bytes, Fr};
use dn_core::labels;

use super::pool::Pool;
use super::subject::Subject;
use super::tree;

/// Probes of a model in an epoch.
pub const PER_MODEL: usize = 16;
/// `Probes.MOST`: probes of a validator in an epoch.
const MOST: usize = 256;
/// Models that are probed in an epoch.
pub const MOST_MODELS: usize = MOST / PER_MODEL;
/// One value of an input in so many is moved by a step, on average.
const NOISE: u8 = 16;

/// What a validator's draws follow from.
#[derive(Clone, Copy)]
pub struct Secret(pub B256);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// 32 bytes for a purpose.
    fn bytes(&self, epoch: u32, model: Bytes32, place: usize, purpose: &str) -> B256 {
        keccak256((self.0, epoch, B256::from(model.0), place as u64, purpose).abi_encode_packed())
    }

    /// A number for a purpose.
    fn number(&self, epoch: u32, model: Bytes32, place: usize, purpose: &str) -> u64 {
        let bytes = self.bytes(epoch, model, place, purpose);
        u64::from_be_bytes(*bytes.first_chunk().unwrap_or(&[0; 8]))
    }
}

/// A question that is asked in an epoch.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The model that is asked.
    pub model: Bytes32,
    /// Place in the committed tree.
    pub index: usize,
    /// The quantised input, with some noise.
    pub input: Vec<i8>,
    /// Salt of the commitments.
    pub salt: Fr,
    /// The class that the answer should have.
    pub label: u16,
    /// What the label is hashed with.
    pub label_salt: B256,
    /// The order's tag: it opens to nothing.
    pub tag: Bytes32,
    /// When it is asked, in parts of `2^16` of the time for asking.
    pub delay: u16,
    /// Any number, for what else makes orders differ.
    pub any: u64,
}

impl Probe {
    /// What the tree has of it.
    fn leaf(&self) -> B256 {
        let tag = B256::from(labels::tag(self.label, &self.label_salt.0));
        let input = B256::from(to_bytes(commitment::input(&self.input, self.salt)));
        let place = alloy::primitives::U256::from(self.index);
        keccak256(keccak256((place, input, tag).abi_encode()))
    }
}

/// Everything that is asked in an epoch.
#[derive(Clone, Debug)]
pub struct Draw {
    /// In the order of the tree.
    pub probes: Vec<Probe>,
    leaves: Vec<B256>,
}

impl Draw {
    /// Draws the probes of an epoch for `models`, each with its pool.
    #[must_use]
    pub fn new(secret: &Secret, epoch: u32, models: &[(&Subject, &Pool)]) -> Self {
        let of_model = |(m, (model, pool)): (usize, &(&Subject, &Pool))| -> Vec<Probe> {
            let probe = |i| probe(secret, epoch, model, pool, i, m * PER_MODEL + i);
            (0..PER_MODEL).map(probe).collect()
        };
        let probes: Vec<Probe> =
            models.iter().take(MOST_MODELS).enumerate().flat_map(of_model).collect();
        let leaves = probes.iter().map(Probe::leaf).collect();
        Self { probes, leaves }
    }

    /// What is committed to.
    #[must_use]
    pub fn root(&self) -> B256 {
        tree::root(&self.leaves)
    }

    /// What leads from a probe to the root.
    #[must_use]
    pub fn path(&self, index: usize) -> Vec<B256> {
        tree::path(&self.leaves, index)
    }
}

fn probe(
    secret: &Secret,
    epoch: u32,
    subject: &Subject,
    pool: &Pool,
    place: usize,
    index: usize,
) -> Probe {
    let id = subject.model;
    let number = |purpose| secret.number(epoch, id, place, purpose);
    let bytes = |purpose| secret.bytes(epoch, id, place, purpose);
    // The remainder's bias is below the pool's size in 2^64.
    let chosen = number("example") % pool.examples.len() as u64;
    let example = &pool.examples[usize::try_from(chosen).unwrap_or(0)];
    let mut input = subject.input.quantize(&example.x);
    for (block, part) in input.chunks_mut(32).enumerate() {
        let noise = keccak256((bytes("noise"), block as u64).abi_encode_packed());
        for (value, byte) in part.iter_mut().zip(noise.0) {
            match byte % (2 * NOISE) {
                0 => *value = value.saturating_add(1),
                1 => *value = value.saturating_sub(1),
                _ => {}
            }
        }
    }
    let mut salt = bytes("salt").0;
    salt[0] = 0;
    Probe {
        model: id,
        index,
        input,
        // 31 bytes are below the field's order.
        salt: from_bytes(&salt).unwrap_or_default(),
        label: example.y,
        label_salt: bytes("label"),
        tag: Bytes32(bytes("tag").0),
        delay: (number("delay") >> 48) as u16,
        any: number("any"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::pool::Example;
    use super::*;
    use dn_core::api::Amount;
    use dn_import::Codes;

    fn model(id: u8) -> Subject {
        let input = Codes { scale: vec![0.5], offset: vec![1.0] };
        Subject {
            model: Bytes32([id; 32]),
            service: "s".into(),
            price: Amount(1),
            input,
            input_len: 40,
            classes: 4,
        }
    }

    fn pool() -> Pool {
        let example = |y: u16| Example { x: vec![f32::from(y); 40], y };
        Pool { service: "s".into(), examples: (0..4).map(example).collect() }
    }

    #[test]
    fn a_draw_is_the_same_whenever_it_is_made() {
        let (models, pool) = ([model(1), model(2)], pool());
        let asked: Vec<(&Subject, &Pool)> = models.iter().map(|m| (m, &pool)).collect();
        let secret = Secret(B256::repeat_byte(7));
        let draw = Draw::new(&secret, 3, &asked);
        assert_eq!(draw.probes.len(), 2 * PER_MODEL);
        assert_eq!(draw.root(), Draw::new(&secret, 3, &asked).root());
        assert_ne!(draw.root(), Draw::new(&secret, 4, &asked).root());
        assert_ne!(draw.root(), Draw::new(&Secret(B256::ZERO), 3, &asked).root());
        assert!(draw.probes.iter().enumerate().all(|(i, probe)| probe.index == i));
    }

    /// The input is an example's, moved here and there by one step, and the label is that example's.
    #[test]
    fn probes_are_examples_with_some_noise() {
        let (model, pool) = (model(1), pool());
        let draw = Draw::new(&Secret(B256::repeat_byte(9)), 1, &[(&model, &pool)]);
        let mut moved = 0;
        for probe in &draw.probes {
            let clean = model.input.quantize(&pool.examples[usize::from(probe.label)].x);
            let steps = probe.input.iter().zip(&clean).map(|(a, b)| (a - b).unsigned_abs());
            moved += steps.clone().filter(|step| *step == 1).count();
            assert!(steps.clone().all(|step| step <= 1));
        }
        let expected = draw.probes.len() * 40 / usize::from(NOISE);
        assert!(moved > expected / 2 && moved < 2 * expected, "{moved} of about {expected}");
    }
}
