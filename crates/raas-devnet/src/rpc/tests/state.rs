//! Market and miner state: what a deal and its sector look like at each of their steps.

use super::*;

#[tokio::test]
async fn a_deal_is_seen_one_tipset_after_each_of_its_steps() {
    let lab = Lab::exact().await;
    let deal = lab.publish();
    let published = lab.now() + 1;
    lab.advance_to(published + 200).await;

    let at = |height| lab.key_at(height);
    assert_eq!(lab.deal_at(deal, &at(published).await).await, Err(not_found(deal)));
    let state = lab.deal_at(deal, &at(published + 1).await).await.unwrap();
    let none = json!({
        "SectorNumber": 0, "SectorStartEpoch": -1, "LastUpdatedEpoch": -1, "SlashEpoch": -1
    });
    assert_eq!(state, none);

    let activated = published + 60;
    assert_eq!(lab.deal_at(deal, &at(activated).await).await.unwrap(), none);
    let state = lab.deal_at(deal, &at(activated + 1).await).await.unwrap();
    assert_eq!(state["SectorStartEpoch"], activated);
    assert_eq!((&state["LastUpdatedEpoch"], &state["SlashEpoch"]), (&json!(-1), &json!(-1)));

    let whole = lab.result("Filecoin.StateMarketStorageDeal", json!([deal, []])).await;
    let start = published + 2 * 60 + 20;
    assert_eq!(
        whole["Proposal"],
        json!({
            "PieceCID": {"/": PIECE}, "PieceSize": 2_048, "VerifiedDeal": false,
            "Client": "t02000", "Provider": MINER, "Label": "bafkqaaa",
            "StartEpoch": start, "EndEpoch": start + 518_400,
            "StoragePricePerEpoch": "0", "ProviderCollateral": "100000000000000000",
            "ClientCollateral": "0",
        })
    );
}

#[tokio::test]
async fn the_next_id_tells_never_existed_from_gone() {
    let lab = Lab::exact().await;
    let deal = lab.publish();
    let never = lab.error("Filecoin.StateMarketStorageDeal", json!([deal + 1, null])).await;
    assert_eq!(never, (1, not_found(deal + 1)));
    let before = lab.result("Filecoin.StateReadState", json!(["f05", null])).await;
    assert_eq!(before["State"]["NextID"], deal);
    lab.devnet.advance(2).await;
    let after = lab.result("Filecoin.StateReadState", json!(["t05", null])).await;
    assert_eq!(after["State"]["NextID"], deal + 1);
    assert!(after["State"]["Proposals"]["/"].is_string());
}

#[tokio::test]
async fn a_new_sector_is_live_but_not_active_until_its_first_proof() {
    let lab = Lab::exact().await;
    let deal = lab.publish();
    lab.devnet.advance(63).await;
    let state = lab.deal_at(deal, &Value::Null).await.unwrap();
    let sector = state["SectorNumber"].as_u64().unwrap();
    let at = lab.result("Filecoin.StateSectorPartition", json!([MINER, sector, null])).await;
    let params = json!([MINER, at["Deadline"], null]);
    let partition = lab.result("Filecoin.StateMinerPartitions", params.clone()).await;
    assert_eq!(
        partition,
        json!([{
            "AllSectors": only(sector), "LiveSectors": only(sector), "ActiveSectors": [0],
            "FaultySectors": [0], "RecoveringSectors": [0],
        }])
    );
    lab.devnet.advance(2 * 2_880).await;
    let partition = lab.result("Filecoin.StateMinerPartitions", params).await;
    assert_eq!(partition[0]["ActiveSectors"], only(sector));
}

