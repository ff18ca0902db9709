//! Answers `GET /api/v1/stats`: how much of what, and how fast; in all, and over any time under the names of a group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use event::event::Time;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::sums::{self, Binned, OTHER, Sum, Sums};

use super::problem::Problem;
use crate::app::App;
use crate::clock;
use crate::hub::tally::Group;

/// Bins in one answer.
const BINS_MAX: i64 = 2_000;

/// About as many bins are given when no step is asked for.
const BINS_USUAL: i64 = 300;

/// Steps that divide days evenly, in minutes.
const STEPS: [i64; 11] = [1, 2, 5, 10, 15, 30, 60, 180, 360, 720, 1_440];

/// Minutes of a day, and of the range that is looked at when nothing says where it begins.
const DAY: i64 = 1_440;

/// How long an answer waits for what was acknowledged before it to be counted; a recorder with much to do takes longer.
const COUNTED_MAX: Duration = Duration::from_millis(250);

/// Names in one answer; those beyond it are one, `other`.
const NAMES_MAX: usize = 100;

/// What may be asked.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// How far back the minutes go, at most one day.
    minutes: Option<u64>,
    /// Where the range begins, if sums over time are wanted.
    from: Option<String>,
    /// Where it ends; now, if nothing else is said.
    to: Option<String>,
    /// How long a bin is: `1m`, `6h`, `1d`, or minutes.
    step: Option<String>,
    /// By what: [`Group::NAMED`].
    group: Option<String>,
}

/// Totals since the store began, the last minutes one by one, and sums over time if they are asked for.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::query(&error))?;
    let now = clock::now();
    let over_time = match Range::of(&asked, now)? {
        None => None,
        Some(range) => {
            // What was acknowledged is counted a moment later: whoever asks now gets it too.
            let _ = tokio::time::timeout(COUNTED_MAX, app.recorder.record(Vec::new())).await;
            let sums = Arc::clone(&app.sums);
            let found = tokio::task::spawn_blocking(move || range.look(&sums)).await;
            Some(found.map_err(Problem::store)?.map_err(Problem::store)?)
        }
    };
    let totals = app.hub.state().totals.clone();
    let minutes = totals.minutes(now, asked.minutes.unwrap_or(60).clamp(1, 1440));
    let mut stats = json!({
        "server_time": now,
        "events": totals.events,
        "errors": totals.errors,
        "tool_calls": totals.tool_calls,
        "unique_kinds": totals.by_kind.len(),
        "events_per_minute": minutes,
        "by_namespace": totals.by_namespace,
        "by_kind": totals.by_kind,
        "clients": app.clients(),
    });
    if let Some(over_time) = over_time {
        stats["over_time"] = over_time;
    }
    Ok(super::json(stats.to_string()))
}

/// A range of time in bins, and what is wanted of it.
struct Range {
    group: (&'static str, Group),
    from: i64,
    to: i64,
    step: i64,
}

impl Range {
    /// What is asked for; `None` when no sums over time are.
    fn of(asked: &Asked, now: Time) -> Result<Option<Range>, Problem> {
        if asked.from.is_none() && asked.to.is_none() && asked.step.is_none() && asked.group.is_none() {
            return Ok(None);
        }
        let group = asked.group.as_deref().unwrap_or("kind");
        let group = Group::NAMED.into_iter().find(|(name, _)| *name == group).ok_or_else(|| {
            let names: Vec<_> = Group::NAMED.iter().map(|(name, _)| *name).collect();
            Problem::bad_request(format!("group must be one of {}, and is {group:?}", names.join(", ")))
        })?;
        let to = minute("to", asked.to.as_deref())?;
        // The minute that is running belongs to it.
        let to = to.map_or(now.ms().div_euclid(60_000) + 1, |(minute, is_whole)| minute + i64::from(!is_whole));
        let from = minute("from", asked.from.as_deref())?.map_or(to - DAY, |(minute, _)| minute);
        if from >= to {
            return Err(Problem::bad_request("`from` must be before `to`"));
        }
        let step = match asked.step.as_deref() {
            Some(step) => step_of(step)?,
            None => usual_step(to - from),
        };
        let bins = (to - from + step - 1) / step;
        if bins > BINS_MAX {
            let least = (to - from + BINS_MAX - 1) / BINS_MAX;
            return Err(Problem::bad_request(format!("that would be {bins} bins, and at most {BINS_MAX} are given"))
                .suggest(format!("Ask for a step of {least}m or more, or leave `step` out")));
        }
        Ok(Some(Range { group, from, to, step }))
    }

