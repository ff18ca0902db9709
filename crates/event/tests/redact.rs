//! Credentials vanish and look-alikes stay: `redact-corpus.json`, which `redact_corpus.py` writes. What is known to pass
//! is named here, so that it is a decision.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use event::redact;
use serde_json::Value;

/// Shapes that nothing but their surroundings tells from a word, or that would take harmless text with them.
const KNOWN_TO_PASS: [&str; 9] = [
    // It names a key and opens nothing.
    "twilio key id",
    "crates.io token",
    "discord bot token",
    "sudo from echo",
    "shadow line",
    "secret in a person's words",
    "secret in a german sentence",
    "terminal colours",
    "zero width inside of the name",
];

fn corpus() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redact-corpus.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap().replace('§', "")).unwrap()
}

/// What of a secret is still to be read; six characters in a row of it are too many.
fn left_of(secret: &str, redacted: &str) -> Option<String> {
    const ROW: usize = 6;
    let told: Vec<&str> = redacted.split("[redacted:").collect();
    let told = told.iter().enumerate().map(|(at, part)| match part.split_once(']') {
        Some((_, rest)) if at > 0 => rest,
        _ => part,
    });
    let told: Vec<&str> = told.collect();
    let parts = secret.split("\\n").flat_map(str::split_whitespace);
    for part in parts.map(|part| part.chars().collect::<Vec<char>>()).chain([secret.chars().collect()]) {
        for row in part.windows(ROW.min(part.len()).max(1)) {
            let row: String = row.iter().collect();
            if told.iter().any(|text| text.contains(&row)) {
                return Some(row);
            }
        }
    }
    None
}

