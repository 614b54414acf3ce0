//! `GET /metrics`: the node's own counts, as OpenMetrics text.

use std::{fmt, sync::Arc};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
    },
    registry::Registry,
};
use raas_runtime::{NodeStatus, Totals};

use crate::{face::Shared, problem::Failure};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let mut text = String::new();
    encode(&mut text, &registry(&shared.node().status()))
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// The counts are kept by the node; a registry is made of them at each scrape.
fn registry(status: &NodeStatus) -> Registry {
    let mut registry = Registry::with_prefix("raas");
    let totals = &status.totals;
    for (name, help, value) in counters(totals) {
        registry.register(name, help, ConstCounter::new(value));
    }
    let orders = Family::<Order, Counter>::default();
    for (cause, value) in [
        (Cause("replication"), totals.orders_replication),
        (Cause("repair"), totals.orders_repair),
        (Cause("renewal"), totals.orders_renewal),
    ] {
        orders.get_or_create(&Order { cause }).inc_by(value);
    }
    registry.register("orders", "Orders taken by aggregators, by cause", orders);
    if let Some(epoch) = status.epoch {
        let help = "The epoch of the last pass that got through the gate";
        registry.register("last_epoch", help, ConstGauge::new(epoch.get()));
    }
    let gated = i64::from(status.gated.is_some());
    let help = "1 when the last pass did not get through the gate";
    registry.register("gate_shut", help, ConstGauge::new(gated));
    let errors = i64::try_from(status.errors.len()).unwrap_or(i64::MAX);
    registry.register("last_pass_errors", "Errors of the last pass", ConstGauge::new(errors));
    registry
}

fn counters(totals: &Totals) -> [(&'static str, &'static str, u64); 14] {
    [
        ("passes", "Passes run", totals.passes),
        ("passes_gated", "Passes that did not get through the gate", totals.gated),
        ("looks", "CIDs looked at", totals.looks),
        ("deals_read", "Deals read from the chain", totals.deals_read),
        ("sectors_read", "Sectors read from the chain", totals.sectors_read),
        ("orders_landed", "Orders of which a deal came", totals.orders_landed),
        ("orders_failed", "Orders given up", totals.orders_failed),
        ("transactions_sent", "Transactions sent to the contract", totals.transactions_sent),
        ("transactions_failed", "Transactions that failed", totals.transactions_failed),
        ("fetches", "DAGs fetched for orders", totals.fetches),
        ("fetches_failed", "DAGs that nobody had", totals.fetches_failed),
        ("aggregators_away", "Times an aggregator could not be reached", totals.aggregators_away),
        ("copies_damaged", "Local copies set aside as damaged", totals.copies_damaged),
        ("errors", "Parts of passes that failed", totals.errors),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Order {
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cause(&'static str);

impl EncodeLabelValue for Cause {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.encode(encoder)
    }
}
