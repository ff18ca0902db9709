//! No path of somebody's machine: it works there and nowhere else.

use super::Finding;
use super::files::File;

/// Folders that hold what is one machine's or one moment's. Without their slashes, so that this file keeps its own rule.
const FOLDERS: [&str; 3] = ["root", "tmp", "work"];

/// Where such paths may stand, which, and why.
const ALLOWED: [(&str, &[&str], &str); 3] = [
    ("fixtures/", &FOLDERS, "recorded from a real client, byte for byte"),
    ("crates/claude-mpm/demo/", &FOLDERS, "an invented recording, with invented paths"),
    ("dashboard/", &["work"], "the address of a view of the page"),
];

/// Looks at a file's lines.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let allowed = |folder: &&str| {
        ALLOWED.iter().any(|(place, folders, _)| file.path.starts_with(place) && folders.contains(folder))
    };
    let folders: Vec<&str> = FOLDERS.into_iter().filter(|folder| !allowed(folder)).collect();
    let lines = file.text().unwrap_or_default().lines().enumerate();
    let found = lines.filter_map(|(at, line)| {
        let folder = folders.iter().find(|folder| names(line, folder))?;
        let what = format!("names a place of one machine, /{folder}/: it is not there on another one");
        Some(Finding::new(file, at + 1, what))
    });
    found.collect()
}

/// Whether a line has an absolute path into this folder, such as `"/folder/…"`, and no part of a longer one.
fn names(line: &str, folder: &str) -> bool {
    let path = format!("/{folder}/");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"/._-~$})*>".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found_and_part_of_another_is_not() {
        let found = |path: &str, line: &str| !check(&File::new(path, &line.replace('|', "/"))).is_empty();
        assert!(found("a.rs", "let dir = \"|work|main\";"));
        assert!(found("a.sh", "cd |root|.cargo"));
        assert!(found("README.md", "see `|tmp|out.txt`"));
        assert!(!found("a.md", "at https:||example.com|work|page"));
        assert!(!found("a.ts", "import x from '..|work|x'"));
        assert!(!found("dashboard/src/route.ts", "open('|work|todos')"));
        assert!(found("dashboard/src/route.ts", "open('|root|todos')"));
        assert!(!found("a.rs", "let path = home.join(\"tmp\");"));
        assert!(!found("fixtures/claude/basic/hooks.jsonl", "{\"cwd\":\"|root|app\"}"));
    }
}
