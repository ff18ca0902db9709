"""Holds the repository's golden files to an OpenAPI document: openapi.py DOCUMENT CONTRACT_FOLDER"""

import json
import pathlib
import sys

import jsonschema_rs

document = json.loads(pathlib.Path(sys.argv[1]).read_text())
contract = pathlib.Path(sys.argv[2])


def answer(path, method="get", status="200"):
    return document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]


def schema(name):
    return {"$ref": f"#/components/schemas/{name}"}


def validator(of):
    return jsonschema_rs.Draft202012Validator({**of, "components": document["components"]}, validate_formats=True)


held = {
    "event/*.json": schema("Event"),
    "session/*.json": schema("Session"),
    "spans/*.json": answer("/api/v1/sessions/{id}/spans"),
    "server/agents.json": answer("/agents"),
    "server/content.json": answer("/api/v1/events/{seq}/content"),
    "server/emitted.json": answer("/emit", "post"),
    "server/error.json": schema("Problem"),
    "server/events.json": answer("/api/v1/events"),
    "server/health.json": answer("/health"),
    "server/sessions.json": answer("/api/v1/sessions"),
    "server/state.json": answer("/api/v1/state"),
    "server/status.json": answer("/status"),
}
for name, one in document["components"]["schemas"].items():
    jsonschema_rs.meta.validate({**one, "$schema": "https://json-schema.org/draft/2020-12/schema"})
files = 0
for pattern, of in held.items():
    for file in sorted(contract.glob(pattern)):
        golden = json.loads(file.read_text())
        validator(of).validate(golden)
        # What the document does not know must not pass.
        if validator(of).is_valid({**golden, "something_new": 1}):
            sys.exit(f"{file}: a field that is not described passes")
        files += 1
print(json.dumps({"files": files}))
