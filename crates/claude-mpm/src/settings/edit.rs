//! Changes one value in a YAML file of somebody's, and leaves everything else as it is: comments, order, blank lines.

/// The text with the value at the path, given as YAML on one line.
pub(crate) fn set(text: &str, path: &[&str], value: &str) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (mut from, mut to, mut indent) = (0, lines.len(), 0);
    for (depth, name) in path.iter().enumerate() {
        // The first line of a section says how far all of its keys are indented.
        let first = (from..to).find(|at| is_content(&lines[*at]));
        let here = first.map_or(indent, |at| indent_of(&lines[at]));
        let found = (from..to)
            .find(|at| is_content(&lines[*at]) && indent_of(&lines[*at]) == here && key_of(&lines[*at]) == Some(*name));
        let Some(at) = found else {
            let place = end_of_content(&lines, from, to);
            lines.splice(place..place, new_lines(&path[depth..], value, here));
            return Ok(joined(&lines));
        };
        let end = (at + 1..to).find(|below| is_content(&lines[*below]) && !belongs(&lines[*below], here)).unwrap_or(to);
        if depth + 1 == path.len() {
            let (kept, comment) = parted(&lines[at]);
            let key = kept.split_once(':').map_or(kept, |(key, _)| key).to_owned();
            let comment = if comment.is_empty() { String::new() } else { format!(" {comment}") };
            // A list or section that stood below the key goes; comments behind it stay.
            let last = end_of_content(&lines, at + 1, end);
            lines.splice(at..last.max(at + 1), [format!("{key}: {value}{comment}")]);
            return Ok(joined(&lines));
        }
        let (kept, _) = parted(&lines[at]);
        let inline = kept.split_once(':').map_or("", |(_, rest)| rest.trim());
        if !inline.is_empty() && !matches!(inline, "null" | "~" | "{}") {
            return Err(on_one_line(at + 1, name));
        }
        if !inline.is_empty() {
            lines[at] = kept.split_once(':').map_or_else(|| kept.to_owned(), |(key, _)| format!("{key}:"));
        }
        (from, to, indent) = (at + 1, end, here + 2);
    }
    Ok(joined(&lines))
}

/// The text without the value at the path, and without sections that it leaves empty; `None` where it is not there.
pub(crate) fn unset(text: &str, path: &[&str]) -> Result<Option<String>, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (mut from, mut to) = (0, lines.len());
    let mut sections: Vec<usize> = Vec::new();
    for (depth, name) in path.iter().enumerate() {
        let Some(first) = (from..to).find(|at| is_content(&lines[*at])) else { return Ok(None) };
        let here = indent_of(&lines[first]);
        let found = (from..to)
            .find(|at| is_content(&lines[*at]) && indent_of(&lines[*at]) == here && key_of(&lines[*at]) == Some(*name));
        let Some(at) = found else {
            let above = from.checked_sub(1).map(|at| parted(&lines[at]).0);
            return match above.and_then(|line| line.split_once(':')).map(|(_, rest)| rest.trim()) {
                Some(inline) if depth > 0 && !inline.is_empty() => Err(on_one_line(from, path[depth - 1])),
                _ => Ok(None),
            };
        };
        let end = (at + 1..to).find(|below| is_content(&lines[*below]) && !belongs(&lines[*below], here)).unwrap_or(to);
        if depth + 1 == path.len() {
            lines.drain(at..end_of_content(&lines, at + 1, end).max(at + 1));
            for section in sections.into_iter().rev() {
                let indent = indent_of(&lines[section]);
                let next = (section + 1..lines.len()).find(|below| is_content(&lines[*below]));
                if next.is_some_and(|next| belongs(&lines[next], indent)) {
                    break;
                }
                lines.remove(section);
            }
            return Ok(Some(joined(&lines)));
        }
        let (kept, _) = parted(&lines[at]);
        let inline = kept.split_once(':').map_or("", |(_, rest)| rest.trim());
        if !inline.is_empty() && !matches!(inline, "null" | "~" | "{}") {
            return Err(on_one_line(at + 1, name));
        }
        sections.push(at);
        (from, to) = (at + 1, end);
    }
    Ok(None)
}

/// The path of what stands on a line, such as `monitoring.cors.origins` for an item of that list.
pub(crate) fn path_at(text: &str, line: usize) -> String {
    let above: Vec<&str> = text.lines().take(line).filter(|line| is_content(line)).collect();
    let (mut path, mut below) = (Vec::new(), usize::MAX);
    for line in above.into_iter().rev() {
        let indent = indent_of(line);
        if line.trim_start().starts_with("- ") {
            if path.is_empty() {
                below = below.min(indent + 1);
            }
        } else if indent < below
            && let Some(key) = key_of(line)
        {
            path.push(key);
            below = indent;
        }
    }
    path.reverse();
    path.join(".")
}

fn on_one_line(line: usize, name: &str) -> String {
    format!("line {line} holds the whole section {name}; write its keys on lines of their own")
}

/// A value as YAML on one line, if it can be one: quoted where its letters would mean something else.
pub(crate) fn scalar(said: &str) -> String {
    let is_plain =
        !said.is_empty() && said.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter));
    let is_flow = (said.starts_with('[') && said.ends_with(']'))
        || (said.starts_with('{') && said.ends_with('}'))
        || (said.starts_with('"') && said.ends_with('"') && said.len() > 1);
    if is_plain && !said.starts_with('-') || is_flow {
        said.to_owned()
    } else {
        serde_json::Value::from(said).to_string()
    }
}

