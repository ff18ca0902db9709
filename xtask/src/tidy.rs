//! `cargo xtask tidy`: the rules of this repository that a tool can check, each with the reason for it.

mod dependencies;
mod files;
mod lengths;
mod links;
mod names;
mod openings;
mod places;
mod registries;
mod source;

use std::fmt;
use std::path::Path;

use anyhow::bail;

use crate::{place, say};
use files::File;

/// Something that a rule does not allow.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

impl Finding {
    fn new(file: &File, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: file.path.clone(), line, what: what.into() }
    }
}

/// Runs it.
pub(crate) fn run() -> anyhow::Result<()> {
    let findings = check(&place::root()?)?;
    for finding in &findings {
        say::line(finding);
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("1 rule of this repository is broken"),
        many => bail!("{many} rules of this repository are broken"),
    }
}

fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = files::list(root)?;
    let mut findings = Vec::new();
    for file in &files {
        findings.extend(openings::check(file));
        findings.extend(lengths::check(file));
        findings.extend(names::check(file));
        findings.extend(places::check(file));
        findings.extend(registries::check(file));
        findings.extend(contract(file));
        findings.extend(links::check(file, &files));
    }
    findings.extend(names::decisions(&files));
    findings.extend(dependencies::check(&files));
    findings.sort();
    Ok(findings)
}

/// Golden files are read by programs in two languages; the first to stumble over a broken one should be this.
fn contract(file: &File) -> Option<Finding> {
    if !file.path.starts_with("contract/") || file.extension() != "json" {
        return None;
    }
    let error = serde_json::from_str::<serde_json::Value>(file.text()?).err()?;
    Some(Finding::new(file, error.line(), format!("is no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_golden_file_must_be_json() {
        assert_eq!(contract(&File::new("contract/hello.json", "{\"seq\": 1}\n")), None);
        let finding = contract(&File::new("contract/hello.json", "{\n  \"seq\": 1,\n}\n")).unwrap();
        assert_eq!(finding.line, 3);
        assert_eq!(contract(&File::new("fixtures/torn.json", "{")), None);
    }
}
