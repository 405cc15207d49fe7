-- The sequencer's only truth. Hashes and addresses are byte strings, big-endian; times are unix
-- milliseconds; u64 values that users choose are stored as the i64 with the same bits.
--
-- One text for both databases: {blob}, {int}, {key} and {strict} are their own words for byte
-- strings, 64-bit integers, a growing primary key, and tables that check their types.

create table setting (
    name text primary key,
    value {blob} not null
){strict};

create table batch (
    id {key},
    model_id {blob} not null,
    state text not null check (state in ('formed', 'committed', 'proof_ready', 'proven', 'expired')),
    -- The chain's number and the header with it: from the commitment's signature on.
    number {int} unique,
    header_hash {blob},
    slots_hash {blob} not null,
    prover {blob},
    opened_s {int},
    deadline_s {int},
    task_count {int} not null check (task_count > 0),
    orders_end_s {int} not null,
    fence {int} not null default 0,
    lease_node {blob},
    leased_at_ms {int},
    lease_expires_ms {int},
    instances {blob},
    proof {blob},
    -- Whose proof it is.
    proven_by {blob},
    -- Slots of the model's batches, and chunks of them that have tasks.
    batch_slots {int} not null,
    chunks {int} not null check (chunks > 0),
    refusals {int} not null default 0,
    refused_at_ms {int},
    reason text,
    commit_tx {blob},
    commit_block {int},
    end_tx {blob},
    end_block {int},
    prove_gas {int},
    created_at_ms {int} not null,
    updated_at_ms {int} not null,
    committed_at_ms {int},
    proof_at_ms {int},
    prove_cpu_ms {int}
){strict};

create index batch_by_state on batch (state, id);

create table task (
    seq {key},
    task_id {blob} not null unique check (length(task_id) = 32),
    model_id {blob} not null check (length(model_id) = 32),
    payer {blob} not null check (length(payer) = 20),
    -- Input with salt, and output: sealed under the storage key; null once they are forgotten.
    input {blob},
    output {blob},
    input_hash {blob} not null check (length(input_hash) = 32),
    max_fee text not null,
    deadline_bits {int} not null,
    nonce_bits {int} not null,
    tag {blob} not null check (length(tag) = 32),
    signature {blob} not null check (length(signature) = 65),
    -- Its place among the orders of one signature, as JSON; null where it is signed by itself.
    bundle text,
    -- The order's deadline, at most the largest i64.
    expires_at_s {int} not null,
    state text not null check (
        state in ('queued', 'assigned', 'executed', 'committed', 'proven', 'refunded', 'failed')
    ),
    reason text,
    -- Its place in the queue.
    turn {int} not null,
    worker {blob},
    fence {int} not null default 0,
    leased_at_ms {int},
    lease_expires_ms {int},
    output_hash {blob},
    started_at_ms {int},
    finished_at_ms {int},
    receipt_signature {blob},
    proven_output_hash {blob},
    batch_id {int} references batch (id),
    slot {int},
    created_at_ms {int} not null,
    updated_at_ms {int} not null
){strict};

create index task_by_turn on task (state, model_id, turn);
create index task_by_lease on task (state, lease_expires_ms);
create index task_by_end on task (state, expires_at_s);
create index task_by_worker on task (worker, state);
create index task_by_batch on task (batch_id, slot);
create index task_by_payer on task (payer, state, model_id, turn);
-- A nonce is charged once.
create unique index task_by_nonce on task (payer, nonce_bits);

-- What opens the tags of tasks with a label, sealed: shown to provers alone.
create table label (
    task_id {blob} primary key references task (task_id),
    opening {blob} not null
){strict};

-- Workers whose lease of a task ended without an answer.
create table missed (
    task_id {blob} not null references task (task_id),
    worker {blob} not null,
    primary key (task_id, worker)
){strict};

-- Workers' claims of their shares, good for one header.
create table invoice (
    batch_hash {blob} not null,
    chunk {int} not null,
    worker {blob} not null,
    signature {blob} not null,
    primary key (batch_hash, chunk, worker)
){strict};

-- Chunks that the chain has settled.
create table settled (
    batch_id {int} not null references batch (id),
    chunk {int} not null,
    block {int},
    tx_hash {blob},
    -- Of its transaction. Of several chunks that one settled, the first has it.
    gas {int},
    primary key (batch_id, chunk)
){strict};

create index settled_by_block on settled (block);

create table payer (
    payer {blob} primary key check (length(payer) = 20),
    unpaid {int} not null default 0,
    refused_until_ms {int} not null default 0
){strict};

create table idempotency (
    payer {blob} not null,
    key text not null,
    task_id {blob} not null references task (task_id),
    primary key (payer, key)
){strict};

create table node (
    node {blob} not null check (length(node) = 20),
    role text not null check (role in ('worker', 'prover')),
    token_hash {blob} not null unique,
    -- Registrations so far; a challenge is good for one number.
    session {int} not null,
    session_ends_ms {int} not null,
    last_seen_ms {int} not null,
    completed {int} not null default 0,
    is_barred {int} not null default 0,
    -- The trust weight's parts: fractions of 2^32 - 1, and the history.
    completion {int} not null,
    accuracy {int} not null,
    uptime {int} not null,
    speed {int} not null,
    history text not null,
    -- What the window of observation has counted.
    seen_finished {int} not null default 0,
    seen_missed {int} not null default 0,
    seen_right {int} not null default 0,
    seen_wrong {int} not null default 0,
    seen_latency_ms {int} not null default 0,
    seen_units {int} not null default 0,
    primary key (node, role)
){strict};

-- Chain transactions, recorded before they are sent. One stays open until its nonce is consumed: a
-- timeout says nothing about its outcome.
create table outbox (
    id {key},
    kind text not null check (kind in ('commit', 'prove', 'settle', 'expire')),
    batch_id {int} not null references batch (id),
    nonce {int} not null,
    state text not null check (state in ('open', 'mined', 'reverted', 'replaced')),
    block {int},
    gas_used {int},
    gas_limit {int} not null,
    calldata {blob} not null,
    created_at_ms {int} not null,
    sent_at_ms {int} not null,
    priced_at_ms {int} not null
){strict};

create index outbox_by_state on outbox (state, nonce);
create index outbox_by_batch on outbox (batch_id, state);

-- What was signed under a nonce: one more for each raise of the fee.
create table outbox_variant (
    tx_hash {blob} primary key,
    outbox_id {int} not null references outbox (id),
    raw {blob} not null,
    max_fee text not null,
    tip text not null
){strict};

create index variant_by_outbox on outbox_variant (outbox_id);

create table event (
    seq {key},
    task_id {blob} not null,
    state text not null,
    reason text,
    batch_id {int},
    at_ms {int} not null
){strict};

create index event_by_task on event (task_id, seq);

-- Positions of the chain follower.
create table chain_block (
    number {int} primary key,
    hash {blob} not null check (length(hash) = 32)
){strict};

-- The settler that works on this database.
create table settler (
    id {int} primary key check (id = 1),
    holder text not null,
    beat_ms {int} not null
){strict};
