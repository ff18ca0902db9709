//! `claude-mpm monitor start`: a monitor in the background, or in this terminal; the running one, if there is one.

use rustix::process::Signal;
use serde_json::json;

use crate::cli::{self, ListenOptions, PORT_DEFAULT, StartArgs};
use crate::commands::serve::{self, ServeFailure};
use crate::commands::{hooks, restart};
use crate::daemon::control::{self, Request};
use crate::daemon::holder::{self, Holder, Stranger};
use crate::daemon::instance::{self, Instance, STOP_MAX};
use crate::daemon::plan::{Dashboard, Mode, Once, Plan};
use crate::daemon::policy::{self, Asked, Choice, Has, Means};
use crate::daemon::spawn::{self, Report, Turn};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// Why nothing was started, in the document's words.
pub(crate) const FAILED: &str = "Failed to start monitoring server";

/// How a start ended well.
pub(crate) struct Started {
    /// What runs now.
    pub(crate) known: Instance,
    /// It ran already.
    pub(crate) reused: bool,
    /// What people should know about the port.
    pub(crate) notes: Vec<String>,
}

/// Runs it.
pub(crate) fn run(options: &StartArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let settings = Settings::load(&home)?;
    let asked = asked(&home, &settings, options.port, options.name.as_deref());
    let plan = plan(&home, &settings, options)?;
    say(options.json, "Starting Socket.IO monitoring server...");
    let means = Means { force: options.reclaim.force, no_reclaim: options.reclaim.no_reclaim };
    if options.foreground {
        return in_this_terminal(plan, &settings, asked, means, options.json);
    }
    let mut started = in_the_background(plan, &settings, asked, means)?;
    if started.reused && options.supervise && started.known.plan.once.supervisor.is_none() {
        started.notes.push(format!(
            "It runs without supervision, as it was started; 'claude-mpm monitor restart --port {} --supervise' adds it",
            started.known.port
        ));
    }
    tell(&started, options.json, options.verbose);
    Ok(())
}

/// Which port is meant.
pub(crate) fn asked(home: &Home, settings: &Settings, port: Option<u16>, name: Option<&str>) -> Asked {
    let remembered = || instance::last_plan(home, name?).map(|plan| plan.port);
    match (port, name) {
        (Some(0), _) => Asked::Any,
        (Some(port), _) => Asked::Exactly(port),
        (None, Some(_)) => remembered().map_or(Asked::FirstFree, Asked::Exactly),
        (None, None) => match cli::port(None, settings) {
            PORT_DEFAULT => Asked::Preferred(PORT_DEFAULT),
            said => Asked::Exactly(said),
        },
    }
}

/// What the flags and the configuration say, without a port.
fn plan(home: &Home, settings: &Settings, options: &StartArgs) -> Result<Plan, Failure> {
    let dashboard = &options.dashboard;
    Ok(Plan {
        dashboard: match dashboard.dashboard_port {
            Some(port) => Dashboard::Exactly(port),
            None if dashboard.no_dashboard => Dashboard::None,
            None => Dashboard::Default,
        },
        name: options.name.clone(),
        mode: if options.foreground { Mode::Foreground } else { Mode::Background },
        supervise: options.supervise,
        verbose: options.verbose,
        ..listening(home, settings, &options.listen)?
    })
}

/// A plan that only says where and how to listen.
pub(crate) fn listening(home: &Home, settings: &Settings, listen: &ListenOptions) -> Result<Plan, Failure> {
    let host = listen.host.clone().or_else(|| settings.monitoring.host.clone());
    let tls = settings.tls(listen.tls_cert.as_ref(), listen.tls_key.as_ref())?;
    // Paths outlive the folder that they were given in.
    let absolute = |path: std::path::PathBuf| std::path::absolute(&path).unwrap_or(path);
    Ok(Plan {
        home: home.clone(),
        host: host.unwrap_or_else(|| "localhost".to_owned()),
        port: 0,
        dashboard: Dashboard::None,
        name: None,
        insecure: listen.insecure,
        tls: tls.map(|files| (absolute(files.certificate), absolute(files.key))),
        mode: Mode::Foreground,
        supervise: false,
        verbose: false,
        drains: None,
        once: Once::default(),
    })
}

/// Starts it in the background, unless it runs; returns when it answers.
pub(crate) fn in_the_background(
    plan: Plan,
    settings: &Settings,
    asked: Asked,
    means: Means,
) -> Result<Started, Failure> {
    let turn = Turn::take(&plan.home)?;
    let (plan, notes) = match ready(plan, settings, asked, means)? {
        Ready::Runs(known) => return Ok(Started { known: *known, reused: true, notes: Vec::new() }),
        Ready::Start(plan, notes) => (*plan, notes),
    };
    let known = spawned(&plan)?;
    drop(turn);
    Ok(Started { known, reused: false, notes })
}

