//! History with an index answers what looking at every event answers, for events and queries made up from a fixed seed.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::event::Time;
use event::filter::{self, Filter};
use serde_json::{Value, json};
use store::{Batch, Direction, Needle, Options, PageQuery, Record, Store, Words};

const DAY_MS: i64 = 86_400_000;
const NOW_MS: i64 = 1_795_185_067_950;

const EVENTS: u64 = 2_700;
const QUERIES: usize = 450;

/// Marsaglia's xorshift: the same events and queries on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const PIECES: [&str; 40] = [
    "src/server/hub.rs",
    "handleRequest",
    "snake_case_name",
    "checkout",
    "Ünïcode",
    "ÉCOLE",
    "Straße",
    "ΟΔΟΣ",
    "ΟΔΟΣΑ",
    "İstanbul",
    "日本語",
    "テスト",
    "aB3dEfGhIjKlMnOpQrStUv",
    "0x7fff",
    "exit 1",
    "\"quoted\"",
    "tab\there",
    "line\nbreak",
    "→",
    ".rs",
    "..",
    "HTTPServer",
    "parseJSONFast",
    "v1.2.3",
    "user@example.com",
    "error:",
    "E0308",
    "pnpm test",
    "ǅungla",
    "ﬁne",
    "e\u{301}t",
    "a",
    "I",
    "node_modules/.bin",
    "--flag=value",
    "C++",
    "x_",
    "_x",
    "camelCaseÄndern",
    "😀emoji",
];
const KINDS: [(&str, &str, &str); 7] = [
    ("tool_call.started", "/hook", "pre_tool"),
    ("tool_call.finished", "/hook", "post_tool"),
    ("tool_call.failed", "/hook", "post_tool"),
    ("log.message", "/log", "message"),
    ("permission.requested", "/hook", "notification"),
    ("turn.finished", "/claude", "status_changed"),
    ("session.started", "/session", "start"),
];
const TOOLS: [&str; 5] = ["Bash", "Read", "Edit", "mcp__server__do_it", "WebFetch"];
const AGENTS: [&str; 4] = ["Explore", "qa-engineer", "Main", "general purpose"];

fn text(random: &mut Random) -> String {
    let count = 1 + random.below(4);
    let joint = random.one(&[" ", "/", ", ", "", "_", "\n"]);
    (0..count).map(|_| random.one(&PIECES)).collect::<Vec<_>>().join(joint)
}

fn event(seq: u64, random: &mut Random) -> Value {
    let (kind, namespace, name) = KINDS[random.below(KINDS.len())];
    let time = Time::from_ms(NOW_MS - (EVENTS - seq) as i64 * 60_000);
    let mut event = json!({ "seq": seq, "time": time, "recorded_at": time, "kind": kind, "namespace": namespace, "event": name,
        "summary": text(random), "sources": ["hook"] });
    let fields = event.as_object_mut().unwrap();
    if random.below(5) > 0 {
        fields.insert("session_id".into(), json!(format!("C01bd4e{}-22aa-4f19", random.below(9))));
    }
    if random.below(3) == 0 {
        fields.insert("agent_id".into(), json!(format!("a{}", random.below(4))));
        fields.insert("agent_type".into(), json!(random.one(&AGENTS)));
    }
    if kind.starts_with("tool_call") {
        fields.insert("tool_name".into(), json!(random.one(&TOOLS)));
        fields.insert("tool_use_id".into(), json!(format!("toolu_0{}AbC{}xYz", random.below(99), random.below(9999))));
        fields.insert("outcome".into(), json!(random.one(&["ok", "error", "denied"])));
        fields.insert("duration_ms".into(), json!(random.below(20_000)));
    }
    if random.below(2) == 0 {
        fields.insert("cwd".into(), json!(random.one(&["/w/web-shop", "/w/Web Shop/", "/home/dev/ÄPP", "/"])));
    }
    let data = json!({ "level": random.one(&["DEBUG", "INFO", "warn", "ERROR", "CRITICAL", "odd"]), "message": text(random),
        "number": random.below(5_000), "tool_input": { "file_path": format!("/w/{}", text(random)), "list": [text(random), 7.5, null, true] } });
    fields.insert("data".into(), data);
    event
}

