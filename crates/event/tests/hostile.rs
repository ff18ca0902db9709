//! Two thousand broken payloads: nothing panics, each becomes one event, and no secret or giant gets through.

use event::emitted;
use event::event::{Fact, Source, Time};
use event::filter::Filter;
use event::hook_input;
use event::session::Session;
use event::vocabulary::Kind;
use event::wire::broadcast;
use event::wire::history::{self, EventJson, SessionJson};
use event::wire::websocket::{self, Instance};
use serde_json::{Value, json};

use crate::monitor::Monitor;
use crate::recordings;

/// Payloads that are told.
const PAYLOADS: u64 = 2_000;

/// The same for each release, so that a failure can be looked at again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

fn secret() -> String {
    ["sk-ant-", "api03-hostile0123456789abcdef"].concat()
}

/// What stands in the place of a value.
fn odd(random: &mut Random) -> Value {
    let deep = |depth| {
        (0..depth)
            .fold(json!("deep"), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({ "x": inner }) })
    };
    match random.below(20) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1e308),
        5 => json!(""),
        6 => json!([]),
        7 => json!({}),
        8 => deep(100),
        9 => json!("é".repeat(40_000)),
        10 => json!("\u{0}".repeat(300_000)),
        11 => json!("\u{1b}[31m\u{202e}\r\n\u{0}\u{85}\u{2028}x"),
        12 => json!(format!("key {} and more", secret())),
        13 => json!({ "content": secret(), secret(): 1 }),
        14 => json!(vec![json!({ "tool_use_id": 7, "tool_name": null }); 50]),
        15 => json!([[], {}, null, "x", 3]),
        16 => json!("9999-12-31T23:59:59.999Z"),
        17 => json!("a".repeat(300)),
        18 => json!((0..30_000).map(|number| format!("item {number}")).collect::<Vec<_>>()),
        _ => json!("toolu_other"),
    }
}

/// Changes one value somewhere inside.
fn mutate(value: &mut Value, random: &mut Random) {
    if random.below(4) == 0 {
        *value = odd(random);
        return;
    }
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields.keys().nth(random.below(fields.len())).cloned().unwrap();
            match random.below(12) {
                0 => drop(fields.remove(&key)),
                1 => drop(fields.insert(format!("{key}\u{0}~/"), odd(random))),
                _ => mutate(&mut fields[&key], random),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let place = random.below(items.len());
            mutate(&mut items[place], random);
        }
        other => *other = odd(random),
    }
}

