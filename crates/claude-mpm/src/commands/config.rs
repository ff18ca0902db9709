//! `claude-mpm config`: every value with where it comes from; `config set` changes some.

use serde_json::{Value, json};

use crate::cli::{self, ConfigArgs, ConfigCommand};
use crate::commands::hooks;
use crate::daemon::holder;
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::{self, Settings, edit, keys};

/// Variables of the environment that steer the monitor, besides those of the port.
const VARIABLES: [&str; 5] =
    ["CLAUDE_MPM_SOCKETIO_TOKEN", "CLAUDE_MPM_HOME", "CLAUDE_CONFIG_DIR", "CLAUDE_MPM_HOOK_DEBUG", "CLAUDE_MPM_LOG"];

/// A value, and who said it.
struct Said {
    key: String,
    value: Value,
    origin: String,
}

impl Said {
    /// The value for people.
    fn shown(&self) -> String {
        self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned)
    }
}

/// Runs it.
pub(crate) fn run(options: &ConfigArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    match &options.command {
        None => show(&home, options.json),
        Some(ConfigCommand::Path) => {
            report::line(home.path().join(settings::FILE).display());
            Ok(())
        }
        Some(ConfigCommand::Get { key }) => {
            let found = all(&home)?.into_iter().find(|said| said.key == *key);
            let said = found.ok_or_else(|| unknown(key))?;
            report::line(if options.json { in_json(&said).to_string() } else { report::harmless(&said.shown()) });
            Ok(())
        }
        Some(ConfigCommand::Set { pairs }) => set(&home, pairs),
        Some(ConfigCommand::Unset { keys }) => {
            change(&home, &keys.iter().map(|key| (key.as_str(), None)).collect::<Vec<_>>())
        }
    }
}

fn show(home: &Home, json: bool) -> Result<(), Failure> {
    let settings = Settings::load(home)?;
    let said = all(home)?;
    if json {
        let values: Vec<Value> = said.iter().map(in_json).collect();
        report::line(json!({ "file": settings.file, "values": values, "unknown": settings.unknown }));
        return Ok(());
    }
    let width = said.iter().map(|said| said.key.len()).max().unwrap_or(0);
    let wide = said.iter().map(|said| said.shown().chars().count()).max().unwrap_or(0).min(40);
    for said in &said {
        report::line(format_args!("{:<width$}  {:<wide$}  {}", said.key, report::harmless(&said.shown()), said.origin));
    }
    for key in &settings.unknown {
        report::line(format_args!(
            "✗ {} in {} means nothing to the monitor",
            report::harmless(key),
            settings.file.display()
        ));
    }
    Ok(())
}

/// Everything that decides how a monitor runs.
fn all(home: &Home) -> Result<Vec<Said>, Failure> {
    // First, so that a file that is wrong is told of.
    let settings = Settings::load(home)?;
    let text = settings::read(&settings.file)?.unwrap_or_default();
    let file = settings::values(&text);
    let project = settings::project_file(home);
    let mut said: Vec<Said> = keys::KEYS
        .iter()
        .map(|key| {
            let found = key.path.split('.').try_fold(&file["monitoring"], |value, name| value.get(name));
            let (value, origin) = match found.filter(|found| !found.is_null()) {
                Some(found) => (found.clone(), settings.file.display().to_string()),
                None => (default(key), "default".to_owned()),
            };
            let is_secret = key.path.ends_with("password_hash") && origin != "default";
            Said {
                key: format!("monitoring.{}", key.path),
                value: if is_secret { json!("(set)") } else { value },
                origin,
            }
        })
        .collect();
    if let Some(port) = said.iter_mut().find(|said| said.key == "monitoring.port") {
        let decided = cli::port(None, &settings);
        let variable = ["CLAUDE_MPM_SOCKETIO_PORT", "SOCKETIO_PORT"]
            .into_iter()
            .find(|name| std::env::var(name).is_ok_and(|value| value.trim().parse() == Ok(decided) && decided != 0));
        let of_project = project.filter(|_| settings.project_port.is_some());
        port.value = json!(decided);
        port.origin = match (variable, of_project) {
            (Some(name), _) => format!("environment: {name}"),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => port.origin.clone(),
        };
    }
    for name in VARIABLES {
        if let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) {
            let is_secret = name.ends_with("TOKEN");
            let value = if is_secret { json!("(set)") } else { json!(value.to_string_lossy()) };
            said.push(Said { key: name.to_owned(), value, origin: "environment".to_owned() });
        }
    }
    if let Ok(look) = hooks::look(false, false)
        && let Some(port) = look.port
    {
        said.push(Said { key: "hooks.port".to_owned(), value: json!(port), origin: look.path.display().to_string() });
    }
    Ok(said)
}

fn default(key: &keys::Key) -> Value {
    match key.path {
        // The table only says what they are.
        "reclaim" => json!(holder::RECLAIMED),
        _ => settings::values(key.default),
    }
}

fn in_json(said: &Said) -> Value {
    json!({ "key": said.key, "value": said.value, "origin": said.origin })
}

fn set(home: &Home, pairs: &[String]) -> Result<(), Failure> {
    if pairs.len() % 2 == 1 {
        let last = pairs.last().map_or("", String::as_str);
        return Err(Failure::new(
            "Nothing was changed",
            format!("{} has no value", report::harmless(last)),
            "Say a value behind each key: claude-mpm config set KEY VALUE [KEY VALUE]...",
        )
        .with_code(2));
    }
    let changes: Vec<(&str, Option<&str>)> =
        pairs.chunks(2).map(|pair| (pair[0].as_str(), Some(pair[1].as_str()))).collect();
    change(home, &changes)
}

