"""Runs the official Firebase Admin client against the fake database.

FIREBASE_DATABASE_EMULATOR_HOST names the fake. Ends with "ok" when the client saw what the real
service would have shown it.
"""

import os
import queue
import sys

import firebase_admin
from firebase_admin import db

assert os.environ.get("FIREBASE_DATABASE_EMULATOR_HOST"), "no emulator host"
firebase_admin.initialize_app(options={"databaseURL": "https://aurora-test.firebaseio.com"})
root = db.reference("/")


def fail(what):
    print(what, file=sys.stderr, flush=True)
    # The listener's thread would keep an ordinary exit waiting for ever.
    os._exit(1)


def check(what, seen, expected):
    if seen != expected:
        fail(f"{what}: expected {expected!r}, saw {seen!r}")
    print(f"{what}: as expected")


def refused(what, action, kind):
    try:
        action()
    except kind as err:
        print(f"{what}: refused as expected ({err})")
        return
    fail(f"{what}: expected {kind.__name__}")


# Set and get.
db.reference("calls/C1").set({"status": "ACTIVE", "mobile_no": "+15550100", "empty": {}})
check("get", db.reference("calls/C1").get(), {"status": "ACTIVE", "mobile_no": "+15550100"})
check("missing node", db.reference("calls/none").get(), None)
db.reference("lists/a").set(["x", "y", "z"])
check("array read back", db.reference("lists/a").get(), ["x", "y", "z"])
check("shallow", db.reference("calls").get(shallow=True), {"C1": True})

# Update over several paths at once.
root.update({"calls/C1/status": "ENDED", "calls/C2": {"status": "ACTIVE"}, "lists": None})
check("multi-path update", db.reference("calls").get(), {
    "C1": {"status": "ENDED", "mobile_no": "+15550100"},
    "C2": {"status": "ACTIVE"},
})
check("null removes", db.reference("lists").get(), None)
refused("ancestor conflict",
        lambda: root.update({"calls/C1": {"a": 1}, "calls/C1/status": "X"}),
        firebase_admin.exceptions.InvalidArgumentError)

# Server values.
db.reference("n").set({".sv": {"increment": 2}})
db.reference("n").set({".sv": {"increment": 3}})
check("increment", db.reference("n").get(), 5)
db.reference("at").set({".sv": "timestamp"})
check("timestamp", isinstance(db.reference("at").get(), int), True)

# Push: ids sort in the order of making.
keys = [db.reference("pushed").push({"i": i}).key for i in range(5)]
check("push ids sort", keys, sorted(keys))
check("pushed values", [v["i"] for _, v in sorted(db.reference("pushed").get().items())],
      [0, 1, 2, 3, 4])

# ETags and transactions.
value, etag = db.reference("n").get(etag=True)
check("unchanged", db.reference("n").get_if_changed(etag), (False, None, None))
check("set if unchanged", db.reference("n").set_if_unchanged(etag, 7)[0], True)
check("set if changed", db.reference("n").set_if_unchanged(etag, 8)[:2], (False, 7))
check("transaction", db.reference("n").transaction(lambda n: (n or 0) + 1), 8)
raced = []


def racing(present):
    if not raced:
        raced.append(present)
        db.reference("n").set(100)
    return (present or 0) + 1


check("transaction that raced", db.reference("n").transaction(racing), 101)

# Only where nothing is: the first of two wins.
absent, etag = db.reference("once").get(etag=True)
check("nothing there", (absent, etag), (None, "null_etag"))
check("set if absent", db.reference("once").set_if_unchanged(etag, {"n": 1})[0], True)
again = db.reference("once").set_if_unchanged(etag, {"n": 2})
check("set if no longer absent", again[:2], (False, {"n": 1}))
check("set with the tag of the refusal",
      db.reference("once").set_if_unchanged(again[2], {"n": 3})[0], True)

# A tag names the node with all below it, and nothing beside it.
_, etag = db.reference("calls/C1").get(etag=True)
root.update({"calls/C2/status": "TAKEOVER"})
check("a change beside it", db.reference("calls/C1").get_if_changed(etag)[0], False)
root.update({"calls/C1/mirrored/status": "ENDED"})
changed, present, etag = db.reference("calls/C1").get_if_changed(etag)
check("a change below it", (changed, present["mirrored"]), (True, {"status": "ENDED"}))
refused("a transaction on a stale tag, for ever",
        lambda: db.reference("calls/C1").transaction(
            lambda it: db.reference("calls/C1/n").push(1) and it),
        db.TransactionAbortedError)
db.reference("calls/C1/n").delete()

# Queries.
db.reference("scores").set({"ann": 3, "bob": 1, "cy": 2, "10": 9, "9": 8})
scores = db.reference("scores")
check("limit to first", set(scores.order_by_key().limit_to_first(3).get()), {"9", "10", "ann"})
check("start at", list(scores.order_by_key().start_at("bob").get()), ["bob", "cy"])
check("end at, last", list(scores.order_by_key().end_at("bob").limit_to_last(1).get()), ["bob"])
check("by value", list(scores.order_by_value().limit_to_first(2).get()), ["bob", "cy"])
check("equal to", dict(scores.order_by_value().equal_to(3).get()), {"ann": 3})
db.reference("people").set({"a": {"age": 4}, "b": {"age": 2}})
check("by child", list(db.reference("people").order_by_child("age").get()), ["b", "a"])

# Delete.
db.reference("calls/C2").delete()
check("delete", list(db.reference("calls").get()), ["C1"])

# Listen.
events = queue.Queue()
listener = db.reference("live").listen(events.put)


def event():
    it = events.get(timeout=10)
    while it.event_type == "keep-alive":
        it = events.get(timeout=10)
    return it.event_type, it.path, it.data


check("first event", event(), ("put", "/", None))
db.reference("live/x").set({"y": 1})
check("put event", event(), ("put", "/x", {"y": 1}))
db.reference("live").update({"x/y": 2, "z": 3})
check("patch event", event(), ("patch", "/", {"x/y": 2, "z": 3}))
root.update({"live/x/y": 4, "elsewhere": 1})
check("put event of an update above", event(), ("put", "/x/y", 4))
root.update({"live/x/y": 3, "live/z": 2})
check("patch event of several above", event(), ("patch", "/", {"x/y": 3, "z": 2}))
db.reference("live/x/y").transaction(lambda y: y + 1)
check("put event of a transaction", event(), ("put", "/x/y", 4))
key = db.reference("live/pushed").push({"role": "admin"}).key
check("put event of a push", event(), ("put", f"/pushed/{key}", {"role": "admin"}))
db.reference("live/at").set({".sv": "timestamp"})
name, path, at = event()
check("put event of a server value", (name, path, isinstance(at, int)), ("put", "/at", True))
db.reference("live").delete()
check("delete event", event(), ("put", "/", None))
listener.close()

print("ok")
