//! What is in a settings file of Claude Code before and after: pure, over its bytes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::edit::{self, Node};

/// The name of the hook program, by which its handlers are recognised wherever it lies.
pub(crate) const PROGRAM_NAME: &str = "claude-mpm-hook";

/// Seconds after which Claude Code gives a hook up. The hook itself never takes half as long; all SessionEnd hooks
/// together have 1.5 unless one asks for more.
const TIMEOUT_S: u64 = 5;

/// The command that hooks run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handler {
    /// The hook program, an absolute path.
    pub(crate) program: PathBuf,
    /// The port whose spool it writes to.
    pub(crate) port: u16,
    /// Largest size of the spool, if not the built-in one.
    pub(crate) cap_bytes: Option<u64>,
    /// `CLAUDE_MPM_HOME`, where it is not the usual one: hooks do not see this environment.
    pub(crate) home: Option<PathBuf>,
}

impl Handler {
    /// What follows the program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--port".to_owned(), self.port.to_string()];
        if let Some(cap_bytes) = self.cap_bytes {
            arguments.extend(["--cap-bytes".to_owned(), cap_bytes.to_string()]);
        }
        if let Some(home) = &self.home {
            arguments.extend(["--home".to_owned(), home.display().to_string()]);
        }
        arguments
    }

    fn value(&self) -> Value {
        json!({"type": "command", "command": self.program.display().to_string(), "args": self.arguments(), "timeout": TIMEOUT_S})
    }
}

/// A hook event to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Claude Code's name of it.
    pub(crate) event: String,
    /// What it is filtered by; `FileChanged` needs the names of the files.
    pub(crate) matcher: Option<String>,
}

/// Why a settings file is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) String);

/// The bytes of the file with `handler` at every event in `wanted`, and at no other. `None` stands for no file.
///
/// Everything else keeps its bytes. Giving it its own result changes nothing.
pub(crate) fn install(bytes: Option<&[u8]>, handler: &Handler, wanted: &[Wanted]) -> Result<Vec<u8>, Unreadable> {
    let mut text = text_of(bytes)?;
    for event in installed(text.as_bytes())?.into_iter().map(|installed| installed.event) {
        if !wanted.iter().any(|wanted| wanted.event == event) {
            text = without(text, &event);
        }
    }
    let value = handler.value();
    for wanted in wanted {
        text = with(text, wanted, &value);
    }
    if !text.ends_with('\n') && bytes.is_none_or(<[u8]>::is_empty) {
        text.push('\n');
    }
    Ok(text.into_bytes())
}

/// The bytes of the file without any handler of ours, and without what is empty then.
pub(crate) fn uninstall(bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut text = text_of(Some(bytes))?;
    for installed in installed(bytes)? {
        text = without(text, &installed.event);
    }
    Ok(if installed(text.as_bytes())?.is_empty() { text.into_bytes() } else { bytes.to_vec() })
}

/// A handler of ours that is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) event: String,
    pub(crate) matcher: Option<String>,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Installed {
    /// The value of an argument such as `--port`.
    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        let at = self.arguments.iter().position(|argument| argument == name)?;
        self.arguments.get(at + 1).map(String::as_str)
    }

    /// The handler it came from.
    pub(crate) fn handler(&self) -> Handler {
        Handler {
            program: self.program.clone(),
            port: self.argument("--port").and_then(|port| port.parse().ok()).unwrap_or(0),
            cap_bytes: self.argument("--cap-bytes").and_then(|bytes| bytes.parse().ok()),
            home: self.argument("--home").map(PathBuf::from),
        }
    }
}

/// The handlers of ours that are in the file, one for each event, in the order of the file.
pub(crate) fn installed(bytes: &[u8]) -> Result<Vec<Installed>, Unreadable> {
    let text = text_of(Some(bytes))?;
    let Some(root) = Node::parse(&text) else { return Ok(Vec::new()) };
    let Some(edit::Content::Object(events)) = root.get("hooks").map(|hooks| &hooks.content) else {
        return Ok(Vec::new());
    };
    let found = events.iter().filter_map(|(event, _, groups)| {
        let place = ours(&text, groups).first().copied()?;
        let group = &groups.elements()[place.group];
        let handler = group.get("hooks")?.elements()[place.handler].value(&text);
        let arguments = handler["args"].as_array().into_iter().flatten();
        Some(Installed {
            event: event.clone(),
            matcher: group.get("matcher").and_then(|matcher| Some(matcher.value(&text).as_str()?.to_owned())),
            program: PathBuf::from(handler["command"].as_str()?),
            arguments: arguments.filter_map(|argument| Some(argument.as_str()?.to_owned())).collect(),
        })
    });
    Ok(found.collect())
}

/// Whether the file switches all hooks off.
pub(crate) fn disables_hooks(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|settings| settings["disableAllHooks"] == true)
}