/// Breaks the text itself.
fn tear(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let place = random.below(bytes.len());
    match random.below(24) {
        0 => bytes.truncate(place),
        1 => bytes[place] = 0xff,
        2 => bytes[place] = 0,
        3 => drop(bytes.splice(1..1, *br#""session_id":{"a":1},"tool_use_id":12,"session_id":"twice","#)),
        4 => drop(bytes.splice(1..1, *br#""prompt":"half \ud83d pair","#)),
        5 => drop(bytes.splice(1..1, br#""x":"#.iter().copied().chain([b'['; 500]))),
        6 => drop(bytes.splice(0..0, *b"\xef\xbb\xbf")),
        7 => bytes.extend(b"{}"),
        _ => {}
    }
    bytes
}

#[test]
fn whatever_comes_becomes_one_harmless_event() {
    let mut random = Random(20_261_120);
    let recorded = recordings::payloads();
    let mut monitor = Monitor::default();
    for number in 0..PAYLOADS {
        let mut payload = recorded[random.below(recorded.len())].clone();
        for _ in 0..random.below(4) {
            mutate(&mut payload, &mut random);
        }
        let bytes = tear(payload.to_string().into_bytes(), &mut random);
        let at = Time::from_ms(1_795_185_067_950 + number as i64);
        let fact = hook_input::read(&bytes, at, Source::Hook);
        let first = monitor.events.len();
        let count = monitor.take(fact);
        assert!(count >= 1 || monitor.events.len() == first, "payload {number} is lost");
        for event in &monitor.events[first..] {
            check(&event.fact, number);
            let written = serde_json::to_vec(&EventJson::from(event)).unwrap();
            assert!(history::read(&written).is_ok(), "payload {number} cannot be read back");
            let frame = websocket::frame(event, &Instance { port: 8765, host: "localhost".to_owned() }).to_string();
            assert!(frame.len() < 1024 * 1024, "payload {number}: a frame of {} bytes", frame.len());
            broadcast::message(event);
        }
    }
    let count = |is: fn(&Fact) -> bool| monitor.facts().filter(|fact| is(fact)).count();
    assert!(count(|fact| fact.kind == Kind::HookUnreadable) > 100);
    assert!(count(|fact| !fact.cut.is_empty()) > 500);
    assert!(count(|fact| fact.data.to_string().contains("[redacted:")) > 50);
    look_at_sessions(&monitor);
}

fn check(fact: &Fact, number: u64) {
    assert!(fact.summary.chars().count() <= 160, "payload {number}: {}", fact.summary);
    assert!(!fact.summary.chars().any(char::is_control), "payload {number}: {:?}", fact.summary);
    let ids = [&fact.session_id, &fact.agent_id, &fact.agent_type, &fact.tool_name, &fact.tool_use_id, &fact.prompt_id];
    assert!(ids.into_iter().flatten().all(|id| !id.is_empty() && id.len() <= 256), "payload {number}: {fact:?}");
    let told = format!("{}{}{:?}", fact.data, fact.summary, fact.whole);
    assert!(!told.contains(&secret()), "payload {number} tells a secret");
    let known = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    assert!(known(fact.event_name()), "payload {number}: {}", fact.event_name());
}

fn look_at_sessions(monitor: &Monitor) {
    assert!(monitor.sessions.len() > 20);
    let everything = Filter::parse("/x/ -nothing \"deep\"", Time::from_ms(0)).unwrap();
    for event in monitor.events.iter().step_by(7) {
        everything.wants_json(&serde_json::to_vec(&EventJson::from(event)).unwrap());
    }
    for session in monitor.sessions.values() {
        let now = Time::from_ms(session.last_event_at.ms() + 1);
        let shown = serde_json::to_string(&SessionJson::at(session, now)).unwrap();
        assert!(!shown.contains(&secret()), "{shown}");
        let checkpoint = serde_json::to_string(session).unwrap();
        let restored: Session = serde_json::from_str(&checkpoint).unwrap();
        assert_eq!(
            serde_json::to_string(&SessionJson::at(&restored, now)).unwrap(),
            shown,
            "a checkpoint changes the session"
        );
    }
}

#[test]
fn whatever_is_emitted_is_taken_or_refused() {
    let mut random = Random(8_765);
    let good = json!({ "namespace": "/hook", "event": "claude_event", "room": "r", "data": { "type": "hook", "hook_event_name": "PreToolUse",
        "session_id": "s", "timestamp": "2025-01-31T14:30:52.123Z", "data": { "tool_name": "Bash", "tool_input": { "command": "ls" } } } });
    let mut monitor = Monitor::default();
    for number in 0..PAYLOADS {
        let mut emitted = good.clone();
        for _ in 0..random.below(5) {
            mutate(&mut emitted, &mut random);
        }
        if let Ok(fact) = emitted::read(emitted, Time::from_ms(1_000), Source::Emit) {
            assert!(fact.time <= Time::from_ms(1_000 + 3_600_000), "an event of the future: {}", fact.time);
            assert!(fact.summary.chars().count() <= 160 && !fact.summary.chars().any(char::is_control), "{number}");
            assert!(!format!("{}{:?}", fact.data, fact.whole).contains(&secret()), "{number}");
            monitor.take(fact);
        }
    }
    assert!(monitor.events.len() > 500);
}
