//! Links in Markdown lead somewhere: to a file of the repository, and to a heading in it. So do paths in `code`.

use super::Finding;
use super::files::File;

/// How a path of this repository begins when it stands in `code`.
const ROOMS: [&str; 9] =
    [".ci/", "bench/", "contract/", "crates/", "dashboard/", "docs/", "fixtures/", "tests/", "xtask/"];

/// Looks at a page's links.
pub(super) fn check(page: &File, files: &[File]) -> Vec<Finding> {
    if page.extension() != "md" {
        return Vec::new();
    }
    let text = page.text().unwrap_or_default();
    let links =
        prose(text).flat_map(|(line, prose)| targets(&prose).map(move |target| (line, target)).collect::<Vec<_>>());
    let mut findings: Vec<_> = links
        .filter_map(|(line, target)| broken(page, &target, files).map(|why| Finding::new(page, line, why)))
        .collect();
    for (at, line) in text.lines().enumerate() {
        let lost = line.split('`').skip(1).step_by(2).filter(|code| is_path(code) && !is_there(code, files));
        findings.extend(lost.map(|code| Finding::new(page, at + 1, format!("names `{code}`, which is not there"))));
    }
    findings
}

/// Whether a span of code is a path of this repository, as it would be written from its root.
fn is_path(code: &str) -> bool {
    let is_plain = code.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter));
    is_plain && ROOMS.iter().any(|room| code.starts_with(room))
}

fn is_there(path: &str, files: &[File]) -> bool {
    let path = path.trim_end_matches('/');
    files.iter().any(|file| file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Why a link leads nowhere; `None` if it leads somewhere, or out of the repository.
fn broken(page: &File, target: &str, files: &[File]) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let Some(path) = resolve(page, path) else {
        return Some(format!("links to {target:?}, which lies outside the repository"));
    };
    let file = files.iter().find(|file| file.path == path);
    if !path.is_empty() && !is_there(&path, files) {
        return Some(format!("links to {target:?}, which is not there"));
    }
    let linked = file.and_then(File::text)?;
    let is_there = heading.is_empty() || headings(linked).any(|known| known == heading);
    (!is_there).then(|| format!("links to {target:?}, and that page has no such heading"))
}

/// The path below the root that a link of a page means; `None` if it leads out.
fn resolve(page: &File, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(page.path.clone());
    }
    let mut folders: Vec<&str> = page.path.split('/').collect();
    folders.pop();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                folders.pop()?;
            }
            step => folders.push(step),
        }
    }
    Some(folders.join("/"))
}

/// The lines outside blocks of code and comments, each with its number and without its `code`.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let (mut in_code, mut in_comment) = (false, false);
    text.lines().enumerate().filter_map(move |(at, line)| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        let begins = line.contains("<!--");
        let hidden = in_code || in_comment || begins;
        in_comment = (in_comment || begins) && !line.contains("-->");
        let spans = line.split('`').step_by(2);
        (!hidden).then(|| (at + 1, spans.collect::<Vec<_>>().join("`")))
    })
}

/// What the `[links](…)` of a line lead to.
fn targets(line: &str) -> impl Iterator<Item = String> {
    line.match_indices("](").filter_map(|(at, opening)| {
        let rest = &line[at + opening.len()..];
        let target = rest[..rest.find(')')?].split_whitespace().next()?;
        Some(target.trim_matches(['<', '>']).to_owned())
    })
}

/// The names under which a page's headings can be linked to.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let mut in_code = false;
    let titles = text.lines().filter_map(move |line| {
        in_code ^= line.trim_start().starts_with("```");
        let title = line.strip_prefix('#').filter(|_| !in_code)?.trim_start_matches('#');
        title.starts_with(' ').then(|| title.trim().to_lowercase())
    });
    titles.map(|title| {
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let files = [
            File::new("docs/guide.md", text),
            File::new("docs/decisions/0001-one.md", "# One\n\n## What `it` is, now\n"),
            File::new("README.md", "# Start\n"),
        ];
        check(&files[0], &files).into_iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_left_alone() {
        let text = "# Guide\n[a](decisions/0001-one.md) [b](../README.md#start) [c](#guide) [d](decisions/)\n\
             [e](https://example.com/x) [f](decisions/0001-one.md#what-it-is-now) [g](<../README.md> \"start\")\n\
             `[no](link.md)` in `docs/decisions/` and `docs/NNNN-title.md…`\n```\n[no](link.md)\n```\n<!-- [no](link.md) -->\n";
        assert_eq!(findings(text), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert!(findings("\n[a](nothing.md)")[0].starts_with("2: links to \"nothing.md\", which is not there"));
        assert!(findings("[a](../README.md#end)")[0].contains("no such heading"));
        assert!(findings("[a](../../elsewhere.md)")[0].contains("outside"));
        assert!(findings("![picture](images/live.png)")[0].contains("not there"));
        assert_eq!(
            findings("in `docs/guide.md`, `docs/nothing.md`"),
            ["1: names `docs/nothing.md`, which is not there"]
        );
    }
}
