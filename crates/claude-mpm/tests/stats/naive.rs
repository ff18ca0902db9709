//! Counts all events one after the other, by the rules that `docs/monitor.md` tells, and remembers nothing between two counts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What a name adds up to, counted event by event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counted {
    pub(super) events: u64,
    pub(super) errors: u64,
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) requests: u64,
    /// Input, output, read from the cache, written to it.
    pub(super) tokens: [u64; 4],
    pub(super) cost_micros: Option<i64>,
    pub(super) estimated_micros: i64,
    pub(super) took: Vec<u64>,
}

pub(super) type Names = BTreeMap<String, Counted>;

pub(super) const GROUPS: [&str; 7] = ["model", "agent", "project", "tool", "session", "kind", "namespace"];

/// Tokens, the cost, and how much of the cost is an estimate.
type Spent = ([u64; 4], Option<i64>, i64);

fn add(sum: &mut Spent, (tokens, cost, estimated): Spent) {
    sum.0.iter_mut().zip(tokens).for_each(|(sum, count)| *sum += count);
    sum.1 = cost.map(|cost| cost + sum.1.unwrap_or(0)).or(sum.1);
    sum.2 += estimated;
}

/// What one door says a session spent, by model and agent.
#[derive(Clone, Default)]
struct Spending(BTreeMap<(String, String), Spent>);

impl Spending {
    fn add(&mut self, model: &str, agent: &str, tokens: [u64; 4], cost: Option<i64>) {
        add(self.0.entry((model.to_owned(), agent.to_owned())).or_default(), (tokens, cost, 0));
    }

    fn all(&self) -> Spent {
        let mut all = Spent::default();
        self.0.values().for_each(|spent| add(&mut all, *spent));
        all
    }

    fn by(&self, name: impl Fn(&(String, String)) -> String) -> BTreeMap<String, Spent> {
        let mut names = BTreeMap::new();
        self.0.iter().for_each(|(key, spent)| add(names.entry(name(key)).or_default(), *spent));
        names
    }

    fn says_more_than(&self, other: &Spending) -> bool {
        let ((own, cost, _), (others, other_cost, _)) = (self.all(), other.all());
        let (own, others) = (own.iter().sum::<u64>(), others.iter().sum::<u64>());
        own > others + others / 50 || (own >= others && cost.is_some() && other_cost.is_none())
    }
}

/// All that is told of what one session spent.
#[derive(Default)]
struct Told {
    logs: Spending,
    metrics: Spending,
    /// Tokens of each answer in its transcript, with its estimate where nobody reports its cost.
    transcript: Spending,
    estimates: BTreeMap<(String, String), i64>,
    /// The client's own sum: when, all of it, and by model.
    said: Option<(String, i64, BTreeMap<String, i64>)>,
    /// Times, reported costs and estimates of the answers in transcripts.
    costs: Vec<(String, Option<i64>, Option<i64>)>,
}