/// The text, if it is valid and of the expected shape. No file and an empty one are an empty object.
fn text_of(bytes: Option<&[u8]>) -> Result<String, Unreadable> {
    let text = std::str::from_utf8(bytes.unwrap_or_default())
        .map_err(|error| Unreadable(format!("it is not UTF-8 text ({error})")))?;
    if text.trim().is_empty() {
        return Ok("{}".to_owned());
    }
    let settings: Value =
        serde_json::from_str(text).map_err(|error| Unreadable(format!("it is not valid JSON: {error}")))?;
    let Some(settings) = settings.as_object() else { return Err(Unreadable("it is not a JSON object".to_owned())) };
    let Some(hooks) = settings.get("hooks") else { return Ok(text.to_owned()) };
    let Some(hooks) = hooks.as_object() else { return Err(Unreadable("\"hooks\" is not an object".to_owned())) };
    match hooks.iter().find(|(_, groups)| !groups.is_array()) {
        Some((event, _)) => Err(Unreadable(format!("\"hooks\".{} is not an array", Value::from(event.as_str())))),
        None => Ok(text.to_owned()),
    }
}

/// Where a handler stands below an event.
#[derive(Clone, Copy)]
struct Place {
    group: usize,
    handler: usize,
}

fn ours(text: &str, groups: &Node) -> Vec<Place> {
    let mut places = Vec::new();
    for (group, node) in groups.elements().iter().enumerate() {
        for (handler, node) in node.get("hooks").map(Node::elements).unwrap_or_default().iter().enumerate() {
            if is_ours(&node.value(text)) {
                places.push(Place { group, handler });
            }
        }
    }
    places
}

/// The hook program under any path, or `claude-mpm hook`; with its arguments in `args` or in the command itself.
fn is_ours(handler: &Value) -> bool {
    let Some(command) = handler["command"].as_str().filter(|_| handler["type"] == "command") else { return false };
    let is_named =
        |path: &str, name: &str| Path::new(path.trim_matches(['"', '\''])).file_name().is_some_and(|of| of == name);
    let mut words = command.split_whitespace();
    let first = words.next().unwrap_or_default();
    let argument = handler["args"][0].as_str().or_else(|| words.next());
    is_named(command, PROGRAM_NAME)
        || is_named(first, PROGRAM_NAME)
        || ((is_named(command, "claude-mpm") || is_named(first, "claude-mpm")) && argument == Some("hook"))
}

/// The text with the handler at one event.
fn with(text: String, wanted: &Wanted, handler: &Value) -> String {
    let Some(root) = Node::parse(&text) else { return text };
    let mut group = json!({"hooks": [handler]});
    if let Some(matcher) = &wanted.matcher {
        group = json!({"matcher": matcher, "hooks": [handler]});
    }
    let event = wanted.event.as_str();
    let Some(hooks) = root.get("hooks") else {
        return edit::insert(&text, &root, 0, Some("hooks"), &json!({event: [group]}));
    };
    let Some(groups) = hooks.get(event) else {
        return edit::insert(&text, hooks, 1, Some(event), &json!([group]));
    };
    let places = ours(&text, groups);
    let matcher = |place: &Place| groups.elements()[place.group].get("matcher").map(|matcher| matcher.value(&text));
    match places.as_slice() {
        [] => edit::insert(&text, groups, 2, None, &group),
        [place] if matcher(place) == wanted.matcher.as_deref().map(Value::from) => {
            let Some(handlers) = groups.elements()[place.group].get("hooks") else { return text };
            let old = &handlers.elements()[place.handler];
            if old.value(&text) == *handler { text } else { edit::replace(&text, old, 5, handler) }
        }
        _ => {
            let text = without(text, event);
            with(text, wanted, handler)
        }
    }
}

/// The text without our handlers at one event, and without what that leaves empty.
fn without(mut text: String, event: &str) -> String {
    while let Some(shorter) = without_one(&text, event) {
        text = shorter;
    }
    text
}

fn without_one(text: &str, event: &str) -> Option<String> {
    let root = Node::parse(text)?;
    let hooks = root.get("hooks")?;
    let groups = hooks.get(event)?;
    let place = ours(text, groups).first().copied()?;
    let group = &groups.elements()[place.group];
    let handlers = group.get("hooks")?;
    Some(if handlers.elements().len() > 1 {
        edit::remove(text, handlers, place.handler)
    } else if groups.elements().len() > 1 {
        edit::remove(text, groups, place.group)
    } else if hooks.get_members() > 1 {
        edit::remove(text, hooks, hooks.position(event)?)
    } else {
        edit::remove(text, &root, root.position("hooks")?)
    })
}

impl Node {
    fn get_members(&self) -> usize {
        if let edit::Content::Object(members) = &self.content { members.len() } else { 0 }
    }
}