/// Starts a process by this plan, and waits until the monitor answers.
pub(crate) fn spawned(plan: &Plan) -> Result<Instance, Failure> {
    let silent = |port: u16| {
        Failure::new(FAILED, format!("it does not answer on port {port}"), "See its log: claude-mpm monitor logs")
    };
    match spawn::start(plan)? {
        Report::Ready { port, .. } => {
            instance::running(&plan.home, port).map(|running| running.known).ok_or_else(|| silent(port))
        }
        Report::PortTaken => Err(taken(plan.port, None)),
        Report::Failed { text, .. } if text.is_empty() => Err(Failure::new(
            FAILED,
            "its process ended before it served",
            format!("See {}", plan.home.logs().display()),
        )),
        Report::Failed { text, code } => Err(Failure::printed(text).with_code(code)),
    }
}

fn in_this_terminal(plan: Plan, settings: &Settings, asked: Asked, means: Means, json: bool) -> Result<(), Failure> {
    let mut turn = Some(Turn::take(&plan.home)?);
    let (plan, notes) = match ready(plan, settings, asked, means)? {
        Ready::Runs(known) => {
            tell(&Started { known: *known, reused: true, notes: Vec::new() }, json, false);
            return Ok(());
        }
        Ready::Start(plan, notes) => (*plan, notes),
    };
    let port = plan.port;
    let verbose = plan.verbose;
    serve::serve(&plan, settings, |known| {
        turn.take();
        tell(&Started { known: known.clone(), reused: false, notes: notes.clone() }, json, verbose);
    })
    .map_err(|failure| match failure {
        ServeFailure::PortTaken => taken(port, None),
        ServeFailure::Other(failure) => failure,
    })
}

/// What a look at the ports has led to.
pub(crate) enum Ready {
    Runs(Box<Instance>),
    /// Start by this plan; and what people should know about its port.
    Start(Box<Plan>, Vec<String>),
}

/// Chooses the port, and does what has to be done to get it.
pub(crate) fn ready(mut plan: Plan, settings: &Settings, asked: Asked, means: Means) -> Result<Ready, Failure> {
    let home = plan.home.clone();
    // A name runs once, wherever.
    if let Some(name) = &plan.name
        && let Some(known) =
            instance::all_running(&home).into_iter().find(|running| running.known.plan.name.as_ref() == Some(name))
    {
        return match asked {
            Asked::Exactly(port) if port != known.known.port => Err(elsewhere(name, &known.known, port)),
            _ => Ok(Ready::Runs(Box::new(known.known))),
        };
    }
    let reclaimed = settings.reclaimed();
    let look = |port| holder::of(&home, port, &reclaimed);
    let mut notes = Vec::new();
    plan.port = match policy::choose(asked, means, |port| has(&look(port))) {
        Choice::Start(port) => port,
        Choice::StartBeside { port, taken } => {
            // The one that went elsewhere before stands for the port that was meant.
            if let Some(running) = instance::all_running(&home)
                .into_iter()
                .find(|running| running.known.plan.drains == Some(taken) && running.known.plan.name == plan.name)
            {
                return Ok(Ready::Runs(Box::new(running.known)));
            }
            notes.push(format!("Port {taken} is in use by {}; using port {port} instead", called(&look(taken))));
            plan.drains = Some(taken);
            port
        }
        Choice::Reuse(port) => match look(port) {
            Holder::Ours(running) if plan.name.is_none() || running.known.plan.name == plan.name => {
                return Ok(Ready::Runs(Box::new(running.known)));
            }
            other => return Err(taken(port, Some(&other))),
        },
        Choice::End(port) => {
            if let Holder::Hung(known) = look(port) {
                known.end(true).map_err(|reason| Failure::new(FAILED, reason, "End it by hand, then try again"))?;
                notes.push(format!("Ended the monitor on port {port} (PID {}), which did not answer", known.pid));
            }
            port
        }
        Choice::Reclaim(port) => {
            if let Holder::Script(script) = look(port) {
                end_script(port, &script)?;
                notes.push(format!("Ended {script}, which had port {port}"));
            }
            port
        }
        Choice::Yield { port, of } => {
            yield_dashboard(&home, port, of)?;
            notes.push(format!("The monitor on port {of} gave its dashboard port {port} up"));
            port
        }
        Choice::Hung(port) => {
            return Err(Failure::new(
                format!("Port {port} is already in use by another process"),
                "it is a monitor of yours that does not answer",
                "Use --force to end it",
            )
            .about_port());
        }
        Choice::Taken(port) => return Err(taken(port, means.force.then(|| look(port)).as_ref())),
        Choice::NoneFree => {
            let (first, last) = (policy::RANGE.start(), policy::RANGE.end());
            return Err(Failure::new(
                FAILED,
                format!("all ports from {first} to {last} are in use"),
                "Use --port to name one outside that range, or stop a monitor: claude-mpm monitor status --show-ports",
            ));
        }
    };
    stop_draining(&home, settings, plan.port)?;
    Ok(Ready::Start(Box::new(plan), notes))
}

