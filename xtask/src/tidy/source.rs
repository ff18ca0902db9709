//! Where functions begin and end, found by matching braces outside strings and comments. A measure, not a parser: what
//! it cannot make out counts as no function.

use mask::mask;

mod mask;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    TypeScript,
}

/// A function: the line it begins on, from 1, and how many lines it has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) line: usize,
    pub(super) lines: usize,
}

/// What stands before a brace that opens no function, in TypeScript.
const NO_FUNCTIONS: [&str; 14] = [
    "if",
    "else",
    "for",
    "while",
    "switch",
    "catch",
    "do",
    "try",
    "finally",
    "with",
    "class",
    "interface",
    "namespace",
    "describe",
];

/// Every function of a text.
pub(super) fn functions(text: &str, language: Language) -> Vec<Function> {
    let code = mask(text, language);
    let mut functions = Vec::new();
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut head_from = 0;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => {
                let head = &code[head_from..at];
                open.push(begins_function(head, language).then(|| head_from + head.len() - head.trim_start().len()));
                head_from = at + 1;
            }
            b'}' => {
                if let Some(Some(from)) = open.pop() {
                    functions.push(function(&code, from, at));
                }
                head_from = at + 1;
            }
            b';' if !is_inside_brackets(&code[head_from..at]) => head_from = at + 1,
            _ => {}
        }
    }
    functions.sort_by_key(|function| function.line);
    functions
}

fn function(code: &str, from: usize, to: usize) -> Function {
    let line = code[..from].matches('\n').count() + 1;
    Function { line, lines: code[from..=to].matches('\n').count() + 1 }
}

/// Whether the text before a brace, since the last brace or semicolon, is the head of a function.
fn begins_function(head: &str, language: Language) -> bool {
    let head = head.trim();
    match language {
        Language::Rust => {
            let mut words = head.split_whitespace();
            words.any(|word| word == "fn")
                && words
                    .next()
                    .is_some_and(|name| name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_'))
        }
        Language::TypeScript => {
            let first = head.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            let is_arrow = head.ends_with("=>");
            let is_named =
                head.contains('(') && !is_inside_brackets(head) && !head.ends_with([':', '=', ',', '|', '&']);
            !NO_FUNCTIONS.contains(&first) && (is_arrow || is_named)
        }
    }
}

/// Whether brackets are left open at the end of a text.
fn is_inside_brackets(text: &str) -> bool {
    let depth = text.bytes().fold(0_i32, |depth, byte| match byte {
        b'(' | b'[' => depth + 1,
        b')' | b']' => depth - 1,
        _ => depth,
    });
    depth > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(language: Language, text: &str, expected: &[(usize, usize)]) {
        let found: Vec<_> =
            functions(text, language).into_iter().map(|function| (function.line, function.lines)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn rust_functions_are_measured_from_their_head_to_their_brace() {
        check(
            Language::Rust,
            "fn one() {}\n\npub(crate) const fn two<T>(x: [u8; 4]) -> T\nwhere\n    T: Clone,\n{\n    match x { _ => {} }\n}\n",
            &[(1, 1), (3, 6)],
        );
        check(
            Language::Rust,
            "struct S { f: fn(u8) -> u8 }\nimpl S {\n    fn a(&self) {\n        let c = '{';\n        let s = \"}\\\"}\"; // }\n    }\n}\n",
            &[(3, 4)],
        );
        check(
            Language::Rust,
            "fn raw() {\n    let s = r#\"fn x() { \"\n\"#;\n    let l: &'static str = s; /* } /* } */ } */\n}\n",
            &[(1, 5)],
        );
        check(Language::Rust, "trait T {\n    fn a(&self);\n    fn b() {\n    }\n}\n", &[(3, 2)]);
    }

    #[test]
    fn typescript_functions_are_methods_arrows_and_declarations() {
        check(Language::TypeScript, "export function a(x: number): void {\n  if (x > 1) {\n  }\n}\n", &[(1, 4)]);
        check(Language::TypeScript, "class A {\n  #b(): string {\n    return `}${'{'}`;\n  }\n}\n", &[(2, 3)]);
        check(
            Language::TypeScript,
            "const f = async (a: string) => {\n  const g = /[{/]/;\n};\nconst o = { a: 1 };\n",
            &[(1, 3)],
        );
        check(Language::TypeScript, "describe('x', () => {\n  it('y', () => {\n  });\n});\n", &[(2, 2)]);
        check(Language::TypeScript, "for (const a of b) {\n  const c = a / 2; // {\n}\nconst d = e(f, {\n});\n", &[]);
    }
}
