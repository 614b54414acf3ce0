//! The roads from contracts to actors.

use super::*;

/// The precompile `call_actor_id`.
const CALL_ACTOR_ID: &str = "fe00000000000000000000000000000000000005";

const GET_DEAL_TERM: u64 = 163_777_312;
const GET_DEAL_ACTIVATION: u64 = 2_567_238_399;
const GET_DEAL_SECTOR: u64 = 2_611_213_344;

/// Runtime code that hands its input to an address by `opcode` and returns whether that succeeded,
/// followed by what came back.
fn relay(opcode: u8, to: &str) -> Vec<u8> {
    // CALLDATACOPY(0, 0, CALLDATASIZE)
    let mut code = hex::decode("3660006000 37".replace(' ', "")).expect("hex");
    // outSize, outOffset, inSize, inOffset, (value for CALL), address, gas
    code.extend(hex::decode("6000600036 6000".replace(' ', "")).expect("hex"));
    if opcode == 0xf1 {
        code.extend([0x60, 0]);
    }
    code.push(0x73);
    code.extend(hex::decode(to).expect("hex"));
    code.extend([0x5a, opcode]);
    // MSTORE(0, success); RETURNDATACOPY(32, 0, RETURNDATASIZE); RETURN(0, RETURNDATASIZE + 32)
    code.extend(hex::decode("6000523d600060203e3d6020016000f3").expect("hex"));
    code
}

struct Relay {
    net: Net,
    at: Address,
}

impl Relay {
    fn new(opcode: u8, to: &str) -> Self {
        let mut net = Net::new();
        let at = net.deploy_code(&relay(opcode, to));
        Self { net, at }
    }

    /// Whether the precompile succeeded, and what it returned.
    fn call(&mut self, input: Vec<u8>) -> (bool, Vec<u8>) {
        let request = json!({"to": self.at, "data": Bytes::from(input)});
        let answer = self.net.ok("eth_call", json!([request, "latest"]));
        let bytes: Bytes = serde_json::from_value(answer).expect("bytes");
        (bytes[31] == 1, bytes[32..].to_vec())
    }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| B256::from(U256::from(*word)).0).collect()
}

/// `abi.encode(method, 0, flags, codec, 0xc0, actor, length, params)`
fn ask(method: u64, flags: u64, codec: u64, actor: u64, params: &[u8]) -> Vec<u8> {
    let length = params.len() as u64;
    let mut input = words(&[method, 0, flags, codec, 0xc0, actor, length]);
    input.extend_from_slice(params);
    input.resize(input.len().next_multiple_of(32), 0);
    input
}

fn exit_of(output: &[u8]) -> i64 {
    let word = U256::from_be_slice(&output[..32]);
    if word.bit(255) { -word.wrapping_neg().to::<i64>() } else { word.to() }
}

const DELEGATECALL: u8 = 0xf4;
const CALL: u8 = 0xf1;
const STATICCALL: u8 = 0xfa;

#[test]
fn the_recorded_vector_is_answered_word_for_word() {
    let mut relay = Relay::new(DELEGATECALL, CALL_ACTOR_ID);
    relay.net.chain.set_deal(1, 0, MarketDeal::Found(deal(3_714_464, 4_232_864, None)));
    let (ok, output) = relay.call(ask(GET_DEAL_TERM, 1, 0x51, 5, &[1]));
    let mut expected = words(&[0, 0x51, 0x60, 11]);
    expected.extend(hex::decode("821a0038ada01a0007e900").expect("hex"));
    expected.resize(expected.len() + 21, 0);
    assert!(ok);
    assert_eq!(hex::encode(output), hex::encode(expected));
}

#[test]
fn a_deal_that_is_gone_or_never_was_is_an_exit_code_and_no_failure() {
    let mut relay = Relay::new(DELEGATECALL, CALL_ACTOR_ID);
    relay.net.chain.set_deal(1, 0, MarketDeal::Gone);
    relay.net.chain.set_deal(2, 0, MarketDeal::Found(deal(100, 200, None)));
    relay.net.chain.set_deal(3, 0, MarketDeal::Found(deal(100, 200, Some(50))));
    let cases = [
        (GET_DEAL_ACTIVATION, 1, 32, ""),
        (GET_DEAL_ACTIVATION, 9, 17, ""),
        (GET_DEAL_ACTIVATION, 2, 0, "822020"),
        (GET_DEAL_ACTIVATION, 3, 0, "82183220"),
        (GET_DEAL_SECTOR, 2, 33, ""),
        (GET_DEAL_SECTOR, 3, 0, "07"),
        (935_081_690, 3, 0, "1903e8"),
        (128_053_329, 3, 0, "1907d0"),
        (46_363_526, 3, 0, "656c6162656c"),
        (2_627_389_465, 3, 0, "f5"),
        (2_986_712_137, 3, 0, "420001"),
        (4_287_162_428, 3, 0, "40"),
        (1_900_091_594, 3, 22, ""),
    ];
    for (method, id, exit, data) in cases {
        let (ok, output) = relay.call(ask(method, 1, 0x51, 5, &[id]));
        let mut expected = words(&[exit, if data.is_empty() { 0 } else { 0x51 }, 0x60]);
        let data = hex::decode(data).expect("hex");
        expected.extend(words(&[data.len() as u64]));
        expected.extend(data);
        expected.resize(expected.len().next_multiple_of(32), 0);
        assert!(ok, "{method} {id}");
        assert_eq!(hex::encode(output), hex::encode(expected), "{method} {id}");
    }
    let (_, output) = relay.call(ask(1_157_985_802, 1, 0x51, 5, &[3]));
    let commitment = hex::encode(&output[128..]);
    assert!(commitment.starts_with("82d82a5828000181e203922020"), "{commitment}");
}