impl Told {
    /// In all, by model, and by agent.
    fn believed(&self) -> (Spent, BTreeMap<String, Spent>, BTreeMap<String, Spent>) {
        let by_otlp = if self.metrics.says_more_than(&self.logs) { &self.metrics } else { &self.logs };
        let model = |key: &(String, String)| key.0.clone();
        let agent = |key: &(String, String)| key.1.clone();
        if self.transcript.0.is_empty() && self.said.is_none() {
            return (by_otlp.all(), by_otlp.by(model), by_otlp.by(agent));
        }
        let models = self.transcript.by(model);
        let mut believed = self.transcript.clone();
        for (key, (tokens, ..)) in by_otlp.0.iter().filter(|(key, _)| !models.contains_key(&key.0)) {
            believed.add(&key.0, &key.1, *tokens, None);
        }
        let sum = |spending: &Spending| spending.all().0.iter().sum::<u64>();
        let by_metrics = self.said.is_none()
            && self.logs.all().1.is_none()
            && self.metrics.all().1.is_some()
            && sum(&self.metrics) * 10 >= sum(&self.transcript) * 9;
        let costs = if by_metrics { &self.metrics } else { &self.logs };
        for ((model, agent), (_, cost, _)) in &costs.0 {
            believed.add(model, agent, [0; 4], *cost);
        }
        if !by_metrics {
            for (key, estimate) in &self.estimates {
                add(believed.0.entry(key.clone()).or_default(), ([0; 4], Some(*estimate), *estimate));
            }
        }
        let (mut all, mut models) = (believed.all(), believed.by(model));
        if let Some((at, total, of_models)) = &self.said {
            let since = self.costs.iter().filter(|(time, ..)| time > at);
            let (mut cost, mut estimated) = (*total, 0);
            for (_, reported, estimate) in since {
                cost += reported.or(*estimate).unwrap_or(0);
                estimated += estimate.filter(|_| reported.is_none()).unwrap_or(0);
            }
            (all.1, all.2) = (Some(cost), estimated);
            models.iter_mut().for_each(|(model, spent)| (spent.1, spent.2) = (of_models.get(model).copied(), 0));
        }
        (all, models, believed.by(agent))
    }

    /// An answer that a transcript tells, and OTLP perhaps.
    fn answer(&mut self, event: &Value) {
        let data = &event["data"];
        let micros = |value: &Value| value.as_f64().map(|cost| (cost * 1e6).round() as i64);
        let tokens = |data: &Value| {
            ["input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"]
                .map(|key| data[key].as_u64().unwrap_or(0))
        };
        let model = data["model"].as_str().unwrap();
        let agent = agent_of(event["agent_type"].as_str(), data);
        let is_by = |door: &str| event["sources"].as_array().unwrap().contains(&json!(door));
        if !is_by("transcript") {
            self.logs.add(model, &agent, tokens(data), micros(&data["cost_usd"]));
            return;
        }
        self.transcript.add(model, &agent, tokens(data), None);
        let (reported, estimate) = (micros(&data["otlp"]["cost_usd"]), micros(&data["cost_estimated_usd"]));
        if is_by("otlp") {
            self.logs.add(model, &agent, tokens(&data["otlp"]), reported);
        }
        if let Some(estimate) = estimate.filter(|_| reported.is_none()) {
            *self.estimates.entry((model.to_owned(), agent)).or_default() += estimate;
        }
        self.costs.push((event["time"].as_str().unwrap().to_owned(), reported, estimate));
    }
}