fn is_content(line: &str) -> bool {
    let text = line.trim_start();
    !text.is_empty() && !text.starts_with('#') && text != "---"
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether a line is inside of what begins at that indent; a list may stand at the indent of its key.
fn belongs(line: &str, indent: usize) -> bool {
    indent_of(line) > indent || (indent_of(line) == indent && line.trim_start().starts_with("- "))
}

fn key_of(line: &str) -> Option<&str> {
    let (key, rest) = line.trim_start().split_once(':')?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| key.trim().trim_matches(['"', '\'']))
}

/// A line without its comment, and the comment.
fn parted(line: &str) -> (&str, &str) {
    let mut quote = None;
    let mut before = ' ';
    for (place, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '#') if before == ' ' => return (line[..place].trim_end(), &line[place..]),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
        before = letter;
    }
    (line.trim_end(), "")
}

fn end_of_content(lines: &[String], from: usize, to: usize) -> usize {
    (from..to).rev().find(|at| is_content(&lines[*at])).map_or(from, |at| at + 1)
}

fn new_lines(path: &[&str], value: &str, indent: usize) -> Vec<String> {
    let line =
        |depth: usize, name: &str, value: &str| format!("{:indent$}{name}:{value}", "", indent = indent + 2 * depth);
    path.iter()
        .enumerate()
        .map(
            |(depth, name)| {
                if depth + 1 == path.len() { line(depth, name, &format!(" {value}")) } else { line(depth, name, "") }
            },
        )
        .collect()
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, path: &str, value: &str, expected: &str) {
        let path: Vec<&str> = path.split('.').collect();
        assert_eq!(set(text, &path, value).unwrap(), expected);
    }

    #[test]
    fn one_value_changes_and_everything_else_stays() {
        check("", "monitoring.port", "9000", "monitoring:\n  port: 9000\n");
        check("a: 1\n", "monitoring.cors.localhost", "false", "a: 1\nmonitoring:\n  cors:\n    localhost: false\n");
        check(
            "# mine\nmonitoring:\n    # the port\n    port: 8765   # default\n\n    host: localhost\nagents: [a]\n",
            "monitoring.port",
            "9000",
            "# mine\nmonitoring:\n    # the port\n    port: 9000 # default\n\n    host: localhost\nagents: [a]\n",
        );
        check(
            "monitoring:\n  host: \"a#b\"\n\n# end\nx: 1\n",
            "monitoring.port",
            "1",
            "monitoring:\n  host: \"a#b\"\n  port: 1\n\n# end\nx: 1\n",
        );
        check(
            "monitoring:\n  cors:\n    origins:\n    - http://a\n    - http://b\n  port: 1\n",
            "monitoring.cors.origins",
            "[]",
            "monitoring:\n  cors:\n    origins: []\n  port: 1\n",
        );
        check("monitoring:\n# nothing yet\n", "monitoring.port", "1", "monitoring:\n  port: 1\n# nothing yet\n");
        check("monitoring: {}\n", "monitoring.port", "1", "monitoring:\n  port: 1\n");
        check(
            "other:\n  port: 5\nmonitoring:\n  port: 6\n",
            "monitoring.port",
            "7",
            "other:\n  port: 5\nmonitoring:\n  port: 7\n",
        );
    }

    #[test]
    fn a_value_is_taken_out_with_sections_that_it_leaves_empty() {
        let check = |text: &str, path: &str, expected: Option<&str>| {
            let path: Vec<&str> = path.split('.').collect();
            assert_eq!(unset(text, &path).unwrap().as_deref(), expected, "{text}");
        };
        let text = "# mine\na: 1\nmonitoring:\n  port: 1 # chosen\n  cors:\n    origins:\n    - http://a\n# end\n";
        check(text, "monitoring.port", Some(&text.replace("  port: 1 # chosen\n", "")));
        let without_cors = text.replace("  cors:\n    origins:\n    - http://a\n", "");
        check(text, "monitoring.cors.origins", Some(&without_cors));
        check(&without_cors, "monitoring.port", Some("# mine\na: 1\n# end\n"));
        check(text, "monitoring.host", None);
        check("", "monitoring.host", None);
        assert!(unset("monitoring: { port: 1 }\n", &["monitoring", "port"]).unwrap_err().contains("line 1"));
    }

    #[test]
    fn what_stands_on_a_line_has_a_path() {
        let text =
            "a: 1\nmonitoring:\n  cors:\n    localhost: true\n    origins:\n    - http://a\n    - b\n  port: 1\n";
        let paths: Vec<String> = (1..=8).map(|line| path_at(text, line)).collect();
        assert_eq!(paths[0], "a");
        assert_eq!((paths[5].as_str(), paths[6].as_str()), ("monitoring.cors.origins", "monitoring.cors.origins"));
        assert_eq!((paths[3].as_str(), paths[7].as_str()), ("monitoring.cors.localhost", "monitoring.port"));
    }

    #[test]
    fn a_section_on_one_line_is_left_to_its_owner() {
        assert!(set("monitoring: { port: 1 }\n", &["monitoring", "port"], "2").unwrap_err().contains("line 1"));
    }

    #[test]
    fn values_are_quoted_where_they_would_mean_something_else() {
        assert_eq!((scalar("9000"), scalar("true"), scalar("[a, b]")), ("9000".into(), "true".into(), "[a, b]".into()));
        assert_eq!((scalar("::1"), scalar(""), scalar("a: b")), ("\"::1\"".into(), "\"\"".into(), "\"a: b\"".into()));
    }
}