    fn look(&self, sums: &Sums) -> Result<Value, store::StoreError> {
        let &Range { group: (name, group), from, to, step } = self;
        let ask = |group: Group| sums.ask(&sums::Asked { group: group as u8, from, to, step });
        let is_complete = sums.is_complete();
        // Every event is of one kind, so that all kinds together are everything.
        let mut all: BTreeMap<u32, Sum> = BTreeMap::new();
        let kinds = ask(Group::Kind)?;
        for (bin, sum) in kinds.names.values().flatten() {
            // How long a request took and how long a call did have nothing to say together.
            let sum = Sum { durations: sums::Durations::default(), took_ms: 0, ..sum.clone() };
            all.entry(*bin).or_default().add(&sum);
        }
        let found = if group == Group::Kind { kinds } else { ask(group)? };
        let minutes_from = found.minutes_from;
        let series: Vec<Value> = fewest(found)
            .into_iter()
            .map(|(name, total, bins)| json!({ "name": name, "total": told(&total), "bins": self.told(&bins) }))
            .collect();
        let time = |minute: i64| Time::from_ms(sums::Asked::time_ms(minute));
        let mut answer = json!({
            "group": name,
            "from": time(from),
            "to": time(to),
            "step_s": step * 60,
            "complete": is_complete,
            "total": told(&total_of(&all)),
            "bins": self.told(&all),
            "series": series,
        });
        if minutes_from > from {
            answer["hours_before"] = json!(time(minutes_from));
        }
        Ok(answer)
    }

