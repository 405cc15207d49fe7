// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAccounts} from "./IAccounts.sol";

/// @title Settlement of proven inference.
/// @notice Users deposit DN and sign orders. The sequencer commits batches of ordered tasks; a proof of a batch makes its
/// statement the chain's, and chunk by chunk fees are paid. Nothing is charged without a user's order and a proof, no
/// worker is paid for an output that it did not sign, and what is wrong with one order spoils no other.
/// @dev What the proof binds: batch header, prover, number of tasks, every input and output commitment, labels and
/// quality sums. Times in receipts are attested by their signer, not proven. What the chain keeps of a batch are two
/// words: the hash of its header, and that of its statement.
interface IInferenceRollup is IAccounts {
    /// @notice A user's signed wish. Its EIP-712 digest is the task id.
    /// @param maxFee Most the user pays, in token wei; the price of the model is charged.
    /// @param deadline Last second, unix time, at which a batch with this task may be opened.
    /// @param nonce One charge for each. Consecutive ones are cheap to settle.
    /// @param tag keccak256(abi.encode(label, salt)) if a label may be told when the task is proven, else random.
    struct Order {
        address user;
        bytes32 modelId;
        bytes32 inputHash;
        uint128 maxFee;
        uint64 deadline;
        uint64 nonce;
        bytes32 tag;
    }

    /// @notice A user's signed wish to have several inputs answered: `size` orders, up to 64, with the same model, fee and
    /// deadline. Order `i` has the nonce `nonce + i`; all of them are within one word of 64 nonces.
    /// @param inputs Root over their input commitments: `Trees`.
    /// @param tags Root over their tags.
    struct Bundle {
        address user;
        bytes32 modelId;
        bytes32 inputs;
        uint128 maxFee;
        uint64 deadline;
        uint64 nonce;
        bytes32 tags;
        uint8 size;
    }

    /// @notice A worker's signed statement about one execution.
    struct Receipt {
        bytes32 taskId;
        bytes32 modelId;
        bytes32 inputHash;
        bytes32 outputHash;
        uint64 startedAtMs;
        uint64 finishedAtMs;
    }

    /// @notice A worker's signed claim of its share of a chunk.
    /// @param batchHash keccak256(abi.encode(BatchHeader)).
    /// @param outputs keccak256 of its output commitments there, one behind the other in the order of their slots.
    struct Invoice {
        bytes32 batchHash;
        uint256 chunk;
        bytes32 outputs;
    }

    /// @param slotsHash keccak256 over the chunks' hashes, one behind the other, and behind them the keccak256 of all tasks'
    /// input commitments, so that nobody proves the batch of other inputs. A chunk's hash is
    /// keccak256(number of orders 1 . number of tasks 1 . orders . executors . workers) as in `Chunk`, the workers in 32 bytes
    /// each; zero where no slot is in use.
    /// @param openedAt Unix seconds that the deadlines of orders are held against.
    /// @param deadline Last second, unix time, at which the batch may be proven.
    struct BatchHeader {
        uint256 chainId;
        address rollup;
        uint64 batchId;
        bytes32 modelId;
        bytes32 slotsHash;
        uint64 openedAt;
        uint64 deadline;
    }

    /// @notice Life of a batch. `Proven` and `Expired` are final.
    enum BatchStatus {
        None,
        Committed,
        Proven,
        Expired
    }

    /// @param headerHash keccak256(abi.encode(BatchHeader)).
    /// @param settled Bit `i`: chunk `i` is settled.
    struct Batch {
        bytes32 headerHash;
        BatchStatus status;
        uint32 settled;
    }

    /// @notice A proof of a batch.
    /// @param prover Receives the proving share; the proof is bound to it.
    /// @param instances The public inputs.
    struct BatchProof {
        address prover;
        uint256[] instances;
        bytes proof;
    }

    /// @notice What settles the tasks of one chunk.
    /// @param index The chunk; `Chunks` divides a batch's slots.
    /// @param orders What users have signed: entries of 93 bytes, each for one task or for several that follow each other:
    /// user 20, size 1, members 8, maxFee 16, deadline 8, nonce 8, tags 32. An `Order` has size and members 1. Of a `Bundle`
    /// bit `i` of the members says that its order `i` is here.
    /// @param executors One byte for each task, in order: an index into `workers`.
    /// @param workers Who executed them; at most 64.
    /// @param invoices Of each worker the signature of its `Invoice`, as in `signatures`; whatever else is there leaves its
    /// share to the users.
    /// @param signatures One of 64 bytes for each entry of `orders`: the user's, in EIP-2098's compact form.
    /// @param siblings What leads from the inputs that are here to the bundles' roots, entry by entry: `Trees`.
    /// @param salts Of the tags of tasks with a label, in the order of the tasks.
    /// @param tagSiblings What leads from these tags to the bundles' `tags`, entry by entry.
    struct Chunk {
        uint256 index;
        bytes orders;
        bytes executors;
        address[] workers;
        bytes invoices;
        bytes signatures;
        bytes32[] siblings;
        bytes32[] salts;
        bytes32[] tagSiblings;
    }

