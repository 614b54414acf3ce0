//! Tipsets, heights and hashes, and what the network says of itself.

use super::*;

#[tokio::test]
async fn null_rounds_answer_with_the_tipset_before_and_are_no_parents() {
    let lab = Lab::with(|config| config.null_every = 3).await;
    lab.devnet.advance(60).await;
    let mut heights = Vec::new();
    let mut tipset = lab.result("Filecoin.ChainHead", json!([])).await;
    while tipset["Height"].as_i64().unwrap() > 6_300_000 {
        heights.push(tipset["Height"].as_i64().unwrap());
        let parents = tipset["Blocks"][0]["Parents"].clone();
        for block in tipset["Blocks"].as_array().unwrap() {
            assert_eq!(block["Parents"], parents);
            assert_eq!(block["Height"], tipset["Height"]);
        }
        assert_eq!(
            tipset["Cids"].as_array().unwrap().len(),
            tipset["Blocks"].as_array().unwrap().len()
        );
        tipset = lab.result("Filecoin.ChainGetTipSet", json!([parents])).await;
        assert_eq!(tipset["Cids"], parents);
    }
    let head = heights[0];
    let empty = (6_300_000..head).rev().find(|height| !heights.contains(height)).unwrap();
    let before = heights.iter().find(|height| **height < empty).unwrap();
    let got = lab.result("Filecoin.ChainGetTipSetByHeight", json!([empty, null])).await;
    assert_eq!(got["Height"], *before);

    let params = json!([format!("{empty:#x}"), false]);
    let (_, answer) = lab.call("eth_getBlockByNumber", params).await;
    assert_eq!(answer["error"]["code"], 12);
    assert_eq!(answer["error"]["data"], empty);
}

#[tokio::test]
async fn tipsets_are_found_by_key_and_height_from_a_starting_point() {
    let lab = Lab::exact().await;
    lab.devnet.advance(50).await;
    let method = "Filecoin.ChainGetTipSetByHeight";
    let key = lab.key_at(6_300_020).await;
    let older = lab.result(method, json!([6_300_010, key])).await;
    assert_eq!(older["Height"], 6_300_010);
    let (code, text) = lab.error(method, json!([6_300_030, key])).await;
    assert_eq!(
        (code, text.as_str()),
        (1, "looking for tipset with height greater than start point")
    );
    let unknown = json!([[{"/": PIECE}]]);
    let (code, text) = lab.error("Filecoin.ChainGetTipSet", unknown).await;
    assert_eq!(code, 1);
    assert!(text.contains("could not find"), "{text}");
    let finalized = lab.result("Filecoin.ChainGetFinalizedTipSet", json!([])).await;
    assert_eq!(finalized["Height"], 6_300_020);
    let genesis = lab.result("Filecoin.ChainGetGenesis", json!([])).await;
    assert_eq!(
        (&genesis["Height"], &genesis["Blocks"][0]["Timestamp"]),
        (&json!(0), &json!(1_598_306_400))
    );
}

#[tokio::test]
async fn the_ethereum_hash_of_a_block_is_the_digest_of_its_tipset_key() {
    use multihash_codetable::{Code, MultihashDigest as _};

    let lab = Lab::with(|_| {}).await;
    lab.devnet.advance(100).await;
    let head = lab.result("Filecoin.ChainHead", json!([])).await;
    let parents = head["Blocks"][0]["Parents"].as_array().unwrap();
    let cids = parents.iter().map(|cid| cid["/"].as_str().unwrap().parse::<Cid>().unwrap());
    let key: Vec<u8> = cids.flat_map(|cid| cid.to_bytes()).collect();
    let mut cbor = vec![0x58, u8::try_from(key.len()).unwrap()];
    cbor.extend(&key);
    let hash = Code::Blake2b256.digest(&cbor);
    let hash = format!("0x{}", hex::encode(hash.digest()));

    let by_hash = lab.result("eth_getBlockByHash", json!([hash, false])).await;
    let latest = lab.result("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(by_hash, latest, "latest is the parent of the head");
    assert_eq!(latest["hash"], json!(hash));
}

#[tokio::test]
async fn the_network_says_what_it_is() {
    let lab = Lab::with(|config| config.network_name = "mynet".to_owned()).await;
    assert_eq!(lab.result("Filecoin.StateNetworkName", json!([])).await, "mynet");
    assert_eq!(lab.result("Filecoin.StateNetworkVersion", json!([null])).await, 28);
    let params = lab.result("Filecoin.StateGetNetworkParams", json!([])).await;
    assert_eq!(
        (&params["NetworkName"], &params["Eip155ChainID"]),
        (&json!("mynet"), &json!(31_415_926))
    );
    assert_eq!(params["BlockDelaySecs"], 30);
    let version = lab.result("Filecoin.Version", json!([])).await;
    assert_eq!(version["APIVersion"], 0x0002_0300);
}

#[tokio::test]
async fn a_year_passes_and_all_that_was_due_has_happened() {
    let lab = Lab::with(|_| {}).await;
    for _ in 0..50 {
        lab.publish();
    }
    let before = lab.now();
    lab.devnet.advance(u32::try_from(EpochDelta::YEAR.get()).unwrap()).await;
    assert_eq!(lab.now(), before + EpochDelta::YEAR.get());
    let deals = lab.devnet.deals();
    assert_eq!(deals.len(), 50);
    assert!(deals.iter().all(|deal| deal.state == crate::DealState::Ended));
    let head = lab.result("Filecoin.ChainHead", json!([])).await;
    let again = lab.result("Filecoin.ChainGetTipSet", json!([head["Cids"]])).await;
    assert_eq!(again, head);
}
