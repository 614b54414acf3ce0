//! The promises of the ports, kept by the adapter on a devnet, over its socket.

mod common;

use common::World;
use raas_deal_status::conformance;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_on_a_devnet_keeps_the_promises_of_both_ports() {
    conformance::all(World::start).await;
}
