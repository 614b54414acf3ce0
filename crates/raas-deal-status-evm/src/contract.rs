//! The contract as alloy knows it, made from the compiled artefact.

#![allow(missing_docs, reason = "generated from the contract's ABI")]
#![allow(clippy::all, reason = "generated from the contract's ABI")]

use alloy::sol;

sol!(
    #[derive(Debug)]
    DealStatus,
    "contracts/DealStatus.json"
);

sol! {
    /// Errors of the libraries that the starter kit's contract is built with (Zondax
    /// filecoin-solidity 2.0): ours has none of these but the first two.
    #[derive(Debug)]
    interface Kit {
        error ActorError(int256 errorCode);
        error FailToCallActor();
        error InvalidResponseLength();
        error InvalidCodec(uint64 codec);
        error NotEnoughBalance(uint256 balance, uint256 value);
        error ActorNotFound();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::sol_types::{SolCall, SolError, SolEvent};

    #[test]
    fn selectors_and_topics_are_those_of_deployed_contracts() {
        use DealStatus as D;
        for (selector, expected) in [
            (D::submitCall::SELECTOR, "ef7fa71b"),
            (D::submitRaaSCall::SELECTOR, "de52f264"),
            (D::completeCall::SELECTOR, "60b93184"),
            (D::getAllDealsCall::SELECTOR, "496a9d21"),
            (D::getAllCIDsCall::SELECTOR, "3410e7ce"),
            (D::getActiveDealsCall::SELECTOR, "f5034301"),
            (D::getExpiringDealsCall::SELECTOR, "81bcd88c"),
            (D::ActorError::SELECTOR, "d4bb6671"),
            (D::FailToCallActor::SELECTOR, "8a7db5bf"),
            (Kit::ActorError::SELECTOR, "d4bb6671"),
            (Kit::FailToCallActor::SELECTOR, "8a7db5bf"),
            (Kit::InvalidResponseLength::SELECTOR, "0e749907"),
            (Kit::InvalidCodec::SELECTOR, "f1f6bced"),
            (Kit::NotEnoughBalance::SELECTOR, "8f0f4206"),
            (Kit::ActorNotFound::SELECTOR, "64d954b0"),
        ] {
            assert_eq!(hex::encode(selector), expected);
        }
        for (topic, expected) in [
            (
                D::SubmitAggregatorRequest::SIGNATURE_HASH,
                "104e370246a6acb34978d26af9fb437cb9f46e15e94cc27f24f305528db420a1",
            ),
            (
                D::SubmitAggregatorRequestWithRaaS::SIGNATURE_HASH,
                "c0e29b40de38cfd5b8266e5afb21298b2c180d25d2ad808406c21f3db0c3530a",
            ),
            (
                D::CompleteAggregatorRequest::SIGNATURE_HASH,
                "fcfb278ce1c62d14ce854540f204ef9fc7d58f09adc7bd773da126dd906bb980",
            ),
        ] {
            assert_eq!(hex::encode(topic), expected);
        }
    }
}
