//! Tells the story: JSON lines for scripts, sentences with progress bars for people.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::plot::Summary;
use crate::output;

/// Where the story goes.
pub(super) struct Teller {
    json: bool,
    /// Drawn on a terminal only.
    bar: Option<ProgressBar>,
}

impl Teller {
    pub(super) fn new(json: bool) -> Self {
        let bar = (!json && output::is_terminal()).then(|| {
            let bar = ProgressBar::new(1);
            let template = "{spinner} {msg} {wide_bar} {pos}/{len}";
            bar.set_style(
                ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { json, bar }
    }

    /// A new act begins; it is done when `steps` of it are.
    pub(super) fn act(&mut self, title: &str, steps: u64) {
        match &self.bar {
            Some(bar) => {
                bar.reset();
                bar.set_length(steps.max(1));
                bar.set_message(title.to_owned());
                bar.enable_steady_tick(std::time::Duration::from_millis(100));
            }
            None if self.json => {}
            None => self.say(&format!("-- {title}")),
        }
    }

    pub(super) fn progress(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// Shows the progress of something that goes on elsewhere.
    pub(super) fn meter(&self) -> impl Fn(u64) + Send + Sync + 'static {
        let bar = self.bar.clone();
        move |done| {
            if let Some(bar) = &bar {
                bar.set_position(done);
            }
        }
    }

    pub(super) fn event(&mut self, name: &str, mut what: Value) {
        if self.json {
            if let Some(object) = what.as_object_mut() {
                object.insert("event".to_owned(), name.into());
            }
            output::json(&what);
        } else {
            self.say(&sentence(name, &what));
        }
    }

    pub(super) fn trouble(&mut self, error: &anyhow::Error) {
        if !self.json {
            self.say(&format!("   The story breaks off: {error:#}"));
        }
        tracing::error!("{error:#}");
    }

    pub(super) fn summary(&mut self, summary: &Summary) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if self.json {
            return output::json(summary);
        }
        let Summary { cid, bytes, replicas, repairs, renewals, seconds, .. } = summary;
        if summary.ok {
            output::line(format!(
                "\nAll is well. {bytes} bytes ({cid}) are held by {replicas} providers after \
                 {repairs} repair and {renewals} renewals, and came back byte for byte. Half a \
                 year in {seconds} s."
            ));
        } else {
            output::line(format!(
                "\nThe devnet's ground truth does not bear the story out: {replicas} providers \
                 hold the data, {repairs} repairs, {renewals} renewals, {} deals, verified: {}.",
                summary.deals, summary.verified
            ));
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => output::line(text),
        }
    }
}

/// What an event means, for people.
fn sentence(name: &str, what: &Value) -> String {
    let text = |key: &str| match &what[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match name {
        "stored" => format!("   Stored {} bytes as {}.", text("bytes"), text("cid")),
        "registered" => format!("   Job {} asks for {} replicas.", text("job"), text("replicas")),
        "ordered" => format!("   Ordered a deal from {}.", text("aggregator")),
        "deal_active" => {
            format!("   Deal {} is active: {} proves the data.", text("deal"), text("provider"))
        }
        "fault_injected" => format!("   {} stops proving.", text("provider")),
        "repair_ordered" => format!("   Ordered a deal to replace deal {}.", text("replaces")),
        "repaired" => format!("   Repaired: deal {} with {}.", text("deal"), text("provider")),
        "near_expiry" => format!("   The deals end within {} days.", text("days_left")),
        "renewal_ordered" => format!("   Ordered a successor to deal {}.", text("replaces")),
        "renewed" => format!("   Renewed: deal {} with {}.", text("deal"), text("provider")),
        "retrieved" => {
            let corrupt = match what["corrupt_asked"].as_bool() {
                Some(true) => format!("{}, asked before, sent corrupt bytes", text("corrupt")),
                _ => format!("{}, which serves corrupt bytes, was not asked", text("corrupt")),
            };
            format!(
                "   Came back from {}: the node's copy was wiped, the gateway off, and {corrupt}.",
                text("source")
            )
        }
        other => format!("   {other}: {what}"),
    }
}
