#!/usr/bin/env python3
"""Checks what schemathesis leaves out: check-openapi.py URL TASK. Every path refuses every method that its document does not
list, with 405, a problem document and an Allow header that names those it does; streams of events begin with their type."""

import http.client
import json
import sys
import urllib.parse

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
PROBLEM = "application/problem+json"
PARTS = {"type", "title", "status", "code", "detail", "hint"}
url, task = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
problems = []


def ask(method, path):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    connection.request(method, path, headers={"content-length": "0"} if method != "GET" else {})
    return connection.getresponse()


def expect(is_good, what):
    if not is_good:
        problems.append(what)


def refused(method, path, listed):
    answer = ask(method, path)
    name = f"{method} {path}"
    expect(answer.status == 405, f"{name}: {answer.status} where 405 is due")
    kind = answer.getheader("content-type")
    expect(kind == PROBLEM, f"{name}: content type {kind}")
    allowed = {m.strip() for m in (answer.getheader("allow") or "").split(",")} - {"HEAD", ""}
    expect(allowed == listed, f"{name}: Allow names {sorted(allowed)}, the document {sorted(listed)}")
    try:
        body = json.loads(answer.read())
        expect(set(body) == PARTS and body["status"] == 405, f"{name}: body {body}")
    except ValueError:
        problems.append(f"{name}: the body is no JSON")


connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
connection.request("GET", "/openapi.json")
document = json.load(connection.getresponse())
for path, item in document["paths"].items():
    listed = {m for m in METHODS if m.lower() in item}
    filled = path.replace("/tasks/{id}", f"/tasks/{task}").replace("{id}", "1")
    for method in METHODS:
        if method not in listed:
            refused(method, filled, listed)

answer = ask("GET", "/no/such/path")
expect(answer.status == 404 and answer.getheader("content-type") == PROBLEM, "an unknown path is no problem document")
for path in ["/v1/events?after=0", f"/v1/tasks/{task}/events"]:
    answer = ask("GET", path)
    kind = answer.getheader("content-type", "")
    expect(answer.status == 200 and kind.startswith("text/event-stream"), f"{path}: {answer.status} {kind}")
    line = answer.readline().decode()
    expect(line.startswith(("id:", "data:", ":")), f"{path}: begins with {line!r}")
for path in ["/v1/events?after=x", "/v1/tasks/x/events", f"/v1/tasks/0x{'1' * 64}/events"]:
    answer = ask("GET", path)
    kind = answer.getheader("content-type")
    expect(answer.status in (400, 404) and kind == PROBLEM, f"{path}: {answer.status} {kind}")

for problem in problems:
    print(problem)
print(f"openapi: {len(document['paths'])} paths refuse other methods and stream as documented" if not problems else f"openapi: {len(problems)} findings")
sys.exit(bool(problems))
