//! Edits of JSON text that leave every byte alone that they are not about.

use serde_json::Value;

/// A value in a text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it begins.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Key, where the key begins, and value of each member.
    Object(Vec<(String, usize, Node)>),
    Array(Vec<Node>),
    Scalar,
}

impl Node {
    /// Parses a text that is known to be valid JSON; `None` if it is not.
    pub(crate) fn parse(text: &str) -> Option<Node> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        Cursor { text, at: 0 }.value()
    }

    /// The value under a key; the last one counts, as in every reader of JSON.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Content::Object(members) = &self.content else { return None };
        members.iter().rev().find(|(of, _, _)| of == key).map(|(_, _, value)| value)
    }

    /// Where a key's member stands; the last one.
    pub(crate) fn position(&self, key: &str) -> Option<usize> {
        let Content::Object(members) = &self.content else { return None };
        members.iter().rposition(|(of, _, _)| of == key)
    }

    /// The elements; none if it is no array.
    pub(crate) fn elements(&self) -> &[Node] {
        match &self.content {
            Content::Array(elements) => elements,
            _ => &[],
        }
    }

    /// The value itself.
    pub(crate) fn value(&self, text: &str) -> Value {
        serde_json::from_str(&text[self.start..self.end]).unwrap_or(Value::Null)
    }

    /// Where each child begins and ends, members with their keys.
    fn children(&self) -> Vec<(usize, usize)> {
        match &self.content {
            Content::Object(members) => members.iter().map(|(_, start, value)| (*start, value.end)).collect(),
            Content::Array(elements) => elements.iter().map(|element| (element.start, element.end)).collect(),
            Content::Scalar => Vec::new(),
        }
    }
}

/// The text with one more member at the end of an object, or of an array without `key`. `depth` is the container's.
pub(crate) fn insert(text: &str, container: &Node, depth: usize, key: Option<&str>, value: &Value) -> String {
    let style = Style::of(text);
    let children = container.children();
    let is_open = match children.first() {
        Some((first, _)) => text[container.start..*first].contains('\n'),
        None => style.is_open,
    };
    let prefix = key.map_or_else(String::new, |key| format!("{}:{}", Value::from(key), if is_open { " " } else { "" }));
    let child = prefix + &if is_open { style.pretty(value, depth + 1) } else { value.to_string() };
    let line = |depth: usize| format!("{}{}", style.newline, style.indent.repeat(depth));
    let (from, to, new) = match (children.last(), is_open) {
        (Some((_, end)), true) => (*end, *end, format!(",{}{child}", line(depth + 1))),
        (Some((_, end)), false) => (*end, *end, format!(",{child}")),
        (None, true) => (container.start + 1, container.end - 1, format!("{}{child}{}", line(depth + 1), line(depth))),
        (None, false) => (container.start + 1, container.end - 1, child),
    };
    splice(text, from, to, &new)
}

/// The text with another value in place of one. `depth` is the value's.
pub(crate) fn replace(text: &str, node: &Node, depth: usize, value: &Value) -> String {
    let is_open = text[node.start..node.end].contains('\n');
    let new = if is_open { Style::of(text).pretty(value, depth) } else { value.to_string() };
    splice(text, node.start, node.end, &new)
}

/// The text without one child of a container.
pub(crate) fn remove(text: &str, container: &Node, index: usize) -> String {
    let children = container.children();
    let (start, end) = children[index];
    match (index.checked_sub(1).map(|before| children[before]), children.get(index + 1)) {
        (Some((_, before_end)), _) => splice(text, before_end, end, ""),
        (None, Some((after_start, _))) => splice(text, start, *after_start, ""),
        (None, None) => splice(text, container.start + 1, container.end - 1, ""),
    }
}

fn splice(text: &str, from: usize, to: usize, new: &str) -> String {
    [&text[..from], new, &text[to..]].concat()
}

/// How a text is laid out, as far as its first lines tell.
struct Style {
    newline: &'static str,
    indent: String,
    /// Whether members stand on lines of their own.
    is_open: bool,
}

impl Style {
    fn of(text: &str) -> Style {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let inside = text.trim_start().strip_prefix(['{', '[']).unwrap_or_default();
        let blank = &inside[..inside.len() - inside.trim_start().len()];
        let is_empty = inside.trim_start().starts_with(['}', ']']);
        let indent = match blank.rsplit_once('\n') {
            Some((_, indent)) if !indent.is_empty() && !is_empty => indent.to_owned(),
            _ => "  ".to_owned(),
        };
        Style { newline, indent, is_open: is_empty || blank.contains('\n') }
    }

