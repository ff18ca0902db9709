//! `claude-mpm monitor restart`: a new process takes over the listening sockets of the old one, so that clients find
//! nobody missing and come back by themselves.

use serde_json::{Value, json};

use crate::cli::{RestartArgs, StartArgs};
use crate::commands::{serve, start, stop};
use crate::daemon::control::{self, Request};
use crate::daemon::instance::{self, Instance};
use crate::daemon::plan::{Dashboard, Mode, Once, Plan};
use crate::daemon::probe;
use crate::daemon::spawn::Turn;
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// Runs it.
pub(crate) fn run(options: &RestartArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let settings = Settings::load(&home)?;
    let Some(chosen) = stop::chosen(instance::all(&home), options.port, options.name.as_deref()) else {
        return begin(options);
    };
    if options.dashboard.dashboard_port.is_some() && chosen.len() > 1 {
        return Err(Failure::new(
            "No monitoring server was restarted",
            format!("{} are running, and only one can have that dashboard port", chosen.len()),
            "Say which with --port",
        )
        .with_code(2));
    }
    if !options.json {
        report::line("Restarting monitoring server...");
    }
    let mut restarted = Vec::new();
    for known in &chosen {
        restarted.push(one(&home, &settings, known, options)?);
    }
    report::line(if options.json {
        json!({ "restarted": restarted }).to_string()
    } else {
        "\nMonitoring server is ready for connections.".to_owned()
    });
    Ok(())
}

/// With none running there is one to start, and people are told.
fn begin(options: &RestartArgs) -> Result<(), Failure> {
    if !options.json {
        report::line(match (options.port, &options.name) {
            (Some(port), _) => format!("No monitoring server is running on port {port}; starting one."),
            (None, Some(name)) => format!("The monitoring server {name} is not running; starting it."),
            (None, None) => "No monitoring server is running; starting one.".to_owned(),
        });
    }
    start::run(&StartArgs {
        port: options.port,
        name: options.name.clone(),
        dashboard: options.dashboard.clone(),
        json: options.json,
        listen: options.listen.clone(),
        supervise: options.supervise,
        ..StartArgs::default()
    })
}

/// Restarts one; `known` may be one that does not answer.
pub(crate) fn one(home: &Home, settings: &Settings, known: &Instance, options: &RestartArgs) -> Result<Value, Failure> {
    let turn = Turn::take(home)?;
    let clients = instance::running(home, known.port).map_or(0, |running| running.health.connections);
    let new = again(known, changed(&known.plan, settings, options)?)?;
    drop(turn);
    if !options.json {
        report::line(format_args!(
            "\n✓ Server on port {} restarted successfully\n  - Server URL: {}\n  - Dashboard URL: {}\n  - Process ID: {} (was {})\n  - Mode: {}",
            new.port,
            new.url(),
            new.dashboard_url(),
            new.pid,
            known.pid,
            new.plan.mode.word()
        ));
        if clients > 0 {
            report::line(format_args!("  - {} may come back", report::count(clients, "client")));
        }
    }
    Ok(json!({ "port": new.port, "url": new.url(), "dashboard": new.dashboard_url(), "dashboard_port": new.dashboard,
        "pid": new.pid, "pid_before": known.pid, "name": new.plan.name, "clients": clients }))
}

/// Restarts one such that it reads its own spool alone. The caller has the turn.
pub(crate) fn without_drains(settings: &Settings, known: &Instance) -> Result<(), Failure> {
    let plan = changed(&known.plan, settings, &RestartArgs::default())?;
    again(known, Plan { drains: None, ..plan }).map(drop)
}

/// A new process in the place of the old one, by this plan.
fn again(known: &Instance, plan: Plan) -> Result<Instance, Failure> {
    let folder = known.folder();
    let answers = instance::running(&plan.home, known.port).is_some();
    let gives = answers && control::ask(&folder, Request::Clients).is_ok();
    if !gives {
        if known.token && probe::token().is_none() {
            return Err(serve::token_lost());
        }
        known.end(!answers).map_err(|reason| Failure::new(start::FAILED, reason, "End it by hand, then try again"))?;
    }
    let once = Once { take_over: gives.then_some(folder), token: known.token, ..Once::default() };
    start::spawned(&Plan { once, ..plan })
}

/// The same as before, but for what is said now.
fn changed(before: &Plan, settings: &Settings, options: &RestartArgs) -> Result<Plan, Failure> {
    let (listen, dashboard) = (&options.listen, &options.dashboard);
    let said = start::listening(&before.home, settings, listen)?;
    Ok(Plan {
        host: listen.host.clone().unwrap_or_else(|| before.host.clone()),
        insecure: listen.insecure || before.insecure,
        tls: if listen.tls_cert.is_some() { said.tls } else { before.tls.clone() },
        dashboard: match dashboard.dashboard_port {
            Some(port) => Dashboard::Exactly(port),
            None if dashboard.no_dashboard => Dashboard::None,
            None if dashboard.dashboard && before.dashboard == Dashboard::None => Dashboard::Default,
            None => before.dashboard,
        },
        mode: Mode::Background,
        // Its plan does not say so: whoever watches over it has started it without.
        supervise: options.supervise || before.once.supervisor.is_some(),
        once: Once::default(),
        ..before.clone()
    })
}
