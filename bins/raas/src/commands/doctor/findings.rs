//! What was found: one line a check, and how to mend what is wrong.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// How well a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// The node works, less well than it could.
    Warn,
    /// The node does not work.
    Fail,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    about: String,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// All that was found, in the order in which it was looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, about: impl fmt::Display, says: impl fmt::Display) {
        self.push(Level::Ok, about, says, None);
    }

    pub(super) fn warn(
        &mut self,
        about: impl fmt::Display,
        says: impl fmt::Display,
        mend: impl fmt::Display,
    ) {
        self.wrong(Level::Warn, about, says, mend);
    }

    pub(super) fn fail(
        &mut self,
        about: impl fmt::Display,
        says: impl fmt::Display,
        mend: impl fmt::Display,
    ) {
        self.wrong(Level::Fail, about, says, mend);
    }

    /// Something that is wrong, as bad as it is.
    pub(super) fn wrong(
        &mut self,
        level: Level,
        about: impl fmt::Display,
        says: impl fmt::Display,
        mend: impl fmt::Display,
    ) {
        self.push(level, about, says, Some(mend.to_string()));
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The worst there is; well where nothing was found.
    pub(super) fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Finding { level, about, says, mend } in &self.0 {
            let level = match level {
                Level::Ok => "ok  ",
                Level::Warn => "warn",
                Level::Fail => "fail",
            };
            lines.push(format!("{level}  {about}: {says}"));
            lines.extend(mend.as_ref().map(|mend| format!("        {mend}")));
        }
        lines.push(match (self.count(Level::Fail), self.count(Level::Warn)) {
            (0, 0) => "All is well.".to_owned(),
            (0, warnings) => format!("The node can work. Warnings: {warnings}."),
            (failures, warnings) => format!("Failures: {failures}. Warnings: {warnings}."),
        });
        lines
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }

    fn push(
        &mut self,
        level: Level,
        about: impl fmt::Display,
        says: impl fmt::Display,
        mend: Option<String>,
    ) {
        let about = about.to_string();
        // A word from elsewhere may have lines of its own, and errors name whom they are about.
        let says = says.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let name = about.split_once(' ').map_or(&*about, |(_, name)| name);
        let after = |name: &str| says.strip_prefix(name)?.strip_prefix(' ');
        let says = after(&about).or_else(|| after(name)).unwrap_or(&says).to_owned();
        self.0.push(Finding { level, about, says, mend });
    }
}

/// For scripts: `{"level": …, "checks": […]}`.
impl Serialize for Findings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Findings", 2)?;
        object.serialize_field("level", &self.worst())?;
        object.serialize_field("checks", &self.0)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whom_a_line_is_about_is_named_once() {
        let mut findings = Findings::default();
        findings.fail("lotus host:1", "host:1 cannot be asked now: gone", "start it");
        findings.fail("contract 0x1 at a", "contract 0x1 at a rejects it", "correct it");
        let lines = findings.lines();
        assert_eq!(lines[0], "fail  lotus host:1: cannot be asked now: gone");
        assert_eq!(lines[2], "fail  contract 0x1 at a: rejects it");
    }

    #[test]
    fn a_check_is_a_line_and_what_is_wrong_has_one_more() {
        let mut findings = Findings::default();
        assert_eq!((findings.worst(), findings.lines().len()), (Level::Ok, 1));
        findings.ok("a", "as it\nshould be");
        assert_eq!(findings.lines(), ["ok    a: as it should be", "All is well."]);
        findings.warn("b", "slow", "give it time");
        assert_eq!(findings.lines()[1..3], ["warn  b: slow", "        give it time"]);
        findings.fail("c", "gone", "bring it back");
        assert_eq!(findings.worst(), Level::Fail);
        assert_eq!(findings.lines().last().expect("a summary"), "Failures: 1. Warnings: 1.");
        let written = serde_json::to_value(&findings).expect("JSON");
        assert_eq!(written["level"], "fail");
        let last = json!({"level": "fail", "about": "c", "says": "gone", "mend": "bring it back"});
        assert_eq!(written["checks"][2], last);
        assert!(written["checks"][0].get("mend").is_none(), "{written}");
    }
}
