// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Settlement of proven inference.
/// @notice Users deposit DN and sign orders. The sequencer commits batches of ordered tasks; a proof of the batch
/// settles them: outputs are stored and fees are paid. Nothing is charged without a user's order and a proof.
/// @dev What the proof binds: the batch header, the number of tasks, every input and output commitment and the
/// labels and quality sums. Times in receipts are attested by their signer, not proven.
interface IInferenceRollup {
    /// @notice A user's signed wish. Its EIP-712 digest is the task id.
    /// @param maxFee Most the user pays, in token wei; the price of the model is charged.
    /// @param deadline Last second, unix time, at which a batch with this task may be committed.
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

    /// @notice What an order says beyond its batch: the header names the model, the statement has the input.
    struct Terms {
        address user;
        uint128 maxFee;
        uint64 deadline;
        uint64 nonce;
        bytes32 tag;
    }

    /// @param instances The public inputs.
    /// @param proof That they hold.
    /// @param salts Of the tags of tasks with a label, in the order of the slots.
    struct BatchProof {
        uint256[] instances;
        bytes proof;
        bytes32[] salts;
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

    /// @notice One real task of a batch and the worker that is paid for it.
    struct Slot {
        bytes32 taskId;
        address worker;
    }

    /// @param slotsHash keccak256(abi.encode(Slot[])).
    /// @param prover Receives the proving share, whoever sends the proof.
    /// @param deadline Last second, unix time, at which the batch may be proven.
    struct BatchHeader {
        uint256 chainId;
        address rollup;
        uint64 batchId;
        bytes32 modelId;
        bytes32 slotsHash;
        address prover;
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
    struct Batch {
        bytes32 headerHash;
        uint64 committedAt;
        uint64 deadline;
        BatchStatus status;
    }

    event Deposited(address indexed user, uint256 amount);
    event Withdrawn(address indexed user, uint256 amount);
    event BatchCommitted(
        uint64 indexed batchId,
        bytes32 indexed modelId,
        address indexed prover,
        bytes32 headerHash,
        uint64 deadline
    );
    event BatchProven(
        uint64 indexed batchId,
        bytes32 indexed modelId,
        address indexed prover,
        uint256 tasks,
        uint256 paidTasks,
        uint256 probeCount,
        uint256 probeCorrect,
        uint256 marginSum
    );
    event BatchExpired(uint64 indexed batchId);
    event TaskSettled(
        bytes32 indexed taskId,
        uint64 indexed batchId,
        address indexed worker,
        address user,
        bytes32 outputHash,
        uint256 fee
    );
    event TaskUnpaid(
        bytes32 indexed taskId, uint64 indexed batchId, address indexed user, bytes32 outputHash, uint256 fee
    );
    event ReceiptSlashed(
        bytes32 indexed taskId,
        address indexed worker,
        address indexed reporter,
        uint256 slashed,
        uint256 refunded
    );
    event SequencerChanged(address indexed previous, address indexed current);

    error ZeroAmount();
    error ZeroAddress();
    error InsufficientBalance(uint256 balance, uint256 requested);
    error OnlySequencer(address caller);
    error WrongChain(uint256 expected, uint256 got);
    error WrongRollup(address expected, address got);
    error WrongBatchId(uint64 expected, uint64 got);
    error ModelNotActive(bytes32 modelId);
    error DeadlineOutOfRange(uint64 deadline, uint64 earliest, uint64 latest);
    error BatchNotOpen(uint64 batchId, BatchStatus status);
    error WrongHeader(uint64 batchId, bytes32 expected, bytes32 got);
    error BatchDeadlinePassed(uint64 batchId, uint64 deadline);
    error BatchDeadlineNotPassed(uint64 batchId, uint64 deadline);
    error WrongSlots(bytes32 expected, bytes32 got);
    error WrongLength(uint256 expected, uint256 got);
    error TaskCountOutOfRange(uint256 count, uint256 batchSlots);
    error NotAFieldElement(uint256 index, uint256 value);
    error WrongInstance(uint256 index, uint256 expected, uint256 got);
    error WrongTask(uint256 index, bytes32 expected, bytes32 got);
    error WrongSigner(uint256 index, address expected, address got);
    error OrderExpired(bytes32 taskId, uint64 deadline);
    error FeeAboveMaximum(bytes32 taskId, uint256 price, uint256 maxFee);
    error TaskAlreadyProven(bytes32 taskId);
    error ZeroOutput(bytes32 taskId);
    error VerifyingKeyChanged(bytes32 modelId);
    /// @notice The quality sums contradict each other: more correct than probes, or a margin out of range.
    error ScoreOutOfRange(uint256 probeCount, uint256 probeCorrect, uint256 marginSum);
    /// @notice The statement has a label that the order's tag does not bind, or one of a slot without a task.
    error WrongLabel(uint256 index);
    error InvalidProof(uint64 batchId);
    error TaskNotProven(bytes32 taskId);
    error ReceiptMismatch(bytes32 taskId);
    error ReceiptHonest(bytes32 taskId);
    error NotAStakedWorker(address account);
    error ReceiptAlreadySlashed(bytes32 taskId, address worker);

