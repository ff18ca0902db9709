//! Escapes of half a surrogate pair: JavaScript writes and reads them, `serde_json` refuses them.

/// The text with U+FFFD in the place of each escape from `\ud800` to `\udfff` that is no pair; `None` when there is none.
pub(super) fn mend(json: &str) -> Option<String> {
    let mut mended = String::new();
    let (mut at, mut copied) = (0, 0);
    let bytes = json.as_bytes();
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        at += match unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                mended.push_str(&json[copied..at]);
                mended.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            Some(_) => 6,
            // Any other escape has two characters, the second of which may be a backslash.
            None => 2,
        };
    }
    (copied > 0).then(|| mended + &json[copied..])
}

/// The number of the escape `\uXXXX` that begins here.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::mend;

    #[test]
    fn only_half_pairs_are_replaced() {
        assert_eq!(mend(r#"["\ud800"]"#).as_deref(), Some(r#"["\ufffd"]"#));
        assert_eq!(mend(r#"["a\udc00\ud83d\ude00\ud83d"]"#).as_deref(), Some(r#"["a\ufffd\ud83d\ude00\ufffd"]"#));
        assert_eq!(mend(r#"["\\ud800 \u00e9 \ud83d\ude00"]"#), None);
        for odd in ["\\", "\\u", "\\ud8", "\\ud800", "\\é\\ud800", "\\ud800\\u"] {
            let _ = mend(odd);
        }
    }
}
