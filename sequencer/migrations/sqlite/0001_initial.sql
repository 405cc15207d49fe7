-- The sequencer's only truth. Hashes and addresses are blobs, big-endian; times are unix
-- milliseconds; u64 values that users choose are stored as the i64 with the same bits.

create table batch (
    batch_id integer primary key,
    model_id blob not null,
    state text not null check (state in ('formed', 'committed', 'proof_ready', 'proven', 'expired')),
    slots_hash blob not null,
    header_hash blob not null,
    prover blob not null,
    deadline_s integer not null,
    task_count integer not null check (task_count > 0),
    fence integer not null default 0,
    lease_node blob,
    lease_expires_ms integer,
    instances blob,
    proof blob,
    attempts integer not null default 0,
    reason text,
    commit_tx blob,
    prove_tx blob,
    prove_gas integer,
    created_at_ms integer not null,
    committed_at_ms integer,
    proof_at_ms integer,
    prove_cpu_ms integer
) strict;

create index batch_by_state on batch (state, batch_id);

create table task (
    seq integer primary key autoincrement,
    task_id blob not null unique check (length(task_id) = 32),
    model_id blob not null check (length(model_id) = 32),
    payer blob not null check (length(payer) = 20),
    input blob not null,
    salt blob not null check (length(salt) = 32),
    input_hash blob not null check (length(input_hash) = 32),
    max_fee text not null,
    deadline_bits integer not null,
    nonce_bits integer not null,
    signature blob not null check (length(signature) = 65),
    -- The order's deadline, at most the largest i64.
    expires_at_s integer not null,
    state text not null check (
        state in ('queued', 'assigned', 'executed', 'committed', 'proven', 'refunded', 'failed')
    ),
    reason text,
    worker blob,
    fence integer not null default 0,
    lease_expires_ms integer,
    attempts integer not null default 0,
    output blob,
    output_hash blob,
    started_at_ms integer,
    finished_at_ms integer,
    receipt_signature blob,
    proven_output_hash blob,
    batch_id integer references batch (batch_id),
    slot integer,
    created_at_ms integer not null,
    updated_at_ms integer not null
) strict;

create index task_by_state on task (state, model_id, seq);
create index task_by_batch on task (batch_id, slot);
create index task_by_payer on task (payer, state);

create table idempotency (
    payer blob not null,
    key text not null,
    task_id blob not null references task (task_id),
    primary key (payer, key)
) strict;

create table node (
    node blob not null check (length(node) = 20),
    role text not null check (role in ('worker', 'prover')),
    token_hash blob not null unique,
    last_seen_ms integer not null,
    completed integer not null default 0,
    primary key (node, role)
) strict;

-- Chain transactions, written before they are sent. A transaction stays open until its nonce is
-- consumed: a timeout says nothing about its outcome.
create table outbox (
    id integer primary key autoincrement,
    kind text not null check (kind in ('commit', 'prove', 'refund')),
    batch_id integer not null references batch (batch_id),
    nonce integer not null,
    tx_hash blob not null unique,
    raw blob not null,
    state text not null check (state in ('open', 'mined', 'reverted', 'replaced')),
    gas_used integer,
    created_at_ms integer not null
) strict;

create unique index outbox_open on outbox (state) where state = 'open';

create table event (
    seq integer primary key autoincrement,
    task_id blob not null,
    state text not null,
    reason text,
    batch_id integer,
    at_ms integer not null
) strict;

create index event_by_task on event (task_id, seq);

-- Positions of the chain follower.
create table chain_block (
    number integer primary key,
    hash blob not null check (length(hash) = 32)
) strict;
