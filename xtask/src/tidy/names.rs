//! File names say what is inside: no empty words, no `mod.rs`, decisions numbered without holes.

use super::Finding;
use super::files::File;

/// Words that would fit any file.
const EMPTY_WORDS: [&str; 7] = ["manager", "helper", "helpers", "util", "utils", "common", "misc"];

const DECISIONS: &str = "docs/decisions/";

/// Looks at a file's name and at its folders'.
pub(super) fn check(file: &File) -> Option<Finding> {
    if file.name() == "mod.rs" {
        let what = "should be named after its module, beside its folder: ten tabs called `mod.rs` are all the same";
        return Some(Finding::new(file, 0, what));
    }
    let empty = words(&file.path).into_iter().find(|word| EMPTY_WORDS.contains(&word.as_str()))?;
    Some(Finding::new(file, 0, format!("is named with {empty:?}, which says nothing: name what it does")))
}

/// Decisions count from 0001 up, each number once, so that `0003` always means the same page.
pub(super) fn decisions(files: &[File]) -> Vec<Finding> {
    let pages = files.iter().filter(|file| file.path.starts_with(DECISIONS) && file.extension() == "md");
    let mut findings = Vec::new();
    for (expected, page) in (1..).zip(pages) {
        match page.name().split_once('-').map(|(number, _)| (number.len(), number.parse::<u32>())) {
            Some((4, Ok(number))) if number == expected => {}
            Some((4, Ok(_))) => findings.push(Finding::new(
                page,
                0,
                format!("should be number {expected:04}: there are no holes and no doubles"),
            )),
            _ => findings.push(Finding::new(page, 0, "should be named `NNNN-title.md`")),
        }
    }
    findings
}

/// The words of a path, split at punctuation and at capitals.
fn words(path: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in path.chars() {
        let begins = !letter.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase());
        if begins {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_something() {
        for path in [
            "src/manager.rs",
            "src/util/paths.rs",
            "src/stringUtils.ts",
            "tests/common.rs",
            "src/hub/mod.rs",
            "socket_helper.py",
        ] {
            assert!(check(&File::new(path, "")).is_some(), "{path}");
        }
        for path in ["src/hub.rs", "src/model.rs", "src/utility_meter.rs", "src/commonmark.ts", "Cargo.toml"] {
            assert!(check(&File::new(path, "")).is_none(), "{path}");
        }
    }

    #[test]
    fn decisions_are_numbered_without_holes() {
        let findings = |names: &[&str]| {
            let files: Vec<_> = names.iter().map(|name| File::new(&format!("docs/decisions/{name}"), "")).collect();
            decisions(&files).into_iter().map(|finding| finding.path).collect::<Vec<_>>()
        };
        assert!(findings(&["0001-one.md", "0002-two.md"]).is_empty());
        assert_eq!(findings(&["0001-one.md", "0003-three.md"]), ["docs/decisions/0003-three.md"]);
        assert_eq!(findings(&["0001-one.md", "0001-two.md"]), ["docs/decisions/0001-two.md"]);
        assert_eq!(findings(&["1-one.md"]), ["docs/decisions/1-one.md"]);
    }
}
