//! Packages come from the public registries, whatever mirror a machine used when it wrote a lock file.

use super::Finding;
use super::files::File;

/// The public registries, and the sites that go with them.
const PUBLIC: [&str; 11] = [
    "registry.npmjs.org",
    "www.npmjs.com",
    "npmjs.com",
    "crates.io",
    "www.crates.io",
    "static.crates.io",
    "index.crates.io",
    "docs.rs",
    "pypi.org",
    "www.pypi.org",
    "files.pythonhosted.org",
];

/// What the host of a registry, or of a mirror of one, usually has in its name.
const TELLTALES: [&str; 9] = ["registry", "npm", "pypi", "crates", "artifact", "nexus", "mirror", "proxy", "packages."];

/// What names, in a lock file or a settings file, where a package is fetched from.
const FETCHED_FROM: [&str; 5] = ["\"resolved\"", "source = \"registry", "registry=", "registry =", "index-url"];

/// The name of Cargo's own registry in its lock file.
const CARGO_INDEX: &str = "github.com/rust-lang/crates.io-index";

/// Looks at the addresses in a file.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in file.text().unwrap_or_default().lines().enumerate() {
        if line.contains(CARGO_INDEX) {
            continue;
        }
        let is_fetched = FETCHED_FROM.iter().any(|sign| line.contains(sign));
        for host in hosts(line).filter(|host| !PUBLIC.contains(host)) {
            if is_fetched || TELLTALES.iter().any(|telltale| host.contains(telltale)) {
                let what = format!("fetches from {host:?}: only the public registries can be reached from everywhere");
                findings.push(Finding::new(file, at + 1, what));
            }
        }
    }
    findings
}

/// The hosts of the addresses in a line.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let addresses = line.split("://").skip(1);
    let hosts = addresses.filter_map(|rest| {
        let end = rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && !"-._@:".contains(letter))
            .unwrap_or(rest.len());
        let host = rest[..end].rsplit('@').next()?;
        host.split(':').next()
    });
    hosts.filter(|host| host.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, line: &str) -> usize {
        check(&File::new(path, &line.replace("<>", "://"))).len()
    }

    #[test]
    fn only_public_registries_are_named() {
        assert_eq!(found("package-lock.json", "\"resolved\": \"https<>registry.npmjs.org/a/-/a-1.0.0.tgz\""), 0);
        assert_eq!(found("package-lock.json", "\"resolved\": \"https<>10.1.2.3/npm/a-1.0.0.tgz\""), 1);
        assert_eq!(found("package-lock.json", "\"url\": \"https<>opencollective.com/x\""), 0);
        assert_eq!(found("Cargo.lock", "source = \"registry+https<>github.com/rust-lang/crates.io-index\""), 0);
        assert_eq!(found("Cargo.lock", "source = \"registry+https<>github.com/somebody/index\""), 1);
        assert_eq!(found(".npmrc", "registry=http<>user:secret@cache.example.net:8081/"), 1);
        assert_eq!(found("README.md", "see https<>npm.example.com/a"), 1);
        assert_eq!(found("README.md", "see https<>docs.rs/axum and http<>localhost:8765"), 0);
    }
}