/// FILECOIN: a missed window proof, from the fault to the recovery.
#[tokio::test]
async fn a_missed_proof_and_its_recovery_follow_the_worked_time_line() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let (last, sector) = (proven.last, proven.sector);
    let early = last + 120_960;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    lab.advance_to(last + 1).await;

    // Parent state: the key of the deadline's last epoch does not show it, the next one does.
    let before = lab.key_at(last).await;
    let after = lab.key_at(last + 1).await;
    let partition = lab.partition_at(&proven, &before).await;
    assert_eq!(
        (&partition["FaultySectors"], &partition["ActiveSectors"]),
        (&json!([0]), &only(sector))
    );
    let on_time = lab.expiration_at(&proven, &before).await;
    assert_eq!(on_time["Early"], 0);
    assert!(on_time["OnTime"].as_i64().unwrap() > early);
    let partition = lab.partition_at(&proven, &after).await;
    assert_eq!(
        (&partition["FaultySectors"], &partition["ActiveSectors"]),
        (&only(sector), &json!([0]))
    );
    assert_eq!(partition["LiveSectors"], only(sector));
    assert_eq!(lab.expiration_at(&proven, &after).await, json!({"OnTime": 0, "Early": early}));
    let faults = lab.result("Filecoin.StateMinerFaults", json!([MINER, after])).await;
    assert_eq!(faults, only(sector));
    let count = lab.result("Filecoin.StateMinerSectorCount", json!([MINER, after])).await;
    assert_eq!(count, json!({"Live": 1, "Active": 0, "Faulty": 1}));
    assert!(lab.deal_at(proven.deal, &after).await.is_ok(), "the market knows nothing of it");

    lab.devnet.control_provider(PROVIDER, ProviderAction::Recover).unwrap();
    lab.devnet.advance(2).await;
    let partition = lab.partition_at(&proven, &Value::Null).await;
    assert_eq!(partition["RecoveringSectors"], only(sector));
    assert_eq!(partition["FaultySectors"], only(sector), "only the proof clears the fault");
    lab.advance_to(last + 2_880 + 1).await;
    let partition = lab.partition_at(&proven, &Value::Null).await;
    assert_eq!(partition["ActiveSectors"], only(sector));
    assert_eq!(partition["RecoveringSectors"], json!([0]));
    assert_eq!(lab.expiration_at(&proven, &Value::Null).await, on_time, "no trace is left");
    // The past can still be asked for.
    assert_eq!(lab.expiration_at(&proven, &after).await["Early"], early);
}

/// FILECOIN: the same, never recovered.
#[tokio::test]
async fn a_sector_that_never_recovers_is_terminated_after_forty_two_days_with_its_deal() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let early = proven.last + 120_960;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    lab.advance_to(early + 1).await;

    let before = lab.key_at(early).await;
    assert!(lab.deal_at(proven.deal, &before).await.is_ok());
    assert_eq!(lab.partition_at(&proven, &before).await["LiveSectors"], only(proven.sector));

    let after = lab.key_at(early + 1).await;
    assert_eq!(lab.deal_at(proven.deal, &after).await, Err(not_found(proven.deal)));
    assert_dead(&lab, &proven, &after).await;
}

#[tokio::test]
async fn terminated_sectors_stay_in_the_tables_and_leave_the_live_ones() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Terminate).unwrap();
    let head = lab.key_at(lab.now()).await;
    assert!(lab.deal_at(proven.deal, &head).await.is_ok(), "the head shows its parent's state");
    lab.devnet.advance(1).await;
    assert_eq!(lab.deal_at(proven.deal, &Value::Null).await, Err(not_found(proven.deal)));
    assert_dead(&lab, &proven, &Value::Null).await;
    let truth = &lab.devnet.deals()[0];
    assert_eq!(truth.state, crate::DealState::Terminated, "ground truth still lists it");
}

/// FILECOIN: a deal that is never activated.
#[tokio::test]
async fn a_deal_that_misses_its_start_lingers_until_its_slot() {
    let lab = Lab::exact().await;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    let deal = lab.publish();
    lab.devnet.advance(2).await;
    let found = lab.result("Filecoin.StateMarketStorageDeal", json!([deal, null])).await;
    let start = found["Proposal"]["StartEpoch"].as_i64().unwrap();
    lab.advance_to(start + 86_402).await;
    let slot = lock(&lab.devnet.parts().world).deals()[0].removal.unwrap().0;
    assert!((start + 1..=start + 86_400).contains(&slot));
    for height in [start, start + 1, slot] {
        let state = lab.deal_at(deal, &lab.key_at(height).await).await.unwrap();
        assert_eq!(state["SectorStartEpoch"], -1, "at {height}");
    }
    assert_eq!(lab.deal_at(deal, &lab.key_at(slot + 1).await).await, Err(not_found(deal)));
}