/// A name has one port, so another one can only be meant for later.
fn elsewhere(name: &str, known: &Instance, port: u16) -> Failure {
    Failure::new(
        format!("{name} was not started on port {port}"),
        format!("it runs on port {} already (PID {}), and a name has one port", known.port, known.pid),
        format!(
            "Stop it first: claude-mpm monitor stop --name {name}; or use another name, or leave --port {port} out"
        ),
    )
}

/// Whoever reads the spool of this port in place of its monitor leaves it to that one.
fn stop_draining(home: &Home, settings: &Settings, port: u16) -> Result<(), Failure> {
    for running in instance::all_running(home) {
        if running.known.plan.drains == Some(port) {
            restart::without_drains(settings, &running.known)?;
        }
    }
    Ok(())
}

fn has(holder: &Holder) -> Has {
    match holder {
        Holder::Nobody => Has::Nobody,
        Holder::Ours(_) => Has::Ours,
        Holder::Hung(_) => Has::Hung,
        Holder::Dashboard { of, asked } => Has::Dashboard { of: *of, asked: *asked },
        Holder::Script(_) => Has::Script,
        Holder::Stranger(_) => Has::Stranger,
    }
}

fn called(holder: &Holder) -> String {
    match holder {
        Holder::Nobody => "a program that has just ended".to_owned(),
        Holder::Ours(running) => match &running.known.plan.name {
            Some(name) => format!("your monitor {name} (PID {})", running.known.pid),
            None => format!("your monitor (PID {})", running.known.pid),
        },
        Holder::Hung(known) => format!("your monitor (PID {}), which does not answer", known.pid),
        Holder::Dashboard { of, .. } => format!("the dashboard of your monitor on port {of}"),
        Holder::Script(stranger) | Holder::Stranger(stranger) => stranger.to_string(),
    }
}

/// The document's two lines; with who has the port for those who asked to take it by force.
fn taken(port: u16, by: Option<&Holder>) -> Failure {
    let Some(holder) = by else {
        return Failure::printed(format!(
            "Error: Port {port} is already in use by another process\n\
             Suggestion: Use --port to specify a different port or --force to reclaim"
        ))
        .about_port();
    };
    Failure::new(
        format!("Port {port} is already in use by another process"),
        format!("it is {}, which is not for this program to end", called(holder)),
        "Use --port to specify a different port",
    )
    .about_port()
}

fn end_script(port: u16, script: &Stranger) -> Result<(), Failure> {
    let Some(process) = script.process else { return Err(taken(port, None)) };
    let failed =
        |reason: String| Failure::new(FAILED, reason, "End it by hand, or use --port to specify a different port");
    process.signal(Signal::TERM).map_err(|error| failed(format!("ending {script}: {error}")))?;
    if !process.ends_within(STOP_MAX) {
        return Err(failed(format!("{script} has port {port} and did not end within {} s", STOP_MAX.as_secs())));
    }
    Ok(())
}

fn yield_dashboard(home: &Home, port: u16, of: u16) -> Result<(), Failure> {
    let asked =
        instance::running(home, of).map(|running| control::ask(&running.known.folder(), Request::YieldDashboard));
    if let Some(Err(error)) = asked {
        return Err(Failure::new(
            FAILED,
            format!("the monitor on port {of} has port {port} for its dashboard and does not give it up: {error}"),
            format!(
                "Use --port to specify a different port, or 'claude-mpm monitor restart --port {of} --no-dashboard'"
            ),
        ));
    }
    Ok(())
}

fn say(json: bool, line: &str) {
    if !json {
        report::line(line);
    }
}

/// Says what runs now, as the document prints it.
pub(crate) fn tell(started: &Started, json: bool, verbose: bool) {
    let known = &started.known;
    if json {
        report::line(json!({ "port": known.port, "url": known.url(), "dashboard": known.dashboard_url(),
            "dashboard_port": known.dashboard, "pid": known.pid, "mode": known.plan.mode.word(), "name": known.plan.name,
            "reused": started.reused, "notes": started.notes, "log": known.log }));
        return;
    }
    for note in &started.notes {
        report::line(format_args!("\n• {note}"));
    }
    let headline = if started.reused { "Server is already running" } else { "Server started successfully" };
    let (url, dashboard) = (known.url(), known.dashboard_url());
    report::line(format_args!(
        "\n✓ {headline}\n  - Server URL: {url}\n  - Dashboard URL: {dashboard}\n  - Process ID: {}\n  - Mode: {}",
        known.pid,
        known.plan.mode.word()
    ));
    if verbose {
        if let Some(name) = &known.plan.name {
            report::line(format_args!("  - Name: {name}"));
        }
        report::line(format_args!(
            "  - Host: {}\n  - State: {}\n  - Log: {}",
            known.plan.host,
            known.folder().display(),
            known.log.display()
        ));
    }
    report::line(format_args!(
        "\nMonitoring server is ready for connections.\nOpen {dashboard} in your browser to view the dashboard."
    ));
    hooks::note_unfed(known.port);
}
