//! Every source file opens with a comment that says what it is for.

use super::Finding;
use super::files::File;

/// Other people's programs, letter by letter as they are printed.
const PRINTED: &str = "tests/clients/document-";

/// Looks at a file's first lines.
pub(super) fn check(file: &File) -> Option<Finding> {
    let opening: &[&str] = match file.extension() {
        "rs" => &["//! "],
        "ts" | "mjs" | "cjs" | "js" => &["// ", "/* ", "/** "],
        "svelte" => &["<!-- ", "// ", "/* ", "/** "],
        "py" => &["# ", "\"\"\""],
        "sh" => &["# "],
        _ => return None,
    };
    if file.path.starts_with(PRINTED) {
        return None;
    }
    let mut lines = file.text()?.lines().filter(|line| !line.starts_with("#!/") && !line.trim().is_empty());
    let mut first = lines.next().unwrap_or_default().trim();
    // In a component the comment may stand in its script.
    if file.extension() == "svelte" && first.starts_with("<script") {
        first = lines.next().unwrap_or_default().trim();
    }
    if opening.iter().any(|start| first.starts_with(start)) {
        return None;
    }
    let what = format!(
        "should open with a comment (`{}…`) that says what it is for: nobody should have to read on to know",
        opening[0]
    );
    Some(Finding::new(file, 1, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(path: &str, text: &str) -> bool {
        check(&File::new(path, text)).is_some()
    }

    #[test]
    fn a_source_file_says_first_what_it_is_for() {
        for (path, text) in [
            ("a.rs", "//! Counts.\n"),
            ("a.ts", "// Counts.\nexport const a = 1;"),
            ("a.mjs", "#!/usr/bin/env node\n// Counts.\n"),
            ("a.py", "#!/usr/bin/env python3\n\"\"\"Counts.\"\"\"\n"),
            ("a.sh", "#!/usr/bin/env bash\n# Counts.\n"),
            ("A.svelte", "<!-- Counts. -->\n<script></script>"),
            ("A.svelte", "<script lang=\"ts\">\n  // Counts.\n</script>"),
            ("tests/clients/document-5-basic.js", "const io = 1;"),
            ("a.json", "{}"),
        ] {
            assert!(!is_found(path, text), "{path}: {text}");
        }
        for (path, text) in [
            ("a.rs", "use std::fmt;\n"),
            ("a.rs", "// Counts.\n"),
            ("a.rs", ""),
            ("a.ts", "export const a = 1;"),
            ("a.py", "import os\n"),
            ("A.svelte", "<script lang=\"ts\">\n  let a = 1;\n</script>"),
        ] {
            assert!(is_found(path, text), "{path}: {text}");
        }
    }
}
