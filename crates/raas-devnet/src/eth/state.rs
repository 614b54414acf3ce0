//! Accounts, code and storage, with their whole history.
//!
//! Every value is kept with the epoch whose tipset wrote it, so that a read at any epoch finds what
//! was there after that epoch's tipset.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
};

use revm::{
    DatabaseRef,
    bytecode::Bytecode,
    primitives::{Address, B256, KECCAK_EMPTY, StorageKey, StorageValue, U256},
    state::{AccountInfo, EvmState},
};

use super::actors;
use crate::chain::view::ChainView;

/// The number of the first actor made by the devnet: above all built-in actors and providers.
const FIRST_ACTOR_ID: u64 = 1_000_000;

/// Values by the epoch that wrote them, oldest first.
type History<T> = Vec<(i64, T)>;

/// All state of the EVM, at all epochs.
#[derive(Debug, Default)]
pub(super) struct State {
    accounts: HashMap<Address, History<AccountInfo>>,
    storage: HashMap<(Address, StorageKey), History<StorageValue>>,
    code: HashMap<B256, Bytecode>,
    /// In order of first appearance; the position tells the actor id.
    actors: Vec<Address>,
    known: HashSet<Address>,
}

/// The state after one epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateAt<'a> {
    state: &'a State,
    epoch: i64,
}

impl State {
    /// Gives an account a balance from genesis on.
    pub(super) fn fund(&mut self, address: Address, balance: U256) {
        let info = AccountInfo { balance, ..AccountInfo::default() };
        self.put_account(address, i64::MIN, info);
    }

    /// The state after `epoch`.
    pub(super) fn at(&self, epoch: i64) -> StateAt<'_> {
        StateAt { state: self, epoch }
    }

    /// Writes what a transaction in the tipset of `epoch` changed. Epochs never go back.
    pub(super) fn commit(&mut self, epoch: i64, changes: EvmState) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            if account.is_selfdestructed() {
                // Since Cancun only a contract made in the same transaction: it has no storage yet.
                self.put_account(address, epoch, AccountInfo::default());
                continue;
            }
            for (key, slot) in &account.storage {
                if slot.is_changed() {
                    let history = self.storage.entry((address, *key)).or_default();
                    put(history, epoch, slot.present_value);
                }
            }
            self.put_account(address, epoch, account.info);
        }
    }

    /// Forgets what tipsets after `epoch` wrote. Actors keep the ids they got there: nobody hands
    /// them out again.
    pub(super) fn roll_back(&mut self, epoch: i64) {
        self.accounts.retain(|_, history| cut(history, epoch));
        self.storage.retain(|_, history| cut(history, epoch));
    }

    fn put_account(&mut self, address: Address, epoch: i64, mut info: AccountInfo) {
        if let Some(code) = info.code.take()
            && info.code_hash != KECCAK_EMPTY
        {
            self.code.insert(info.code_hash, code);
        }
        if self.known.insert(address) {
            self.actors.push(address);
        }
        put(self.accounts.entry(address).or_default(), epoch, info);
    }
}

impl StateAt<'_> {
    /// The account, where there is one.
    pub(super) fn account(&self, address: Address) -> Option<&AccountInfo> {
        let info = get(self.state.accounts.get(&address)?, self.epoch)?;
        (!info.is_empty()).then_some(info)
    }

    /// The next nonce of an account.
    pub(super) fn nonce(&self, address: Address) -> u64 {
        self.account(address).map_or(0, |info| info.nonce)
    }

    /// What an account owns, in attoFIL.
    pub(super) fn balance(&self, address: Address) -> U256 {
        self.account(address).map_or(U256::ZERO, |info| info.balance)
    }

    /// The code at an address; empty where there is none.
    pub(super) fn code(&self, address: Address) -> Bytecode {
        let hash = self.account(address).map(|info| info.code_hash);
        hash.and_then(|hash| self.state.code.get(&hash)).cloned().unwrap_or_default()
    }

    /// The actor id behind an address.
    pub(super) fn actor_id(&self, address: Address) -> Option<u64> {
        self.account(address)?;
        let position = self.state.actors.iter().position(|known| *known == address)?;
        Some(FIRST_ACTOR_ID + position as u64)
    }

    /// The address of an actor that has one.
    pub(super) fn address_of(&self, id: u64) -> Option<Address> {
        let position = usize::try_from(id.checked_sub(FIRST_ACTOR_ID)?).ok()?;
        let address = *self.state.actors.get(position)?;
        self.account(address).map(|_| address)
    }
}

/// The state as revm reads it.
#[derive(Clone, Copy)]
pub(super) struct Database<'a> {
    /// Accounts, code and storage.
    pub(super) state: StateAt<'a>,
    /// Tells block hashes.
    pub(super) chain: &'a dyn ChainView,
}

impl DatabaseRef for Database<'_> {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        if actors::is_reserved(address) {
            // Precompiles of the FEVM are accounts that exist and have no code: their code hash is
            // that of nothing, where Ethereum says zero.
            return Ok(Some(AccountInfo { nonce: 1, ..AccountInfo::default() }));
        }
        Ok(self.state.account(address).cloned())
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.state.state.code.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, Infallible> {
        let history = self.state.state.storage.get(&(address, key));
        let value = history.and_then(|history| get(history, self.state.epoch));
        Ok(value.copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        // revm asks for the last 256 epochs only. At a null round Lotus takes the tipset before.
        let mut epoch = i64::try_from(number).unwrap_or(0);
        while self.chain.is_null(epoch) {
            epoch -= 1;
        }
        Ok(self.chain.block_hash(epoch).into())
    }
}

fn put<T>(history: &mut History<T>, epoch: i64, value: T) {
    match history.last_mut() {
        Some((last, slot)) if *last == epoch => *slot = value,
        _ => history.push((epoch, value)),
    }
}

/// Whether anything is left of it.
fn cut<T>(history: &mut History<T>, epoch: i64) -> bool {
    history.retain(|(written, _)| *written <= epoch);
    !history.is_empty()
}

fn get<T>(history: &History<T>, epoch: i64) -> Option<&T> {
    let later = history.partition_point(|(written, _)| *written <= epoch);
    Some(&history[later.checked_sub(1)?].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_finds_what_was_there_after_its_epoch() {
        let mut history = Vec::new();
        put(&mut history, 5, 'a');
        put(&mut history, 9, 'b');
        put(&mut history, 9, 'c');
        assert_eq!(get(&history, 4), None);
        assert_eq!(get(&history, 5), Some(&'a'));
        assert_eq!(get(&history, 8), Some(&'a'));
        assert_eq!(get(&history, 9), Some(&'c'));
        assert_eq!(get(&history, 99), Some(&'c'));
    }
}
