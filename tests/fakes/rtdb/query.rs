//! Queries of a GET: `shallow`, `orderBy`, limits and ranges.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::tree::segments;
use super::written::Refusal;

const FILTERS: [&str; 5] = ["limitToFirst", "limitToLast", "startAt", "endAt", "equalTo"];

/// What a GET with these parameters shows of the stored `node`.
pub fn select(node: &Value, params: &HashMap<String, String>) -> Result<Value, Refusal> {
    let filtered = FILTERS.iter().any(|it| params.contains_key(*it));
    let order = params.get("orderBy");
    if params.get("shallow").is_some_and(|it| it == "true") {
        if order.is_some() || filtered {
            return Err("shallow cannot be combined with other queries".to_owned());
        }
        return Ok(shallow(node));
    }
    let Some(order) = order else {
        if filtered {
            return Err("orderBy must be defined when other query parameters are defined".into());
        }
        return Ok(node.clone());
    };
    let Ok(Value::String(order)) = serde_json::from_str(order) else {
        return Err("orderBy must be a valid JSON encoded path".to_owned());
    };
    let Value::Object(children) = node else {
        return Ok(node.clone());
    };
    let start = bound(params, "startAt")?;
    let end = bound(params, "endAt")?;
    let equal = bound(params, "equalTo")?;
    let mut found: Vec<(Value, &String, &Value)> = children
        .iter()
        .map(|(key, child)| (sort_value(&order, key, child), key, child))
        .filter(|(at, ..)| {
            let within = |it: &Value, not: Ordering| compare(&order, at, it) != not;
            start.as_ref().is_none_or(|it| within(it, Ordering::Less))
                && end.as_ref().is_none_or(|it| within(it, Ordering::Greater))
                && equal.as_ref().is_none_or(|it| compare(&order, at, it) == Ordering::Equal)
        })
        .collect();
    found.sort_by(|a, b| compare(&order, &a.0, &b.0).then_with(|| compare_keys(a.1, b.1)));
    if let Some(n) = limit(params, "limitToFirst")? {
        found.truncate(n);
    }
    if let Some(n) = limit(params, "limitToLast")? {
        found.drain(..found.len().saturating_sub(n));
    }
    let found: Map<String, Value> =
        found.into_iter().map(|(_, key, child)| (key.clone(), child.clone())).collect();
    Ok(Value::Object(found))
}

fn shallow(node: &Value) -> Value {
    let Value::Object(children) = node else {
        return node.clone();
    };
    let keys = children.iter().map(|(key, child)| {
        let shown = if child.is_object() { Value::Bool(true) } else { child.clone() };
        (key.clone(), shown)
    });
    Value::Object(keys.collect())
}

fn sort_value(order: &str, key: &str, child: &Value) -> Value {
    match order {
        "$key" => Value::from(key),
        "$value" => child.clone(),
        "$priority" => Value::Null,
        path => super::tree::get(child, &segments(path)).clone(),
    }
}

fn compare(order: &str, a: &Value, b: &Value) -> Ordering {
    if let (true, Some(a), Some(b)) = (order == "$key", a.as_str(), b.as_str()) {
        return compare_keys(a, b);
    }
    let rank = |it: &Value| match it {
        Value::Null => 0,
        Value::Bool(false) => 1,
        Value::Bool(true) => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        _ => 5,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => Ordering::Equal,
    })
}

/// Integer-like keys first and by number, then the others by text.
fn compare_keys(a: &str, b: &str) -> Ordering {
    match (a.parse::<i32>(), b.parse::<i32>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

fn bound(params: &HashMap<String, String>, name: &str) -> Result<Option<Value>, Refusal> {
    params
        .get(name)
        .map(|text| serde_json::from_str(text))
        .transpose()
        .map_err(|_| format!("{name} must be a valid JSON value"))
}

fn limit(params: &HashMap<String, String>, name: &str) -> Result<Option<usize>, Refusal> {
    params
        .get(name)
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| format!("{name} must be an integer"))
}
