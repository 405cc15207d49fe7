// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Epochs: who did what, how far it is trusted, and what it earns.
/// @notice An epoch lasts at least `length` seconds and until somebody calls `advance`. While epoch `c` runs
/// - the rollup records its work;
/// - validators attest what they saw of epoch `c - 1`: they commit in its first quarter and reveal in its second;
/// - in its second half anyone closes epoch `c - 1`, page by page. Trust moves by one step, scores are fixed, DN is
///   emitted, and from the last page on its claims are open.
///
/// Amounts are in units of 10^-6 DN, rounded down, unless a name ends in `Wei`. Trust, metrics and quality are fractions
/// of `Powr.ONE`.
///
/// **Work** of a share of a batch is `min(workUnits * items, fees * workPerUnit)` times the model version's smoothed
/// quality: nobody gains weight by a model that claims much work for little money.
/// **Score** is `min(work * trust of the epoch before, workPerStake * stake)`.
/// **Pool** of an epoch is what was emitted at its closure and what had come until its end: 20 percent of workers' fees,
/// which `advance` takes from the rollup, and pools that nobody had a score for.
/// **Payout** is `pool * score / scores`, at most what the worker's own tasks have paid in: an order to oneself never
/// pays. What that bound leaves over burns, and is not emitted again.
interface IEpochs {
    /// @notice Part of a recorded batch.
    /// @param items Tasks that were proven and charged, and that the worker answered as proven.
    /// @param feesWei What their users were charged in all.
    struct Share {
        address worker;
        uint32 items;
        uint128 feesWei;
    }

    /// @notice What a worker did in an epoch: one storage slot.
    /// @param faults Proven lies of which the rollup heard in this epoch.
    struct Work {
        uint24 epoch;
        uint8 faults;
        uint64 fees;
        uint64 units;
        uint96 work;
    }

    /// @notice What a worker may claim: one storage slot.
    /// @param amount Ready to be claimed.
    /// @param bound Most that `score` pays.
    /// @param score Of `epoch`, not yet turned into an amount.
    struct Claim {
        uint64 amount;
        uint64 bound;
        uint96 score;
        uint32 epoch;
    }

    /// @notice A closed epoch.
    struct Result {
        uint64 pool;
        uint64 minted;
        uint128 scores;
    }

    /// @notice A validator's report of one page, for `close`.
    /// @param pageHashes Hashes of all pages of its table.
    /// @param page Entries of the page that is closed.
    struct Page {
        bytes32[] pageHashes;
        bytes page;
    }

    enum ReportState {
        None,
        Committed,
        Revealed,
        Slashed
    }

    /// @notice A validator's report of an epoch.
    /// @param hash The commitment; once revealed, the hash of the page hashes.
    /// @param weight Its validator's stake at the commitment.
    struct Report {
        bytes32 hash;
        uint96 weight;
        uint32 epoch;
        ReportState state;
    }

    event EpochStarted(uint32 indexed epoch, uint256 seats);
    event WorkerSeated(address indexed worker, uint256 seat, address replaced);
    event WorkRecorded(address indexed worker, uint32 indexed epoch, uint256 units, uint256 work);
    event QualityObserved(bytes32 indexed modelId, uint256 sample, uint256 smoothed);
    event FaultRecorded(address indexed worker, uint32 indexed epoch);
    event MetricsCommitted(
        uint32 indexed epoch, address indexed validator, bytes32 commitment, uint256 weight
    );
    event MetricsRevealed(uint32 indexed epoch, address indexed validator, bytes table);
    event RevealMissed(uint32 indexed epoch, address indexed validator, uint256 slashedWei);
    event Equivocated(uint32 indexed epoch, address indexed validator, uint256 slashedWei);
    event TrustUpdated(address indexed worker, uint32 indexed epoch, uint256 trust, uint256 score);
    event EpochClosed(uint32 indexed epoch, uint256 pool, uint256 minted, uint256 scores);
    event Claimed(address indexed worker, uint256 amountWei);

