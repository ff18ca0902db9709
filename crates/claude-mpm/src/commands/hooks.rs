//! `claude-mpm hooks install | uninstall | status`: what makes Claude Code tell the monitor.

mod client;
mod edit;
mod files;
mod places;
mod print;
mod program;
mod settings;
mod slash;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::json;
use similar::TextDiff;

use crate::cli::{self, HooksArgs, HooksCommand};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;
use client::{Client, EVENTS, Use};
use places::{Backups, Scope};
use settings::{Handler, Installed, Unreadable, Wanted};

/// Brings the installed hook program up to date; a monitor does it when it starts. Installs nothing.
pub(crate) fn refresh_program(home: &Home) -> Result<(), Failure> {
    program::refresh(home.path())
}

/// Settings for one run of this client, as JSON on its command line: the very handlers that would be installed, so that the
/// client runs those it has already once. The hook program is written if it is not there.
pub(crate) fn for_one_run(home: &Home, port: u16, program: &Path) -> Result<String, Failure> {
    let handler = handler(home, port, None);
    program::write(home.path())?;
    let client = Client::find(Some(program), None).unwrap_or(Client::Unknown);
    let wanted: Vec<_> = EVENTS
        .iter()
        .filter(|event| event.usage == Use::Always && client.knows(event))
        .map(|event| Wanted { event: event.name.to_owned(), matcher: None })
        .collect();
    let bytes = settings::install(None, &handler, &wanted).map_err(|error| unreadable(Path::new("settings"), error))?;
    let settings: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(settings.to_string())
}

/// The command that hooks of this user run.
fn handler(home: &Home, port: u16, cap_bytes: Option<u64>) -> Handler {
    let folder = home.path().to_owned();
    let moved = std::env::var_os("CLAUDE_MPM_HOME").filter(|value| !value.is_empty());
    Handler { program: program::path(&folder), port, cap_bytes, home: moved.map(|_| folder) }
}

/// What one settings file has of ours, for those who look at everything.
pub(crate) struct Look {
    /// The file.
    pub(crate) path: PathBuf,
    /// How to say it on a command line, with a blank before it.
    pub(crate) flag: &'static str,
    /// How many events are hooked.
    pub(crate) count: usize,
    /// The port that they feed.
    pub(crate) port: Option<u16>,
    /// Whether the program that they run is this release's.
    pub(crate) program: Option<&'static str>,
    /// Whether the file switches all hooks off.
    pub(crate) disabled: bool,
}

/// Looks at the user's settings, or at those of the project in the working directory.
pub(crate) fn look(project: bool, local: bool) -> Result<Look, Failure> {
    let scope = Scope::find(project, local)?;
    let bytes = read(&scope.settings)?.unwrap_or_default();
    let found = settings::installed(&bytes).map_err(|error| unreadable(&scope.settings, error))?;
    let handler = found.first().map(Installed::handler);
    Ok(Look {
        count: found.len(),
        port: handler.as_ref().map(|handler| handler.port),
        program: handler.as_ref().map(|handler| program::state(&handler.program)),
        disabled: settings::disables_hooks(&bytes),
        path: scope.settings,
        flag: scope.flag,
    })
}

/// Tells a person whose monitor gets nothing from Claude Code, beside what the documents print.
pub(crate) fn note_unfed(port: u16) {
    let scopes = [(false, false), (true, false), (false, true)];
    let feeds = |(project, local)| look(project, local).is_ok_and(|look| look.port == Some(port));
    if !scopes.into_iter().any(feeds) {
        report::aside(&format!(
            "Note: no installed hook feeds this monitor; 'claude-mpm hooks install --port {port}' lets Claude Code tell it.\n"
        ));
    }
}

/// Writes the slash commands, which are the user's whatever the hooks are for.
pub(crate) fn install_commands(dry_run: bool) -> Result<(), Failure> {
    if let Some(commands) = &Scope::find(false, false)?.commands {
        let mut report = Report::default();
        let outcome = slash::install(commands, dry_run).map_err(writing(commands))?;
        describe_commands(&mut report, &outcome, if dry_run { "would be written" } else { "written" });
        if !report.lines.is_empty() {
            report::line(report);
        }
    }
    Ok(())
}

