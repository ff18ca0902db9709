//! Every direct dependency has a line in the decision about them that says what it is for.

use super::Finding;
use super::files::File;

/// The page with the table.
const DECISION: &str = "docs/decisions/0005-few-dependencies.md";

/// Compares the manifests with the table.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(table) = files.iter().find(|file| file.path == DECISION).and_then(File::text) else { return Vec::new() };
    let manifests: Vec<&File> = files.iter().filter(|file| file.name() == "Cargo.toml").collect();
    let own: Vec<&str> = manifests.iter().filter_map(|manifest| package(manifest.text()?)).collect();
    let mut findings = Vec::new();
    for manifest in manifests {
        for (line, name) in dependencies(manifest.text().unwrap_or_default()) {
            if !own.contains(&name) && !table.contains(&format!("| `{name}` |")) {
                findings.push(Finding::new(
                    manifest,
                    line,
                    format!("depends on {name:?}: say in {DECISION} what it is for"),
                ));
            }
        }
    }
    findings
}

/// The name of a manifest's package.
fn package(manifest: &str) -> Option<&str> {
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""))?;
    name.split('"').next()
}

/// The names in a manifest's tables of dependencies, each with its line.
fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut is_inside = false;
    let mut found = Vec::new();
    for (at, line) in manifest.lines().enumerate() {
        if let Some(table) = line.strip_prefix('[') {
            // Those of the workspace are only versions to choose from.
            is_inside = table.trim_end().ends_with("dependencies]") && !table.starts_with("workspace");
        } else if is_inside && let Some((key, _)) = line.split_once('=') {
            let name = key.split('.').next().unwrap_or_default().trim();
            if !name.is_empty() && !name.starts_with('#') {
                found.push((at + 1, name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let files = [
            File::new("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\nrand = \"1\"\n"),
            File::new(
                "crates/a/Cargo.toml",
                "[package]\nname = \"a\"\n\n[dependencies]\nb.workspace = true\nserde = { workspace = true }\n# rand = 1\n\n[dev-dependencies]\nrand = \"1\"\n",
            ),
            File::new("crates/b/Cargo.toml", "[package]\nname = \"b\"\n"),
            File::new(DECISION, "| `serde` | MIT | a | messages |\n"),
        ];
        let findings = check(&files);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].path.as_str(), findings[0].line), ("crates/a/Cargo.toml", 10));
    }
}