    /// Bins with the time at which each begins.
    fn told(&self, bins: &BTreeMap<u32, Sum>) -> Vec<Value> {
        let bin = |(bin, sum): (&u32, &Sum)| {
            let mut value = told(sum);
            value["time"] = json!(Time::from_ms(sums::Asked::time_ms(self.from + i64::from(*bin) * self.step)));
            value
        };
        bins.iter().map(bin).collect()
    }
}

/// A moment as whole minutes since 1970, and whether nothing was cut off for it.
fn minute(name: &str, text: Option<&str>) -> Result<Option<(i64, bool)>, Problem> {
    let Some(text) = text else { return Ok(None) };
    // A plus that nobody encoded arrives as a space.
    let time = Time::parse(&text.replace(' ', "+")).or_else(|| Some(Time::from_ms(text.parse().ok()?)));
    // The years 1 to 9998, so that every end of a range is a time as well.
    let known = -62_135_596_800_000..253_370_764_800_000;
    let ms = time.map(Time::ms).filter(|ms| known.contains(ms)).ok_or_else(|| {
        Problem::bad_request(format!(
            "`{name}` must be a time such as 2026-11-20T14:00:00Z, or milliseconds since 1970"
        ))
    })?;
    Ok(Some((ms.div_euclid(60_000), ms.rem_euclid(60_000) == 0)))
}

fn step_of(text: &str) -> Result<i64, Problem> {
    let (number, minutes) = match text.char_indices().next_back() {
        Some((at, 'm')) => (&text[..at], 1),
        Some((at, 'h')) => (&text[..at], 60),
        Some((at, 'd')) => (&text[..at], DAY),
        _ => (text, 1),
    };
    let step = number.parse::<i64>().ok().and_then(|number| number.checked_mul(minutes));
    step.filter(|step| (1..=3_660 * DAY).contains(step))
        .ok_or_else(|| Problem::bad_request("`step` must be minutes, hours or days, such as 5m, 1h or 1d"))
}

/// The shortest of [`STEPS`], or of whole days, that gives not many more than [`BINS_USUAL`].
fn usual_step(minutes: i64) -> i64 {
    let least = (minutes + BINS_USUAL - 1) / BINS_USUAL;
    STEPS.into_iter().find(|step| *step >= least).unwrap_or((least + DAY - 1) / DAY * DAY)
}

fn total_of(bins: &BTreeMap<u32, Sum>) -> Sum {
    let mut total = Sum::default();
    bins.values().for_each(|sum| total.add(sum));
    total
}

/// Whether all of it was taken back: told under another name since.
fn is_nothing(sum: &Sum) -> bool {
    let told = [sum.events, sum.requests, sum.input, sum.output, sum.cache_read, sum.cache_creation, sum.unpriced];
    told.iter().all(|count| *count == 0) && sum.cost_micros.unwrap_or(0) == 0
}

/// The names that matter most, dearest first, then the busiest; what is beyond [`NAMES_MAX`] is one.
fn fewest(found: Binned) -> Vec<(String, Sum, BTreeMap<u32, Sum>)> {
    let with_total = |(name, bins): (String, BTreeMap<u32, Sum>)| {
        let total = total_of(&bins);
        (name, total, bins)
    };
    let mut names: Vec<_> =
        found.names.into_iter().map(with_total).filter(|(_, total, _)| !is_nothing(total)).collect();
    names.sort_by(|(one, a, _), (other, b, _)| {
        (b.cost_micros, b.took_ms, b.events, one).cmp(&(a.cost_micros, a.took_ms, a.events, other))
    });
    if names.len() > NAMES_MAX {
        let mut rest: BTreeMap<u32, Sum> = BTreeMap::new();
        for (bin, sum) in names.drain(NAMES_MAX - 1..).flat_map(|(_, _, bins)| bins) {
            rest.entry(bin).or_default().add(&sum);
        }
        names.push((OTHER.to_owned(), total_of(&rest), rest));
    }
    names
}

/// A sum without what is not known of it: no tokens and no cost where none were told, which is not 0.
fn told(sum: &Sum) -> Value {
    let mut told = Map::new();
    let whole = |count: i64| json!(count.max(0));
    for (key, count) in [("events", sum.events), ("errors", sum.errors)] {
        told.insert(key.to_owned(), whole(count));
    }
    if sum.calls > 0 {
        told.insert("calls".to_owned(), whole(sum.calls));
        told.insert("failed".to_owned(), whole(sum.failed));
    }
    for (key, count) in [("requests", sum.requests), ("unpriced", sum.unpriced)] {
        if count > 0 {
            told.insert(key.to_owned(), whole(count));
        }
    }
    let tokens = [sum.input, sum.output, sum.cache_read, sum.cache_creation].map(|count| count.max(0));
    let total: i64 = tokens.iter().sum();
    if total > 0 {
        let [input, output, cache_read, cache_creation] = tokens;
        told.insert(
            "tokens".to_owned(),
            json!({ "input": input, "output": output, "cache_read": cache_read, "cache_creation": cache_creation,
                "total": total }),
        );
    }
    if let Some(micros) = sum.cost_micros.filter(|micros| *micros > 0 || sum.unpriced == 0) {
        told.insert("cost_usd".to_owned(), json!(micros.max(0) as f64 / 1e6));
        // A part of it, as in a session's `cost_usd`: an estimate becomes a report without changing what is summed.
        if sum.estimated_micros > 0 {
            told.insert("cost_estimated_usd".to_owned(), json!(sum.estimated_micros as f64 / 1e6));
        }
    }
    if let Some((p50, p95)) = sum.durations.quantile(0.5).zip(sum.durations.quantile(0.95)) {
        let rounded = |ms: f64| (ms * 10.0).round() / 10.0;
        told.insert(
            "duration_ms".to_owned(),
            json!({ "count": sum.durations.count(), "sum": sum.took_ms.max(0), "p50": rounded(p50), "p95": rounded(p95) }),
        );
    }
    Value::Object(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_nobody_chose_divides_days_and_gives_some_hundred_bins() {
        for (minutes, step) in
            [(1, 1), (60, 1), (300, 1), (DAY, 5), (7 * DAY, 60), (30 * DAY, 180), (366 * DAY, 2 * DAY)]
        {
            assert_eq!(usual_step(minutes), step, "{minutes}");
            assert!(minutes / step <= BINS_USUAL);
        }
    }

    #[test]
    fn steps_are_minutes_hours_or_days() {
        for (text, step) in [("1m", 1), ("90m", 90), ("2h", 120), ("7d", 7 * DAY), ("5", 5)] {
            assert_eq!(step_of(text).unwrap(), step);
        }
        for text in ["", "0", "-1m", "1s", "m", "1.5h", "99999999999999999d", "ß"] {
            assert!(step_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cost_that_was_never_told_is_absent_and_not_zero() {
        let unpriced = told(&Sum { input: 10, unpriced: 1, ..Sum::default() });
        assert!(unpriced.get("cost_usd").is_none() && unpriced["unpriced"] == 1, "{unpriced}");
        let free = told(&Sum { input: 10, cost_micros: Some(0), ..Sum::default() });
        assert_eq!(free["cost_usd"], 0.0);
    }
}
