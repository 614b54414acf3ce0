//! `raas providers`: what a node is told of providers, which is not on the chain.

use std::process::ExitCode;

use anyhow::Result;
use raas_api_types::{FactsSource, ProviderFacts, ProviderView};
use serde_json::json;

use super::client::connect;
use crate::{
    cli::{Api, Providers, ProvidersCommand, RmProvider, SetProvider},
    output,
};

/// `raas providers`.
pub(crate) async fn run(args: Providers) -> Result<ExitCode> {
    match args.command {
        None => list(args.api).await,
        Some(ProvidersCommand::List(args)) => list(args.api).await,
        Some(ProvidersCommand::Set(args)) => set(args).await,
        Some(ProvidersCommand::Rm(args)) => rm(args).await,
    }
}

async fn list(api: Api) -> Result<ExitCode> {
    for provider in &connect(&api)?.providers().await?.providers {
        show(provider, api.json);
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(args: SetProvider) -> Result<ExitCode> {
    let SetProvider { provider, owner, organisation, country, yearly_loss_ppm, api } = args;
    let facts = ProviderFacts { owner, organisation, country, yearly_loss_ppm };
    show(&connect(&api)?.set_provider(&provider, &facts).await?, api.json);
    Ok(ExitCode::SUCCESS)
}

async fn rm(args: RmProvider) -> Result<ExitCode> {
    connect(&args.api)?.remove_provider(&args.provider).await?;
    if args.api.json {
        output::json(&json!({ "removed": args.provider }));
    } else {
        output::line(format!(
            "what was said of {} is taken back; what the node's file says of it stands",
            args.provider
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(provider: &ProviderView, json: bool) {
    if json {
        output::json(provider);
    } else {
        output::line(line(provider));
    }
}

/// A provider in a line; what is not known is said to be.
fn line(view: &ProviderView) -> String {
    let known = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "not known".to_owned());
    let loss = view.yearly_loss_ppm.map(|ppm| format!("{ppm} ppm a year"));
    let source = match view.source {
        FactsSource::Call => "by a call",
        FactsSource::File => "by the node's file",
    };
    format!(
        "{}  owner {}  organisation {}  country {}  loss {}  ({source})",
        view.provider,
        known(&view.owner),
        known(&view.organisation),
        known(&view.country),
        known(&loss)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_said_to_be() {
        let view = ProviderView {
            provider: "f01000".to_owned(),
            owner: None,
            organisation: Some("Acme".to_owned()),
            country: None,
            yearly_loss_ppm: Some(20_000),
            source: FactsSource::File,
        };
        let said = "f01000  owner not known  organisation Acme  country not known  \
                    loss 20000 ppm a year  (by the node's file)";
        assert_eq!(line(&view), said);
    }
}
