//! `GET /metrics`: the node's own counts, as OpenMetrics text.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};
use raas_runtime::{AlertCode, Node, NodeStatus, Totals};
use raas_types::RpcUsage;

use crate::{face::Shared, problem::Failure};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let mut text = String::new();
    encode(&mut text, &registry(shared.node()))
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// The counts are kept by the node; a registry is made of them at each scrape.
fn registry(node: &Node) -> Registry {
    let mut registry = Registry::with_prefix("raas");
    of_passes(&mut registry, &node.status());
    of_calls(&mut registry, &node.rpc_usage());
    of_trouble(&mut registry, node);
    registry
}

fn of_passes(registry: &mut Registry, status: &NodeStatus) {
    let totals = &status.totals;
    for (name, help, value) in counters(totals) {
        registry.register(name, help, ConstCounter::new(value));
    }
    let orders = Family::<Order, Counter>::default();
    for (cause, value) in [
        ("replication", totals.orders_replication),
        ("repair", totals.orders_repair),
        ("renewal", totals.orders_renewal),
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
}

/// What the chain and the contract were asked.
fn of_calls(registry: &mut Registry, usage: &BTreeMap<String, RpcUsage>) {
    let mut by_endpoint = |name: &str, help: &str, value: fn(&RpcUsage) -> u64| {
        let family = Family::<Endpoint, Counter>::default();
        for (endpoint, usage) in usage {
            family.get_or_create(&Endpoint::named(endpoint)).inc_by(value(usage));
        }
        registry.register(name, help, family);
    };
    by_endpoint("rpc_requests", "HTTP requests sent, by endpoint", |usage| usage.requests);
    by_endpoint("rpc_throttled", "Requests answered with 429, by endpoint", |u| u.throttled);
    by_endpoint("rpc_bytes_sent", "Bytes of requests' bodies, by endpoint", |u| u.bytes_sent);
    by_endpoint("rpc_bytes_received", "Bytes of answers' bodies, by endpoint", |u| {
        u.bytes_received
    });
    let calls = Family::<Method, Counter>::default();
    let elements = Family::<Method, Counter>::default();
    for (endpoint, usage) in usage {
        for (method, usage) in &usage.methods {
            let label = Method { endpoint: endpoint.clone(), method: method.clone() };
            calls.get_or_create(&label).inc_by(usage.calls);
            elements.get_or_create(&label).inc_by(usage.elements);
        }
    }
    let help = "Requests that called a method; a batch is one";
    registry.register("rpc_calls", help, calls);
    let help = "Calls of a method; each element of a batch is one";
    registry.register("rpc_elements", help, elements);
}

/// What an operator should look after.
fn of_trouble(registry: &mut Registry, node: &Node) {
    let aside = Family::<Endpoint, Gauge>::default();
    for status in node.endpoints_status() {
        let label = Endpoint::named(&status.endpoint);
        aside.get_or_create(&label).set(i64::from(status.set_aside.is_some()));
    }
    let help = "1 for an endpoint of the chain that is not believed now";
    registry.register("endpoint_set_aside", help, aside);
    let alerts = Family::<Alert, Gauge>::default();
    // Told as 0 while none stands, so that a rule over them has something to look at.
    for code in AlertCode::ALL {
        alerts.get_or_create(&Alert { code: code.name() }).set(0);
    }
    for alert in node.alerts_standing() {
        alerts.get_or_create(&Alert { code: alert.code.name() }).inc();
    }
    registry.register("alerts", "Alerts that stand, by code", alerts);
    let stopped = i64::from(node.spending_stopped().is_some());
    let help = "1 while nothing is ordered because too much seems lost at once";
    registry.register("spending_stopped", help, ConstGauge::new(stopped));
}

fn counters(totals: &Totals) -> [(&'static str, &'static str, u64); 17] {
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
        (
            "disagreements",
            "Deals of which two endpoints said different things",
            totals.disagreements,
        ),
        ("endpoints_set_aside", "Times an endpoint was set aside", totals.endpoints_set_aside),
        // Another name than that of the gauge, which OpenMetrics asks for.
        ("spending_stops", "Times that spending was stopped", totals.spending_stopped),
        ("errors", "Parts of passes that failed", totals.errors),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Order {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Alert {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    endpoint: String,
}

impl Endpoint {
    fn named(name: &str) -> Self {
        Self { endpoint: name.to_owned() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    endpoint: String,
    method: String,
}
