// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Medians} from "./Medians.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {IValidators} from "./interfaces/IValidators.sol";

/// @title Metrics
/// @notice The clock of epochs, and what validators attest by commitment and reveal.
abstract contract Metrics is IEpochs, EIP712 {
    /// @notice Seats of a page: bounds the gas of `close`.
    uint256 public constant PAGE = 32;
    /// @notice Bytes of a seat's entry in a table.
    uint256 public constant ENTRY = 12;
    /// @notice Part of a validator's stake that a missed reveal costs.
    uint256 public constant MISSED_REVEAL_PERCENT = 2;
    /// @notice Part of a validator's stake that two signed commitments for one epoch cost.
    uint256 public constant EQUIVOCATION_PERCENT = 30;
    /// @notice EIP-712 type hash of a validator's commitment.
    bytes32 public constant METRICS_TYPEHASH = keccak256("Metrics(uint32 epoch,bytes32 commitment)");

    /// @notice Where stakes are.
    IStaking public immutable staking;
    /// @notice Who may attest.
    IValidators public immutable validators;
    /// @inheritdoc IEpochs
    uint64 public immutable length;

    /// @inheritdoc IEpochs
    uint32 public current;
    /// @inheritdoc IEpochs
    uint32 public closed;
    /// @inheritdoc IEpochs
    uint64 public startedAt;
    /// @inheritdoc IEpochs
    uint64 public startBlock;
    /// @notice Seats that a table of the last epoch covers.
    uint32 public tableSeats;

    /// @notice A validator's last report.
    mapping(address validator => Report) public reportOf;
    mapping(uint32 epoch => address[]) private _reporters;

    constructor(IStaking staking_, IValidators validators_, uint64 length_) EIP712("deepnode epochs", "1") {
        require(address(staking_) != address(0) && address(validators_) != address(0), ZeroAddress());
        require(length_ >= 4, ZeroAmount());
        staking = staking_;
        validators = validators_;
        length = length_;
        startedAt = uint64(block.timestamp);
        startBlock = uint64(block.number);
        emit EpochStarted(0, 0);
    }

    /// @inheritdoc IEpochs
    function advance() external {
        uint256 endsAt = uint256(startedAt) + length;
        require(block.timestamp >= endsAt, EpochNotOver(endsAt));
        uint32 epoch = current;
        require(closed == epoch, EpochNotClosed(closed));
        current = ++epoch;
        startedAt = uint64(block.timestamp);
        startBlock = uint64(block.number);
        tableSeats = uint32(seatCount());
        emit EpochStarted(epoch, tableSeats);
        _gather();
    }

    /// @inheritdoc IEpochs
    function commitMetrics(address validator, bytes32 commitment, bytes calldata signature) external {
        uint32 epoch = _attested(0, 1);
        require(validators.isValidator(validator), NotAValidator(validator));
        address signer = ECDSA.recoverCalldata(metricsDigest(epoch, commitment), signature);
        require(signer == validator, WrongSigner(validator, signer));
        Report storage r = reportOf[validator];
        require(r.state == ReportState.None || r.epoch != epoch, AlreadyCommitted(epoch, validator));
        if (r.state == ReportState.Committed) _slashMissed(validator, r);
        uint96 weight = uint96(staking.bondedOf(IStaking.Role.Validator, validator));
        reportOf[validator] = Report(commitment, weight, epoch, ReportState.Committed);
        _reporters[epoch].push(validator);
        emit MetricsCommitted(epoch, validator, commitment, weight);
    }

    /// @inheritdoc IEpochs
    function revealMetrics(bytes calldata table, bytes32 salt) external {
        uint32 epoch = _attested(1, 2);
        Report storage r = reportOf[msg.sender];
        require(r.state == ReportState.Committed && r.epoch == epoch, NothingCommitted(epoch, msg.sender));
        uint256 expected = uint256(tableSeats) * ENTRY;
        require(table.length == expected, WrongTableLength(expected, table.length));
        bytes32 hash = keccak256(abi.encodePacked(_pageHashes(table)));
        uint32 registered = validators.registeredIn(msg.sender);
        bytes32 commitment = keccak256(abi.encode(msg.sender, registered, epoch, hash, salt));
        require(commitment == r.hash, WrongCommitment(r.hash, commitment));
        r.hash = hash;
        r.state = ReportState.Revealed;
        emit MetricsRevealed(epoch, msg.sender, table);
    }

    /// @inheritdoc IEpochs
    function slashMissedReveal(address validator) external {
        Report storage r = reportOf[validator];
        bool isLate = uint256(r.epoch) + 1 < current || block.timestamp >= _phase(2);
        require(r.state == ReportState.Committed && isLate, NotMissed(validator));
        _slashMissed(validator, r);
    }

    /// @inheritdoc IEpochs
    function slashEquivocation(
        uint32 epoch,
        bytes32 first,
        bytes calldata firstSignature,
        bytes32 second,
        bytes calldata secondSignature
    ) external {
        require(first < second, NotEquivocal(first, second));
        address validator = ECDSA.recoverCalldata(metricsDigest(epoch, first), firstSignature);
        address other = ECDSA.recoverCalldata(metricsDigest(epoch, second), secondSignature);
        require(validator == other, WrongSigner(validator, other));
        bytes32 evidence = keccak256(abi.encode(firstSignature, secondSignature));
        bytes32 id = keccak256(abi.encode("equivocation", epoch));
        uint256 slashed = _slash(validator, EQUIVOCATION_PERCENT, id, evidence);
        emit Equivocated(epoch, validator, slashed);
    }

    /// @notice What a validator signs.
    function metricsDigest(uint32 epoch, bytes32 commitment) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(METRICS_TYPEHASH, epoch, commitment)));
    }

    /// @notice Validators who committed to metrics of `epoch`, in order.
    function reportersOf(uint32 epoch) external view returns (address[] memory) {
        return _reporters[epoch];
    }

    /// @notice Number of seats.
    function seatCount() public view virtual returns (uint256);

    /// @notice Whether the revealed reports of `epoch` may speak: more than half of the committed stake, and more than half
    /// of all validators.
    function hasQuorum(uint32 epoch) public view returns (bool) {
        address[] storage reporters = _reporters[epoch];
        (uint256 committed, uint256 revealed, uint256 speakers) = (0, 0, 0);
        for (uint256 i; i < reporters.length; ++i) {
            Report storage r = reportOf[reporters[i]];
            committed += r.weight;
            if (r.state != ReportState.Revealed) continue;
            revealed += r.weight;
            ++speakers;
        }
        return 2 * revealed > committed && 2 * speakers > validators.count();
    }

    /// @dev Fixes the pool of the epoch that has just ended.
    function _gather() internal virtual;

    /// @dev Holds `reports` to what was revealed of `epoch`. Returns their weights.
    function _weights(uint32 epoch, uint256 page, Page[] calldata reports)
        internal
        view
        returns (uint96[] memory weights)
    {
        address[] storage reporters = _reporters[epoch];
        weights = new uint96[](reports.length);
        uint256 n;
        for (uint256 i; i < reporters.length; ++i) {
            Report storage r = reportOf[reporters[i]];
            if (r.state != ReportState.Revealed) continue;
            require(n < reports.length, WrongReports(n + 1, reports.length));
            Page calldata given = reports[n];
            require(
                keccak256(abi.encodePacked(given.pageHashes)) == r.hash
                    && (given.pageHashes.length == 0 || keccak256(given.page) == given.pageHashes[page]),
                WrongReport(reporters[i])
            );
            weights[n++] = r.weight;
        }
        require(n == reports.length, WrongReports(n, reports.length));
    }

    /// @dev Median entry of a page's `row`.
    function _entry(Page[] calldata reports, uint96[] memory weights, uint256 row)
        internal
        pure
        returns (uint256[3] memory entry)
    {
        uint256[] memory packed = new uint256[](weights.length);
        for (uint256 field; field < 3; ++field) {
            uint256 at = row * ENTRY + field * 4;
            for (uint256 i; i < weights.length; ++i) {
                packed[i] = Medians.pack(uint32(bytes4(reports[i].page[at:at + 4])), weights[i]);
            }
            entry[field] = Medians.weighted(packed);
        }
    }

    /// @dev The last epoch, while the time is between two quarters of the running one.
    function _attested(uint256 from, uint256 to) private view returns (uint32 epoch) {
        epoch = current;
        require(epoch != 0 && closed < epoch, NothingToClose(epoch));
        require(
            block.timestamp >= _phase(from) && block.timestamp < _phase(to),
            NotThePhase(_phase(from), _phase(to))
        );
        return epoch - 1;
    }

    /// @dev Start of a quarter of the running epoch's least length.
    function _phase(uint256 quarter) internal view returns (uint256) {
        return startedAt + quarter * length / 4;
    }

    function _pageHashes(bytes calldata table) private pure returns (bytes32[] memory hashes) {
        uint256 size = PAGE * ENTRY;
        hashes = new bytes32[]((table.length + size - 1) / size);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = keccak256(table[i * size:Math.min((i + 1) * size, table.length)]);
        }
    }

    function _slashMissed(address validator, Report storage r) private {
        r.state = ReportState.Slashed;
        bytes32 id = keccak256(abi.encode("missed reveal", r.epoch));
        uint256 slashed = _slash(validator, MISSED_REVEAL_PERCENT, id, 0);
        emit RevealMissed(r.epoch, validator, slashed);
    }

    function _slash(address validator, uint256 percent, bytes32 id, bytes32 evidence)
        private
        returns (uint256)
    {
        return staking.slash(
            IStaking.Fault({
                role: IStaking.Role.Validator,
                account: validator,
                percent: percent,
                id: id,
                evidence: evidence,
                victim: address(0),
                refund: 0
            })
        );
    }
}
