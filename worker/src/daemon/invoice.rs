//! What a worker is owed: it claims its share of each chunk by signing for its outputs there.

use std::time::Duration;

use alloy::primitives::{B256, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::Eip712Domain;
use anyhow::{Context as _, Result};
use dn_core::api::{Bytes, InvoiceJob, ReceiptView, SignedInvoice};
use dn_sdk::settlement::invoice_outputs;
use dn_sdk::{recover, sign, wire, Client, Invoice};
use tokio::time::Instant;

/// How long the sequencer may hold the question.
const LONG_POLL: Duration = Duration::from_secs(10);

/// The worker's claims.
#[derive(Debug)]
pub(super) struct Invoices {
    client: Client,
    domain: Eip712Domain,
    key: PrivateKeySigner,
    /// Signed, and not known to be delivered.
    signed: Vec<SignedInvoice>,
}

impl Invoices {
    pub(super) fn new(client: Client, domain: Eip712Domain, key: PrivateKeySigner) -> Self {
        Self { client, domain, key, signed: Vec::new() }
    }

    /// Delivers what is signed and signs what is asked for. Returns whether to ask again at once.
    pub(super) async fn step(&mut self) -> Result<bool> {
        let asked = Instant::now();
        let jobs = self.client.invoices(self.signed.clone(), LONG_POLL).await?;
        self.signed.clear();
        if jobs.is_empty() {
            return Ok(asked.elapsed() > LONG_POLL / 2);
        }
        for job in &jobs {
            match self.sign(job) {
                Ok(signed) => self.signed.push(signed),
                Err(error) => {
                    let (batch_hash, error) = (job.batch_hash, format!("{error:#}"));
                    tracing::warn!(%batch_hash, chunk = job.chunk, error, "invoice not signed");
                }
            }
        }
        Ok(!self.signed.is_empty())
    }

    /// Signs for outputs that receipts of this worker say.
    fn sign(&self, job: &InvoiceJob) -> Result<SignedInvoice> {
        let foreign = job.receipts.iter().find(|receipt| !self.is_own(receipt));
        if let Some(receipt) = foreign {
            anyhow::bail!("the receipt of task {} is not this worker's", receipt.task_id);
        }
        let invoice = Invoice {
            batchHash: B256::from(job.batch_hash.0),
            chunk: U256::from(job.chunk),
            outputs: invoice_outputs(job.receipts.iter().map(|receipt| receipt.output_hash)),
        };
        let signature = sign(&invoice, &self.domain, &self.key).context("sign")?;
        let (batch_hash, chunk) = (job.batch_hash, job.chunk);
        Ok(SignedInvoice { batch_hash, chunk, signature: Bytes(signature) })
    }

    fn is_own(&self, receipt: &ReceiptView) -> bool {
        let signer = recover(&wire::receipt(receipt), &self.domain, &receipt.signature.0);
        signer == Some(self.key.address())
    }
}

#[cfg(test)]
mod tests {
    use dn_core::api::Bytes32;
    use dn_sdk::{domain, signed_receipt, Receipt};

    use super::*;

    fn receipt(key: &PrivateKeySigner, domain: &Eip712Domain, output: u8) -> ReceiptView {
        let receipt = Receipt {
            taskId: B256::repeat_byte(1),
            modelId: B256::repeat_byte(2),
            inputHash: B256::repeat_byte(3),
            outputHash: B256::repeat_byte(output),
            startedAtMs: 1,
            finishedAtMs: 2,
        };
        signed_receipt(domain, key, &receipt).unwrap()
    }

    #[test]
    fn only_own_answers_are_claimed() {
        let (own, other) = (PrivateKeySigner::random(), PrivateKeySigner::random());
        let domain = domain(1, alloy::primitives::Address::repeat_byte(9));
        let client = Client::new("http://127.0.0.1:1").unwrap();
        let invoices = Invoices::new(client, domain.clone(), own.clone());
        let good = receipt(&own, &domain, 4);
        let job = |receipts| InvoiceJob { batch_hash: Bytes32([5; 32]), chunk: 0, receipts };
        let signed = invoices.sign(&job(vec![good.clone()])).unwrap();
        let claim = Invoice {
            batchHash: B256::repeat_byte(5),
            chunk: U256::ZERO,
            outputs: invoice_outputs([Bytes32([4; 32])]),
        };
        assert_eq!(recover(&claim, &domain, &signed.signature.0), Some(own.address()));
        let foreign = receipt(&other, &domain, 4);
        assert!(invoices.sign(&job(vec![good.clone(), foreign])).is_err());
        let changed = ReceiptView { output_hash: Bytes32([6; 32]), ..good };
        assert!(invoices.sign(&job(vec![changed])).is_err());
    }
}
