//! The client commands: `store`, `register`, `jobs`, `why`, `resume`, `get`, `rm`; and how all of them find a node.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use raas_api_types::{
    BudgetTerms, ByteSize, JobView, PlacementTerms, RegisterRequest, RegisterStatus, RenewalTerms,
    RepairTerms, ReplicationTerms, Span, SpendingStop, StoreQuery,
};
use raas_client::Client;
use raas_types::Cid;
use serde::Deserialize;
use serde_json::json;

use crate::{
    cli::{Api, Get, Jobs, PolicyArgs, Register, Resume, Rm, Store, TermArgs, Why},
    commands::{dry_run, readable, why},
    output::{self, BadInput},
    secret::refuse_if_others_may_read,
};

/// A profile file: where a node is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    api: Option<String>,
    token: Option<String>,
}

/// `raas store`.
pub(crate) async fn store(args: Store) -> Result<ExitCode> {
    readable(&args.file)?;
    let query = StoreQuery {
        replicas: args.terms.replicas,
        renew_within: args.terms.renew_within.clone().map(span),
        repair_after: args.terms.repair_after.clone().map(span),
        ..StoreQuery::default()
    }
    .placed(&placement(&args.policy).unwrap_or_default())
    .within(budget(&args.policy).unwrap_or_default());
    let stored = connect(&args.api)?.store_file(&args.file, &query, |_| {}).await?;
    if args.api.json {
        output::json(&stored);
    } else {
        output::line(format!("{} ({} bytes)", stored.cid, stored.bytes));
        if let Some(job) = &stored.job {
            output::line(format!("job {job}; see how it is doing: raas why {job}"));
        }
        stored.warnings.iter().for_each(|warning| output::line(format!("warning: {warning}")));
    }
    Ok(ExitCode::SUCCESS)
}