/// A part of something that is there, cut anywhere, or something that is not.
fn piece(random: &mut Random, events: &[Value]) -> String {
    let event = &events[random.below(events.len())];
    let all = event["data"]["message"].as_str().unwrap().to_owned() + event["summary"].as_str().unwrap();
    let letters: Vec<char> = all.chars().collect();
    let from = random.below(letters.len());
    let length = 1 + random.below(12);
    letters[from..(from + length).min(letters.len())].iter().collect()
}

fn term(random: &mut Random, events: &[Value]) -> String {
    let word = piece(random, events).replace(|letter: char| letter.is_whitespace() || letter == '"', "");
    let listed = |random: &mut Random, of: &[&str]| {
        (0..1 + random.below(2)).map(|_| random.one(of)).collect::<Vec<_>>().join(",")
    };
    match random.below(20) {
        0..=3 => word,
        4 => format!("{word}*"),
        5 => random.one(&PIECES).replace(char::is_whitespace, ""),
        6 | 7 => format!("\"{}\"", piece(random, events).replace('"', "")),
        8 => format!("tool:{}", listed(random, &["bash", "READ", "mcp__server__do_it", "nothing"])),
        9 => format!("kind:{}", listed(random, &["tool_call", "log.message", "post_tool", "turn", "session.started"])),
        10 => format!("ns:{}", listed(random, &["hook", "/log", "session", "nowhere"])),
        11 => format!("session:{}", listed(random, &["c01b", "c01bd4e3-22aa", "C01BD4E5", "22aa"])),
        12 => format!("agent:{}", listed(random, &["main", "explore", "a2", "qa-engineer"])),
        13 => format!("project:{}", listed(random, &["web-shop", "äpp", "shop"])),
        14 => format!("path:{}", listed(random, &["hub.rs", "/w/src/server", "erver/hub", "case_na"])),
        15 => random
            .one(&["is:error", "is:need", "is:open", "level:warning", "level:debug", "took:>5s", "took:<100ms"])
            .to_owned(),
        16 => random.one(&["last:10h", "from:2026-11-20T01:00:00Z", "to:2026-11-20T05:00:00Z", "raw:1"]).to_owned(),
        17 => random.one(&["in:content", "in:content body", "in:content \"7 of hub\"", "in:content -body"]).to_owned(),
        18 => format!("path:{}", listed(random, &["src", "hub.rs", "server", "handleRequest"])),
        _ => format!("/{}/", random.one(&["exit \\d", "hub\\.rs", "^a", "über|ünï"])),
    }
}

fn filled(dir: &Path, random: &mut Random) -> (Store, Vec<Value>) {
    let words = Words { version: filter::TOKENS_VERSION, tell: filter::tokens_of };
    let options = Options { encrypted: false, words: Some(words), ..Options::default() };
    let mut store = Store::open(dir, None, options, NOW_MS).unwrap();
    let mut events: Vec<Value> = (1..=EVENTS).map(|seq| event(seq, random)).collect();
    for chunk in events.chunks(89) {
        let record = |event: &Value| {
            let (seq, time) = (event["seq"].as_u64().unwrap(), Time::parse(event["time"].as_str().unwrap()).unwrap());
            let content = content_of(seq).map(Bytes::from);
            Record { seq, time_ms: time.ms(), json: bytes_of(event), content, ..Record::default() }
        };
        let batch = Batch { records: chunk.iter().map(record).collect(), ..Batch::default() };
        let day = (store.next_seq() / 1_300) as i64;
        store.write(&batch, NOW_MS + day * DAY_MS).unwrap();
    }
    // Some are enriched, before or after they were indexed.
    for _ in 0..60 {
        let at = random.below(events.len());
        let time = events[at]["time"].clone();
        events[at] = event(at as u64 + 1, random);
        events[at]["time"] = time;
        let rewritten = vec![(at as u64 + 1, bytes_of(&events[at]))];
        store.write(&Batch { rewritten, ..Batch::default() }, NOW_MS + 2 * DAY_MS).unwrap();
    }
    (store, events)
}

