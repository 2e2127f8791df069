"""What a schema cannot say about a valid request, so that a generated one is valid in these respects too.

Requests that are meant to be invalid are left as they are.
"""

import json
import uuid

import schemathesis


@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_text(ctx, value):
    return (value if isinstance(value, str) else json.dumps(value)).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    headers, query = case.headers, case.query or {}
    # The run authenticates as a user; a second credential contradicts the first.
    headers.pop("x-tenant-key", None)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # A version that nobody has read is stale, and the run reads none.
    headers.pop("If-Match", None)
    # A key stands for one request.
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(uuid.uuid4())
    # Cursors are signed: only the server makes them.
    query.pop("cursor", None)
    # Numbered pages reach the first 10,000 items.
    if "page" in query and int(query["page"]) * int(query.get("limit", 50)) > 10_000:
        query["page"] = 0
