//! The DealStatus contract on this EVM. The devnet does not carry it; these tests read the artefact
//! where its own crate keeps it, because here the market can be made to say anything.

use alloy::{
    sol,
    sol_types::{SolCall, SolError, SolEvent},
};
use raas_piece::Aggregate;
use raas_types::{Commitment, InclusionProof as Proof, MerkleProof};

use super::*;

sol! {
    struct Deal { uint64 dealId; uint64 minerId; }
    struct ProofData { uint64 index; bytes32[] path; }
    struct InclusionProof { ProofData proofSubtree; ProofData proofIndex; }
    struct InclusionVerifierData { bytes commPc; uint64 sizePc; }
    struct InclusionAuxData { bytes commPa; uint64 sizePa; }

    event SubmitAggregatorRequest(uint256 indexed id, bytes cid);
    event SubmitAggregatorRequestWithRaaS(uint256 indexed id, bytes cid, uint256 target, uint256 repair, uint256 renew);
    event CompleteAggregatorRequest(uint256 indexed id, uint64 indexed dealId);

    error NotAuthorized(address caller);
    error UnknownSubmission(uint256 id);
    error InvalidProof(string what);
    error DealNotFound(uint64 dealId);
    error WrongProvider(uint64 dealId, uint64 expected);
    error WrongPiece(uint64 dealId);
    error InvalidCid(uint256 length);

    function submit(bytes cid) returns (uint256);
    function submitRaaS(bytes cid, uint256 target, uint256 repair, uint256 renew) returns (uint256);
    function complete(uint256 id, uint64 dealId, uint64 minerId, InclusionProof proof, InclusionVerifierData data) returns (InclusionAuxData);
    function getAllDeals(bytes cid) returns (Deal[]);
    function getAllCIDs() returns (bytes[]);
    function getActiveDeals(bytes cid) returns (Deal[]);
    function getExpiringDeals(bytes cid, uint64 epochs) returns (Deal[]);
    function setRecorder(address recorder, bool allowed);
}

/// The contract, and one segment in one aggregate that its deals may hold.
struct Contract {
    net: Net,
    at: Address,
    segment: PieceInfo,
    piece: PieceInfo,
    proof: Proof,
}

const CID: &[u8] = b"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

impl Contract {
    fn new() -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../raas-deal-status-evm/contracts/DealStatus.json"
        );
        let artefact = std::fs::read_to_string(path).expect("the contract's artefact");
        let artefact: Value = serde_json::from_str(&artefact).expect("JSON");
        let code: Bytes = serde_json::from_value(artefact["bytecode"].clone()).expect("hex");
        let mut net = Net::new();
        let receipt = net.execute(TxKind::Create, code.to_vec());
        assert_eq!(receipt["status"], "0x1");
        let at = serde_json::from_value(receipt["contractAddress"].clone()).expect("an address");

        let segments: Vec<_> = [256, 1024]
            .map(|bytes| {
                let piece = raas_piece::commitment_of(&vec![bytes as u8 + 1; bytes * 127 / 128]);
                (piece.commitment, piece.size)
            })
            .into();
        let size = Aggregate::smallest(&segments).expect("they fit");
        let aggregate = Aggregate::pack(&segments, size).expect("they fit");
        Self {
            net,
            at,
            segment: PieceInfo {
                cid: raas_piece::piece_cid_v1(segments[1].0),
                size: segments[1].1,
            },
            piece: aggregate.piece(),
            proof: aggregate.proof(1).expect("a proof"),
        }
    }

    fn call<C: SolCall>(&mut self, call: &C) -> C::Return {
        let request = json!({"to": self.at, "data": Bytes::from(call.abi_encode())});
        let answer = self.net.ok("eth_call", json!([request, "latest"]));
        let bytes: Bytes = serde_json::from_value(answer).expect("bytes");
        C::abi_decode_returns(&bytes).expect("an answer")
    }

    /// The bytes with which a call reverts.
    fn reverts<C: SolCall>(&mut self, from: Address, call: &C) -> Bytes {
        let data = Bytes::from(call.abi_encode());
        let request = json!({"to": self.at, "from": from, "data": data});
        let error = self.net.rpc("eth_call", json!([request, "latest"])).expect_err("reverts");
        assert_eq!(error.code, 3);
        serde_json::from_value(error.data.expect("bytes")).expect("bytes")
    }

    fn execute<C: SolCall>(&mut self, call: &C) -> Value {
        let receipt = self.net.execute(TxKind::Call(self.at), call.abi_encode());
        assert_eq!(receipt["status"], "0x1");
        receipt
    }

    fn submit(&mut self, cid: &[u8]) {
        self.execute(&submitCall { cid: cid.to_vec().into() });
    }

    /// A call that completes submission 1.
    fn complete(&self, deal: u64) -> completeCall {
        completeCall {
            id: U256::from(1),
            dealId: deal,
            minerId: PROVIDER,
            proof: solidity(&self.proof),
            data: InclusionVerifierData {
                commPc: self.segment.cid.to_bytes().into(),
                sizePc: self.segment.size.get(),
            },
        }
    }

    /// Puts a deal with the aggregate into the market and records it.
    fn record(&mut self, id: u64, deal: ChainDeal) {
        self.put(id, deal);
        let call = self.complete(id);
        self.execute(&call);
    }

    fn put(&mut self, id: u64, mut deal: ChainDeal) {
        deal.piece = self.piece.clone();
        let now = self.net.chain.head;
        self.net.chain.set_deal(id, now, MarketDeal::Found(deal));
    }

    fn active(&mut self) -> Vec<u64> {
        ids(self.call(&getActiveDealsCall { cid: CID.into() }))
    }

    fn expiring(&mut self, epochs: u64) -> Vec<u64> {
        ids(self.call(&getExpiringDealsCall { cid: CID.into(), epochs }))
    }

    fn all(&mut self) -> Vec<u64> {
        ids(self.call(&getAllDealsCall { cid: CID.into() }))
    }
}