/// Runs the command.
pub(crate) fn run(command: &HooksCommand) -> Result<(), Failure> {
    let report = match command {
        HooksCommand::Install(args) => install(&Options::new(args)?)?,
        HooksCommand::Uninstall(args) => uninstall(&Options::new(args)?)?,
        HooksCommand::Status { args, json: true } => {
            let look = look(args.project, args.local)?;
            report::line(json!({ "file": look.path, "hooks": look.count, "port": look.port, "program": look.program,
                "disabled": look.disabled }));
            return Ok(());
        }
        HooksCommand::Status { args, json: false } => status(&Options::new(args)?)?,
        HooksCommand::Print { program, port, cap_bytes } => {
            let home = Home::find()?;
            let port = cli::port(*port, &Settings::load(&home)?);
            print::run(&home, &handler(&home, port, *cap_bytes), *program)?
        }
    };
    report::line(report);
    Ok(())
}

/// What was asked for, and where.
pub(crate) struct Options {
    /// The user's folder of this program.
    pub(crate) folder: PathBuf,
    pub(crate) scope: Scope,
    pub(crate) handler: Handler,
    pub(crate) dry_run: bool,
    pub(crate) live_text: bool,
    pub(crate) watch_files: Vec<String>,
    pub(crate) client: Option<PathBuf>,
    /// Where programs are looked for.
    pub(crate) path: Option<OsString>,
}

impl Options {
    fn new(args: &HooksArgs) -> Result<Options, Failure> {
        let home = Home::find()?;
        let folder = home.path().to_owned();
        let handler = handler(&home, cli::port(args.port, &Settings::load(&home)?), args.cap_bytes);
        Ok(Options {
            scope: Scope::find(args.project, args.local)?,
            folder,
            handler,
            dry_run: args.dry_run,
            live_text: args.live_text,
            watch_files: args.watch_files.clone(),
            client: args.client.clone(),
            path: std::env::var_os("PATH"),
        })
    }

    fn wants(&self, event: &client::HookEvent) -> bool {
        match (event.usage, event.name) {
            (Use::Always, _) => true,
            (Use::OnRequest, "FileChanged") => !self.watch_files.is_empty(),
            (Use::OnRequest, _) => self.live_text,
            (Use::Never, _) => false,
        }
    }
}

/// What was done or found: lines for a person, and for `--dry-run` the exact difference.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<String>,
}

impl Report {
    fn add(&mut self, line: impl fmt::Display) {
        self.lines.push(line.to_string());
    }

