//! Answers `GET /api`: the OpenAPI document as a page to read. No script, no other file, links relative to where it is.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::Value;

use super::openapi;
use crate::app::App;
use crate::config;

/// How it looks, in the page itself: the address of another file could be guarded by the token.
const STYLE: &str = include_str!("reference/page.css");

/// Open to all, as the page is: it tells nothing of what is stored.
pub(crate) async fn answer(State(app): State<Arc<App>>) -> Response {
    // Without randomness the page has no style, and is read all the same.
    let nonce = config::random_id().unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "DENY".to_owned()),
    ];
    (headers, page(&openapi::document(&app.config.version), &nonce)).into_response()
}

/// The whole page.
fn page(document: &Value, nonce: &str) -> String {
    let mut html = String::with_capacity(96 * 1024);
    let title = text(&document["info"]["title"]);
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}: HTTP interface</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <style nonce=\"{nonce}\">{STYLE}</style></head><body><header><h1>{title}</h1><p>{} Version {}.</p>\
         <p><a href=\"api/v1/openapi.json\">openapi.json</a> is this page for programs. <a href=\"./\">Open the monitor.</a></p></header>",
        text(&document["info"]["description"]),
        text(&document["info"]["version"]),
    );
    contents(&mut html, document);
    html.push_str("<main>");
    for tag in list(&document["tags"]) {
        let _ = write!(html, "<h2>{}</h2><p>{}</p>", text(&tag["name"]), text(&tag["description"]));
        for (path, method, operation) in operations(document, &tag["name"]) {
            section(&mut html, document, path, method, operation);
        }
    }
    html.push_str("<h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in fields(&document["components"]["schemas"]) {
        let _ = write!(html, "<section id=\"schema-{0}\"><h3><code>{0}</code></h3>", escaped(name));
        describe(&mut html, schema);
        html.push_str("</section>");
    }
    html.push_str("</main></body></html>");
    html
}

fn contents(html: &mut String, document: &Value) {
    html.push_str("<nav aria-label=\"Contents\"><ul>");
    for tag in list(&document["tags"]) {
        let _ = write!(html, "<li>{}<ul>", text(&tag["name"]));
        for (path, method, operation) in operations(document, &tag["name"]) {
            let (method, path, id) = (method.to_uppercase(), escaped(path), text(&operation["operationId"]));
            let _ = write!(html, "<li><a href=\"#{id}\"><b>{method}</b> {path}</a></li>");
        }
        html.push_str("</ul></li>");
    }
    html.push_str("<li><a href=\"#schemas\">Schemas</a></li></ul></nav>");
}

fn section(html: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        html,
        "<section id=\"{}\"><h3><b>{}</b> <code>{}</code></h3><p>{}.</p>",
        text(&operation["operationId"]),
        method.to_uppercase(),
        escaped(path),
        text(&operation["summary"])
    );
    if let Some(more) = operation["description"].as_str() {
        let _ = write!(html, "<p>{}</p>", prose(more));
    }
    let parameters = list(&operation["parameters"]);
    if !parameters.is_empty() {
        html.push_str("<h4>Parameters</h4><div class=\"wide\"><table>");
        for parameter in parameters {
            let _ = write!(
                html,
                "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td></tr>",
                text(&parameter["name"]),
                text(&parameter["in"]),
                shape(&parameter["schema"]),
                sentence(&parameter["description"])
            );
        }
        html.push_str("</table></div>");
    }
    if let Some(body) = operation.get("requestBody") {
        html.push_str("<h4>Body</h4>");
        contents_of(html, &body["content"]);
    }
    html.push_str("<h4>Answers</h4><dl>");
    for (status, response) in fields(&operation["responses"]) {
        let response = resolved(document, response);
        let status = if status == "default" { "else" } else { status };
        let _ = write!(html, "<dt>{}</dt><dd><p>{}</p>", escaped(status), sentence(&response["description"]));
        contents_of(html, &response["content"]);
        html.push_str("</dd>");
    }
    html.push_str("</dl></section>");
}