/// Changes values, all or none; one that is `None` is taken out.
fn change(home: &Home, changes: &[(&str, Option<&str>)]) -> Result<(), Failure> {
    let file = home.path().join(settings::FILE);
    let old = settings::read(&file)?.unwrap_or_default();
    // A file that is wrong already is for its owner to mend.
    settings::checked(&file, &old)?;
    let named: Vec<&str> = changes.iter().map(|(key, _)| *key).collect();
    let named = named.join(" and ");
    let refused =
        |reason: String, help: &str| Failure::new(format!("{named} was not changed"), reason, help).with_code(2);
    let by_hand =
        |reason: String| refused(reason, "Edit the file by hand; docs/operations.md says what each key takes");
    let mut new = old.clone();
    let mut paths = Vec::new();
    for (key, value) in changes {
        let path = key.strip_prefix("monitoring.").filter(|path| keys::KEYS.iter().any(|known| known.path == *path));
        let Some(path) = path else { return Err(unknown(key)) };
        let names: Vec<&str> = std::iter::once("monitoring").chain(path.split('.')).collect();
        new = match value {
            Some(value) => edit::set(&new, &names, &edit::scalar(value)).map_err(by_hand)?,
            None => edit::unset(&new, &names).map_err(by_hand)?.unwrap_or(new),
        };
        paths.push(names);
    }
    if let Some(reason) = settings::fault(&new) {
        let help = if reason.starts_with("monitoring.admin needs") {
            "Set or unset both at once: claude-mpm config set monitoring.admin.user NAME monitoring.admin.password_hash HASH"
        } else {
            "See docs/operations.md for what each key takes"
        };
        return Err(refused(reason, help));
    }
    let (monitoring, _) = settings::checked(&file, &new)?;
    let touches = |section: &str| paths.iter().any(|path| path.contains(&section));
    if touches("tls") {
        usable(&monitoring.tls).map_err(|(reason, help)| refused(reason, help))?;
    }
    if let Some(admin) = monitoring.admin.as_ref().filter(|_| touches("admin")) {
        server::check_hash(&admin.password_hash)
            .map_err(|reason| refused(reason, "Make one with: claude-mpm monitor hash-password"))?;
    }
    // What else the file says must be what it said.
    let (mut before, mut after) = (settings::values(&old), settings::values(&new));
    for names in &paths {
        without(&mut before, names);
        without(&mut after, names);
    }
    if pruned(before) != pruned(after) {
        return Err(by_hand(format!("{} is written in a way that cannot be changed safely", file.display())));
    }
    write(&file, &new).map_err(|error| {
        Failure::new(format!("{} cannot be written", file.display()), &error, report::way_out(&error))
    })?;
    for (key, value) in changes {
        match value {
            Some(value) => report::line(format_args!("✓ {key} is {} in {}", report::harmless(value), file.display())),
            None => report::line(format_args!("✓ {key} is not in {}, so its default counts", file.display())),
        }
    }
    report::line("  A running monitor takes it at its next start: claude-mpm monitor restart");
    Ok(())
}

/// Whether a monitor would start with these; else why not, and what helps.
fn usable(tls: &settings::Tls) -> Result<(), (String, &'static str)> {
    match (&tls.cert, &tls.key) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => {}
        _ => {
            return Err((
                "TLS needs a certificate and its private key, and only one of them would be named".to_owned(),
                "Set both at once: claude-mpm config set monitoring.tls.cert FILE monitoring.tls.key FILE",
            ));
        }
    }
    for file in [&tls.cert, &tls.key].into_iter().flatten() {
        let readable = std::fs::File::open(file).and_then(|opened| opened.metadata());
        match readable {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err((format!("{} is no file", file.display()), "Name a PEM file")),
            Err(error) => return Err((format!("{}: {error}", file.display()), "Name a PEM file that you can read")),
        }
    }
    Ok(())
}

fn without(value: &mut Value, path: &[&str]) {
    match path {
        [] => {}
        [last] => {
            if let Some(fields) = value.as_object_mut() {
                fields.shift_remove(*last);
            }
        }
        [first, rest @ ..] => {
            if let Some(inner) = value.get_mut(*first) {
                without(inner, rest);
            }
        }
    }
}

/// Sections with nothing in them say nothing.
fn pruned(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept =
                fields.into_iter().map(|(name, value)| (name, pruned(value))).filter(|(_, value)| !value.is_null());
            let kept: serde_json::Map<String, Value> = kept.collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        other => other,
    }
}

/// Its readers see the old file or the new one.
pub(crate) fn write(file: &std::path::Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A file behind a link is meant, and keeps its permissions.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let new = file.with_extension("yaml.new");
    if let Err(error) = std::fs::write(&new, text) {
        // Half a file is of use to nobody, least of all on a full disk.
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    if let Ok(metadata) = std::fs::metadata(&file) {
        std::fs::set_permissions(&new, metadata.permissions())?;
    }
    std::fs::rename(&new, &file)
}

fn unknown(key: &str) -> Failure {
    let near = keys::KEYS
        .iter()
        .map(|known| format!("monitoring.{}", known.path))
        .find(|known| known.ends_with(&format!(".{key}")));
    let suggestion =
        near.map_or_else(|| "List all of them: claude-mpm config".to_owned(), |near| format!("Did you mean {near}?"));
    Failure::new(
        format!("{} is no key", report::harmless(key)),
        "the configuration has no value of that name",
        suggestion,
    )
    .with_code(2)
}