    fn pretty(&self, value: &Value, depth: usize) -> String {
        let mut bytes = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(self.indent.as_bytes());
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        // Writing a value into memory cannot fail; the compact form stands in all the same.
        let written = serde::Serialize::serialize(value, &mut serializer).is_ok();
        let text = String::from_utf8(bytes).ok().filter(|_| written).unwrap_or_else(|| value.to_string());
        text.replace('\n', &format!("{}{}", self.newline, self.indent.repeat(depth)))
    }
}

/// Reads valid JSON and remembers where things are.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn value(&mut self) -> Option<Node> {
        self.blank();
        let start = self.at;
        let content = match self.peek()? {
            b'{' => self.object()?,
            b'[' => self.array()?,
            b'"' => {
                self.string()?;
                Content::Scalar
            }
            _ => {
                let rest = &self.text[self.at..];
                self.at += rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                Content::Scalar
            }
        };
        Some(Node { start, end: self.at, content })
    }

    fn object(&mut self) -> Option<Content> {
        let mut members = Vec::new();
        self.at += 1;
        while !self.ends(b'}')? {
            let start = self.at;
            let key = serde_json::from_str(self.string()?).ok()?;
            self.blank();
            self.at += 1;
            members.push((key, start, self.value()?));
        }
        Some(Content::Object(members))
    }

    fn array(&mut self) -> Option<Content> {
        let mut elements = Vec::new();
        self.at += 1;
        while !self.ends(b']')? {
            elements.push(self.value()?);
        }
        Some(Content::Array(elements))
    }

    /// Passes over blanks, a comma and the end, if it is there.
    fn ends(&mut self, end: u8) -> Option<bool> {
        self.blank();
        if self.peek()? == b',' {
            self.at += 1;
            self.blank();
        }
        let ends = self.peek()? == end;
        self.at += usize::from(ends);
        Some(ends)
    }

    fn string(&mut self) -> Option<&str> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        while *bytes.get(at)? != b'"' {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        self.at = at + 1;
        self.text.get(start..self.at)
    }

    fn blank(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_member_that_is_added_and_removed_leaves_no_trace() {
        for text in [
            "{\n  \"model\": \"opus\"\n}\n",
            "{\n\t\"a\": [1, 2,\n3],\n\t\"b\": {\"c\": \"}]\\\"{[\"}\n}",
            "{\"a\":1}",
            "{ \"a\" : 1 , \"b\":\t[ ] }\r\n",
            "{\r\n    \"a\": {\r\n    }\r\n}\r\n",
            "  {\n      \"ä\\u00e4\": \"\\\\\"\n  }",
        ] {
            let root = Node::parse(text).unwrap();
            let with = insert(text, &root, 0, Some("hooks"), &json!({"Stop": [{"hooks": []}]}));
            let root = Node::parse(&with).unwrap();
            assert_eq!(root.get("hooks").unwrap().value(&with), json!({"Stop": [{"hooks": []}]}), "{with}");
            assert_eq!(remove(&with, &root, root.position("hooks").unwrap()), text);
        }
    }

    #[test]
    fn a_text_keeps_its_indentation_and_line_ends() {
        let text = "{\r\n\t\"a\": 1\r\n}\r\n";
        let root = Node::parse(text).unwrap();
        let with = insert(text, &root, 0, Some("b"), &json!({"c": [1]}));
        assert_eq!(with, "{\r\n\t\"a\": 1,\r\n\t\"b\": {\r\n\t\t\"c\": [\r\n\t\t\t1\r\n\t\t]\r\n\t}\r\n}\r\n");
        let text = "{\"a\":1}";
        assert_eq!(insert(text, &Node::parse(text).unwrap(), 0, Some("b"), &json!([1])), "{\"a\":1,\"b\":[1]}");
        let text = "{}";
        assert_eq!(insert(text, &Node::parse(text).unwrap(), 0, Some("b"), &json!(1)), "{\n  \"b\": 1\n}");
    }

    #[test]
    fn any_child_can_be_removed() {
        let text = "[1, 2,\n 3]";
        let root = Node::parse(text).unwrap();
        assert_eq!(remove(text, &root, 0), "[2,\n 3]");
        assert_eq!(remove(text, &root, 1), "[1,\n 3]");
        assert_eq!(remove(text, &root, 2), "[1, 2]");
        assert_eq!(remove("[ 1 ]", &Node::parse("[ 1 ]").unwrap(), 0), "[]");
    }

    #[test]
    fn what_is_no_json_is_not_parsed() {
        for text in ["", "{", "{\"a\":}", "{'a':1}", "{\"a\":1,}", "// comment\n{}", "{} {}"] {
            assert!(Node::parse(text).is_none(), "{text}");
        }
    }
}