/// The bodies of a request or an answer, by content type.
fn contents_of(html: &mut String, content: &Value) {
    for (kind, body) in fields(content) {
        let _ = write!(html, "<p><code>{}</code> {}</p>", escaped(kind), shape(&body["schema"]));
        if body["schema"].get("properties").is_some() {
            describe(html, &body["schema"]);
        }
        if let Some(example) = body.get("example") {
            let _ = write!(html, "<pre>{}</pre>", escaped(&example.to_string()));
        }
    }
}

/// A schema: what it is, and its fields.
fn describe(html: &mut String, schema: &Value) {
    if let Some(description) = schema["description"].as_str() {
        let _ = write!(html, "<p>{}</p>", prose(description));
    }
    let properties: Vec<_> = fields(&schema["properties"]).collect();
    if properties.is_empty() {
        let _ = write!(html, "<p>{}</p>", shape(schema));
        return;
    }
    let required: Vec<_> = list(&schema["required"]).iter().filter_map(Value::as_str).collect();
    html.push_str("<div class=\"wide\"><table>");
    for (name, property) in properties {
        let optional = if required.contains(&name) { "" } else { " <small>may be absent</small>" };
        let _ = write!(
            html,
            "<tr><th scope=\"row\"><code>{}</code>{optional}</th><td>{}</td><td>",
            escaped(name),
            shape(property)
        );
        match property.get("properties") {
            Some(_) => describe(html, property),
            None => html.push_str(&sentence(&property["description"])),
        }
        html.push_str("</td></tr>");
    }
    html.push_str("</table></div>");
}

/// The type of a value in a few words, with links to what has a name.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[key].as_array() {
            return choices.iter().map(shape).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("<code>{}</code>", text(value))).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&value.to_string()));
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::String(kind) => escaped(kind),
        _ => "any".to_owned(),
    };
    match kind.as_str() {
        "array" => format!("list of {}", shape(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {} by name", shape(&schema["additionalProperties"]))
        }
        "object" if schema.get("properties").is_some() => {
            let names = fields(&schema["properties"]).map(|(name, _)| format!("<code>{}</code>", escaped(name)));
            format!("object with {}", names.collect::<Vec<_>>().join(", "))
        }
        _ => kind + &bounds(schema),
    }
}

fn bounds(schema: &Value) -> String {
    let mut bounds = String::new();
    // That nothing is below 0, and that numbers have 64 bits, goes without saying.
    for (key, word) in [("minimum", "from"), ("maximum", "to")] {
        if let Some(bound) = schema[key].as_u64().filter(|bound| (1..u64::from(u32::MAX)).contains(bound)) {
            let _ = write!(bounds, " {word} {bound}");
        }
    }
    if let Some(default) = schema.get("default") {
        let _ = write!(bounds, ", else {}", escaped(&default.to_string()));
    }
    bounds
}

/// The operations of a tag, in the order of their paths.
fn operations<'a>(document: &'a Value, tag: &'a Value) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    let paths = fields(&document["paths"]);
    let all =
        paths.flat_map(|(path, methods)| fields(methods).map(move |(method, operation)| (path, method, operation)));
    all.filter(move |(_, _, operation)| list(&operation["tags"]).contains(tag))
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, field)| (name.as_str(), field))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().map(escaped).unwrap_or_default()
}

fn sentence(value: &Value) -> String {
    value.as_str().map(prose).unwrap_or_default()
}

/// Text with `code` in it.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (at, part) in text.split('`').enumerate() {
        match at % 2 {
            0 => html.push_str(&escaped(part)),
            _ => html.push_str(&format!("<code>{}</code>", escaped(part))),
        }
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_operation_and_every_schema_and_each_link_on_it_leads_somewhere() {
        let document = openapi::document("1.2.3<");
        let html = page(&document, "n");
        for (path, methods) in fields(&document["paths"]) {
            for (_, operation) in fields(methods) {
                assert!(html.contains(&format!("id=\"{}\"", text(&operation["operationId"]))), "{path}");
            }
        }
        for link in html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert_eq!(html.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
        }
        assert!(html.contains("Version 1.2.3&lt;."));
        // Behind a prefix, an address from the root would leave it; and nothing is loaded from anywhere.
        assert!(!html.contains("href=\"/") && !html.contains("src=") && !html.contains("url("));
    }
}
