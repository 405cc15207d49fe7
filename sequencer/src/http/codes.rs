//! The codes of all errors, with who has to act: the table behind `docs/book/errors.md`.

/// One code.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) title: &'static str,
    pub(crate) hint: &'static str,
    /// `client`, `node` or `operator`.
    pub(crate) who: &'static str,
}

const fn entry(
    status: u16,
    code: &'static str,
    who: &'static str,
    title: &'static str,
    hint: &'static str,
) -> Entry {
    Entry { code, status, title, hint, who }
}

/// Every code, by status.
pub(crate) const ALL: [Entry; 38] = [
    entry(400, "malformed_json", "client", "Malformed JSON", "compare the body with the schema in /openapi.json"),
    entry(400, "malformed_path", "client", "Malformed path", "task and model ids are 0x and 64 hex digits, batches have numbers"),
    entry(400, "malformed_query", "client", "Malformed query", "see /openapi.json"),
    entry(400, "malformed_idempotency_key", "client", "Malformed idempotency key", "use a random UUID"),
    entry(401, "bad_signature", "client", "Bad signature", "sign by EIP-712 in the domain of /v1/chain; 65 bytes, v 27 or 28, low s"),
    entry(401, "bad_access", "client", "Bad access token", "bear user.expiresAt.signature, signed by EIP-712 as Access(address user,uint64 expiresAt), at most a day ahead"),
    entry(401, "unauthorized", "node", "Unauthorized", "register: GET /v1/node/challenge, then POST /v1/node/register"),
    entry(402, "insufficient_escrow", "client", "Insufficient escrow", "deposit DN into the rollup contract"),
    entry(402, "unpaid_history", "client", "Earlier answers were not paid", "keep the escrow until tasks are proven; come back later"),
    entry(403, "not_staked", "node", "No stake", "stake at least the minimum in the Staking contract, in this role"),
    entry(403, "barred", "node", "Barred", "run the exactness self-test and register under another staked account"),
    entry(403, "wrong_role", "node", "Wrong role", "register in the role that is needed"),
    entry(404, "model_not_found", "client", "Model not found", "GET /v1/models lists them"),
    entry(404, "not_found", "client", "Not found", "check path and id"),
    entry(404, "proof_not_found", "client", "No proof", "ask again when the batch is proof_ready or proven"),
    entry(405, "method_not_allowed", "client", "Method not allowed", "the Allow header and /openapi.json list the methods"),
    entry(408, "body_timeout", "client", "Body too slow", "send the whole body at once"),
    entry(409, "idempotency_conflict", "client", "Idempotency conflict", "use another key for another task"),
    entry(409, "nonce_used", "client", "Nonce used", "sign an order with another nonce; consecutive ones are the cheapest to settle"),
    entry(409, "stale_challenge", "node", "Stale challenge", "ask for a new challenge and sign that"),
    entry(409, "lease_lost", "node", "Lease lost", "drop the work; send heartbeats that name it while working"),
    entry(413, "body_too_large", "client", "Body too large", "send one task per request"),
    entry(422, "input_shape", "client", "Wrong input length", "GET /v1/models tells input_len"),
    entry(422, "salt_range", "client", "Salt out of range", "draw 32 random bytes and clear the top three bits"),
    entry(422, "input_hash_mismatch", "client", "Input hash mismatch", "commit to input and salt with poseidon5 before signing the order"),
    entry(422, "label_mismatch", "client", "Label mismatch", "sign the order with keccak256(abi.encode(class, salt)) as its tag, or give no label"),
    entry(422, "fee_below_price", "client", "Fee below price", "sign an order with a larger maxFee"),
    entry(422, "order_expired", "client", "Order expired", "sign an order with a later deadline"),
    entry(422, "receipt_mismatch", "node", "Receipt mismatch", "sign what the lease says and the commitment to the output"),
    entry(422, "proof_rejected", "node", "Proof rejected", "the prover's keys or witness are wrong; remove its key cache"),
    entry(429, "too_many_requests", "client", "Too many requests", "wait for Retry-After seconds; send fewer at once"),
    entry(429, "user_queue_full", "client", "Too many open tasks", "wait until some are answered and proven"),
    entry(500, "internal", "operator", "Internal error", "retry; tell the operator if it stays"),
    entry(503, "queue_full", "client", "Queue full", "retry with a backoff"),
    entry(503, "catching_up", "operator", "Catching up", "retry in a few seconds; /readyz tells when"),
    entry(503, "chain_unavailable", "operator", "Chain unavailable", "retry with a backoff"),
    entry(503, "storage_unavailable", "operator", "Storage unavailable", "retry with a backoff; the operator may have to make room on the disk"),
    entry(503, "not_ready", "operator", "Not ready", "answers are still given; proofs are late: see the metric deepnode_trouble"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- codes: written by a test -->\n";
    const END: &str = "<!-- end of codes -->\n";

    fn table() -> String {
        let mut text =
            String::from("| code | status | who acts | what to do |\n|---|---|---|---|\n");
        for Entry { code, status, hint, who, .. } in &ALL {
            text.push_str(&format!("| `{code}` | {status} | {who} | {hint} |\n"));
        }
        text
    }

    /// `DN_UPDATE_DOCS=1` rewrites the table.
    #[test]
    fn the_book_lists_every_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/book/errors.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (head, rest) = text.split_once(BEGIN).expect("the page has a place for the table");
        let (_, tail) = rest.split_once(END).expect("the table has an end");
        let expected = format!("{head}{BEGIN}{}{END}{tail}", table());
        if std::env::var_os("DN_UPDATE_DOCS").is_some() {
            std::fs::write(path, &expected).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected, "run with DN_UPDATE_DOCS=1");
    }

    #[test]
    fn codes_differ() {
        for (i, entry) in ALL.iter().enumerate() {
            assert!(ALL[i + 1..].iter().all(|e| e.code != entry.code), "{}", entry.code);
        }
    }

    /// Every code that an error can have is in the table: `ApiError::entry` relies on it.
    #[test]
    fn every_error_has_an_entry() {
        let source = include_str!("error.rs");
        let (_, codes) = source.split_once("fn code(&self)").unwrap();
        let (codes, _) = codes.split_once("fn entry(&self)").unwrap();
        let named: Vec<&str> =
            codes.split("=> \"").skip(1).filter_map(|c| c.split('"').next()).collect();
        assert_eq!(named.len(), ALL.len());
        assert!(named.iter().all(|code| ALL.iter().any(|e| e.code == *code)));
    }
}