/// FILECOIN: a deal that ends.
#[tokio::test]
async fn an_ended_deal_looks_active_until_somebody_settles_it() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let found = lab.result("Filecoin.StateMarketStorageDeal", json!([proven.deal, null])).await;
    let end = found["Proposal"]["EndEpoch"].as_i64().unwrap();
    lab.advance_to(end + 10_000).await;
    let state = lab.deal_at(proven.deal, &Value::Null).await.unwrap();
    assert_eq!(state, found["State"], "nothing tells that it is over");
    lab.devnet.settle(DealId::new(proven.deal)).unwrap();
    lab.devnet.advance(1).await;
    assert_eq!(lab.deal_at(proven.deal, &Value::Null).await, Err(not_found(proven.deal)));
    assert!(lab.devnet.settle(DealId::new(proven.deal)).is_err());
}

#[tokio::test]
async fn a_miner_tells_its_deadlines_and_itself() {
    let lab = Lab::exact().await;
    lab.devnet.advance(10).await;
    let now = lab.now();
    let due = lab.result("Filecoin.StateMinerProvingDeadline", json!([MINER, null])).await;
    let get = |name: &str| due[name].as_i64().unwrap();
    assert_eq!(get("CurrentEpoch"), now);
    assert_eq!(get("Open"), get("PeriodStart") + get("Index") * 60);
    assert!((get("Open")..get("Close")).contains(&now));
    assert_eq!((get("Challenge"), get("FaultCutoff")), (get("Open") - 20, get("Open") - 70));
    assert_eq!((get("WPoStPeriodDeadlines"), get("WPoStProvingPeriod")), (48, 2_880));

    let info = lab.result("Filecoin.StateMinerInfo", json!(["f01002", null])).await;
    assert_eq!((&info["Owner"], &info["Multiaddrs"]), (&json!("t0102"), &Value::Null));
    assert_eq!(lab.result("Filecoin.StateLookupID", json!(["f01002", null])).await, json!(MINER));
    let (code, text) = lab.error("Filecoin.StateMinerInfo", json!(["t09999", null])).await;
    assert_eq!((code, text.contains("actor not found")), (1, true));
}

#[tokio::test]
async fn a_miner_without_sectors_answers_as_lotus_does() {
    let lab = Lab::exact().await;
    let none = lab.result("Filecoin.StateMinerPartitions", json!([MINER, 0, null])).await;
    assert_eq!(none, Value::Null);
    assert_eq!(lab.result("Filecoin.StateMinerFaults", json!([MINER, null])).await, json!([0]));
    assert_eq!(
        lab.result("Filecoin.StateSectorGetInfo", json!([MINER, 5, null])).await,
        Value::Null
    );
    let partition = lab.error("Filecoin.StateSectorPartition", json!([MINER, 5, null])).await;
    assert_eq!(partition, (1, "sector 5 not due at any deadline".to_owned()));
    let expiration = lab.error("Filecoin.StateSectorExpiration", json!([MINER, 5, null])).await;
    assert_eq!(expiration, (1, "failed to find sector 5".to_owned()));
    let (code, text) = lab.error("Filecoin.StateMinerPartitions", json!([MINER, 48, null])).await;
    assert_eq!(code, 1);
    assert!(text.contains("invalid deadline index 48 of 48"), "{text}");
}

#[tokio::test]
async fn the_miner_actor_tells_where_a_sector_is() {
    let lab = Lab::exact().await;
    let proven = lab.proven().await;
    let answer = lab.result("Filecoin.StateCall", location_of(proven.sector)).await;
    assert_eq!(answer["MsgRct"]["ExitCode"], 0);
    let deadline = u8::try_from(proven.deadline).unwrap();
    let place = if deadline < 24 { vec![deadline] } else { vec![0x18, deadline] };
    let aux = [vec![0x82], place, vec![0]].concat();
    let header = vec![0x82, 1, 0x40 + u8::try_from(aux.len()).unwrap()];
    let expected = crate::rpc::json::base64(&[header, aux].concat());
    assert_eq!(answer["MsgRct"]["Return"], json!(expected));

    // A sector that never was: dead, at (-1, -1).
    let answer = lab.result("Filecoin.StateCall", state_call(vec![0x81, 0x00])).await;
    assert_eq!(answer["MsgRct"]["Return"], "ggBDgiAg");
    let broken = lab.result("Filecoin.StateCall", state_call(vec![0x00])).await;
    assert_eq!(broken["MsgRct"]["ExitCode"], 21);
}
