//! Files and functions that a person can hold in mind: 500 lines and 100, components 250.

use super::files::File;
use super::source::{self, Language};
use super::{Finding, source::Function};

const FILE_LINES_MAX: usize = 500;
const COMPONENT_LINES_MAX: usize = 250;
const FUNCTION_LINES_MAX: usize = 100;

/// Looks at how long a file and its functions are.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let language = match file.extension() {
        "rs" => Some(Language::Rust),
        "ts" | "mjs" | "js" => Some(Language::TypeScript),
        "svelte" => None,
        _ => return Vec::new(),
    };
    let text = file.text().unwrap_or_default();
    let lines_max = if language.is_some() { FILE_LINES_MAX } else { COMPONENT_LINES_MAX };
    let lines = text.lines().count();
    let mut findings = Vec::new();
    if lines > lines_max {
        findings.push(Finding::new(
            file,
            lines_max + 1,
            format!("has {lines} lines, and {lines_max} is the wall: which two things is it about?"),
        ));
    }
    let functions = language.map(|language| source::functions(text, language)).unwrap_or_default();
    let long = functions.into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
    findings.extend(long.map(|Function { line, lines }| {
        Finding::new(
            file,
            line,
            format!("a function of {lines} lines, and {FUNCTION_LINES_MAX} is the wall: give its parts names"),
        )
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_are_at_500_lines_250_and_100() {
        let found = |path: &str, text: String| {
            check(&File::new(path, &text)).into_iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(found("a.rs", "\n".repeat(500)), [0; 0]);
        assert_eq!(found("a.rs", "\n".repeat(501)), [501]);
        assert_eq!(found("a.md", "\n".repeat(5_000)), [0; 0]);
        assert_eq!(found("A.svelte", "\n".repeat(251)), [251]);
        assert_eq!(found("a.rs", format!("\nfn f() {{\n{}}}\n", "\n".repeat(98))), [0; 0]);
        assert_eq!(found("a.rs", format!("\nfn f() {{\n{}}}\n", "\n".repeat(99))), [2]);
        assert_eq!(found("a.ts", format!("const f = () => {{\n{}}};\n", "\n".repeat(99))), [1]);
    }
}
