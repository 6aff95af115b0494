"""Gives made-up requests what only earlier answers could give them: a picture that exists, a new key.

What the document refuses stays as it is.
"""

import json
import os
import re
import struct
import urllib.request
import uuid

import schemathesis

BASE = os.environ["TRYON_URL"]
CURSOR = re.compile(r"[A-Za-z0-9_-]{48}\Z")
TOKEN = re.compile(r"[!-~]{1,128}\Z")
PHOTO = re.compile(r"in/[^\x00-\x1f\x7f-\x9f]{0,1021}\Z")
LONGEST_GIVE_UP = 691_200


@schemathesis.hook
def before_load_schema(context, schema):
    """`serve` trusts all its callers: whoever does not sign is no case for it."""
    del context
    schema["security"] = []
    for path in schema["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation.pop("security", None)


def send(method, url, body, headers):
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def upload():
    """The head of a JPEG of 512 x 768: all that is looked at where pictures are canned."""
    picture = (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\0\1\2\0\0\1\0\1\0\0\xff\xc0\0\x11\x08"
        + struct.pack(">HH", 768, 512)
        + bytes([3, 1, 17, 0, 2, 17, 0, 3, 17, 0])
    )
    wish = {"user_id": "alice", "content_type": "image/jpeg", "bytes": len(picture)}
    headers = {"content-type": "application/json"}
    place = json.loads(send("POST", f"{BASE}/v1/uploads", json.dumps(wish).encode(), headers))
    send("PUT", place["url"], picture, place["headers"])
    return place["key"]


PICTURE = upload()


@schemathesis.hook
def before_call(context, case, kwargs):
    query, headers, body = case.query or {}, case.headers or {}, case.body
    if CURSOR.match(str(query.get("cursor", ""))):
        del query["cursor"]
    for name in headers:
        if name.lower() == "idempotency-key" and TOKEN.match(str(headers[name])):
            headers[name] = uuid.uuid4().hex
    if not isinstance(body, dict):
        return
    give_up = body.get("give_up_seconds")
    if isinstance(give_up, (int, float)) and 1 <= give_up <= LONGEST_GIVE_UP:
        body["give_up_seconds"] = LONGEST_GIVE_UP
    garments = body.get("garments")
    for named in [body.get("person"), *(garments if isinstance(garments, list) else [])]:
        if isinstance(named, dict) and PHOTO.match(str(named.get("photo", ""))):
            named["photo"] = PICTURE