    /// @notice Where a chunk stands in its batch.
    /// @param prover Whose proof it is.
    /// @param slotHashes Hash of every chunk's slots and of the inputs, as `BatchHeader.slotsHash` has them.
    /// @param leaves Hash of every chunk's statement: keccak256(inputs . words of labels . outputs).
    /// @param statement That of the chunk: its inputs, words of labels and outputs.
    struct Opening {
        address prover;
        bytes32[] slotHashes;
        bytes32[] leaves;
        uint256[] statement;
    }

    /// @notice What became of a task at settlement.
    /// @dev `Paid`: in full. `Unsigned`: its worker has not claimed it, or is not staked; the user kept the worker's share.
    /// Not charged: `Short`, the balance was below the price; `Used`, so was the nonce; `Late`, the batch was opened after
    /// the order's deadline; `Dear`, the price was above its maximum; `Forged`, it was not the user who signed.
    enum Outcome {
        None,
        Paid,
        Unsigned,
        Short,
        Used,
        Late,
        Dear,
        Forged
    }

    event BatchCommitted(
        uint64 indexed batchId, bytes32 indexed modelId, bytes32 headerHash, uint64 openedAt, uint64 deadline
    );
    event BatchProven(
        uint64 indexed batchId,
        bytes32 indexed modelId,
        address indexed prover,
        uint256 tasks,
        uint256 labelled,
        uint256 correct,
        uint256 marginSum
    );
    /// @param outcomes Four bits for each slot of the chunk, the first one lowest: an `Outcome`.
    event ChunkSettled(uint64 indexed batchId, uint256 indexed chunk, uint256 outcomes);
    event BatchExpired(uint64 indexed batchId);
    event ReceiptSlashed(
        uint64 indexed batchId,
        address indexed worker,
        address indexed reporter,
        bytes32 taskId,
        uint256 slashed,
        uint256 refunded
    );
    event SequencerChanged(address indexed previous, address indexed current);
    event PassedOn(uint256 burned, uint256 pooled);

    error OnlySequencer(address caller);
    /// @notice What was answered could leave before it is settled.
    error ExitDelayTooShort(uint64 least, uint64 got);
    error WrongChain(uint256 expected, uint256 got);
    error WrongRollup(address expected, address got);
    error WrongBatchId(uint64 expected, uint64 got);
    error ModelNotActive(bytes32 modelId);
    error OpeningOutOfRange(uint64 openedAt, uint64 earliest, uint64 latest);
    error DeadlineOutOfRange(uint64 deadline, uint64 earliest, uint64 latest);
    error BatchNotOpen(uint64 batchId, BatchStatus status);
    error BatchNotProven(uint64 batchId, BatchStatus status);
    error WrongHeader(uint64 batchId, bytes32 expected, bytes32 got);
    error BatchDeadlinePassed(uint64 batchId, uint64 deadline);
    error BatchDeadlineNotPassed(uint64 batchId, uint64 deadline);
    error WrongSlots(bytes32 expected, bytes32 got);
    error WrongInputs(bytes32 expected, bytes32 got);
    error WrongStatement(uint64 batchId);
    error WrongLength(uint256 expected, uint256 got);
    error TaskCountOutOfRange(uint256 count, uint256 batchSlots);
    error WrongInstance(uint256 index, uint256 expected, uint256 got);
    error NoSuchChunk(uint64 batchId, uint256 chunk);
    /// @notice Every chunk of the call is settled.
    error NothingToSettle(uint64 batchId);
    error VerifyingKeyChanged(bytes32 modelId);
    /// @notice The statement has a label that the order's tag does not bind, or one of a slot without a task.
    error WrongLabel(uint256 index);
    /// @notice An entry of a chunk's orders, the one at this task, is no order of a bundle.
    error WrongBundle(uint256 index);
    /// @notice A slot names a worker that is not listed.
    error NoSuchWorker(uint256 index);
    error InvalidProof(uint64 batchId);
    error ReceiptMismatch(bytes32 taskId);
    error ReceiptHonest(bytes32 taskId);
    error NotAStakedWorker(address account);
    error ReceiptAlreadySlashed(uint64 batchId, address worker);

