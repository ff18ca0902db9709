//! Text without the escape sequences of a terminal.

/// Takes escape sequences out of a stream, also where one is cut between two pieces.
#[derive(Default)]
pub(super) struct Plain {
    state: State,
    /// Bytes of a character that is not whole yet.
    rest: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// `ESC [`: until a letter.
    Control,
    /// `ESC ]`, `ESC P` and the like: until BEL or `ESC \`.
    String,
    StringEscape,
    /// `ESC (` and the like: one byte more.
    One,
}

impl Plain {
    /// The text of the next piece. Lines end with `\n` alone; what cannot be seen is left out.
    pub(super) fn take(&mut self, bytes: &[u8]) -> String {
        let mut text = std::mem::take(&mut self.rest);
        for byte in bytes {
            self.state = match (self.state, byte) {
                (State::Text, 0x1b) => State::Escape,
                (State::Text, b'\n' | b'\t' | 0x20..=0x7e | 0x80..) => {
                    text.push(*byte);
                    State::Text
                }
                (State::Text, _) => State::Text,
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::String,
                (State::Escape, b'(' | b')' | b'*' | b'+' | b'#' | b'%' | b' ') => State::One,
                (State::Escape, 0x1b) => State::Escape,
                (State::Control, 0x40..=0x7e) => State::Text,
                (State::Control, 0x1b) => State::Escape,
                (State::Control, _) => State::Control,
                (State::String, 0x07) => State::Text,
                (State::String, 0x1b) => State::StringEscape,
                (State::StringEscape, b'\\') => State::Text,
                (State::String | State::StringEscape, _) => State::String,
                (State::Escape | State::One, _) => State::Text,
            };
        }
        match std::str::from_utf8(&text) {
            Ok(_) => {}
            // A character that goes on in the next piece.
            Err(error) if error.error_len().is_none() => self.rest = text.split_off(error.valid_up_to()),
            Err(_) => {}
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Plain;

    #[test]
    fn colours_titles_and_cursors_are_left_out_wherever_the_stream_is_cut() {
        let bytes = "\u{1b}[1;31mred\u{1b}[0m \u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\link\r\n\u{1b}(B\u{1b}[?25lé😀\u{8}!".as_bytes();
        for cut in 0..bytes.len() {
            let mut plain = Plain::default();
            let text = plain.take(&bytes[..cut]) + &plain.take(&bytes[cut..]);
            assert_eq!(text, "red alink\né😀!", "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_text_does_no_harm() {
        let mut plain = Plain::default();
        assert_eq!(plain.take(&[0xff, b'a', 0x00, 0x7f]), "\u{fffd}a");
    }
}
