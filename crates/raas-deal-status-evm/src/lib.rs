//! The DealStatus contract: its Solidity source, and the adapter that asks and writes it.
//!
//! - [`EvmDealStatus`] reads any contract with the starter kit's ABI
//!   (`DealStatusSource`): what is recorded for a CID at a pinned tipset, and what clients asked for;
//!   at one endpoint or, where that one fails, at others.
//! - [`EvmDealRecorder`] writes to it (`DealRecorder`) with a [`SigningKey`].
//! - [`deploy`] puts our own contract on a network.
//!
//! Everything goes over Ethereum JSON-RPC as Lotus and Forest serve it. Transactions are awaited by
//! asking for their receipt, never by walking blocks: on Filecoin some rounds have no block, and a
//! walker stops there for ever.
//!
//! The contract's source is in `contracts/`, compiled into `contracts/DealStatus.json` by
//! `contracts/compile.mjs`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

mod address;
mod batch;
mod choice;
mod contract;
mod deploy;
mod endpoint;
mod error;
mod fees;
mod key;
mod line;
mod pause;
mod read;
mod requests;
mod reverts;
mod settings;
mod sizes;
mod tally;
mod wire;
mod words;
mod write;

pub use address::{ContractAddress, ParseAddressError};
pub use deploy::{Deployment, deploy};
pub use key::{ParseKeyError, SigningKey};
pub use read::EvmDealStatus;
pub use settings::{EndpointSettings, Settings};
pub use write::EvmDealRecorder;
