//! A batch proof as one file: a version line of JSON with the public inputs, then the bytes.

use crate::commitment::{from_bytes, to_bytes, Fr};
use crate::digest::{self, Tree};
use crate::statement::{self, Form, Statement, DIGEST_AT, INPUTS_AT};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};
use thiserror::Error;

const FORMAT: &str = "deepnode-proof/1";
/// Largest header line and proof that are read.
const MAX_BYTES: usize = 1 << 24;

/// What a proof file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// keccak256 of the model package.
    pub model_id: [u8; 32],
    /// Slots of the batch, padding included.
    pub slots: usize,
    /// Real inferences.
    pub batch: usize,
    /// The public inputs, big-endian.
    pub instances: Vec<[u8; 32]>,
    /// The leaves of the digest's tree, where public inputs have a digest.
    pub leaves: Vec<[u8; 32]>,
    /// The transcript.
    pub proof: Vec<u8>,
}

/// Why bytes are not a proof file.
#[derive(Debug, Error)]
pub enum ProofFileError {
    /// There is no header line.
    #[error("no header line: this is not a deepnode proof file")]
    NoHeader,
    /// The header is not the expected JSON.
    #[error("malformed header")]
    Header(#[source] serde_json::Error),
    /// A field of the header is wrong.
    #[error("header field {field} is invalid")]
    Field {
        /// Its name.
        field: &'static str,
    },
    /// The file is larger than any proof.
    #[error("{got} bytes; a proof file has at most {MAX_BYTES}")]
    Size {
        /// Bytes given.
        got: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    model_id: String,
    slots: usize,
    batch: usize,
    instances: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leaves: Vec<String>,
    proof_keccak: String,
}

impl ProofFile {
    /// Packs a proof with its statement.
    #[must_use]
    pub fn new(model_id: [u8; 32], statement: &Statement, proof: Vec<u8>) -> Self {
        let instances = statement.instances().into_iter().map(to_bytes).collect();
        let (slots, batch) = (statement.inputs.len(), statement.count as usize);
        let leaves = match statement.form() {
            Form::Listed => Vec::new(),
            Form::Digest => statement.leaves().into_iter().map(to_bytes).collect(),
        };
        Self { model_id, slots, batch, instances, leaves, proof }
    }

    /// How its public inputs name the commitments.
    #[must_use]
    pub fn form(&self) -> Form {
        if self.leaves.is_empty() {
            Form::Listed
        } else {
            Form::Digest
        }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            format: FORMAT.into(),
            model_id: hex(&self.model_id),
            slots: self.slots,
            batch: self.batch,
            instances: self.instances.iter().map(hex).collect(),
            leaves: self.leaves.iter().map(hex).collect(),
            proof_keccak: hex(&Keccak256::digest(&self.proof).into()),
        };
        let mut bytes = serde_json::to_vec(&header).expect("a header of strings serialises");
        bytes.push(b'\n');
        bytes.extend(&self.proof);
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// On anything that [`Self::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofFileError> {
        if bytes.len() > MAX_BYTES {
            return Err(ProofFileError::Size { got: bytes.len() });
        }
        let end = bytes.iter().position(|b| *b == b'\n').ok_or(ProofFileError::NoHeader)?;
        let header: Header =
            serde_json::from_slice(&bytes[..end]).map_err(ProofFileError::Header)?;
        let proof = bytes[end + 1..].to_vec();
        let field = |field| ProofFileError::Field { field };
        if header.format != FORMAT {
            return Err(field("format"));
        }
        let digest: [u8; 32] = Keccak256::digest(&proof).into();
        if unhex(&header.proof_keccak) != Some(digest) {
            return Err(field("proof_keccak"));
        }
        let instances = elements(&header.instances).ok_or(field("instances"))?;
        let leaves = elements(&header.leaves).ok_or(field("leaves"))?;
        let model_id = unhex(&header.model_id).ok_or(field("model_id"))?;
        let (slots, batch) = (header.slots, header.batch);
        let file = Self { model_id, slots, batch, instances, leaves, proof };
        if file.counted_slots() != Some(slots) || batch > slots {
            return Err(field("slots"));
        }
        if file.form() == Form::Digest && file.root() != file.instances.get(DIGEST_AT).copied() {
            return Err(field("leaves"));
        }
        Ok(file)
    }

    /// The slots that there are commitments for, if public inputs and leaves are as many as they must be.
    fn counted_slots(&self) -> Option<usize> {
        match self.form() {
            Form::Listed => statement::slots(self.instances.len()),
            Form::Digest => {
                let slots = digest::slots(self.leaves.len())?;
                (self.instances.len() == Form::Digest.instances(slots)).then_some(slots)
            }
        }
    }

    /// The digest of the leaves, if they are those of a batch.
    fn root(&self) -> Option<[u8; 32]> {
        let leaves: Option<Vec<Fr>> = self.leaves.iter().map(from_bytes).collect();
        Some(to_bytes(Tree::new(&leaves?)?.root()))
    }

    /// The input commitments, in order of slots.
    #[must_use]
    pub fn inputs(&self) -> &[[u8; 32]] {
        match self.form() {
            Form::Listed => &self.instances[INPUTS_AT..INPUTS_AT + self.slots],
            Form::Digest => &self.leaves[..self.slots],
        }
    }
}

/// Field elements in hexadecimal.
fn elements(texts: &[String]) -> Option<Vec<[u8; 32]>> {
    let element = |text: &String| unhex(text).filter(|bytes| from_bytes(bytes).is_some());
    texts.iter().map(element).collect()
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::from("0x"), |s, b| s + &format!("{b:02x}"))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let is_hex = |d: &&str| d.len() == 64 && d.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = text.strip_prefix("0x").filter(is_hex)?;
    let mut out = [0; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::unhex;

    #[test]
    fn words_are_hexadecimal_digits_and_nothing_else() {
        let ones = "11".repeat(32);
        assert_eq!(unhex(&format!("0x{ones}")), Some([0x11; 32]));
        for text in [ones.clone(), format!("0x{}", &ones[2..]), format!("0x+1{}", &ones[2..])] {
            assert_eq!(unhex(&text), None, "{text}");
        }
    }
}