#[test]
fn only_delegatecall_reaches_an_actor() {
    for opcode in [CALL, STATICCALL] {
        let mut relay = Relay::new(opcode, CALL_ACTOR_ID);
        relay.net.chain.set_deal(1, 0, MarketDeal::Gone);
        let answer = relay.call(ask(GET_DEAL_TERM, 1, 0x51, 5, &[1]));
        assert_eq!(answer, (false, vec![]), "opcode {opcode:#x}");
    }
}

#[test]
fn a_call_made_wrongly_fails_and_a_wrong_question_is_answered() {
    let mut relay = Relay::new(DELEGATECALL, CALL_ACTOR_ID);
    relay.net.chain.set_deal(1, 0, MarketDeal::Gone);
    for (input, why) in [
        (ask(1023, 1, 0x51, 5, &[1]), "a method of the actor's own"),
        (ask(GET_DEAL_TERM, 1, 0x71, 5, &[1]), "DAG-CBOR"),
        (ask(GET_DEAL_TERM, 1, 0, 5, &[1]), "no codec for parameters"),
        (ask(GET_DEAL_TERM, 2, 0x51, 5, &[1]), "an unknown flag"),
    ] {
        assert_eq!(relay.call(input), (false, vec![]), "{why}");
    }
    for (input, exit, why) in [
        (ask(GET_DEAL_TERM, 0, 0x51, 5, &[0x18]), 21, "half a number"),
        (ask(GET_DEAL_TERM, 1, 0x51, 4, &[1]), 22, "another actor"),
        (ask(GET_DEAL_TERM, 1, 0x51, PROVIDER, &[1]), 22, "a provider"),
        (ask(GET_DEAL_TERM, 1, 0x51, 99_999, &[1]), -6, "nobody"),
        (ask(0, 1, 0, 5, &[]), 0, "a plain transfer of nothing"),
    ] {
        let (ok, output) = relay.call(input);
        assert!(ok, "{why}");
        assert_eq!(exit_of(&output), exit, "{why}");
        assert_eq!(output.len(), 128, "{why}");
    }
}

#[test]
fn addresses_are_resolved_both_ways() {
    let mut resolve = Relay::new(STATICCALL, "fe00000000000000000000000000000000000001");
    let address = resolve.net.key.address();
    let (ok, id) = resolve.call([&[4, 10], address.as_slice()].concat());
    assert!(ok);
    assert_eq!(id.len(), 32);
    // f01000 is 0x00 and 1000 in LEB128.
    assert_eq!(resolve.call(vec![0, 0xe8, 0x07]), (true, words(&[1000])));
    assert_eq!(resolve.call([&[4, 10], [9; 20].as_slice()].concat()), (true, vec![]));

    let mut lookup = Relay::new(STATICCALL, "fe00000000000000000000000000000000000002");
    assert_eq!(lookup.call(id), (true, [&[4, 10], address.as_slice()].concat()));
    assert_eq!(lookup.call(words(&[5])), (true, vec![]));
}

#[test]
fn an_actor_is_called_by_its_address_too() {
    let mut relay = Relay::new(DELEGATECALL, "fe00000000000000000000000000000000000003");
    relay.net.chain.set_deal(1, 0, MarketDeal::Gone);
    let mut input = words(&[GET_DEAL_TERM, 0, 1, 0x51, 0xc0, 0x100, 1]);
    input.extend([1]);
    input.resize(0x100, 0);
    input.extend(words(&[2]));
    input.extend([0, 5]);
    let (ok, output) = relay.call(input);
    assert!(ok);
    assert_eq!(exit_of(&output), 32);
}

#[test]
fn a_precompile_exists_and_has_no_code() {
    let mut net = Net::new();
    // MSTORE(0, EXTCODEHASH(0xfe..05)); RETURN(0, 32)
    let code = format!("73{CALL_ACTOR_ID}3f60005260206000f3");
    let at = net.deploy_code(&hex::decode(code).expect("hex"));
    let hash = net.ok("eth_call", json!([{"to": at}, "latest"]));
    assert_eq!(hash, json!(keccak256([])));
    assert_eq!(
        Relay::new(STATICCALL, "fe00000000000000000000000000000000000077").call(vec![1]),
        (true, vec![])
    );
}

#[test]
fn an_actor_call_costs_what_the_fvm_asks() {
    let mut relay = Relay::new(DELEGATECALL, CALL_ACTOR_ID);
    relay.net.chain.set_deal(1, 0, MarketDeal::Gone);
    let input = ask(GET_DEAL_TERM, 1, 0x51, 5, &[1]);
    let at = relay.at;
    let receipt = relay.net.execute(TxKind::Call(at), input);
    let used = number(&receipt["gasUsed"]);
    let ethereum = used - gas::PROPOSAL_GETTER;
    assert!((21_000..100_000).contains(&ethereum), "{used}");
}

#[test]
fn a_call_at_a_block_sees_the_market_after_it() {
    let mut relay = Relay::new(DELEGATECALL, CALL_ACTOR_ID);
    let epoch = relay.net.chain.head + 1;
    relay.net.chain.set_deal(1, epoch, MarketDeal::Gone);
    let input = ask(GET_DEAL_TERM, 1, 0x51, 5, &[1]);
    let request = json!({"to": relay.at, "data": Bytes::from(input)});
    relay.net.advance(2);
    // After the tipset that took the deal away a call knows it was there; before, it never was.
    for (block, exit) in [(epoch, 32), (epoch - 1, 17)] {
        let answer = relay.net.ok("eth_call", json!([request, format!("{block:#x}")]));
        let bytes: Bytes = serde_json::from_value(answer).expect("bytes");
        assert_eq!(exit_of(&bytes[32..]), exit);
    }
}