/// Counts naively: every event from the first one on, and nothing remembered between two calls.
pub(super) fn naive(events: &[Value]) -> BTreeMap<&'static str, Names> {
    let mut groups: BTreeMap<&'static str, Names> = GROUPS.iter().map(|group| (*group, Names::new())).collect();
    let mut projects: BTreeMap<String, String> = BTreeMap::new();
    let mut spent: BTreeMap<String, Told> = BTreeMap::new();
    let mut told: BTreeMap<String, (String, f64)> = BTreeMap::new();
    for event in events {
        let text = |key: &str| event[key].as_str().map(str::to_owned);
        let kind = text("kind").unwrap();
        let is_error = event["outcome"] == "error" || ["turn.failed", "system.error"].contains(&kind.as_str());
        let ends = kind == "tool_call.finished" || kind == "tool_call.failed";
        let answers = kind == "api_request.finished";
        let session = text("session_id");
        if let (Some(session), Some(cwd)) = (&session, text("cwd"))
            && (event["agent_id"].is_null() || !projects.contains_key(session))
        {
            projects.entry(session.clone()).or_insert_with(|| cwd.rsplit('/').next().unwrap().to_owned());
        }
        let mut names = vec![("kind", kind.clone(), true), ("namespace", text("namespace").unwrap(), false)];
        names.extend(text("tool_name").map(|tool| ("tool", tool, ends)));
        if let Some(session) = &session {
            names.push(("session", session.clone(), ends));
            names.push(("project", projects.get(session).cloned().unwrap_or("unknown".to_owned()), ends));
            if answers {
                names.push(("model", event["data"]["model"].as_str().unwrap().to_owned(), true));
                names.push(("agent", agent_of(event["agent_type"].as_str(), &event["data"]), false));
            } else if kind != "metrics.reported" {
                let agent = text("agent_type").or(text("agent_id").map(|_| "subagent".to_owned()));
                names.push(("agent", agent.unwrap_or("main".to_owned()), ends));
            }
        }
        for (group, name, has_duration) in names {
            let counted = groups.get_mut(group).unwrap().entry(name).or_default();
            counted.events += 1;
            counted.errors += u64::from(is_error);
            counted.calls += u64::from(ends);
            counted.failed += u64::from(ends && is_error);
            counted.requests += u64::from(answers);
            counted.took.extend(event["duration_ms"].as_u64().filter(|_| has_duration));
        }
        let Some(session) = session else { continue };
        let known = spent.entry(session.clone()).or_default();
        if answers {
            known.answer(event);
        }
        if let Some(cost) = event["data"]["total_cost_usd"].as_f64() {
            let micros = |cost: f64| (cost * 1e6).round() as i64;
            let models = event["data"]["models"].as_object().unwrap().iter();
            let models = models.map(|(model, told)| (model.clone(), micros(told["cost_usd"].as_f64().unwrap())));
            known.said = Some((event["time"].as_str().unwrap().to_owned(), micros(cost), models.collect()));
        }
        for point in event["data"]["points"].as_array().into_iter().flatten() {
            let mut value = point["value"].as_f64().unwrap();
            if point["temporality"] == "cumulative" {
                let series = format!("{session} {} {}", point["name"], point["attributes"]);
                let start = point["start"].as_str().unwrap_or_default().to_owned();
                let before = told.insert(series, (start.clone(), value));
                value -= before.filter(|(since, _)| *since == start).map_or(0.0, |(_, before)| before);
            }
            let model = point["attributes"]["model"].as_str().unwrap_or("unknown");
            let agent = agent_of(None, &point["attributes"]);
            let types = ["input", "output", "cacheRead", "cacheCreation"];
            if point["name"] == "claude_code.cost.usage" {
                known.metrics.add(model, &agent, [0; 4], Some((value * 1e6).round() as i64));
            } else if point["name"] == "claude_code.token.usage" {
                let count = types.map(|is| if point["attributes"]["type"] == is { value as u64 } else { 0 });
                known.metrics.add(model, &agent, count, None);
            }
        }
    }
    for (session, known) in spent {
        let (all, models, agents) = known.believed();
        let project = projects.get(&session).cloned().unwrap_or("unknown".to_owned());
        let whole = [("session", session, all), ("project", project, all)];
        let named = models.into_iter().map(|(model, spent)| ("model", model, spent));
        let named = named.chain(agents.into_iter().map(|(agent, spent)| ("agent", agent, spent)));
        for (group, name, (tokens, cost, estimated)) in named.chain(whole) {
            let counted = groups.get_mut(group).unwrap().entry(name).or_default();
            counted.tokens.iter_mut().zip(tokens).for_each(|(sum, count)| *sum += count);
            counted.cost_micros = cost.map(|cost| cost + counted.cost_micros.unwrap_or(0)).or(counted.cost_micros);
            counted.estimated_micros += estimated;
        }
    }
    groups.values_mut().for_each(|names| names.retain(|_, counted| *counted != Counted::default()));
    groups
}

fn agent_of(agent_type: Option<&str>, attributes: &Value) -> String {
    let source = attributes["query_source"].as_str().unwrap_or_default();
    let named = agent_type.or(attributes["agent.name"].as_str()).or(source.strip_prefix("agent:builtin:"));
    named.unwrap_or(if source.starts_with("subagent") { "subagent" } else { "main" }).to_owned()
}
