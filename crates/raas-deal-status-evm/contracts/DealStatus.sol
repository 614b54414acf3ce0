// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {
    Inclusion,
    InclusionAuxData,
    InclusionProof,
    InclusionVerifierData
} from "./Inclusion.sol";
import {Market} from "./Market.sol";

/// @title Which storage deals hold a CID
/// @notice Clients submit CIDs; the owner and the recorders it authorises complete submissions with
/// deals, each with a proof that the deal's piece contains the CID's data. Anyone may then ask which
/// deals a CID has, which of them are active and which end soon.
/// @dev A CID is an opaque key: by convention the UTF-8 text of the CID, by some clients its binary
/// form. The two are different keys here.
///
/// getActiveDeals and getExpiringDeals change nothing but are not `view`: the market actor answers
/// DELEGATECALL only, which a view function may not use. Ask them with eth_call.
contract DealStatus {
    /// @notice A deal with a storage provider.
    struct Deal {
        uint64 dealId;
        uint64 minerId;
    }

    /// @notice Somebody asks for deals for a CID.
    event SubmitAggregatorRequest(uint256 indexed id, bytes cid);
    /// @notice Somebody asks for deals for a CID and for their upkeep.
    /// @param id The submission.
    /// @param cid The CID.
    /// @param _replication_target How many active deals are wanted.
    /// @param _repair_threshold For how many epochs a sector may go unproven before it is replaced.
    /// @param _renew_threshold How many epochs before its end a deal is renewed.
    event SubmitAggregatorRequestWithRaaS(
        uint256 indexed id,
        bytes cid,
        uint256 _replication_target,
        uint256 _repair_threshold,
        uint256 _renew_threshold
    );
    /// @notice A deal was recorded for a submission's CID.
    event CompleteAggregatorRequest(uint256 indexed id, uint64 indexed dealId);
    /// @notice An address may record deals from now on, or no longer.
    event RecorderSet(address indexed recorder, bool allowed);

    /// @notice The caller may not do this.
    error NotAuthorized(address caller);
    /// @notice There is no submission of this number.
    error UnknownSubmission(uint256 id);
    /// @notice A CID has between 1 and MAX_CID_LENGTH bytes.
    error InvalidCid(uint256 length);
    /// @notice The market does not hold this deal.
    error DealNotFound(uint64 dealId);
    /// @notice The deal is with another provider.
    error WrongProvider(uint64 dealId, uint64 expected);
    /// @notice The deal stores another piece than the one that the proof leads to.
    error WrongPiece(uint64 dealId);

    /// @notice The longest CID, in bytes. The text of a CIDv1 with a 512-bit hash has about 110.
    uint256 public constant MAX_CID_LENGTH = 512;

    /// @notice The account that deployed the contract.
    address public immutable owner;
    /// @notice Who may record deals, besides the owner.
    mapping(address => bool) public isRecorder;
    /// @notice The number of the latest submission; the first is 1.
    uint256 public transactionId;

    mapping(uint256 => bytes) private cidOf;
    mapping(bytes => Deal[]) private dealsOf;
    mapping(bytes => mapping(uint64 => bool)) private isRecorded;
    mapping(bytes => bool) private isKnown;
    bytes[] private cids;

    /// @notice The deployer owns the contract.
    constructor() {
        owner = msg.sender;
    }

    /// @notice Authorises an address to record deals, or takes that back.
    function setRecorder(address recorder, bool allowed) external {
        if (msg.sender != owner) revert NotAuthorized(msg.sender);
        isRecorder[recorder] = allowed;
        emit RecorderSet(recorder, allowed);
    }

    /// @notice Asks for deals for a CID.
    /// @return id The submission's number.
    function submit(bytes memory cid) external returns (uint256 id) {
        id = newSubmission(cid);
        emit SubmitAggregatorRequest(id, cid);
    }

    /// @notice Asks for deals for a CID and for their upkeep.
    /// @return id The submission's number.
    function submitRaaS(
        bytes memory cid,
        uint256 _replication_target,
        uint256 _repair_threshold,
        uint256 _renew_threshold
    ) external returns (uint256 id) {
        id = newSubmission(cid);
        emit SubmitAggregatorRequestWithRaaS(
            id, cid, _replication_target, _repair_threshold, _renew_threshold
        );
    }

    /// @notice Records that a deal holds the data of a submission's CID.
    /// @dev The market must hold the deal, with this provider and with the very piece that the proof
    /// leads to. Recording a deal a second time for a CID does nothing.
    /// @param _id The submission.
    /// @param _dealId The deal.
    /// @param _minerId The actor id of its provider.
    /// @param _proof That the segment is in the deal's piece.
    /// @param _verifierData The segment: its piece CID and padded size.
    /// @return The piece that the proof leads to.
    function complete(
        uint256 _id,
        uint64 _dealId,
        uint64 _minerId,
        InclusionProof memory _proof,
        InclusionVerifierData memory _verifierData
    ) external returns (InclusionAuxData memory) {
        if (msg.sender != owner && !isRecorder[msg.sender]) revert NotAuthorized(msg.sender);
        if (_id == 0 || _id > transactionId) revert UnknownSubmission(_id);
        InclusionAuxData memory aggregate = Inclusion.verify(_proof, _verifierData);
        bytes memory cid = cidOf[_id];
        if (isRecorded[cid][_dealId]) return aggregate;

        requireDeal(_dealId, _minerId, aggregate);
        isRecorded[cid][_dealId] = true;
        dealsOf[cid].push(Deal(_dealId, _minerId));
        emit CompleteAggregatorRequest(_id, _dealId);
        return aggregate;
    }

    /// @notice Every deal that was ever recorded for a CID, dead or alive.
    function getAllDeals(bytes memory _cid) external view returns (Deal[] memory) {
        return dealsOf[_cid];
    }

    /// @notice Every CID that was ever submitted, once.
    function getAllCIDs() external view returns (bytes[] memory) {
        return cids;
    }

    /// @notice The deals of a CID that are activated, not terminated and not over.
    /// @dev Whether their sectors are being proven is another question.
    function getActiveDeals(bytes memory _cid) external returns (Deal[] memory) {
        return dealsEndingWithin(_cid, type(uint64).max);
    }

    /// @notice The active deals of a CID that end within so many epochs.
    function getExpiringDeals(bytes memory _cid, uint64 epochs) external returns (Deal[] memory) {
        return dealsEndingWithin(_cid, epochs);
    }

    /// @dev Numbers a submission and remembers its CID.
    function newSubmission(bytes memory cid) private returns (uint256 id) {
        if (cid.length == 0 || cid.length > MAX_CID_LENGTH) revert InvalidCid(cid.length);
        id = ++transactionId;
        cidOf[id] = cid;
        if (!isKnown[cid]) {
            isKnown[cid] = true;
            cids.push(cid);
        }
    }

    /// @dev Reverts unless the market holds the deal, with this provider and this piece.
    function requireDeal(uint64 dealId, uint64 minerId, InclusionAuxData memory piece) private {
        (bool found, uint64 provider) = Market.provider(dealId);
        if (!found) revert DealNotFound(dealId);
        if (provider != minerId) revert WrongProvider(dealId, provider);
        bytes memory cid;
        uint64 size;
        (found, cid, size) = Market.dataCommitment(dealId);
        if (!found) revert DealNotFound(dealId);
        if (size != piece.sizePa || keccak256(cid) != keccak256(piece.commPa)) {
            revert WrongPiece(dealId);
        }
    }

    /// @dev The active deals of a CID that have at most `epochs` left.
    function dealsEndingWithin(bytes memory cid, uint64 epochs) private returns (Deal[] memory) {
        Deal[] memory deals = dealsOf[cid];
        uint256 kept = 0;
        for (uint256 i = 0; i < deals.length; i++) {
            uint256 left = epochsLeft(deals[i].dealId);
            if (left != 0 && left <= epochs) deals[kept++] = deals[i];
        }
        assembly {
            // Cut the array to what was kept, so that no holes are returned.
            mstore(deals, kept)
        }
        return deals;
    }

    /// @dev How many epochs an active deal still has; 0 when it is not active.
    function epochsLeft(uint64 dealId) private returns (uint256) {
        (bool found, Market.Activation memory activation) = Market.activation(dealId);
        if (!found || activation.activated < 0 || activation.terminated >= 0) return 0;
        Market.Term memory term;
        (found, term) = Market.term(dealId);
        if (!found) return 0;
        int256 left = int256(term.start) + int256(term.duration) - int256(block.number);
        return left > 0 ? uint256(left) : 0;
    }
}
