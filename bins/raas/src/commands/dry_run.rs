//! `raas register --dry-run`: what would become of a job, in words.

use std::process::ExitCode;

use anyhow::{Context, Result};
use raas_api_types::{DryRunResult, DryRunStatus, ObstacleView, PlanView, RegisterRequest};
use raas_client::Client;

use crate::output::{self, BadInput};

/// Asks a node what would become of a job.
pub(crate) async fn register(
    client: &Client,
    job: RegisterRequest,
    json: bool,
) -> Result<ExitCode> {
    let response = client.dry_run(&[job]).await?;
    let result = response.results.into_iter().next().context("the node gave no answer")?;
    if json {
        output::json(&result);
    } else {
        lines(&result).into_iter().for_each(output::line);
    }
    match result.error {
        // Said already, and to whoever reads the JSON too.
        Some(_) if json => Ok(output::bad_input()),
        Some(error) => Err(BadInput(error).into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn lines(result: &DryRunResult) -> Vec<String> {
    let id = result.id.as_deref().unwrap_or_default();
    let mut lines = Vec::new();
    match result.status {
        DryRunStatus::WouldCreate => lines.push(format!("would be job {id}; nothing was kept")),
        DryRunStatus::Existing => lines.push(format!("job {id} is there already")),
        DryRunStatus::Error => return lines,
    }
    lines.extend(result.warnings.iter().map(|warning| format!("warning: {warning}")));
    if let Some(plan) = &result.plan {
        lines.push(format!("What would be done now, at epoch {}:", plan.epoch));
        said(plan, &mut lines);
        if let Some(then) = &plan.with_bytes {
            lines.push("Were the bytes here:".to_owned());
            said(then, &mut lines);
        }
    }
    if let Some(why) = &result.unseen {
        lines
            .push(format!("What would be done now is not known, for nothing could be seen: {why}"));
    }
    if !result.cannot.is_empty() {
        lines.push("What cannot be met as things are:".to_owned());
    }
    for ObstacleView { what, loosen } in &result.cannot {
        lines.push(format!("  {what}"));
        lines.extend(loosen.as_ref().map(|term| format!("    loosen {term}")));
    }
    lines
}

fn said(plan: &PlanView, lines: &mut Vec<String>) {
    lines.extend(plan.words.iter().map(|words| format!("  {words}")));
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn plan(words: &str, with_bytes: Option<Box<PlanView>>) -> PlanView {
        let words = vec![words.to_owned()];
        PlanView { epoch: 5, words, steps: Value::Null, reasons: Value::Null, with_bytes }
    }

    fn result() -> DryRunResult {
        DryRunResult {
            id: Some("abc".to_owned()),
            cid: "bafy".to_owned(),
            status: DryRunStatus::WouldCreate,
            warnings: vec!["too short".to_owned()],
            error: None,
            plan: None,
            unseen: None,
            cannot: Vec::new(),
        }
    }

    #[test]
    fn what_would_be_done_and_what_cannot_be_met_is_said_with_the_knob() {
        let then = Some(Box::new(plan("A deal is ordered.", None)));
        let obstacle = ObstacleView {
            what: "2 of 3".to_owned(),
            loosen: Some("placement.per_country".to_owned()),
        };
        let plan = Some(plan("Fetched first.", then));
        let told = lines(&DryRunResult { plan, cannot: vec![obstacle], ..result() });
        let expected = [
            "would be job abc; nothing was kept",
            "warning: too short",
            "What would be done now, at epoch 5:",
            "  Fetched first.",
            "Were the bytes here:",
            "  A deal is ordered.",
            "What cannot be met as things are:",
            "  2 of 3",
            "    loosen placement.per_country",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn where_nothing_could_be_seen_it_says_why() {
        let unseen = Some("lotus is behind".to_owned());
        let told = lines(&DryRunResult { unseen, status: DryRunStatus::Existing, ..result() });
        assert_eq!(told[0], "job abc is there already");
        assert!(told[2].ends_with("nothing could be seen: lotus is behind"), "{told:?}");
    }
}