fn ids(deals: Vec<Deal>) -> Vec<u64> {
    assert!(deals.iter().all(|deal| deal.minerId == PROVIDER), "{}", deals.len());
    deals.iter().map(|deal| deal.dealId).collect()
}

fn solidity(proof: &Proof) -> InclusionProof {
    let path = |proof: &MerkleProof| ProofData {
        index: proof.index,
        path: proof.path.iter().map(|node| node.0.into()).collect(),
    };
    InclusionProof { proofSubtree: path(&proof.subtree), proofIndex: path(&proof.index) }
}

fn is<E: SolError>(data: &Bytes) -> bool {
    E::abi_decode(data).is_ok()
}

#[test]
fn a_submission_is_numbered_announced_and_listed_once() {
    let mut contract = Contract::new();
    contract.submit(CID);
    let call = submitRaaSCall {
        cid: CID.into(),
        target: U256::from(3),
        repair: U256::from(2880),
        renew: U256::from(86_400),
    };
    let receipt = contract.execute(&call);
    let log: alloy::rpc::types::Log =
        serde_json::from_value(receipt["logs"][0].clone()).expect("a log");
    let event = SubmitAggregatorRequestWithRaaS::decode_log(&log.inner).expect("the event");
    assert_eq!(event.id, U256::from(2));
    assert_eq!(&event.cid[..], CID);
    assert_eq!((event.target, event.repair), (U256::from(3), U256::from(2880)));
    assert_eq!(event.renew, U256::from(86_400));
    contract.submit(b"another");
    let cids = contract.call(&getAllCIDsCall {});
    assert_eq!(cids, [Bytes::from(CID), Bytes::from_static(b"another")]);
    let from = contract.net.key.address();
    assert!(is::<InvalidCid>(&contract.reverts(from, &submitCall { cid: Bytes::new() })));
}

#[test]
fn one_dead_deal_spoils_no_list_and_leaves_no_hole() {
    let mut contract = Contract::new();
    contract.submit(CID);
    for id in 1..=4 {
        contract.record(id, deal(100, 1_000_000, Some(5)));
    }
    let now = contract.net.chain.head;
    contract.net.chain.set_deal(1, now, MarketDeal::Gone);
    contract.net.chain.set_deal(3, now, MarketDeal::Never);
    contract.net.advance(2);
    assert_eq!(contract.all(), [1, 2, 3, 4]);
    assert_eq!(contract.active(), [2, 4]);
    assert_eq!(contract.expiring(u64::MAX), [2, 4]);
}