    /// @notice Adds `amount` DN, which the caller has approved, to the caller's balance.
    function deposit(uint256 amount) external;

    /// @notice Pays `amount` of the caller's balance out. Nobody can stop or delay it.
    function withdraw(uint256 amount) external;

    /// @notice Commits the next batch. Sequencer only; ids count up from zero.
    /// @dev The model must be active; the proving deadline lies at most `MAX_PROVING_WINDOW` ahead.
    function commitBatch(BatchHeader calldata header) external;

    /// @notice Settles a committed batch. Anyone may call; the header names who is paid.
    /// @dev Public inputs, with B = the model's batch slots:
    /// 0 version, 1 header hash without its top 3 bits, 2 number of tasks, 3.. B input commitments, 3+B.. W = ceil(B / 15)
    /// words of labels, then probe count, correct probes, margin sum, and B output commitments. A word has 16 bits for each
    /// of fifteen slots, the first one lowest: 0, or a class and 1.
    /// A user whose balance is below the price is not charged (`TaskUnpaid`); the output counts as proven all the same.
    /// Shares of each fee are rounded down; what is left goes to the treasury.
    /// @param terms One per slot, in the order of the slots: those of an order that its user signed, with a 65-byte ECDSA
    /// signature.
    function proveBatch(
        BatchHeader calldata header,
        Slot[] calldata slots,
        Terms[] calldata terms,
        bytes[] calldata signatures,
        BatchProof calldata proof
    ) external;

    /// @notice Closes a batch whose proving deadline has passed. Nothing was charged; its tasks may be committed again.
    function refundBatch(uint64 batchId) external;

    /// @notice Slashes the worker that signed `receipt` with an output other than the proven one.
    /// @dev `Staking` holds what was slashed. In the end the user gets the fee back from it, if it was charged and not yet
    /// refunded, at most half of the slash. Who announced `keccak256(signature)` as its evidence is rewarded.
    /// @param order The task's order: its digest is `receipt.taskId`.
    function slashReceipt(Order calldata order, Receipt calldata receipt, bytes calldata signature) external;

    /// @notice Hands the right to commit batches to another address. Sequencer only.
    function setSequencer(address next) external;

    /// @notice Deposits and earnings of `account`, free to withdraw.
    function balanceOf(address account) external view returns (uint256);

    /// @notice The batch with this id; status `None` when there is none.
    function batch(uint64 batchId) external view returns (Batch memory);

    /// @notice Id of the next batch to commit.
    function nextBatchId() external view returns (uint64);

    /// @notice The only address that may commit batches.
    function sequencer() external view returns (address);

    /// @notice The proven output commitment of a task, or zero.
    function provenOutput(bytes32 taskId) external view returns (bytes32);

    /// @notice Whether the user's fee for the task is in, neither skipped nor refunded.
    function isCharged(bytes32 taskId) external view returns (bool);

    /// @notice EIP-712 digest of an order: the task id, and what the user signs.
    function orderDigest(Order calldata order) external view returns (bytes32);

    /// @notice EIP-712 digest of a receipt: what the worker signs.
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32);
}
