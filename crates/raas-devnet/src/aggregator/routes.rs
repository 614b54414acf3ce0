//! The Lighthouse API's endpoints.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Multipart, Query, Request, State, multipart::Field},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{SinkExt, StreamExt, channel::mpsc, future};
use raas_retrieval::{ImportProfile, Imported};
use raas_types::ChainEpoch;
use serde::Deserialize;
use serde_json::json;

use super::{
    Aggregator,
    gateway::gateway,
    orders::{FileRecord, Phase, ScheduledDeal},
    settings::Switch,
    wire::{
        Added, DealStatus, FileInfo, FilesUploaded, PinRequest, Proof, ProofEntry, Proofs,
        parse_cid, spell_provider,
    },
};
use crate::chain::{self, MarketDeal, World};

/// The largest upload: what fits the largest sector's piece, 64 GiB * 127/128.
const MAX_UPLOAD: usize = (64 << 30) / 128 * 127;
/// The largest JSON body. A pin is a CID and a file's name.
const MAX_JSON: usize = 64 * 1024;
/// Rows of one page of `files_uploaded`, as Lighthouse has it.
const PAGE: usize = 2000;

pub(super) fn router(aggregator: Aggregator) -> Router {
    let api = Router::new()
        .route("/api/v0/add", post(add).layer(DefaultBodyLimit::max(MAX_UPLOAD)))
        .route("/api/lighthouse/pin", post(pin).layer(DefaultBodyLimit::max(MAX_JSON)))
        .route("/api/lighthouse/get_proof", get(get_proof))
        .route("/api/lighthouse/deal_status", get(deal_status))
        .route("/api/lighthouse/file_info", get(file_info))
        .route("/api/user/files_uploaded", get(files_uploaded))
        .route_layer(middleware::from_fn_with_state(aggregator.clone(), guard));
    api.route("/ipfs/{cid}", get(gateway)).with_state(aggregator)
}

/// Nothing of the API answers while it is switched off, or without the key.
async fn guard(State(aggregator): State<Aggregator>, request: Request, next: Next) -> Response {
    if aggregator.settings().api == Switch::Off {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "the service is switched off");
    }
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer "));
    match &aggregator.shared.api_key {
        Some(key) if sent != Some(key) => {
            failure(StatusCode::UNAUTHORIZED, "send the API key as a bearer token")
        }
        _ => next.run(request).await,
    }
}

/// An error in the shape that the API uses.
pub(super) fn failure(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": { "message": message } }))).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct AddQuery {
    cid_version: Option<u8>,
    wrap_with_directory: Option<bool>,
}

async fn add(
    State(aggregator): State<Aggregator>,
    Query(query): Query<AddQuery>,
    mut form: Multipart,
) -> Response {
    aggregator.count("add");
    let profile = match (query.cid_version.unwrap_or(1), query.wrap_with_directory) {
        (_, Some(true)) => {
            return failure(StatusCode::BAD_REQUEST, "directories are not made here");
        }
        (0, _) => ImportProfile::KUBO_V0,
        (1, _) => ImportProfile::KUBO_V1,
        _ => return failure(StatusCode::BAD_REQUEST, "cid-version must be 0 or 1"),
    };
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return failure(StatusCode::BAD_REQUEST, "send the file in field file"),
            Err(error) => return failure(error.status(), &error.body_text()),
        };
        if field.name() == Some("file") {
            return take_upload(&aggregator, field, profile).await;
        }
    }
}

