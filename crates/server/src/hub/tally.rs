//! What is counted of an event by the minute, and under which names.

use event::event::Fact;
use event::session::growth::{Change, Growth};
use event::session::usage::{self, MAIN, SIDE};
use event::vocabulary::Kind;
use store::sums::{self, Sum, Tallies};

/// By what the sums over time are grouped. The numbers are those in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Kind = 1,
    Namespace = 2,
    Tool = 3,
    Agent = 4,
    Project = sums::PROJECTS as isize,
    Session = sums::SESSIONS as isize,
    Model = 7,
}

impl Group {
    /// Every group by its name.
    pub(crate) const NAMED: [(&'static str, Group); 7] = [
        ("model", Group::Model),
        ("agent", Group::Agent),
        ("project", Group::Project),
        ("tool", Group::Tool),
        ("session", Group::Session),
        ("kind", Group::Kind),
        ("namespace", Group::Namespace),
    ];
}

/// What a session adds to a fact of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    /// Its project, once that is known.
    pub(crate) project: Option<String>,
    /// What its spending grew by.
    pub(crate) growth: Option<Growth>,
}

/// The name of a project that is not known.
const UNKNOWN: &str = "unknown";

/// Counts a fact of the file of day `part`, and what it tells of spending.
pub(crate) fn count(tallies: &mut Tallies, part: i64, fact: &Fact, context: &Context) {
    count_event(tallies, part, fact, context, 1);
    count_growth(tallies, part, fact, context);
}

/// Counts a fact alone; `sign` is 1, or -1 to take it back.
pub(crate) fn count_event(tallies: &mut Tallies, part: i64, fact: &Fact, context: &Context, sign: i64) {
    let time_ms = fact.time.ms();
    if let (Some(session), Some(project), 1) = (&fact.session_id, &context.project, sign) {
        tallies.of(sums::PAIRS, &format!("{session}{}{project}", sums::BETWEEN), part, 0).events += 1;
    }
    let mut of = |group: Group, name: &str, add: &dyn Fn(&mut Sum)| {
        add(tallies.of(group as u8, name, part, time_ms));
    };
    let ends_call = matches!(fact.kind, Kind::ToolCallFinished | Kind::ToolCallFailed);
    let answers = fact.kind == Kind::ApiRequestFinished;
    let is_error = i64::from(fact.is_error());
    let event = |sum: &mut Sum| {
        sum.events += sign;
        sum.errors += sign * is_error;
        sum.requests += sign * i64::from(answers);
        sum.calls += sign * i64::from(ends_call);
        sum.failed += sign * if ends_call { is_error } else { 0 };
    };
    let took = |sum: &mut Sum| {
        if let Some(ms) = fact.duration_ms {
            sum.took(ms, sign);
        }
    };
    let call = |sum: &mut Sum| {
        event(sum);
        if ends_call {
            took(sum);
        }
    };
    of(Group::Kind, fact.kind.name(), &|sum| {
        event(sum);
        took(sum);
    });
    of(Group::Namespace, fact.namespace(), &event);
    if let Some(tool) = &fact.tool_name {
        of(Group::Tool, tool, &call);
    }
    let Some(session) = &fact.session_id else { return };
    let project = context.project.as_deref().unwrap_or(UNKNOWN);
    of(Group::Session, session, &call);
    of(Group::Project, project, &call);
    if !matches!(fact.kind, Kind::ApiRequestFinished | Kind::MetricsReported) {
        of(Group::Agent, agent_of(fact), &call);
        return;
    }
    // What tells of spending counts under the names that it tells.
    if answers {
        let agent = usage::agent_of(fact.agent_type.as_deref(), |key| fact.text(key));
        let unpriced = i64::from(!["cost_usd", "cost_estimated_usd"].iter().any(|key| fact.data.get(key).is_some()));
        let request = |sum: &mut Sum| {
            event(sum);
            sum.unpriced += sign * unpriced;
        };
        of(Group::Agent, agent, &request);
        of(Group::Model, usage::model_of(fact.text("model")), &|sum| {
            request(sum);
            took(sum);
        });
        for (group, name) in
            [(Group::Kind, fact.kind.name()), (Group::Session, session.as_str()), (Group::Project, project)]
        {
            of(group, name, &|sum| sum.unpriced += sign * unpriced);
        }
    }
}

/// Counts what a session's spending grew by with a fact.
pub(crate) fn count_growth(tallies: &mut Tallies, part: i64, fact: &Fact, context: &Context) {
    let (Some(growth), Some(session)) = (&context.growth, &fact.session_id) else { return };
    let mut of = |group: Group, name: &str, add: &dyn Fn(&mut Sum)| {
        add(tallies.of(group as u8, name, part, fact.time.ms()));
    };
    let project = context.project.as_deref().unwrap_or(UNKNOWN);
    // A request says of itself whether it has a cost.
    let answers = fact.kind == Kind::ApiRequestFinished;
    let spent = |change: Change| {
        move |sum: &mut Sum| {
            sum.input += change.input;
            sum.output += change.output;
            sum.cache_read += change.cache_read;
            sum.cache_creation += change.cache_creation;
            sum.add_cost(change.cost_micros);
            sum.estimated_micros += change.estimated_micros;
            sum.unpriced += i64::from(!answers && change.is_unpriced());
        }
    };
    for (group, name) in
        [(Group::Kind, fact.kind.name()), (Group::Session, session.as_str()), (Group::Project, project)]
    {
        of(group, name, &spent(growth.all));
    }
    for (model, change) in &growth.models {
        of(Group::Model, model, &spent(*change));
    }
    for (agent, change) in &growth.agents {
        of(Group::Agent, agent, &spent(*change));
    }
}

fn agent_of(fact: &Fact) -> &str {
    match (&fact.agent_type, &fact.agent_id) {
        (Some(agent), _) => agent,
        (None, Some(_)) => SIDE,
        (None, None) => MAIN,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use event::event::{Outcome, Source, Time};
    use serde_json::json;

    use super::*;

    #[test]
    #[ignore = "a measurement: cargo test --release -p server tally -- --ignored --nocapture"]
    fn what_counting_a_million_events_costs() {
        let fact = |at: i64| {
            let mut fact = Fact::new(Kind::ToolCallFinished, Time::from_ms(at / 50), Source::Hook, json!({}));
            fact.session_id = Some(format!("0b7c1d52-9d3e-4f7a-8a55-7c0f6f2f4f1{}", at % 8));
            fact.tool_name = Some(["Bash", "Read", "Edit"][at as usize % 3].to_owned());
            fact.outcome = Some(Outcome::Ok);
            fact.duration_ms = Some((at % 5_000) as u64);
            fact
        };
        let facts: Vec<_> = (0..1_000_000).map(fact).collect();
        let context = Context { project: Some("claude-mpm-monitor".to_owned()), growth: None };
        let mut tallies = Tallies::default();
        let started = Instant::now();
        facts.iter().for_each(|fact| count(&mut tallies, 20_000_000, fact, &context));
        println!("counting a million events took {:?}", started.elapsed());
        assert!(!tallies.is_empty());
    }
}
