//! Lines of a stream that passes in pieces.

/// The longest line that is told, in bytes; the rest of a longer one is passed over.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What has come of the line that is not whole yet.
#[derive(Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// The lines that this piece ends, without those that are empty or too long.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.add(&bytes[..end]);
            lines.extend(self.end());
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
        lines
    }

    /// The last line, which no line feed ends.
    pub(super) fn end(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.rest);
        if std::mem::take(&mut self.is_too_long) || line.trim_ascii().is_empty() {
            return None;
        }
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.is_too_long || self.rest.len() + bytes.len() > LINE_BYTES_MAX {
            self.is_too_long = true;
            self.rest = Vec::new();
            return;
        }
        self.rest.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_wherever_the_stream_is_cut_and_one_that_is_too_long_hides_no_other() {
        let bytes = "{\"a\":1}\n\n{\"é\":2}\nlast".as_bytes();
        for cut in 0..bytes.len() {
            let mut lines = Lines::default();
            let mut told = lines.take(&bytes[..cut]);
            told.extend(lines.take(&bytes[cut..]));
            told.extend(lines.end());
            assert_eq!(told, ["{\"a\":1}", "{\"é\":2}", "last"], "cut at {cut}");
        }
        let mut lines = Lines::default();
        let long = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(lines.take(&long), Vec::<String>::new());
        assert_eq!(lines.take(b"x\nnext\n"), ["next"]);
    }
}
