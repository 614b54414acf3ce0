//! The Ethereum side against a small chain of its own.

mod contract;
mod network;
mod precompiles;

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use raas_types::{Cid, DealId, PaddedSize, PieceInfo, ProviderId, SectorNumber};
use serde_json::{Value, json};

use super::{Eth, EthConfig, gas};
use crate::{
    chain::view::{ChainActivation, ChainDeal, ChainView, MarketDeal, SectorLocation, SectorState},
    rpc::error::RpcError,
};

const CHAIN_ID: u64 = 31_415_926;
const PROVIDER: u64 = 1000;

/// A chain that is what a test says it is.
#[derive(Default)]
struct FakeChain {
    head: i64,
    nulls: BTreeSet<i64>,
    /// What the market holds after an epoch and until the next one listed.
    deals: BTreeMap<u64, BTreeMap<i64, MarketDeal>>,
}

impl FakeChain {
    fn set_deal(&mut self, id: u64, from: i64, deal: MarketDeal) {
        self.deals.entry(id).or_default().insert(from, deal);
    }
}

impl ChainView for FakeChain {
    fn head_epoch(&self) -> i64 {
        self.head
    }

    fn finalized_epoch(&self) -> i64 {
        (0..=0.max(self.head - 900)).rev().find(|epoch| !self.is_null(*epoch)).unwrap_or(0)
    }

    fn is_null(&self, epoch: i64) -> bool {
        self.nulls.contains(&epoch)
    }

    fn block_hash(&self, epoch: i64) -> [u8; 32] {
        assert!(!self.is_null(epoch), "a null round has no block");
        keccak256(epoch.to_be_bytes()).0
    }

    fn parent_epoch(&self, epoch: i64) -> i64 {
        (0..epoch).rev().find(|epoch| !self.is_null(*epoch)).unwrap_or(0)
    }

    fn timestamp(&self, epoch: i64) -> i64 {
        1_600_000_000 + 30 * epoch
    }

    fn epoch_of_block_hash(&self, hash: [u8; 32]) -> Option<i64> {
        (0..=self.head).find(|epoch| !self.is_null(*epoch) && self.block_hash(*epoch) == hash)
    }

    fn deal_state_after(&self, id: DealId, epoch: i64) -> MarketDeal {
        let states = self.deals.get(&id.get());
        let state = states.and_then(|states| states.range(..=epoch).next_back());
        state.map_or(MarketDeal::Never, |(_, deal)| deal.clone())
    }

    fn sector_status_after(
        &self,
        provider: ProviderId,
        _: SectorNumber,
        _: i64,
    ) -> Option<SectorLocation> {
        let dead = SectorLocation { state: SectorState::Dead, location: None };
        (provider.get() == PROVIDER).then_some(dead)
    }

    fn next_deal_id_after(&self, _: i64) -> DealId {
        DealId::new(self.deals.keys().last().map_or(0, |id| id + 1))
    }
}

/// A published deal that was activated at `activated`.
fn deal(start: i64, end: i64, activated: Option<i64>) -> ChainDeal {
    let activation =
        activated.map(|at| ChainActivation { sector: SectorNumber::new(7), at, last_updated: -1 });
    let cid = "baga6ea4seaqdomn3tgwgrh3g532zopskstnbrd2n3sxfqbze7rxt7vqn7veigmy";
    ChainDeal {
        piece: PieceInfo { cid: Cid::try_from(cid).expect("a CID"), size: PaddedSize::MIN },
        provider: ProviderId::new(PROVIDER),
        client: 2000,
        label: "label".into(),
        verified: true,
        start,
        end,
        price_per_epoch: 0,
        provider_collateral: 1,
        client_collateral: 0,
        activation,
    }
}

/// A network with one rich account.
struct Net {
    eth: Eth,
    chain: FakeChain,
    key: PrivateKeySigner,
}

impl Net {
    fn new() -> Self {
        let key = signer(1);
        let funded = vec![key.address().into_array()];
        let eth = Eth::new(EthConfig { chain_id: CHAIN_ID, funded });
        Self { eth, chain: FakeChain { head: 10, ..FakeChain::default() }, key }
    }

    /// Lets that many epochs pass; tipsets execute what waits.
    fn advance(&mut self, epochs: i64) {
        for _ in 0..epochs {
            self.chain.head += 1;
            let now = self.chain.head;
            if !self.chain.is_null(now) {
                self.eth.on_tipset(now, &self.chain);
            }
        }
        self.chain.head = super::before_null_rounds(self.chain.head, &self.chain);
    }

    fn rpc(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        let params = params.as_array().expect("parameters are an array").clone();
        self.eth.call(method, &params, &self.chain).expect("a method of the Ethereum side")
    }

    fn ok(&mut self, method: &str, params: Value) -> Value {
        match self.rpc(method, params) {
            Ok(answer) => answer,
            Err(error) => panic!("{method}: {error:?}"),
        }
    }

    /// The nonce that the account should use next.
    fn nonce(&mut self, address: Address) -> u64 {
        let nonce = self.ok("eth_getTransactionCount", json!([address, "pending"]));
        number(&nonce)
    }

    fn transaction(&mut self, to: TxKind, input: Vec<u8>) -> TxEip1559 {
        TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: self.nonce(self.key.address()),
            gas_limit: 1_000_000_000,
            max_fee_per_gas: 1_000_000,
            max_priority_fee_per_gas: 100_000,
            to,
            value: U256::ZERO,
            access_list: Default::default(),
            input: input.into(),
        }
    }

    fn send(&mut self, tx: TxEip1559) -> Result<Value, RpcError> {
        let raw = sign(tx, &self.key);
        self.rpc("eth_sendRawTransaction", json!([raw]))
    }

    /// Sends, lets the tipset and its child come, and tells the receipt.
    fn execute(&mut self, to: TxKind, input: Vec<u8>) -> Value {
        let tx = self.transaction(to, input);
        let hash = self.send(tx).expect("a good transaction");
        self.advance(2);
        self.ok("eth_getTransactionReceipt", json!([hash]))
    }

    /// Deploys runtime code.
    fn deploy_code(&mut self, runtime: &[u8]) -> Address {
        // PUSH2 length, DUP1, PUSH1 12, PUSH1 0, CODECOPY, PUSH1 0, RETURN: 12 bytes.
        let length = u16::try_from(runtime.len()).expect("short code").to_be_bytes();
        let mut code = vec![0x61, length[0], length[1], 0x80, 0x60, 0x0c, 0x60, 0, 0x39, 0x60, 0];
        code.push(0xf3);
        code.extend_from_slice(runtime);
        let receipt = self.execute(TxKind::Create, code);
        assert_eq!(receipt["status"], "0x1");
        serde_json::from_value(receipt["contractAddress"].clone()).expect("an address")
    }
}

fn signer(number: u64) -> PrivateKeySigner {
    let key = B256::from(U256::from(number + 1_000));
    PrivateKeySigner::from_bytes(&key).expect("a key")
}

fn sign(tx: TxEip1559, key: &PrivateKeySigner) -> Bytes {
    let signature = key.sign_hash_sync(&tx.signature_hash()).expect("a signature");
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("a quantity");
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("hex")
}