#[test]
fn a_deal_that_was_never_activated_is_not_active() {
    let mut contract = Contract::new();
    contract.submit(CID);
    contract.record(1, deal(1_000, 1_000_000, None));
    contract.record(2, deal(1_000, 1_000_000, Some(0)));
    assert_eq!(contract.active(), [2]);
    assert_eq!(contract.expiring(u64::MAX), [2]);
}

#[test]
fn the_end_is_start_plus_duration() {
    let mut contract = Contract::new();
    contract.submit(CID);
    contract.record(1, deal(5, 1_000, Some(5)));
    contract.record(2, deal(5, 1_001, Some(5)));
    // Calls at `latest` run at the parent of the head: 900.
    contract.net.advance(901 - contract.net.chain.head);
    assert!(contract.expiring(99).is_empty());
    assert_eq!(contract.expiring(100), [1]);
    assert_eq!(contract.expiring(101), [1, 2]);
    assert_eq!(contract.expiring(u64::MAX), [1, 2]);
    contract.net.advance(100);
    assert_eq!((contract.active(), contract.expiring(10_000)), (vec![2], vec![2]));
    contract.net.advance(1);
    assert_eq!((contract.active(), contract.expiring(10_000)), (vec![], vec![]));
    assert_eq!(contract.all(), [1, 2]);
}

#[test]
fn a_question_the_market_does_not_answer_is_no_answer() {
    let mut contract = Contract::new();
    contract.submit(CID);
    for id in 1..=8 {
        contract.record(id, deal(5, 1_000_000, Some(5)));
    }
    // 8 deals ask two getters each, about 39 million in all.
    let call = getActiveDealsCall { cid: CID.into() };
    let mut request = json!({"to": contract.at, "data": Bytes::from(call.abi_encode())});
    for gas in [10_000_000_u64, 20_000_000, 30_000_000, 38_000_000] {
        request["gas"] = json!(format!("{gas:#x}"));
        let error = contract.net.rpc("eth_call", json!([request, "latest"]));
        assert_eq!(error.map_err(|error| error.code), Err(3), "{gas}");
    }
    request["gas"] = json!("0x5f5e100");
    contract.net.ok("eth_call", json!([request, "latest"]));
}

#[test]
fn a_proof_of_the_generator_is_accepted_and_leads_to_the_aggregate() {
    let mut contract = Contract::new();
    contract.submit(CID);
    contract.put(7, deal(1_000, 1_000_000, None));
    contract.net.advance(2);
    let from = contract.net.key.address();
    let call = contract.complete(7);
    let request = json!({"to": contract.at, "from": from, "data": Bytes::from(call.abi_encode())});
    let answer = contract.net.ok("eth_call", json!([request, "latest"]));
    let bytes: Bytes = serde_json::from_value(answer).expect("bytes");
    let aux = completeCall::abi_decode_returns(&bytes).expect("an answer");
    assert_eq!(aux.commPa.to_vec(), contract.piece.cid.to_bytes());
    assert_eq!(aux.sizePa, contract.piece.size.get());
}

#[test]
fn recording_a_deal_again_is_a_no_op() {
    let mut contract = Contract::new();
    contract.submit(CID);
    contract.put(7, deal(1_000, 1_000_000, Some(5)));
    let call = contract.complete(7);
    let first = contract.execute(&call);
    assert_eq!(first["logs"].as_array().map(Vec::len), Some(1));
    let topic = CompleteAggregatorRequest::SIGNATURE_HASH;
    assert_eq!(first["logs"][0]["topics"][0], json!(topic));
    // Also when the deal is gone by then, and by way of another submission of the same CID.
    let now = contract.net.chain.head;
    contract.net.chain.set_deal(7, now, MarketDeal::Gone);
    contract.submit(CID);
    let again = contract.execute(&completeCall { id: U256::from(2), ..call });
    assert_eq!(again["logs"], json!([]));
    assert_eq!(contract.all(), [7]);
}

