//! Orders that are signed together: [`dn_core::bundle`] as EIP-712 has it.

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{Eip712Domain, SolStruct as _};
use dn_core::api::{BundleView, Bytes, Bytes32, ChainView, ModelView, OrderView, SubmitTask};
use dn_core::bundle::{self, Node};

use crate::task::{unsigned_task, Asked, Terms};
use crate::{domain, recover_hash, sign, wire, Bundle};

/// The bundle that an order belongs to. `None` where no bundle has such an order.
#[must_use]
pub fn bundle_of(order: &OrderView, view: &BundleView) -> Option<Bundle> {
    let (inputs, tags, nonce) = view.roots(order)?;
    Some(Bundle {
        user: wire::address(order.user),
        modelId: B256::from(order.model_id.0),
        inputs: B256::from(inputs.0),
        maxFee: order.max_fee.0,
        deadline: order.deadline,
        nonce,
        tags: B256::from(tags.0),
        size: view.size,
    })
}

/// Who signed an order, by itself or as one of a bundle.
#[must_use]
pub fn order_signer(
    order: &OrderView,
    bundle: Option<&BundleView>,
    domain: &Eip712Domain,
    signature: &[u8],
) -> Option<Address> {
    let hash = match bundle {
        Some(view) => bundle_of(order, view)?.eip712_signing_hash(domain),
        None => wire::order(order).eip712_signing_hash(domain),
    };
    recover_hash(hash, signature)
}

/// Signs an order for each input, with nonces from `terms.nonce` on: those of one word of 64 nonces together, one
/// signature for all of them. They are settled for less than orders that are signed one by one.
///
/// # Errors
/// When the key cannot sign.
pub fn signed_tasks(
    chain: &ChainView,
    model: &ModelView,
    signer: &PrivateKeySigner,
    asked: Vec<Asked>,
    terms: Terms,
) -> Result<Vec<SubmitTask>, alloy::signers::Error> {
    let domain = domain(chain.chain_id, wire::address(chain.rollup));
    let task = |(i, asked)| {
        let terms = Terms { nonce: terms.nonce.wrapping_add(i), ..terms };
        unsigned_task(model, signer.address(), asked, terms)
    };
    let mut tasks: Vec<SubmitTask> = (0..).zip(asked).map(task).collect();
    let word = |task: &SubmitTask| task.order.nonce / 64;
    for together in tasks.chunk_by_mut(|a, b| word(a) == word(b)) {
        sign_together(together, &domain, signer)?;
    }
    Ok(tasks)
}

/// Signs orders of one word of nonces.
fn sign_together(
    tasks: &mut [SubmitTask],
    domain: &Eip712Domain,
    signer: &PrivateKeySigner,
) -> Result<(), alloy::signers::Error> {
    if let [task] = tasks {
        task.signature = Bytes(sign(&wire::order(&task.order), domain, signer)?);
        return Ok(());
    }
    let inputs: Vec<Node> = tasks.iter().map(|task| task.order.input_hash.0).collect();
    let tags: Vec<Node> = tasks.iter().map(|task| task.order.tag.0).collect();
    let path = |leaves: &[Node], i| bundle::path(leaves, i).into_iter().map(Bytes32).collect();
    // A word has 64 nonces.
    let size = u8::try_from(tasks.len()).unwrap_or(u8::MAX);
    for (i, task) in tasks.iter_mut().enumerate() {
        let index = u8::try_from(i).unwrap_or(u8::MAX);
        let (inputs, tags) = (path(&inputs, i), path(&tags, i));
        task.bundle = Some(BundleView { size, index, inputs, tags });
    }
    let Some(first) = tasks.first() else { return Ok(()) };
    let bundle = first.bundle.as_ref().and_then(|view| bundle_of(&first.order, view));
    let Some(bundle) = bundle else { return Ok(()) };
    let signature = sign(&bundle, domain, signer)?;
    for task in tasks {
        task.signature = Bytes(signature.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use dn_core::api::{self, Amount};

    use super::*;

    fn signed(count: usize, nonce: u64) -> (Vec<SubmitTask>, Address, Eip712Domain) {
        let signer = PrivateKeySigner::random();
        let none = api::Address([7; 20]);
        let chain = ChainView {
            chain_id: 31337,
            rollup: none,
            token: none,
            staking: none,
            registry: none,
            sequencer: none,
        };
        let model = ModelView {
            model_id: Bytes32([1; 32]),
            name: String::new(),
            service: String::new(),
            input_len: 1,
            output_len: 1,
            input_scale: Vec::new(),
            input_offset: Vec::new(),
            output_scale: Vec::new(),
            output_offset: Vec::new(),
            classes: 2,
            batch_slots: 4,
            work_units: 1,
            price: Amount(1),
            developer: none,
            vk: none,
            null_input_hash: Bytes32([0; 32]),
        };
        let asked = |_| Asked { input: vec![1], salt: crate::random_salt(), label: None };
        let terms = Terms { deadline: 9, nonce, label: None };
        let asked = (0..count).map(asked).collect();
        let tasks = signed_tasks(&chain, &model, &signer, asked, terms).unwrap();
        (tasks, signer.address(), domain(31337, Address::repeat_byte(7)))
    }

    #[test]
    fn every_order_of_a_bundle_is_signed_and_no_other() {
        let (tasks, user, domain) = signed(70, 60);
        let sizes: Vec<Option<u8>> =
            tasks.iter().map(|task| task.bundle.as_ref().map(|b| b.size)).collect();
        assert_eq!(
            (sizes[0], sizes[4], sizes[67], sizes[68]),
            (Some(4), Some(64), Some(64), Some(2))
        );
        let who = |order: &OrderView, bundle: &BundleView, signature: &[u8]| {
            order_signer(order, Some(bundle), &domain, signature)
        };
        for task in &tasks {
            let (order, view) = (&task.order, task.bundle.as_ref().unwrap());
            assert_eq!(who(order, view, &task.signature.0), Some(user));
            let forged = [
                OrderView { input_hash: Bytes32([3; 32]), ..order.clone() },
                OrderView { tag: Bytes32([3; 32]), ..order.clone() },
                OrderView { nonce: order.nonce ^ 1, ..order.clone() },
                OrderView { max_fee: Amount(2), ..order.clone() },
                OrderView { deadline: 10, ..order.clone() },
                OrderView { model_id: Bytes32([2; 32]), ..order.clone() },
            ];
            for other in forged {
                assert_ne!(who(&other, view, &task.signature.0), Some(user));
            }
            let moved = BundleView { index: view.index ^ 1, ..view.clone() };
            assert_ne!(who(order, &moved, &task.signature.0), Some(user));
        }
        let wide = BundleView { size: 65, ..tasks[0].bundle.clone().unwrap() };
        assert_eq!(bundle_of(&tasks[0].order, &wide), None);
    }

    /// The rollup takes an entry of one order for an order, so such a bundle's signature is nobody's there.
    #[test]
    fn a_bundle_of_one_is_not_signed() {
        let (tasks, _, domain) = signed(1, 5);
        let order = &tasks[0].order;
        let view = BundleView { size: 1, index: 0, inputs: Vec::new(), tags: Vec::new() };
        assert_eq!(bundle_of(order, &view), None);
        assert_eq!(order_signer(order, Some(&view), &domain, &tasks[0].signature.0), None);
    }

    #[test]
    fn one_order_is_no_bundle() {
        let (tasks, user, domain) = signed(1, 5);
        assert_eq!(tasks[0].bundle, None);
        let signer = order_signer(&tasks[0].order, None, &domain, &tasks[0].signature.0);
        assert_eq!(signer, Some(user));
    }
}