/// `raas register`.
pub(crate) async fn register(args: Register) -> Result<ExitCode> {
    let TermArgs { replicas, renew_within, repair_after } = args.terms;
    let (min, max) = (args.min, args.max);
    let request = RegisterRequest {
        cid: args.cid,
        replication: replicas.map(|target| ReplicationTerms { target, min, max }),
        renewal: renew_within.map(|text| RenewalTerms { threshold: span(text) }),
        repair: repair_after.map(|text| RepairTerms { threshold: span(text) }),
        until: args.until,
        aggregators: args.aggregator,
        trust: args.trust_contract.then(|| "contract".to_owned()),
        placement: placement(&args.policy),
        budget: budget(&args.policy),
    };
    let client = connect(&args.api)?;
    if args.dry_run {
        return dry_run::register(&client, request, args.api.json).await;
    }
    let response = client.register(&[request]).await?;
    let result = response.results.into_iter().next().context("the node gave no answer")?;
    if args.api.json {
        output::json(&result);
    } else if let Some(id) = &result.id {
        let what = match result.status {
            RegisterStatus::Existing => "was there already",
            _ => "registered",
        };
        output::line(format!("job {id} {what}; see how it is doing: raas why {id}"));
        result.warnings.iter().for_each(|warning| output::line(format!("warning: {warning}")));
    }
    match result.error {
        // Said already, and to whoever reads the JSON too.
        Some(_) if args.api.json => Ok(output::bad_input()),
        Some(error) => Err(BadInput(error).into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// `raas jobs`.
pub(crate) async fn jobs(args: Jobs) -> Result<ExitCode> {
    let client = connect(&args.api)?;
    let mut after = None;
    loop {
        let page = client.jobs(after.as_deref()).await?;
        for job in &page.jobs {
            if args.api.json {
                output::json(job);
            } else {
                output::line(one_line(job));
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn one_line(job: &JobView) -> String {
    let terms = &job.terms;
    let target = terms.target.map_or("-".to_owned(), |target| target.to_string());
    let epochs = |span: Option<i64>| span.map_or("-".to_owned(), |span| span.to_string());
    format!(
        "{}  {}  replicas {target}  renewal {}  repair {}",
        job.id,
        job.cid,
        epochs(terms.renewal_threshold),
        epochs(terms.repair_threshold)
    )
}

/// `raas why`.
pub(crate) async fn why(args: Why) -> Result<ExitCode> {
    let job = connect(&args.api)?.job(&args.job).await?;
    if args.api.json {
        output::json(&job);
    } else {
        output::line(one_line(&job));
        why::lines(&job).into_iter().for_each(output::line);
    }
    Ok(ExitCode::SUCCESS)
}

/// `raas resume`.
pub(crate) async fn resume(args: Resume) -> Result<ExitCode> {
    let resumed = connect(&args.api)?.resume_spending().await?;
    if args.api.json {
        output::json(&resumed);
    } else {
        output::line(resumed_in_words(resumed.resumed.as_ref()));
    }
    Ok(ExitCode::SUCCESS)
}

fn resumed_in_words(stopped: Option<&SpendingStop>) -> String {
    let Some(SpendingStop { at, why, flipped_in_all, .. }) = stopped else {
        return "nothing had stopped: orders are made as before".to_owned();
    };
    let lost = match flipped_in_all {
        1 => "1 replica that seems lost is".to_owned(),
        many => format!("{many} replicas that seem lost are"),
    };
    format!(
        "nothing was ordered since epoch {at}: {why}\norders are made again; {lost} taken for lost"
    )
}

/// `raas get`.
pub(crate) async fn get(args: Get) -> Result<ExitCode> {
    Cid::try_from(args.cid.as_str()).map_err(|error| {
        BadInput(format!("{:?} is no CID ({error}): write it as bafy…, bafk… or Qm…", args.cid))
    })?;
    let got = connect_with(&args.api, false)?.get(&args.cid, &args.output, |_| {}).await?;
    if args.api.json {
        output::json(&json!({ "cid": args.cid, "bytes": got.bytes, "source": got.source,
            "tried": got.tried, "output": args.output }));
    } else {
        let source = got.source.map_or(String::new(), |source| format!(" from {source}"));
        output::line(format!("{} bytes{source}, verified", got.bytes));
    }
    Ok(ExitCode::SUCCESS)
}

/// `raas rm`.
pub(crate) async fn rm(args: Rm) -> Result<ExitCode> {
    connect(&args.api)?.remove(&args.job).await?;
    if args.api.json {
        output::json(&json!({ "removed": args.job }));
    } else {
        output::line(format!("job {} is removed; its deals are left to lapse", args.job));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where replicas may be; `None` where nothing is said of it.
fn placement(args: &PolicyArgs) -> Option<PlacementTerms> {
    let asked = PlacementTerms {
        per_owner: args.per_owner,
        per_organisation: args.per_organisation,
        per_country: args.per_country,
        prefer: args.prefer.clone(),
        avoid: args.avoid.clone(),
        exclude: args.exclude.clone(),
    };
    (asked != PlacementTerms::default()).then_some(asked)
}

/// What may be spent; `None` where nothing is said of it.
fn budget(args: &PolicyArgs) -> Option<BudgetTerms> {
    let size = |text: String| text.parse().map_or(ByteSize::Text(text), ByteSize::Bytes);
    let asked = BudgetTerms {
        deals_per_day: args.deals_per_day,
        bytes_per_day: args.bytes_per_day.clone().map(size),
    };
    (asked != BudgetTerms::default()).then_some(asked)
}

/// A span as it was typed: a number of epochs, or text with a unit.
fn span(text: String) -> Span {
    text.parse().map_or(Span::Text(text), Span::Epochs)
}

/// A client of the node that flags, environment or profile name, in this order.
pub(super) fn connect(api: &Api) -> Result<Client> {
    connect_with(api, true)
}

/// The same; a node may serve data to callers without a token.
fn connect_with(api: &Api, needs_token: bool) -> Result<Client> {
    let profile = profile(api.profile.clone())?;
    let url = api.api.clone().or(profile.api).ok_or_else(|| {
        BadInput(
            "no node is named: give --api URL, set RAAS_API, or write a profile file".to_owned(),
        )
    })?;
    let token = api.token.clone().or(profile.token);
    let token = match token {
        None if needs_token => {
            let text = "no token: give --token, set RAAS_TOKEN, or write a profile file";
            return Err(BadInput(text.to_owned()).into());
        }
        token => token.unwrap_or_default(),
    };
    // Nothing is sent yet: it is the URL or the token that cannot be used.
    Ok(Client::new(&url, token).map_err(|error| BadInput(error.to_string()))?)
}

fn profile(named: Option<PathBuf>) -> Result<Profile> {
    let usual = || {
        let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        Some(config.or_else(home)?.join("raas/profile.toml"))
    };
    let is_named = named.is_some();
    let Some(path) = named.or_else(usual).filter(|path| is_named || path.exists()) else {
        return Ok(Profile::default());
    };
    let shown = path.display();
    let text = fs::read_to_string(&path).map_err(|error| BadInput(format!("{shown}: {error}")))?;
    let profile: Profile =
        toml::from_str(&text).map_err(|error| BadInput(format!("{shown}: {error}")))?;
    if profile.token.is_some() {
        refuse_if_others_may_read(&path)?;
    }
    Ok(profile)
}
