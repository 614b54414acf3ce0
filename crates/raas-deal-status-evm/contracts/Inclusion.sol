// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @notice A Merkle path: the position of a node at the level where the path starts, and the
/// sibling nodes from there to the root.
struct ProofData {
    uint64 index;
    bytes32[] path;
}

/// @notice A proof of data segment inclusion (FRC-0058).
struct InclusionProof {
    /// The segment's subtree is in the aggregate.
    ProofData proofSubtree;
    /// The segment's entry is in the aggregate's index.
    ProofData proofIndex;
}

/// @notice What a verifier must know: the segment's piece CID (v1, 39 bytes) and padded size.
struct InclusionVerifierData {
    bytes commPc;
    uint64 sizePc;
}

/// @notice What follows from a proof: the aggregate's piece CID (v1, 39 bytes) and padded size.
struct InclusionAuxData {
    bytes commPa;
    uint64 sizePa;
}

/// @title Verification of proofs of data segment inclusion
/// @dev FRC-0058. Sizes are padded bytes (after Fr32), powers of two.
library Inclusion {
    /// @notice The proof does not hold. `what` names the step that failed.
    error InvalidProof(string what);

    /// @dev CIDv1, fil-commitment-unsealed (0xf101), sha2-256-trunc254-padded (0x1012), 32 bytes.
    bytes7 private constant PIECE_CID_PREFIX = 0x0181e203922020;
    /// @dev The prefix and the digest.
    uint256 private constant PIECE_CID_LENGTH = 39;
    /// @dev The smallest piece.
    uint64 private constant MIN_PIECE = 128;
    /// @dev An index entry is two nodes of 32 bytes.
    uint256 private constant ENTRY_SIZE = 64;
    /// @dev An aggregate's index has one entry for every 2048 entries' worth of data ...
    uint256 private constant BYTES_PER_ENTRY = 2048 * ENTRY_SIZE;
    /// @dev ... but never fewer than four.
    uint256 private constant MIN_ENTRIES = 4;
    /// @dev Keeps a node's 254 bits: the two highest of its last byte are clear.
    bytes32 private constant TRUNCATE = ~bytes32(uint256(0xc0));

    /// @notice The aggregate in which the proof places the segment; reverts where it does not.
    function verify(InclusionProof memory proof, InclusionVerifierData memory segment)
        internal
        pure
        returns (InclusionAuxData memory aggregate)
    {
        uint256 size = segment.sizePc;
        if (size < MIN_PIECE || size & (size - 1) != 0) revert InvalidProof("segment size");
        bytes32 comm = commitment(segment.commPc);

        // Both paths must lead to the same root, and to aggregates of the same size.
        bytes32 root = rootOf(proof.proofSubtree, comm);
        uint256 sizePa = size << proof.proofSubtree.path.length;
        if (sizePa > 1 << 63) revert InvalidProof("aggregate size");
        bytes32 entry = indexEntry(comm, uint64(proof.proofSubtree.index * size), uint64(size));
        if (rootOf(proof.proofIndex, entry) != root) revert InvalidProof("roots differ");
        if (ENTRY_SIZE << proof.proofIndex.path.length != sizePa) revert InvalidProof("sizes differ");

        // The entry lies in the index, at the end of the aggregate, and not amid the data.
        uint256 entries = sizePa / BYTES_PER_ENTRY;
        if (entries < MIN_ENTRIES) entries = MIN_ENTRIES;
        uint256 indexSize = entries * ENTRY_SIZE;
        if (indexSize > sizePa || proof.proofIndex.index * ENTRY_SIZE < sizePa - indexSize) {
            revert InvalidProof("entry outside the index");
        }
        aggregate.commPa = abi.encodePacked(PIECE_CID_PREFIX, root);
        aggregate.sizePa = uint64(sizePa);
    }

    /// @dev The digest of a piece CID.
    function commitment(bytes memory cid) private pure returns (bytes32 digest) {
        if (cid.length != PIECE_CID_LENGTH || bytes7(cid) != PIECE_CID_PREFIX) {
            revert InvalidProof("not a piece CID");
        }
        assembly {
            // 32 bytes of length, then 7 of prefix.
            digest := mload(add(cid, 39))
        }
    }

    /// @dev Walks a path up to the root.
    function rootOf(ProofData memory proof, bytes32 node) private pure returns (bytes32) {
        uint256 depth = proof.path.length;
        // 2^63 leaves are more than can be stored; a position beyond the level is a forgery.
        if (depth > 63 || proof.index >> depth != 0) revert InvalidProof("position");
        uint256 index = proof.index;
        for (uint256 i = 0; i < depth; i++) {
            bytes32 sibling = proof.path[i];
            node = index & 1 == 1 ? hash(sibling, node) : hash(node, sibling);
            index >>= 1;
        }
        return node;
    }

    /// @dev The node over a segment's entry in the index: commitment, offset, size, checksum.
    function indexEntry(bytes32 comm, uint64 offset, uint64 size) private pure returns (bytes32) {
        bytes16 numbers = bytes16(abi.encodePacked(littleEndian(offset), littleEndian(size)));
        // Half a node of checksum, taken over the entry with the checksum left zero; it is cut to
        // 126 bits like every other half.
        bytes16 checksum = bytes16(sha256(abi.encodePacked(comm, numbers, bytes16(0))))
            & ~bytes16(uint128(0xc0));
        return hash(comm, bytes32(abi.encodePacked(numbers, checksum)));
    }

    /// @dev Eight bytes, lowest first.
    function littleEndian(uint64 value) private pure returns (bytes8) {
        uint64 reversed = 0;
        for (uint256 i = 0; i < 8; i++) {
            reversed = (reversed << 8) | (value & 0xff);
            value >>= 8;
        }
        return bytes8(reversed);
    }

    /// @dev The node over two others: SHA-256 cut to 254 bits.
    function hash(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(left, right)) & TRUNCATE;
    }
}