/// What is withheld of an event's payload, if anything is.
fn content_of(seq: u64) -> Option<String> {
    seq.is_multiple_of(7)
        .then(|| json!({ "tool_input": { "content": format!("body {} of hub.rs", seq % 10) } }).to_string())
}

fn bytes_of(event: &Value) -> Bytes {
    Bytes::from(event.to_string())
}

#[test]
fn made_up_queries_find_in_made_up_events_what_looking_at_each_finds() {
    let seed = 0x5eed_0004;
    let mut random = Random(seed);
    let temp = tempfile::tempdir().unwrap();
    let (store, events) = filled(temp.path(), &mut random);
    let reader = store.reader();
    let (mut looked, mut scanned, mut matched) = (0, 0, 0);
    for turn in 0..QUERIES {
        let terms: Vec<String> = (0..1 + random.below(3))
            .map(|_| format!("{}{}", if random.below(6) == 0 { "-" } else { "" }, term(&mut random, &events)))
            .collect();
        let text = terms.join(" ");
        let Ok(filter) = Filter::parse(&text, Time::from_ms(NOW_MS)) else { continue };
        let expected: Vec<u64> = (1..=EVENTS)
            .rev()
            .filter(|seq| {
                let content = content_of(*seq);
                let json = events[*seq as usize - 1].to_string();
                filter.wants_whole(json.as_bytes(), content.as_ref().map(String::as_bytes))
            })
            .collect();
        let (found, count) = search(&reader, &filter, 1 + random.below(300), turn % 2 == 0);
        assert_eq!(found, expected, "query {text:?}");
        if !filter.needles().is_empty() && turn > QUERIES / 2 {
            looked += count;
            scanned += EVENTS as usize;
        }
        matched += expected.len();
    }
    assert!(matched > 10_000, "the queries ask for too little: {matched}");
    // One-letter words are in nearly every block of so few events; that it spares much is proven where there are many.
    assert!(looked * 3 < scanned * 2, "the index spares nothing: {looked} of {scanned} events were looked at");
}

/// All pages of a query, as newest first, and how many events were looked at.
fn search(reader: &store::Reader, filter: &Filter, limit: usize, newest_first: bool) -> (Vec<u64>, usize) {
    let asked = |needle: filter::Needle| Needle { token: needle.token, is_prefix: needle.is_prefix };
    let needles: Vec<Vec<Needle>> =
        filter.needles().into_iter().map(|one_of| one_of.into_iter().map(asked).collect()).collect();
    let mut direction = if newest_first { Direction::Newest { before: None } } else { Direction::Oldest { after: 0 } };
    let (mut found, mut looked) = (Vec::new(), 0);
    loop {
        let deadline = Instant::now() + Duration::from_secs(60);
        let (from, to) = filter.times();
        let query = PageQuery {
            needles: needles.clone(),
            time_from_ms: from.map(Time::ms),
            time_to_ms: to.map(Time::ms),
            with_content: filter.asks_for_content(),
            ..PageQuery::new(direction, limit, deadline)
        };
        let mut matches = |json: &[u8], content: Option<&[u8]>| {
            looked += 1;
            filter.wants_whole(json, content)
        };
        let page = reader.page_with_content(&query, &mut matches).unwrap();
        let number = |json: &Bytes| serde_json::from_slice::<Value>(json).unwrap()["seq"].as_u64().unwrap();
        found.extend(page.events.iter().map(number));
        let Some(next) = page.next else { break };
        direction =
            if newest_first { Direction::Newest { before: Some(next) } } else { Direction::Oldest { after: next } };
    }
    if !newest_first {
        found.reverse();
    }
    (found, looked)
}
