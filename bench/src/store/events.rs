//! Made-up events: the same from the same seed, on every machine.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use store::Record;

/// 2026-11-20T14:31:07.950Z
pub(super) const NOW_MS: i64 = 1_795_185_067_950;

/// Different words.
const WORDS: usize = 20_000;

/// Events of eight sessions that run at a time.
const SESSION_EVENTS: u64 = 8_000;

const TOOLS: [&str; 6] = ["Bash", "Read", "Edit", "Write", "Grep", "WebFetch"];
const SYLLABLES: [&str; 24] = [
    "ba", "con", "der", "el", "fi", "ga", "hu", "in", "jo", "ka", "lo", "mi", "na", "or", "pe", "qua", "re", "sta",
    "ti", "ur", "ver", "wi", "xe", "zo",
];

/// Makes events, and words that are in them.
pub(super) struct Generator {
    state: u64,
    last: u64,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Generator {
        Generator { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, last: 0 }
    }

    /// The event with this number.
    pub(super) fn record(&mut self, seq: u64) -> Record {
        self.last = seq;
        let session = session(seq / SESSION_EVENTS * 8 + self.below(8));
        let tool = TOOLS[self.below(TOOLS.len() as u64) as usize];
        let agent = (self.below(4) == 0).then(|| format!("a{:x}", seq / 2_000));
        let is_error = self.below(50) == 0;
        let (kind, event) = match (self.below(10), is_error) {
            (0..5, _) => ("tool_call.started", "pre_tool"),
            (_, true) => ("tool_call.failed", "post_tool"),
            _ => ("tool_call.finished", "post_tool"),
        };
        let json =
            self.json(seq, (kind, event), (&session, tool, agent.as_deref()), is_error && kind != "tool_call.started");
        Record {
            seq,
            time_ms: NOW_MS + seq as i64 * 20,
            recorded_ms: NOW_MS + seq as i64 * 20 + 3,
            kind: kind.into(),
            namespace: "/hook".into(),
            event: event.into(),
            session: Some(Arc::from(session)),
            agent: agent.map(Arc::from),
            tool: Some(Arc::from(tool)),
            is_error,
            source: "hook".into(),
            identity: self.next().max(1),
            json: Bytes::from(json),
            content: None,
        }
    }

    fn json(
        &mut self,
        seq: u64,
        (kind, event): (&str, &str),
        (session, tool, agent): (&str, &str, Option<&str>),
        is_error: bool,
    ) -> String {
        let ms = seq * 20;
        let time = format!(
            "2026-11-20T{:02}:{:02}:{:02}.{:03}Z",
            ms / 3_600_000 % 24,
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        );
        let (call, prompt) = (self.next(), self.next() % 64);
        let agent = agent.map(|agent| format!(r#""agent_id":"{agent}","agent_type":"Explore","#)).unwrap_or_default();
        let outcome = if is_error { "error" } else { "ok" };
        let path = self.path();
        let mut json = format!(
            r#"{{"seq":{seq},"time":"{time}","recorded_at":"{time}","kind":"{kind}","namespace":"/hook","event":"{event}","session_id":"{session}",{agent}"tool_name":"{tool}","tool_use_id":"toolu_{call:016x}","prompt_id":"{session}-{prompt:x}","cwd":"/home/dev/checkout-service","outcome":"{outcome}","duration_ms":{},"summary":"{tool} {path}","sources":["hook"],"data":{{"hook_event_name":"PostToolUse","permission_mode":"default","transcript_path":"/home/dev/.claude/projects/checkout/{session}.jsonl","tool_input":{{"file_path":"/home/dev/checkout-service/{path}","description":""#,
            self.below(9_000)
        );
        self.words(&mut json, 8);
        json.push_str(r#""},"tool_response":{"stdout":""#);
        let count = 10 + self.below(50);
        self.words(&mut json, count);
        json.push_str(r#"","interrupted":false}}}"#);
        json
    }

    fn words(&mut self, json: &mut String, count: u64) {
        for at in 0..count {
            if at > 0 {
                json.push(' ');
            }
            let (one, two) = (self.rank(), self.rank());
            match self.below(12) {
                0 => json.push_str(&self.path()),
                1 => {
                    json.push_str(&word(one));
                    let mut capital = word(two);
                    capital[..1].make_ascii_uppercase();
                    json.push_str(&capital);
                }
                2 => json.push_str(&format!("{}_{}", word(one), word(two))),
                _ => json.push_str(&word(one)),
            }
        }
    }

    /// A file of the project.
    pub(super) fn path(&mut self) -> String {
        let (folder, file) = (self.below(60) as usize, self.below(900) as usize);
        format!("src/{}/{}.rs", word(folder * 7), word(file * 13))
    }

    /// A word by its rank: 0 is the most frequent.
    pub(super) fn word_of(&mut self, ranks: Range<usize>) -> String {
        word(ranks.start + self.below((ranks.end - ranks.start) as u64) as usize)
    }

    /// A session that is there when a million events are.
    pub(super) fn some_session(&mut self) -> String {
        session(self.below(900))
    }

    /// Frequent words have low ranks.
    fn rank(&mut self) -> usize {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        // The inverse of Zipf's distribution with exponent 1.
        ((WORDS as f64).powf(uniform) - 1.0) as usize
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }
}

fn session(number: u64) -> String {
    format!("{:08x}-22aa-4f19-8c3d-{number:012x}", number.wrapping_mul(0x9E37_79B9) as u32)
}

fn word(rank: usize) -> String {
    let mut rest = rank + SYLLABLES.len();
    let mut word = String::new();
    while rest > 0 {
        word.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    word
}