async fn take_upload(
    aggregator: &Aggregator,
    field: Field<'_>,
    profile: ImportProfile,
) -> Response {
    let name = field.file_name().unwrap_or("file").to_owned();
    let imported = match import(aggregator, field, profile).await {
        Ok(imported) => imported,
        Err(error @ raas_retrieval::Error::Interrupted(_)) => {
            return failure(StatusCode::BAD_REQUEST, &error.to_string());
        }
        Err(error @ raas_retrieval::Error::TooLarge(_)) => {
            return failure(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string());
        }
        Err(error) => return failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let Imported { cid, file_bytes, .. } = imported;
    let file = FileRecord { name: name.clone(), size: file_bytes };
    if let Err(busy) = aggregator.take_file(cid, file) {
        return failure(StatusCode::SERVICE_UNAVAILABLE, &busy.to_string());
    }
    Json(Added { name, size: file_bytes.to_string(), hash: cid.to_string() }).into_response()
}

/// Streams a field into the blob store. The field borrows its form, and so its chunks go through a
/// channel of one place: what is in memory stays a chunk or two.
async fn import(
    aggregator: &Aggregator,
    mut field: Field<'_>,
    profile: ImportProfile,
) -> raas_retrieval::Result<Imported> {
    let (mut sender, receiver) = mpsc::channel(0);
    let feed = async move {
        loop {
            let item = match field.chunk().await {
                Ok(Some(chunk)) => Ok(chunk),
                Ok(None) => return,
                Err(error) => Err(std::io::Error::other(error)),
            };
            let last = item.is_err();
            // The store hangs up when it has had enough; its own error says why.
            if sender.send(item).await.is_err() || last {
                return;
            }
        }
    };
    let import =
        aggregator.shared.blobs.import(receiver.boxed(), &profile, Some(MAX_UPLOAD as u64));
    future::join(feed, import).await.1
}

async fn pin(State(aggregator): State<Aggregator>, Json(request): Json<PinRequest>) -> Response {
    aggregator.count("pin");
    let Some(cid) = parse_cid(request.cid.as_deref()) else { return no_cid() };
    match aggregator.take_pin(cid) {
        Ok(()) => Json(json!({ "data": { "cid": cid.to_string() } })).into_response(),
        Err(busy) => failure(StatusCode::SERVICE_UNAVAILABLE, &busy.to_string()),
    }
}

#[derive(Debug, Deserialize)]
struct CidQuery {
    cid: Option<String>,
}

fn no_cid() -> Response {
    failure(StatusCode::BAD_REQUEST, "cid is empty or no CID")
}

async fn get_proof(
    State(aggregator): State<Aggregator>,
    Query(query): Query<CidQuery>,
) -> Response {
    aggregator.count("get_proof");
    let Some(cid) = parse_cid(query.cid.as_deref()) else { return no_cid() };
    let ledger = aggregator.ledger();
    let world = chain::lock(&aggregator.shared.world);
    let scheduled = ledger.deals_of(&cid).filter_map(|(number, deal)| match deal {
        Phase::Scheduled(deal) => Some((number, deal)),
        Phase::Packing | Phase::Failed => None,
    });
    let deal_info = scheduled.map(|(number, deal)| ProofEntry {
        deal_id: world.deal_of(deal.ticket),
        storage_provider: spell_provider(deal.provider, number),
        proof: Proof::new(&deal.proof, deal.checksum),
    });
    Json(Proofs { deal_info: deal_info.collect() }).into_response()
}

async fn deal_status(
    State(aggregator): State<Aggregator>,
    Query(query): Query<CidQuery>,
) -> Response {
    aggregator.count("deal_status");
    let Some(cid) = parse_cid(query.cid.as_deref()) else { return no_cid() };
    let ledger = aggregator.ledger();
    let world = chain::lock(&aggregator.shared.world);
    let statuses = ledger.deals_of(&cid).filter_map(|(number, deal)| match deal {
        Phase::Scheduled(deal) => Some(status(&world, cid.to_string(), number, deal)),
        Phase::Packing | Phase::Failed => None,
    });
    Json(statuses.collect::<Vec<_>>()).into_response()
}

fn status(world: &World, payload_cid: String, number: usize, deal: &ScheduledDeal) -> DealStatus {
    let deal_id = world.deal_of(deal.ticket);
    let on_chain = deal_id.map(|id| world.deal_at(id, world.now()));
    let (deal_status, epochs) = match on_chain {
        None => ("Deal Accepted", None),
        Some(MarketDeal::Found(deal)) if world.now() >= deal.end => {
            ("Complete", Some((deal.start, deal.end)))
        }
        Some(MarketDeal::Found(deal)) if deal.activation.is_some() => {
            ("Sealing: Proving", Some((deal.start, deal.end)))
        }
        Some(MarketDeal::Found(deal)) => ("Sealing: PreCommit1", Some((deal.start, deal.end))),
        Some(MarketDeal::Gone | MarketDeal::Never) => ("Error: deal not found on chain", None),
    };
    DealStatus {
        piece_cid: deal.piece.cid.to_string(),
        payload_cid,
        piece_size: deal.piece.size,
        car_file_size: deal.car_size,
        deal_id,
        miner: format!("t0{}", deal.provider.get()),
        content: number as u64,
        deal_status,
        start_epoch: epochs.map(|(start, _)| ChainEpoch::new(start)),
        end_epoch: epochs.map(|(_, end)| ChainEpoch::new(end)),
        deal_uuid: uuid(number),
        chain_deal_id: deal_id,
    }
}

/// A deal's UUID of the devnet's own making: its number in the last group.
fn uuid(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

async fn file_info(
    State(aggregator): State<Aggregator>,
    Query(query): Query<CidQuery>,
) -> Response {
    aggregator.count("file_info");
    let Some(cid) = parse_cid(query.cid.as_deref()) else { return no_cid() };
    match aggregator.ledger().files.get(&cid) {
        Some(file) => Json(info(cid.to_string(), file)).into_response(),
        None => failure(StatusCode::NOT_FOUND, "Not Found"),
    }
}

fn info(cid: String, file: &FileRecord) -> FileInfo {
    FileInfo {
        id: cid.clone(),
        cid,
        file_name: file.name.clone(),
        file_size_in_bytes: file.size.to_string(),
        mime_type: "application/octet-stream",
        encryption: false,
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageQuery {
    last_key: Option<String>,
}

/// The account's files, oldest first; `lastKey` is the id of the last row that was seen, or `null`.
async fn files_uploaded(
    State(aggregator): State<Aggregator>,
    Query(query): Query<PageQuery>,
) -> Response {
    aggregator.count("files_uploaded");
    let ledger = aggregator.ledger();
    let after = parse_cid(query.last_key.as_deref().filter(|key| *key != "null"));
    let start = after.and_then(|cid| ledger.uploads.iter().position(|row| *row == cid));
    let rows = ledger.uploads.iter().skip(start.map_or(0, |at| at + 1)).take(PAGE);
    let file_list: Vec<FileInfo> =
        rows.filter_map(|cid| Some(info(cid.to_string(), ledger.files.get(cid)?))).collect();
    Json(FilesUploaded { file_list, total_files: ledger.uploads.len() }).into_response()
}
