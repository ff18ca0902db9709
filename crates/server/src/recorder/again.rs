//! What is told a second time (I2): no second event. The record learns which doors told it, and what the second one knew
//! besides.
//!
//! OTLP knows less of a thing than a hook does, and sometimes comes first. Then the hook's telling takes the place of the
//! poorer one, under its number, and what it implies besides follows as events of their own.

use std::sync::Arc;

use bytes::Bytes;
use event::event::{Event, Fact, Source, Time};
use event::vocabulary::Kind;
use event::wire::history;
use serde_json::Value;
use store::Found;

use super::{Corrected, Group, Writer};
use crate::api::events::TIMES_MOVE_MS;
use crate::hub::Published;
use crate::hub::tally::Context;

/// Takes another telling of event `known`; `place` is the next free number, and now.
pub(super) fn told(writer: &mut Writer, known: u64, fact: Fact, place: (u64, Time), group: &mut Group) {
    let Some(&source) = fact.sources.first() else { return };
    let pending = group.batch.records.iter().position(|record| record.seq == known);
    let json = match pending.and_then(|place| group.batch.records.get(place)) {
        Some(record) => record.json.clone(),
        None => match group.batch.rewritten.iter().rev().find(|(seq, _)| *seq == known) {
            Some((_, json)) => json.clone(),
            None => match writer.store.reader().get(known) {
                Ok(Found::Event(json)) => json,
                _ => return,
            },
        },
    };
    let Ok(event) = history::read(&json) else { return };
    if source != Source::Otlp && event.fact.sources == [Source::Otlp] {
        return fuller(writer, event, fact, place, group);
    }
    let learnt = writer.memory.take_again(&event.fact, &fact);
    group.sessions_changed |= learnt.is_some();
    let corrected = if source == Source::Transcript { with_more(&json, &event.fact, &fact) } else { None };
    if let Some(enriched) = corrected.or_else(|| with_source(&json, source, &fact)) {
        if let Some(context) = learnt {
            let after = history::read(&enriched).map_or_else(|_| event.fact.clone(), |event| event.fact);
            let before = event.fact;
            group.corrected.push(Corrected { seq: known, before, after, context, is_counted: pending.is_none() });
        }
        replace(group, pending, known, enriched);
    }
}

/// An answer that a transcript told before its last line was there, with what the last line says of it.
fn with_more(json: &[u8], known: &Fact, fact: &Fact) -> Option<Bytes> {
    let output = |fact: &Fact| fact.data.get("output_tokens").and_then(Value::as_u64);
    if !known.sources.contains(&source_of(fact)?) || output(fact) <= output(known) {
        return None;
    }
    let mut event: Value = serde_json::from_slice(json).ok()?;
    let fields = event.get_mut("data")?.as_object_mut()?;
    for (key, value) in fact.data.as_object()? {
        fields.insert(key.clone(), value.clone());
    }
    if fact.data.get("at_least").is_none() {
        fields.remove("at_least");
    }
    event["summary"] = fact.summary.clone().into();
    Some(event.to_string().into())
}

fn source_of(fact: &Fact) -> Option<Source> {
    fact.sources.first().copied()
}

fn fuller(writer: &mut Writer, poorer: Event, fact: Fact, (next, now): (u64, Time), group: &mut Group) {
    let Some(known) = poorer.seq else { return };
    let mut fact = fact;
    if fact.kind == Kind::ApiRequestFinished {
        // Its session has to know that the cost was reported already.
        add_otlp(&mut fact, &poorer.fact);
    }
    group.sessions_changed = true;
    let (facts, context) = writer.memory.take_fuller(fact, known, next);
    let mut facts = facts.into_iter();
    let Some(mut fact) = facts.next() else { return };
    let before = poorer.fact;
    if fact.time.ms().abs_diff(before.time.ms()) > TIMES_MOVE_MS.unsigned_abs() {
        // It is found by the time that it was stored under.
        fact.time = before.time;
    }
    fact.sources = [before.sources.as_slice(), &fact.sources].concat();
    add_otlp(&mut fact, &before);
    let content = fact.whole.as_ref().map(|whole| Bytes::from(whole.to_string()));
    let published = Arc::new(Published::new(Event { seq: Some(known), recorded_at: poorer.recorded_at, fact }));
    let pending = group.batch.records.iter().position(|record| record.seq == known);
    replace(group, pending, known, published.json.clone());
    let is_counted = pending.is_none();
    let implied = Context { growth: None, ..context.clone() };
    group.corrected.push(Corrected { seq: known, before, after: published.event.fact.clone(), context, is_counted });
    if let Some(record) = pending.and_then(|place| group.batch.records.get_mut(place)) {
        record.content = content;
    }
    if let Some(shown) = group.events.iter_mut().find(|shown| shown.event.seq == Some(known)) {
        *shown = published;
    }
    group.append(facts.collect(), implied, (next, now));
}

/// Puts what OTLP tells of a thing beside what the other door does.
fn add_otlp(fact: &mut Fact, told: &Fact) {
    let (kind, data) = (fact.kind, told_by_otlp(told));
    if let (Value::Object(fields), Value::Object(told)) = (&mut fact.data, data) {
        // What a request cost stands at one place, whoever told the rest.
        if let (Kind::ApiRequestFinished, Some(cost)) = (kind, told.get("cost_usd")) {
            fields.insert("cost_usd".to_owned(), cost.clone());
        }
        fields.insert(Source::Otlp.name().to_owned(), told.into());
    }
}

/// The fields of a fact of OTLP. For which agent a request was is one of them, and stands beside them while OTLP alone
/// tells it.
fn told_by_otlp(fact: &Fact) -> Value {
    let mut data = fact.data.clone();
    if let (Kind::ApiRequestFinished, Some(agent), Value::Object(fields)) = (fact.kind, &fact.agent_type, &mut data) {
        fields.entry("agent.name").or_insert_with(|| agent.as_str().into());
    }
    data
}

fn replace(group: &mut Group, pending: Option<usize>, seq: u64, json: Bytes) {
    match pending.and_then(|place| group.batch.records.get_mut(place)) {
        Some(record) => record.json = json,
        None => {
            group.batch.rewritten.retain(|(known, _)| *known != seq);
            group.batch.rewritten.push((seq, json));
        }
    }
}

/// The event's JSON with one more door in `sources`, and with what OTLP alone knows; `None` when nothing is new.
fn with_source(json: &[u8], source: Source, fact: &Fact) -> Option<Bytes> {
    let mut event: Value = serde_json::from_slice(json).ok()?;
    let sources = event.get_mut("sources")?.as_array_mut()?;
    if sources.iter().any(|known| known.as_str() == Some(source.name())) {
        return None;
    }
    sources.push(source.name().into());
    if source == Source::Otlp
        && let Some(fields) = event.get_mut("data").and_then(Value::as_object_mut)
        && !fields.contains_key(source.name())
    {
        if let (Kind::ApiRequestFinished, Some(cost)) = (fact.kind, fact.data.get("cost_usd")) {
            fields.insert("cost_usd".to_owned(), cost.clone());
        }
        fields.insert(source.name().to_owned(), told_by_otlp(fact));
    }
    Some(event.to_string().into())
}