    error ZeroAddress();
    error ZeroAmount();
    error OnlyRollup(address caller);
    error OnlyProbes(address caller);
    error NotStaked(address worker);
    error AlreadySeated(address worker);
    error SeatTaken(uint256 seat, address worker);
    error NoSuchSeat(uint256 seat);
    error EpochNotOver(uint256 endsAt);
    error EpochNotClosed(uint32 epoch);
    error NotThePhase(uint256 from, uint256 to);
    error NotAValidator(address account);
    error AlreadyCommitted(uint32 epoch, address validator);
    error NothingCommitted(uint32 epoch, address validator);
    error WrongCommitment(bytes32 committed, bytes32 got);
    error WrongTableLength(uint256 expected, uint256 got);
    error NotMissed(address validator);
    error NotEquivocal(bytes32 first, bytes32 second);
    error WrongSigner(address expected, address got);
    error NothingToClose(uint32 epoch);
    error WrongPage(uint256 expected, uint256 got);
    error WrongReports(uint256 expected, uint256 got);
    error WrongReport(address validator);
    error NothingToClaim(address worker);

    /// @notice Gives a staked worker a seat. Anyone may call it; a worker without a seat has no part in the pool.
    /// @param seat The number of seats for a new one, or the seat of a worker whose stake is gone and who has done
    /// nothing lately.
    function seat(address worker, uint256 seat) external;

    /// @notice Records what a validator's probes found about a model version. Only `Probes` calls it, once for each
    /// validator, version and epoch. It never reverts for what they found.
    function recordQuality(bytes32 modelId, uint32 probeCount, uint32 probeCorrect, uint32 marginSum) external;

    /// @notice Records work. Only the rollup calls it, once per batch or per settled part of one. It never reverts for
    /// what a batch says.
    /// @param workUnits Of one task of the model version.
    function recordWork(bytes32 modelId, uint64 workUnits, Share[] calldata shares) external;

    /// @notice Records that a proof contradicted the worker's receipt. Only the rollup calls it.
    function recordFault(address worker) external;

    /// @notice Ends the current epoch, once its time is over and the one before is closed, and takes what the rollup has put
    /// aside for its pool. Anyone may call it.
    function advance() external;

    /// @notice Commits a validator to its metrics of the last epoch. Anyone may bring the signature.
    /// @param commitment `keccak256(abi.encode(validator, registration epoch, epoch, keccak256(page hashes), salt))`.
    /// @param signature EIP-712 `Metrics(uint32 epoch,bytes32 commitment)` by the validator.
    function commitMetrics(address validator, bytes32 commitment, bytes calldata signature) external;

    /// @notice Reveals the caller's metrics.
    /// @param table For each seat in order 12 bytes: completion, uptime and speed, big-endian fractions of 32 bits.
    function revealMetrics(bytes calldata table, bytes32 salt) external;

    /// @notice Slashes a validator who committed and did not reveal in time. Anyone may call it.
    function slashMissedReveal(address validator) external;

    /// @notice Slashes a validator who signed two commitments for one epoch.
    /// @dev The evidence for `Staking.announce` is `keccak256(abi.encode(firstSignature, secondSignature))`.
    function slashEquivocation(
        uint32 epoch,
        bytes32 first,
        bytes calldata firstSignature,
        bytes32 second,
        bytes calldata secondSignature
    ) external;

    /// @notice Closes the next page of the last epoch: `PAGE` seats. Anyone may call it.
    /// @param reports Of every validator who revealed, in the order of their commitments; none without a quorum.
    function close(uint256 page, Page[] calldata reports) external;

    /// @notice Pays the caller what its scores of closed epochs are worth.
    function claim() external returns (uint256 amountWei);

    /// @notice The running epoch.
    function current() external view returns (uint32);

    /// @notice Records work and faults, and sends the pool's part of fees.
    function rollup() external view returns (address);

    /// @notice Unix seconds of its start.
    function startedAt() external view returns (uint64);

    /// @notice Block of its start.
    function startBlock() external view returns (uint64);

    /// @notice Least seconds of an epoch.
    function length() external view returns (uint64);

    /// @notice Number of closed epochs: all below it are.
    function closed() external view returns (uint32);

    /// @notice What `claim` would pay, in token wei.
    function claimableWei(address worker) external view returns (uint256);

    /// @notice What the worker did in `epoch`, the running one or the one before; zero for others.
    function workOf(address worker, uint32 epoch) external view returns (Work memory);
}