    /// @notice Commits the next batch. Sequencer only; ids count up from zero.
    /// @dev The model must be active, `openedAt` at most `MAX_OPEN` ago, the deadline at most `MAX_PROVING_WINDOW` ahead.
    function commitBatch(BatchHeader calldata header) external;

    /// @notice Makes the statement of a committed batch the chain's, and settles chunks of it. Anyone may call; labels of
    /// chunks that are not settled with it are taken from the sequencer alone, who can check them.
    /// @dev Public inputs, with B = the model's batch slots:
    /// 0 version, 1 keccak256(abi.encode(headerHash, prover)) without its top 3 bits, 2 number of tasks, 3.. B input
    /// commitments, 3+B.. W = ceil(B / 15) words of labels, then probe count, correct probes, margin sum, and B output
    /// commitments. A word has 16 bits for each of fifteen slots, the first one lowest: 0, or a class and 1.
    /// @param slotHashes Hash of every chunk's slots and of the inputs, as `BatchHeader.slotsHash` has them.
    function proveBatch(
        BatchHeader calldata header,
        BatchProof calldata proof,
        bytes32[] calldata slotHashes,
        Chunk[] calldata chunks
    ) external;

    /// @notice Settles chunks of a proven batch, each once; those that are settled already are passed over. Anyone may call
    /// with every user's signature and every worker's; only the sequencer may leave one out, and anyone from
    /// `SETTLING_WINDOW` after the batch's deadline.
    /// @dev Of each fee 65 %, rounded down, are the worker's; a fifth of them, rounded down, is the epochs' pool's. Of the
    /// fees of a call the developer gets 15, the validators 10, the prover 5, each rounded down; 5 are burned, and what is
    /// left goes to the treasury.
    /// @param opening Its `statement` has those of the chunks, one behind the other; also of those that are passed over,
    /// where any words do.
    function settleChunks(BatchHeader calldata header, Chunk[] calldata chunks, Opening calldata opening)
        external;

    /// @notice Closes a batch whose proving deadline has passed. Nothing was charged; its tasks may be committed again.
    function expireBatch(BatchHeader calldata header) external;

    /// @notice Slashes the worker that signed `receipt` with another output than the proven one for its model and input;
    /// once for each worker and batch.
    /// @dev `Staking` holds what was slashed. In the end the user whose task it was gets the model's price from it, at most
    /// half of the slash; nothing where the slot names another worker. Who announced `keccak256(signature)` as its evidence
    /// is rewarded. The fault's id is the batch's.
    /// @param chunk Index of the chunk, its slots and workers; nothing else of it is read.
    /// @param slot The task's place in the chunk.
    function slashReceipt(
        BatchHeader calldata header,
        Chunk calldata chunk,
        Opening calldata opening,
        uint256 slot,
        Receipt calldata receipt,
        bytes calldata signature
    ) external;

    /// @notice Whether the worker has been slashed for a receipt of the batch.
    function isSlashed(uint64 batchId, address worker) external view returns (bool);

    /// @notice Burns what settlements have put aside for it, and sends the epochs what is their pool's. Anyone may call;
    /// `Epochs.advance` does, so that an epoch's fees are in its own pool.
    function passOn() external returns (uint256 burned, uint256 pooled);

    /// @notice Hands the right to commit batches to another address. Sequencer only.
    function setSequencer(address next) external;

    /// @notice The batch with this id; status `None` when there is none.
    function batch(uint64 batchId) external view returns (Batch memory);

    /// @notice Whether the chunk at `index` of a proven batch has this statement.
    function isProven(uint64 batchId, uint256 index, Opening calldata opening) external view returns (bool);

    /// @notice Id of the next batch to commit.
    function nextBatchId() external view returns (uint64);

    /// @notice The only address that may commit batches.
    function sequencer() external view returns (address);

    /// @notice EIP-712 digest of an order: the task id, and what the user signs.
    function orderDigest(Order calldata order) external view returns (bytes32);

    /// @notice EIP-712 digest of a bundle: what the user signs in the place of its orders.
    function bundleDigest(Bundle calldata bundle) external view returns (bytes32);

    /// @notice EIP-712 digest of a receipt: what the worker signs.
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32);

    /// @notice EIP-712 digest of an invoice: what the worker signs to be paid.
    function invoiceDigest(Invoice calldata invoice) external view returns (bytes32);
}
