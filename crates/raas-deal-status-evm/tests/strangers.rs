//! What strangers make of the contract: they may ask for deals for anybody's CID, and no block lists a
//! deal for them, even where they send what would fail and pay for it.

mod common;

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::eip2718::Decodable2718 as _,
    network::EthereumWallet,
    primitives::{Address, Bytes, U256, utils::parse_ether},
    providers::{Provider, ProviderBuilder},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
};
use common::{PATIENCE, World, while_time_passes};
use raas_deal_status::{
    DealRecorder as _, DealStatusSource as _, Record, RequestedTerms, TransactionStatus,
    conformance::{Harness as _, Material},
};
use raas_types::{Cid, EpochDelta, ListedDeal, SubmissionId};

const TERMS: RequestedTerms =
    RequestedTerms { replication_target: 3, repair_threshold: 2880, renewal_threshold: 86_400 };

/// Above what any call of the contract needs.
const GAS: u64 = 1_000_000_000;

fn wallet(key: &PrivateKeySigner, world: &World) -> impl Provider + use<> {
    let url = world.settings.endpoint.url.clone();
    ProviderBuilder::new().wallet(EthereumWallet::from(key.clone())).connect_http(url)
}

/// Sends it, whatever comes of it.
async fn send(
    world: &World,
    from: &PrivateKeySigner,
    request: TransactionRequest,
) -> TransactionReceipt {
    let pending = wallet(from, world).send_transaction(request).await.expect("it is taken");
    let (hash, wallet) = (*pending.tx_hash(), wallet(from, world));
    let receipt = async {
        loop {
            if let Ok(Some(receipt)) = wallet.get_transaction_receipt(hash).await {
                return receipt;
            }
        }
    };
    let receipt = tokio::time::timeout(PATIENCE, while_time_passes(&world.devnet, receipt));
    receipt.await.expect("a receipt")
}

/// Somebody with money and no rights.
async fn stranger(world: &World) -> PrivateKeySigner {
    let stranger = PrivateKeySigner::from_slice(&[7; 32]).expect("a key");
    let rich = PrivateKeySigner::from_slice(&world.devnet.funded_key()).expect("a key");
    let money = parse_ether("100").expect("a number");
    let gift = TransactionRequest::default().to(stranger.address()).value(money);
    assert!(send(world, &rich, gift).await.status());
    let has = wallet(&stranger, world).get_balance(stranger.address()).await.expect("a balance");
    assert!(has >= U256::from(money));
    stranger
}

/// What the owner would send to record this.
async fn calldata(world: &World, submission: SubmissionId, material: &Material) -> Bytes {
    let record = Record::Complete {
        submission,
        deal: material.deal.deal,
        provider: material.deal.provider,
        proof: material.proof.clone(),
    };
    let prepared = world.recorder.prepare(&record, None).await.expect("it would be recorded");
    let sent = TxEnvelope::decode_2718(&mut prepared.raw.as_slice()).expect("a transaction");
    sent.input().clone()
}

async fn submit(world: &World, cid: Cid) -> SubmissionId {
    let record = Record::Submit { cid, terms: TERMS };
    let prepared = world.recorder.prepare(&record, None).await.expect("prepared");
    world.recorder.send(&prepared.raw).await.expect("sent");
    let receipt = world.recorder.await_receipt(&prepared.hash, PATIENCE);
    match while_time_passes(&world.devnet, receipt).await.expect("a receipt") {
        TransactionStatus::Done { submission: Some(submission), .. } => submission,
        other => panic!("{other:?}"),
    }
}

async fn listed(world: &World, cid: Cid) -> Vec<ListedDeal> {
    world.step().await;
    world.step().await;
    let pin = world.pin().await;
    let listing = world.source.listings(&[cid], EpochDelta::DAY, &pin).await.remove(0);
    listing.expect("a listing").all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_stranger_records_is_listed_be_it_true_or_not() {
    let world = World::start().await;
    let stranger = stranger(&world).await;
    let contract = Address::from(world.settings.contract.0);
    let request = |input: Bytes| {
        TransactionRequest::default().to(contract).gas_limit(GAS).input(input.into())
    };
    // A deal of the CID's data, and one of other data.
    let (own, other) = (world.material().await, world.material().await);
    let submission = submit(&world, own.cid).await;
    let mut refused = Vec::new();
    for material in [&other, &own] {
        let input = calldata(&world, submission, material).await;
        let receipt = send(&world, &stranger, request(input.clone())).await;
        assert_eq!((receipt.status(), receipt.from), (false, stranger.address()));
        assert_eq!(receipt.logs().len(), 0);
        refused.push(input);
    }
    assert_eq!(listed(&world, own.cid).await, []);

    // Sent by whoever may, the very same is recorded: it was for the sender that it failed.
    let owner = PrivateKeySigner::from_slice(&world.devnet.funded_key()).expect("a key");
    let input = refused.pop().expect("two were refused");
    assert!(send(&world, &owner, request(input)).await.status());
    assert_eq!(listed(&world, own.cid).await, [own.deal]);
}