    fn add_diff(&mut self, path: &Path, old: Option<&[u8]>, new: Option<&[u8]>) {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let name = |bytes: Option<&[u8]>| bytes.map_or("/dev/null".to_owned(), |_| path.display().to_string());
        let (old_text, new_text) = (text(old), text(new));
        let diff = TextDiff::from_lines(old_text.as_str(), new_text.as_str());
        self.add(diff.unified_diff().header(&name(old), &name(new)).to_string().trim_end());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// Puts our handler at every event that is safe and that the client knows. Doing it again changes nothing.
pub(crate) fn install(options: &Options) -> Result<Report, Failure> {
    let path = &options.scope.settings;
    let client = Client::find(options.client.as_deref(), options.path.as_deref()).map_err(|error| {
        let said = options.client.as_deref().unwrap_or(Path::new("claude"));
        Failure::new(
            format!("{} is no Claude Code that can be examined", said.display()),
            error,
            "Give another --client, or leave it out",
        )
    })?;
    let wanted: Vec<_> = EVENTS.iter().filter(|event| options.wants(event)).collect();
    let (known, unknown): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|event| client.knows(event));
    let wanted: Vec<_> = known
        .iter()
        .map(|event| Wanted {
            event: event.name.to_owned(),
            matcher: (event.name == "FileChanged").then(|| options.watch_files.join("|")),
        })
        .collect();

    let old = read(path)?;
    let new = settings::install(old.as_deref(), &options.handler, &wanted).map_err(|error| unreadable(path, error))?;
    let is_same = old.as_deref() == Some(new.as_slice());
    let mut report = Report::default();
    if options.dry_run {
        if !is_same {
            report.add_diff(path, old.as_deref(), Some(&new));
        }
        report.add(format_args!(
            "{} {} hooks in {} for port {}; nothing was changed",
            if is_same { "Has" } else { "Would have" },
            wanted.len(),
            path.display(),
            options.handler.port
        ));
    } else {
        program::write(&options.folder)?;
        if !is_same {
            let backup = Backups::of(path).keep(old.as_deref()).map_err(writing(path))?;
            write(path, old.as_deref(), &new)?;
            report.add(format_args!("Installed {} hooks in {}", wanted.len(), path.display()));
            if let Some(backup) = backup {
                report.add(format_args!("  Backup: {}", backup.display()));
            }
        } else {
            report.add(format_args!("{} hooks are installed in {} already", wanted.len(), path.display()));
        }
        report.add(format_args!("  Port: {}", options.handler.port));
        report.add(format_args!("  Hook program: {}", options.handler.program.display()));
    }
    report.add(describe(&client));
    if !unknown.is_empty() {
        let names: Vec<_> = unknown.iter().map(|event| event.name).collect();
        report.add(format_args!("  Left out, because this client may not know them: {}", names.join(", ")));
    }
    if settings::disables_hooks(&new) {
        report.add("  Warning: \"disableAllHooks\" is true in this file, so no hook will run");
    }
    if let Some(commands) = &options.scope.commands {
        let outcome = slash::install(commands, options.dry_run).map_err(writing(commands))?;
        describe_commands(&mut report, &outcome, if options.dry_run { "would be written" } else { "written" });
    }
    Ok(report)
}

/// Takes our handlers out again, and nothing else; gives back the file as it was where that can be proven.
pub(crate) fn uninstall(options: &Options) -> Result<Report, Failure> {
    let path = &options.scope.settings;
    let mut report = Report::default();
    let old = read(path)?;
    let found = settings::installed(old.as_deref().unwrap_or_default()).map_err(|error| unreadable(path, error))?;
    match &old {
        Some(old) if !found.is_empty() => {
            let backups = Backups::of(path);
            let original = original(&backups, old, &found);
            let new = match &original {
                Some(original) => original.clone(),
                None => Some(settings::uninstall(old).map_err(|error| unreadable(path, error))?),
            };
            if options.dry_run {
                report.add_diff(path, Some(old), new.as_deref());
                report.add(format_args!(
                    "Would remove {} hooks from {}; nothing was changed",
                    found.len(),
                    path.display()
                ));
            } else {
                take_out(&mut report, path, &backups, old, new.as_deref(), original.is_some())?;
            }
        }
        _ => report.add(format_args!("No hooks of the monitor are installed in {}", path.display())),
    }
    if let Some(commands) = &options.scope.commands {
        let outcome = slash::uninstall(commands, options.dry_run).map_err(writing(commands))?;
        describe_commands(&mut report, &outcome, if options.dry_run { "would be removed" } else { "removed" });
    }
    Ok(report)
}

fn take_out(
    report: &mut Report,
    path: &Path,
    backups: &Backups,
    old: &[u8],
    new: Option<&[u8]>,
    is_original: bool,
) -> Result<(), Failure> {
    let backup = if is_original { None } else { backups.keep(Some(old)).map_err(writing(path))? };
    match new {
        Some(new) => write(path, Some(old), new)?,
        None => std::fs::remove_file(path).map_err(writing(path))?,
    }
    report.add(match (new, is_original) {
        (None, _) => format!("Removed {}, which held only the monitor's hooks", path.display()),
        (_, true) => format!("Removed the monitor's hooks from {}: it is as it was, byte for byte", path.display()),
        _ => format!("Removed the monitor's hooks from {}, and nothing else", path.display()),
    });
    if let Some(backup) = backup {
        report.add(format_args!("  Backup: {}", backup.display()));
    }
    if is_original {
        backups.remove_equal(new).map_err(writing(path))?;
    }
    Ok(())
}

/// What the file was before we came: a backup, or `Some(None)` for no file, from which installing gives these very bytes.
fn original(backups: &Backups, bytes: &[u8], found: &[Installed]) -> Option<Option<Vec<u8>>> {
    let handler = found.first()?.handler();
    let installs = |before: Option<&[u8]>| {
        // The order of the events was that of our table; the file's own order holds where other hooks were there before.
        let mut wanted: Vec<_> =
            found.iter().map(|found| Wanted { event: found.event.clone(), matcher: found.matcher.clone() }).collect();
        wanted.sort_by_key(|wanted| EVENTS.iter().position(|event| event.name == wanted.event));
        settings::install(before, &handler, &wanted).is_ok_and(|installed| installed == bytes)
    };
    let backup = backups
        .contents()
        .into_iter()
        .find(|backup| settings::installed(backup).is_ok_and(|found| found.is_empty()) && installs(Some(backup)));
    match backup {
        Some(backup) => Some(Some(backup)),
        None if installs(None) && backups.contents().is_empty() => Some(None),
        None => None,
    }
}

/// Says what is installed in the file, and whether it can work.
pub(crate) fn status(options: &Options) -> Result<Report, Failure> {
    let path = &options.scope.settings;
    let mut report = Report::default();
    let old = read(path)?;
    let found = settings::installed(old.as_deref().unwrap_or_default()).map_err(|error| unreadable(path, error))?;
    let Some(first) = found.first() else {
        report.add(format_args!("No hooks of the monitor are installed in {}", path.display()));
        report.add(format_args!("  Install them: claude-mpm hooks install{}", options.scope.flag));
        return Ok(report);
    };
    let handler = first.handler();
    report.add(format_args!("{} hooks are installed in {}", found.len(), path.display()));
    report.add(format_args!("  Port: {}", handler.port));
    report.add(format_args!("  Hook program: {} ({})", handler.program.display(), program::state(&handler.program)));
    if let Some(other) = found.iter().find(|found| found.handler() != handler) {
        report.add(format_args!("  Warning: {} has another handler than {}; install again", other.event, first.event));
    }
    if settings::disables_hooks(old.as_deref().unwrap_or_default()) {
        report.add("  Warning: \"disableAllHooks\" is true in this file, so no hook will run");
    }
    let client = Client::find(options.client.as_deref(), options.path.as_deref()).unwrap_or(Client::Unknown);
    report.add(describe(&client));
    let is_found = |name: &str| found.iter().any(|found| found.event == name);
    let missing: Vec<_> = EVENTS
        .iter()
        .filter(|event| event.usage == Use::Always && client.knows(event) && !is_found(event.name))
        .map(|event| event.name)
        .collect();
    if !missing.is_empty() {
        report.add(format_args!("  Not installed, though the client knows them: {}", missing.join(", ")));
    }
    let dangerous: Vec<_> = EVENTS
        .iter()
        .filter(|event| matches!(client, Client::Examined { .. }) && !client.knows(event) && is_found(event.name))
        .map(|event| event.name)
        .collect();
    if !dangerous.is_empty() {
        report.add(format_args!("  Warning: this client does not know {}; install again", dangerous.join(", ")));
    }
    if let Some(commands) = &options.scope.commands {
        let (there, all) = slash::count(commands);
        report.add(format_args!("  Slash commands: {there} of {all} in {}", commands.display()));
    }
    Ok(report)
}

fn describe(client: &Client) -> String {
    match client {
        Client::Examined { program, known } => {
            format!("  Client: {}, which knows {} hook events", program.display(), known.len())
        }
        Client::Unknown => {
            "  Client: not found, so only events that every client since 2.1.197 knows (--client names one)".to_owned()
        }
    }
}

fn describe_commands(report: &mut Report, outcome: &slash::Outcome, verb: &str) {
    if !outcome.changed.is_empty() {
        report.add(format_args!("  Slash commands: {} {verb}", outcome.changed.len()));
    }
    for path in &outcome.left {
        report.add(format_args!("  Left alone, because somebody else made or changed it: {}", path.display()));
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    files::read(path).map_err(|error| {
        Failure::new(format!("{} cannot be read", path.display()), error, "Check who owns the file and its permissions")
    })
}

/// Writes the file, unless somebody has changed it since it was read.
fn write(path: &Path, old: Option<&[u8]>, new: &[u8]) -> Result<(), Failure> {
    if read(path)?.as_deref() != old {
        return Err(Failure::new(
            format!("{} was left alone", path.display()),
            "another program changed it at the same moment",
            "Run the command again",
        ));
    }
    files::write(path, new, 0o644).map_err(writing(path))
}

fn writing(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::new(format!("{path} cannot be changed"), &error, report::way_out(&error))
}

fn unreadable(path: &Path, Unreadable(reason): Unreadable) -> Failure {
    Failure::new(format!("{} was left alone", path.display()), reason, "Correct the file, then run the command again")
}