fn verdict(case: &Value, redacted: &str) -> Option<String> {
    if let Some(secret) = case["secret"].as_str() {
        if !redacted.contains("[redacted:") {
            return Some("nothing is replaced".to_owned());
        }
        if let Some(row) = left_of(secret, redacted) {
            return Some(format!("{row:?} of it leaks"));
        }
    }
    let stays = case["must_stay"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    stays.filter(|text| !redacted.contains(*text)).map(|text| format!("takes {text:?}")).next()
}

#[test]
fn every_credential_of_the_corpus_vanishes_and_every_look_alike_stays() {
    let mut wrong = Vec::new();
    let mut passed = BTreeSet::new();
    let before = "Nothing to see here.\n".repeat(100);
    let corpus = corpus();
    for case in corpus["cases"].as_array().unwrap() {
        let (name, text) = (case["name"].as_str().unwrap(), case["text"].as_str().unwrap());
        let redacted = redact::text(text);
        let mut found = verdict(case, &redacted);
        if case["secret"].is_null() && redacted != text {
            found = Some("harmless text is changed".to_owned());
        }
        if redact::text(&format!("{before}{text}")) != format!("{before}{redacted}") {
            found = Some("is not the same within a long text".to_owned());
        }
        if redact::text(&redacted) != redacted {
            found = Some("what is redacted is redacted again".to_owned());
        }
        match found {
            Some(_) if KNOWN_TO_PASS.contains(&name) && redacted == text => drop(passed.insert(name)),
            Some(found) => wrong.push(format!("{name}: {found}\n    {text:?}\n    {redacted:?}")),
            None => {}
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(passed, BTreeSet::from(KNOWN_TO_PASS), "what is found by now is no longer known to pass");
}

#[test]
fn a_secret_is_found_by_the_name_of_its_field_in_whatever_form_name_and_value_stand() {
    let mut wrong = Vec::new();
    let corpus = corpus();
    for case in corpus["fields"].as_array().unwrap() {
        let mut value = case["value"].clone();
        let any = redact::value(&mut value);
        let (redacted, once) = (value.to_string(), value.clone());
        let harmless = case["secret"].is_null() && (any || value != case["value"]);
        let again = redact::value(&mut value) || value != once;
        let found = verdict(case, &redacted);
        if found.is_some() || harmless || again {
            wrong.push(format!("{}: {found:?}, again: {again}\n    {redacted}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Texts made to be searched again and again. In linear time each takes milliseconds; in quadratic time, minutes.
#[test]
fn no_text_takes_longer_than_its_length_allows() {
    const BYTES: usize = 1 << 20;
    const LONGEST: Duration = Duration::from_secs(10);
    for part in [
        "sk-",
        "http ",
        "curl ",
        "curl -H x ",
        "://a:",
        "://",
        "eyJ-sk-aaaaaaaaaaaaaaaaaaaaaaaa-",
        "eyJaaaaaaaaaa.",
        "password: password",
        "password=\"a ",
        "secret:",
        "-----BEGIN PRIVATE KEY",
        "cookie: a=b",
        "bearer\t",
        "docker login ",
        "key=\"token",
        "define('TOKEN','",
        "Private-Lines: 1\n",
        "0123456789:AA",
        "[redacted:secret]",
    ] {
        let text = part.repeat(BYTES / part.len());
        let started = Instant::now();
        let redacted = redact::text(&text);
        let took = started.elapsed();
        assert!(took < LONGEST, "{part:?} took {took:?}");
        if let Cow::Owned(redacted) = redacted {
            assert!(redacted.contains("[redacted:"));
        }
    }
}

/// All texts of a folder, of kinds that tools read and write.
fn texts_below(folder: &Path, found: &mut Vec<String>) {
    const KINDS: [&str; 12] = ["rs", "md", "jsonl", "json", "js", "ts", "svelte", "toml", "py", "css", "html", "txt"];
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            texts_below(&path, found);
        } else if path.extension().is_some_and(|kind| KINDS.iter().any(|known| kind == *known)) {
            found.extend(std::fs::read_to_string(&path));
        }
    }
}

/// `cargo test --release -p event redact -- --ignored --nocapture`; `REDACT_SAMPLE` names another folder than this project.
#[test]
#[ignore = "a measurement"]
fn performance_of_redaction() {
    const BYTES: usize = 40 << 20;
    const TELLING: [&str; 12] =
        ["passw", "token", "secret", "key", "auth", "://", "sk-", "cookie", "login", "bearer", "credential", "pass"];
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("REDACT_SAMPLE").map_or(own, Into::into);
    let mut files = Vec::new();
    texts_below(&folder, &mut files);
    files.retain(|file| !file.contains("redact_corpus"));
    let speaks = |line: &&str| TELLING.iter().any(|word| line.to_ascii_lowercase().contains(word));
    let clean: Vec<String> =
        files.iter().map(|file| file.lines().filter(|line| !speaks(line)).collect::<Vec<_>>().join("\n")).collect();
    let short: Vec<String> = clean.iter().flat_map(|file| file.lines()).map(str::to_owned).collect();
    for (name, texts) in
        [("files as they are", files), ("files, clean lines alone", clean), ("clean lines, one by one", short)]
    {
        let sample: Vec<&String> = texts
            .iter()
            .cycle()
            .scan(0, |sum, text| {
                *sum += text.len();
                (*sum < BYTES).then_some(text)
            })
            .collect();
        let bytes: usize = sample.iter().map(|text| text.len()).sum();
        let mut rounds = Vec::new();
        let mut changed = Vec::new();
        for _ in 0..25 {
            let started = Instant::now();
            changed = sample
                .iter()
                .filter_map(|text| match redact::text(text) {
                    Cow::Owned(redacted) => Some(redacted),
                    Cow::Borrowed(_) => None,
                })
                .collect();
            rounds.push(started.elapsed());
        }
        rounds.sort();
        let marks: usize = changed.iter().map(|text| text.matches("[redacted:").count()).sum();
        let rate = bytes as f64 / rounds[0].as_secs_f64() / 1e6;
        println!(
            "{name:24} {:5.1} MB in {:5} texts: {:7.1?}, {rate:7.1} MB/s, {marks} marks",
            bytes as f64 / 1e6,
            sample.len(),
            rounds[0]
        );
    }
}