#[test]
fn a_forged_completion_is_refused() {
    let mut contract = Contract::new();
    contract.submit(CID);
    contract.put(7, deal(1_000, 1_000_000, Some(5)));
    contract.net.chain.set_deal(8, 0, MarketDeal::Found(deal(1_000, 1_000_000, Some(5))));
    contract.net.advance(2);
    let owner = contract.net.key.address();
    let good = contract.complete(7);

    let unknown = completeCall { id: U256::from(2), ..good.clone() };
    assert!(is::<UnknownSubmission>(&contract.reverts(owner, &unknown)));
    let zero = completeCall { id: U256::ZERO, ..good.clone() };
    assert!(is::<UnknownSubmission>(&contract.reverts(owner, &zero)));
    assert!(is::<NotAuthorized>(&contract.reverts(signer(2).address(), &good)));
    let absent = completeCall { dealId: 9, ..good.clone() };
    assert!(is::<DealNotFound>(&contract.reverts(owner, &absent)));
    let elsewhere = completeCall { minerId: PROVIDER + 1, ..good.clone() };
    assert!(is::<WrongProvider>(&contract.reverts(owner, &elsewhere)));
    let other_piece = completeCall { dealId: 8, ..good.clone() };
    assert!(is::<WrongPiece>(&contract.reverts(owner, &other_piece)));
}

#[test]
fn a_proof_changed_anywhere_is_refused() {
    let mut contract = Contract::new();
    contract.submit(CID);
    contract.put(7, deal(1_000, 1_000_000, Some(5)));
    contract.net.advance(2);
    let owner = contract.net.key.address();
    let forge = |change: &dyn Fn(&mut completeCall)| {
        let mut call = contract.complete(7);
        change(&mut call);
        call
    };
    let forgeries = [
        ("swapped", forge(&|c| std::mem::swap(&mut c.proof.proofSubtree, &mut c.proof.proofIndex))),
        ("subtree node", forge(&|c| c.proof.proofSubtree.path[0][0] ^= 1)),
        ("index node", forge(&|c| c.proof.proofIndex.path[0][0] ^= 1)),
        ("subtree position", forge(&|c| c.proof.proofSubtree.index ^= 1)),
        ("index position", forge(&|c| c.proof.proofIndex.index ^= 1)),
        ("position beyond", forge(&|c| c.proof.proofIndex.index |= 1 << 40)),
        (
            "segment",
            forge(&|c| {
                c.data.commPc = raas_piece::piece_cid_v1(Commitment([1; 32])).to_bytes().into()
            }),
        ),
        ("not a piece", forge(&|c| c.data.commPc = vec![1; 39].into())),
        ("half the size", forge(&|c| c.data.sizePc /= 2)),
        ("no size", forge(&|c| c.data.sizePc = 0)),
        ("odd size", forge(&|c| c.data.sizePc += 1)),
        ("longest path", forge(&|c| c.proof.proofSubtree.path.resize(64, B256::ZERO))),
    ];
    for (what, call) in forgeries {
        let data = contract.reverts(owner, &call);
        assert!(is::<InvalidProof>(&data), "{what}: {data}");
    }
}

#[test]
fn the_owner_names_recorders_and_nobody_else_does() {
    let mut contract = Contract::new();
    contract.submit(CID);
    contract.put(7, deal(1_000, 1_000_000, Some(5)));
    let recorder = signer(2).address();
    let grant = setRecorderCall { recorder, allowed: true };
    assert!(is::<NotAuthorized>(&contract.reverts(recorder, &grant)));
    let receipt = contract.execute(&grant);
    assert_eq!(receipt["logs"].as_array().map(Vec::len), Some(1));
    let call = contract.complete(7);
    let request =
        json!({"to": contract.at, "from": recorder, "data": Bytes::from(call.abi_encode())});
    contract.net.ok("eth_call", json!([request, "latest"]));
    contract.execute(&setRecorderCall { recorder, allowed: false });
    assert!(is::<NotAuthorized>(&contract.reverts(recorder, &call)));
}

#[test]
fn a_message_sees_the_market_as_the_parent_left_it() {
    let mut contract = Contract::new();
    contract.submit(CID);
    let mut dealt = deal(1_000, 1_000_000, None);
    dealt.piece = contract.piece.clone();
    // Published in the very tipset that includes the message: too late for it.
    let epoch = contract.net.chain.head + 1;
    contract.net.chain.set_deal(7, epoch, MarketDeal::Found(dealt));
    let call = contract.complete(7);
    let receipt = contract.net.execute(TxKind::Call(contract.at), call.abi_encode());
    assert_eq!(
        (number(&receipt["blockNumber"]), &receipt["status"]),
        (epoch.unsigned_abs(), &json!("0x0"))
    );
    contract.execute(&call);
    assert_eq!(contract.all(), [7]);
}
