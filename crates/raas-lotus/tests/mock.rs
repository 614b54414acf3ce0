//! The mock of feature `mock`, for code that uses a chain: was it asked, and what if it fails?

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

use raas_lotus::{Error, LotusChain, MockLotusChain};

#[tokio::test]
async fn a_mock_stands_in_for_a_chain() {
    let mut mock = MockLotusChain::new();
    mock.expect_endpoint().return_const("mock");
    mock.expect_finalized().once().returning(|| {
        Err(Error::Refused { endpoint: "mock".to_owned(), reason: "no such method".to_owned() })
    });
    let chain: Box<dyn LotusChain> = Box::new(mock);
    assert_eq!(chain.endpoint(), "mock");
    assert!(!chain.finalized().await.unwrap_err().is_temporary());
}
