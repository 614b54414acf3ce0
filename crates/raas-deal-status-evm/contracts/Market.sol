// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Questions to the storage market actor f05
/// @notice Reads the market's exported getters (FIP-0050) through the `call_actor_id` precompile.
/// @dev Two kinds of "no" are kept apart. A deal that the market does not hold is an answer
/// (`found == false`). A question that was not answered - out of gas, an unknown method, a reply of
/// another shape - reverts, so that a live deal is never reported as a dead one.
library Market {
    /// @notice What is left of a deal's activation. -1 stands for "not".
    struct Activation {
        int64 activated;
        int64 terminated;
    }

    /// @notice When a deal runs.
    struct Term {
        int64 start;
        int64 duration;
    }

    /// @notice The market answered with an exit code that says nothing about the deal.
    error ActorError(int256 exitCode);
    /// @notice The precompile itself failed.
    error FailToCallActor();
    /// @notice The market's reply has another shape than its getter promises.
    error InvalidResponse();

    /// @dev The `call_actor_id` precompile of the FEVM (builtin-actors
    /// actors/evm/src/interpreter/precompiles/fvm.rs). It answers DELEGATECALL only.
    address private constant CALL_ACTOR_ID = 0xfe00000000000000000000000000000000000005;
    /// @dev The market is the singleton actor f05.
    uint64 private constant MARKET_ACTOR = 5;
    /// @dev `fvm_ipld_encoding::CBOR`.
    uint64 private constant CBOR = 0x51;
    /// @dev Forbids the callee to change anything.
    uint64 private constant READ_ONLY = 1;

    // Method numbers are FRC-0042 hashes of the getters' names.
    uint64 private constant GET_DEAL_DATA_COMMITMENT = 1157985802;
    uint64 private constant GET_DEAL_PROVIDER = 935081690;
    uint64 private constant GET_DEAL_TERM = 163777312;
    uint64 private constant GET_DEAL_ACTIVATION = 2567238399;

    /// @dev USR_NOT_FOUND: the market never handed out this deal id.
    int256 private constant NOT_FOUND = 17;
    /// @dev EX_DEAL_EXPIRED: handed out once and gone by now (completed, terminated, timed out).
    int256 private constant DEAL_EXPIRED = 32;

    uint8 private constant MAJOR_UNSIGNED = 0;
    uint8 private constant MAJOR_NEGATIVE = 1;
    uint8 private constant MAJOR_BYTES = 2;
    uint8 private constant MAJOR_ARRAY = 4;
    uint8 private constant MAJOR_TAG = 6;
    /// @dev The CBOR tag of a CID; its bytes start with a zero.
    uint64 private constant TAG_CID = 42;

    /// @notice Whether and when a deal was activated and terminated.
    function activation(uint64 dealId) internal returns (bool found, Activation memory value) {
        bytes memory reply;
        (found, reply) = ask(GET_DEAL_ACTIVATION, dealId);
        if (!found) return (false, value);
        uint256 pos = readPair(reply);
        (value.activated, pos) = readInt64(reply, pos);
        (value.terminated, pos) = readInt64(reply, pos);
    }

    /// @notice When a deal starts and for how long it runs.
    /// @dev The second number is a duration, whatever older libraries call it.
    function term(uint64 dealId) internal returns (bool found, Term memory value) {
        bytes memory reply;
        (found, reply) = ask(GET_DEAL_TERM, dealId);
        if (!found) return (false, value);
        uint256 pos = readPair(reply);
        (value.start, pos) = readInt64(reply, pos);
        (value.duration, pos) = readInt64(reply, pos);
    }

    /// @notice The actor id of the provider that a deal is with.
    function provider(uint64 dealId) internal returns (bool found, uint64 actorId) {
        bytes memory reply;
        (found, reply) = ask(GET_DEAL_PROVIDER, dealId);
        if (!found) return (false, 0);
        (uint8 major, uint64 value, ) = readHeader(reply, 0);
        if (major != MAJOR_UNSIGNED) revert InvalidResponse();
        actorId = value;
    }

    /// @notice The piece that a deal stores: the bytes of its CID and its padded size.
    function dataCommitment(uint64 dealId)
        internal
        returns (bool found, bytes memory cid, uint64 size)
    {
        bytes memory reply;
        (found, reply) = ask(GET_DEAL_DATA_COMMITMENT, dealId);
        if (!found) return (false, cid, 0);
        uint256 pos = readPair(reply);
        (cid, pos) = readCid(reply, pos);
        uint8 major;
        (major, size, pos) = readHeader(reply, pos);
        if (major != MAJOR_UNSIGNED) revert InvalidResponse();
    }

    /// @dev Asks a getter about one deal. `found` is false for a deal that the market does not hold.
    function ask(uint64 method, uint64 dealId) private returns (bool found, bytes memory reply) {
        bytes memory input =
            abi.encode(method, uint256(0), READ_ONLY, CBOR, writeUint(dealId), MARKET_ACTOR);
        (bool ok, bytes memory output) = CALL_ACTOR_ID.delegatecall(input);
        if (!ok || output.length < 128) revert FailToCallActor();
        int256 exitCode;
        (exitCode, , reply) = abi.decode(output, (int256, uint64, bytes));
        if (exitCode == NOT_FOUND || exitCode == DEAL_EXPIRED) return (false, reply);
        if (exitCode != 0) revert ActorError(exitCode);
        found = true;
    }

    /// @dev The shortest CBOR form of an unsigned number, as the market demands it.
    function writeUint(uint64 value) private pure returns (bytes memory) {
        if (value < 24) return abi.encodePacked(uint8(value));
        if (value <= type(uint8).max) return abi.encodePacked(uint8(24), uint8(value));
        if (value <= type(uint16).max) return abi.encodePacked(uint8(25), uint16(value));
        if (value <= type(uint32).max) return abi.encodePacked(uint8(26), uint32(value));
        return abi.encodePacked(uint8(27), value);
    }

    /// @dev Steps into an array of two.
    function readPair(bytes memory data) private pure returns (uint256 next) {
        uint8 major;
        uint64 length;
        (major, length, next) = readHeader(data, 0);
        if (major != MAJOR_ARRAY || length != 2) revert InvalidResponse();
    }

    /// @dev A CBOR integer with its sign: major type 1 holds n for the number -1-n.
    function readInt64(bytes memory data, uint256 pos)
        private
        pure
        returns (int64 value, uint256 next)
    {
        uint8 major;
        uint64 raw;
        (major, raw, next) = readHeader(data, pos);
        if (major > MAJOR_NEGATIVE || raw > uint64(type(int64).max)) revert InvalidResponse();
        value = major == MAJOR_NEGATIVE ? -1 - int64(raw) : int64(raw);
    }

    /// @dev A CID: tag 42 over a byte string whose first byte is zero.
    function readCid(bytes memory data, uint256 pos)
        private
        pure
        returns (bytes memory cid, uint256 next)
    {
        uint8 major;
        uint64 value;
        (major, value, next) = readHeader(data, pos);
        if (major != MAJOR_TAG || value != TAG_CID) revert InvalidResponse();
        (major, value, next) = readHeader(data, next);
        if (major != MAJOR_BYTES || value == 0 || value > data.length - next) {
            revert InvalidResponse();
        }
        cid = new bytes(value - 1);
        for (uint256 i = 0; i < cid.length; i++) cid[i] = data[next + 1 + i];
        next += value;
    }

    /// @dev One CBOR head: the major type and its argument.
    function readHeader(bytes memory data, uint256 pos)
        private
        pure
        returns (uint8 major, uint64 value, uint256 next)
    {
        if (pos >= data.length) revert InvalidResponse();
        uint8 head = uint8(data[pos]);
        major = head >> 5;
        uint8 info = head & 0x1f;
        next = pos + 1;
        if (info < 24) return (major, info, next);
        if (info > 27) revert InvalidResponse();
        uint256 width = 1 << (info - 24);
        if (width > data.length - next) revert InvalidResponse();
        for (uint256 i = 0; i < width; i++) value = (value << 8) | uint8(data[next + i]);
        next += width;
    }
}
