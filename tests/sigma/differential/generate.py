# SPDX-License-Identifier: Apache-2.0
"""Random rules that use all of the language: every modifier and combination of them, wildcards and
escapes, every form of search identifier and condition, correlations and filters; and events for
them. All from one seeded generator, so that a seed determines the whole run."""

import ipaddress
import uuid

from datetime import datetime, timedelta

import derive

TEXT_FIELDS = ["Image", "CommandLine", "ParentImage", "TargetFilename", "User", "image",
               "http.request.path", "file.name"]
NUMBER_FIELDS = ["ProcessId", "DestinationPort", "http.size"]

# What values are put together from. Read as rule source they hold wildcards and escapes.
PIECES = ["a", "b", "ab", "abc", "cmd", "CMD", ".exe", "/bin/", "sh", " ", " -f", "--x", "\\",
          "\\\\", "\\\\\\", "C:\\", "/", "%", "%a%", ".", "\"", "'", ": ", " #", "[", "{", "(",
          "|", "^", "$", "&", "!", "5", "\u00e9", "\u00c9", "\u0416\u0436", "\u65e5", "\U0001f600",
          "\t", "\n"]
WILD = ["*", "?", "\\*", "\\?", "\\\\*", "\\\\?", "\\\\\\*", "**", "*?"]
WORDS = ["", " ", "abc", "true", "null", "yes", "on", "5", "0x17", "1e3", "~", "-", "*", "?", "\\",
         "a*", "*a", "2026-01-01", "selection", "10.0.0.1"]

# Modifiers for texts, with their weights. `plain` texts: without wildcards.
TEXT = {
    "": 8, "|contains": 6, "|startswith": 5, "|endswith": 5, "|contains|all": 5, "|all|contains": 1,
    "|cased": 2, "|contains|cased": 2, "|cased|startswith": 1, "|endswith|cased": 1,
    "|contains|all|cased": 1, "|startswith|all": 1, "|windash": 1, "|windash|contains": 2,
    "|contains|windash": 2, "|windash|startswith": 1, "|endswith|windash": 1,
    "|windash|contains|all": 1, "|contains|windash|cased": 1, "|neq": 2, "|contains|neq": 1,
    "|startswith|neq": 1, "|neq|endswith": 1, "|cased|neq": 1, "|expand": 1, "|expand|contains": 1,
}
PLAIN = {
    "|base64": 1, "|base64|contains": 1, "|base64offset": 1, "|base64offset|contains": 3,
    "|base64offset|contains|all": 1, "|base64offset|contains|cased": 1, "|base64|cased": 1,
    "|wide|base64offset|contains": 1, "|utf16le|base64|contains": 1, "|utf16be|base64": 1,
    "|utf16be|base64offset|contains": 1, "|utf16|base64|startswith": 1,
    "|windash|base64offset|contains": 1, "|windash|base64": 1,
}
REGEX = {"|re": 6, "|re|i": 3, "|re|m": 2, "|re|s": 2, "|re|i|m|s": 1, "|re|all": 1, "|all|re": 1,
         "|re|neq": 1}
FIELDREF = {"|fieldref": 3, "|fieldref|neq": 1, "|fieldref|cased": 1, "|fieldref|contains": 1,
            "|fieldref|startswith": 1, "|fieldref|endswith": 1}
NUMBER = {"": 3, "|gt": 2, "|gte": 2, "|lt": 2, "|lte": 2, "|neq": 1, "|contains": 1, "|gt|neq": 1}
CIDR = {"|cidr": 4, "|cidr|neq": 1}
TIME = {"|" + part + compare: 1 for part in ("minute", "hour", "day", "week", "month", "year")
        for compare in ("", "|gte", "|lt")}

KINDS = {"text": 30, "plain": 6, "regex": 6, "fieldref": 3, "number": 7, "cidr": 3, "time": 2,
         "exists": 3, "null": 3, "boolean": 2, "word": 4}

NAMES = ["selection", "selection_a", "selection_b", "selection1", "sel.x", "sel|endswith", "filter",
         "filter_main", "filter_opt-1", "_hidden", "_selection", "keywords", "android", "oregon",
         "nothing", "Selection", "1x", "all_x"]
PATTERNS = ["selection*", "sel*", "*", "filter*", "filter_*", "*_*", "s*n*", "*a*", "_*",
            "keywords", "selection", "*x", "_sel*"]

# Rules that cannot be run: they match nothing, and trouble no other rule.
BROKEN = [
    {"selection": {"A": ["a", None]}, "condition": "selection"},
    {"selection": {"A|contains": None}, "condition": "selection"},
    {"selection": {"A|base64": "a*b"}, "condition": "selection"},
    {"selection": {"A|nonsense": "a"}, "condition": "selection"},
    {"selection": {"A|expand": "%name%"}, "condition": "selection"},
    {"selection": {"A|re": "a("}, "condition": "selection"},
    {"selection": {"A|cidr": "10.0.0.0/33"}, "condition": "selection"},
    {"selection": {"A|gt": "x"}, "condition": "selection"},
    {"selection": {"A": "a"}, "condition": "selection and other"},
    {"selection": {"A": "a"}, "condition": "1 of other*"},
    {"selection": {"A": "a"}, "condition": "(selection"},
    {"selection": {"A": "a"}, "condition": "selection or"},
    {"selection": {"A": "a"}, "condition": "selection selection"},
    {"selection": {"A": "a"}, "condition": "selection | count() > 1"},
    {"selection": {"A": "a"}, "timeframe": "5m", "condition": "selection"},
    {"selection": {"A": {"B": "a"}}, "condition": "selection"},
    {"selection": {"A": []}, "condition": "selection"},
    {"selection": {"A|exists": "maybe"}, "condition": "selection"},
    {"selection": {"A": "a"}},
]


def weighted(rng, table):
    return rng.choices(list(table), list(table.values()))[0]


def text(rng, wild=0.35, most=4):
    pieces = [rng.choice(WILD) if rng.random() < wild else rng.choice(PIECES)
              for _ in range(rng.randint(1, most))]
    return "".join(pieces)


def plain_text(rng):
    """Without wildcards, and long enough for base64offset."""
    return "abc" + "".join(rng.choice(PIECES).replace("\\", "\\\\")
                           for _ in range(rng.randint(0, 3))) + rng.choice(["", "\\*", "x"])


def regex(rng, depth=2):
    """In the specification's flavour, and what real rules use beyond it."""
    found = rng.choice(["", "", "^"])
    for _ in range(rng.randint(1, 3)):
        atom = rng.choice(["a", "b", "abc", ".", ".", "[a-c]", "[^a-c]", "[0-9]", r"\.", r"\\",
                           r"\s", r"\d", r"\w", r"\*", "-", "/", " ", r"\S", r"\(", "X", "[\\w.-]"])
        if depth and rng.random() < 0.3:
            members = [regex(rng, 0).strip("^$") for _ in range(rng.randint(1, 3))]
            atom = "%s%s)" % (rng.choice(["(", "(?:"]), "|".join(members))
        elif len(atom) == 1 and rng.random() < 0.1:
            atom = atom * 2
        # Nothing unbounded inside of a group: Python's `re` knows no limit to what it tries.
        unbounded = ["*", "+", "{1,}"] if depth and not atom.startswith("(") else []
        found += atom + rng.choice(["", "", "", "", "?", "{1,2}", "{2}"] + unbounded)
    return found + rng.choice(["", "", "$"])


def network(rng):
    if rng.random() < 0.6:
        address, length = rng.choice([("10.0.0.0", 8), ("192.168.7.0", 24), ("172.16.0.0", 12),
                                      ("127.0.0.1", 32), ("0.0.0.0", 0), ("10.1.2.128", 25),
                                      ("192.168.255.254", 31), ("10.64.0.0", 10)])
    else:
        address, length = rng.choice([("fe80::", 10), ("::1", 128), ("2001:db8::", 32),
                                      ("fc00::", 7), ("::", 0), ("2001:db8:0:8::", 61)])
    return str(ipaddress.ip_network("%s/%d" % (address, length)))


def number(rng):
    return rng.choice([0, 1, 5, 7, 22, 80, 443, 4624, 65535, -1, 1.5, -0.5,
                       2 ** 31, 2 ** 53, 2 ** 53 + 1, 2 ** 53 + 2, -2 ** 53 - 1, 2 ** 63 - 1])


def value(rng, kind, modifiers):
    if kind == "text":
        made = text(rng, 0.0 if "expand" in modifiers else 0.35)
        return made.replace("%", r"\%") if "expand" in modifiers else made
    if kind == "plain" and "windash" in modifiers:
        return "abc" + rng.choice([" -f", "/x", "-", "--x", "a-b/c"])  # few, or it is thousands
    if kind == "plain":
        return plain_text(rng)
    if kind == "regex":
        return regex(rng)
    if kind == "fieldref":
        return rng.choice(TEXT_FIELDS + NUMBER_FIELDS)
    if kind == "number":
        return number(rng)
    if kind == "cidr":
        return network(rng)
    if kind == "time":
        return rng.choice([0, 3, 7, 12, 23, 25, 30, 2024, 2026])
    return rng.choice(WORDS)


def item(rng):
    """A key with its modifiers, and its value or values."""
    kind = weighted(rng, KINDS)
    field = rng.choice(NUMBER_FIELDS if kind == "number" else TEXT_FIELDS)
    if kind == "exists":
        return field + "|exists", rng.random() < 0.6
    if kind == "null":
        return field + rng.choice(["", "", "", "|neq"]), None
    if kind == "boolean":
        return rng.choice(["Initiated", field]) + rng.choice(["", "", "|neq"]), rng.random() < 0.5
    modifiers = weighted(rng, {"text": TEXT, "plain": PLAIN, "regex": REGEX, "fieldref": FIELDREF,
                               "number": NUMBER, "cidr": CIDR, "time": TIME, "word": TEXT}[kind])
    if "all" in modifiers or rng.random() < 0.35:
        several = [value(rng, kind, modifiers) for _ in range(rng.randint(2, 4))]
        if kind in ("text", "word") and "expand" not in modifiers and rng.random() < 0.2:
            several.append(number(rng))
        return field + modifiers, several
    return field + modifiers, value(rng, kind, modifiers)


def mapping(rng):
    return dict(item(rng) for _ in range(rng.choice([1, 1, 1, 2, 2, 3])))


def keyword(rng):
    return rng.choice([text(rng, 0.1, 2), text(rng, 0.1, 2), rng.choice(["abc", "x y", "a", 443])])


def search(rng):
    form = rng.randrange(10)
    if form < 6:
        return mapping(rng)
    if form < 8:
        return [mapping(rng) for _ in range(rng.randint(1, 3))]
    words = [keyword(rng) for _ in range(rng.randint(1, 3))]
    if form == 8:
        return words + ([mapping(rng)] if rng.random() < 0.2 else [])
    modifiers = rng.choice(["|all", "|all", "|cased", "|all|cased", "|re", "|windash"])
    if modifiers == "|re":
        words = [regex(rng) for _ in words]
    if "all" in modifiers:
        words.append(keyword(rng))
    return {modifiers: words, **(mapping(rng) if rng.random() < 0.2 else {})}


def condition(rng, names, depth=3):
    form = rng.randrange(8) if depth else 7
    if form < 2:
        return "%s and %s" % (condition(rng, names, depth - 1), condition(rng, names, depth - 1))
    if form < 4:
        return "%s or %s" % (condition(rng, names, depth - 1), condition(rng, names, depth - 1))
    if form == 4:
        return "not %s" % condition(rng, names, depth - 1)
    if form == 5:
        space = rng.choice(["", "", " "])
        return "(%s%s%s)" % (space, condition(rng, names, depth - 1), space)
    if form == 6:
        return "%s of %s" % (rng.choice(["1", "all"]), selector(rng, names))
    return rng.choice(names)


def selector(rng, names):
    """A pattern that names at least one of them."""
    if rng.random() < 0.3 and any(not name.startswith("_") for name in names):
        return "them"
    name = rng.choice(names)
    able = [pattern for pattern in PATTERNS
            if derive.named(pattern, name) and pattern.startswith("_") == name.startswith("_")]
    return rng.choice(able + [name])


def rule_id(rng):
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def logsource(rng):
    return rng.choice([{"product": "linux"}, {"category": "process_creation", "product": "linux"},
                       {"category": "file_event"}, {"product": "linux", "service": "auditd"},
                       {"category": "process_creation", "product": "windows",
                        "definition": "anything"}])


def rule(rng):
    if rng.random() < 0.03:
        detection = rng.choice(BROKEN)
    else:
        names = rng.sample(NAMES, rng.choice([1, 1, 2, 2, 3, 4]))
        conditions = [condition(rng, names) for _ in range(rng.choice([1] * 9 + [2]))]
        detection = {name: search(rng) for name in names}
        detection["condition"] = conditions if len(conditions) > 1 else conditions[0]
    return {"title": "Random rule", "id": rule_id(rng), "status": "test",
            "logsource": logsource(rng), "detection": detection,
            "level": rng.choice(["low", "medium", "high"])}


# Correlations: their rules are simple, their windows small, so that counts come near the limits.
USERS = ["x", "y", None]


def correlated_rule(name, rng):
    return {"title": "Rule " + name, "id": rule_id(rng), "name": name,
            "logsource": {"product": "linux"},
            "detection": {"selection": {"Kind|contains": name}, "condition": "selection"}}


def correlation(rng, names, number_):
    kind = rng.choice(["event_count", "value_count", "temporal", "temporal_ordered"])
    chosen = rng.sample(names, rng.choice([1, 2, 3] if "count" in kind else [2, 2, 3]))
    section = {"type": kind, "rules": chosen, "timespan": rng.choice(["5s", "10s", "1m", "1h"]),
               "group-by": rng.choice([["User"], ["User"], ["User", "Host"], ["who"]])}
    if section["group-by"] == ["who"]:
        section["aliases"] = {"who": {name: rng.choice(["User", "Owner"]) for name in names}}
    operator = rng.choice(["gte", "gte", "gte", "gt", "eq", "lt", "lte", "neq"])
    if "count" in kind:
        section["condition"] = {operator: rng.randint(1, 4)}
        if operator == "gte" and rng.random() < 0.3:
            section["condition"]["lte"] = section["condition"]["gte"] + 1
    if kind == "value_count":
        section["condition"]["field"] = rng.choice(["Port", "Port", "Owner", "who"])
    if kind == "temporal" and rng.random() < 0.3:
        section["condition"] = {"gte": rng.randint(1, len(chosen))}
    if rng.random() < 0.3:
        section["generate"] = rng.random() < 0.5
    return {"title": "Random correlation", "id": rule_id(rng), "name": "c%d" % number_,
            "correlation": section}


def filter_for(rng, rules):
    chosen = rng.sample(rules, rng.randint(1, 2))
    return {"title": "Random filter", "id": rule_id(rng),
            "logsource": rng.choice([{"product": "linux"}, {"product": "linux"},
                                     {"product": "windows"}]),
            "filter": {"rules": [each[rng.choice(["id", "name"])] for each in chosen],
                       "selection": rng.choice([{"Port": 22}, {"Owner": "x", "Port": [1, 22]}]),
                       "condition": "selection"}}


def correlated(rng, length):
    """Documents, in any order, and the events to run through them."""
    names = ["a", "b", "c", "d"]
    rules = [correlated_rule(name, rng) for name in names]
    found = list(rules)
    for i in range(rng.randint(2, 5)):
        made = correlation(rng, names, i)
        found.append(made)
        if rng.random() < 0.5:
            names.append(made["name"])  # those that follow may refer to it
    if rng.random() < 0.4:
        found.append(filter_for(rng, rules))
    rng.shuffle(found)
    at = datetime(2026, 1, 1, 12)
    events = []
    for _ in range(length):
        at += timedelta(seconds=rng.choice([0, 1, 1, 2, 5, 5, 10, 60]),
                        milliseconds=rng.choice([0, 0, 0, 1, 999]))
        event = {"Kind": rng.choice(["a", "b", "c", "d", "ab", "cd", "e"]),
                 "User": rng.choice(USERS), "Owner": rng.choice(USERS),
                 "Host": rng.choice(["h", "i"]), "Port": rng.choice([1, 22, 80])}
        event = {key: each for key, each in event.items() if each is not None}
        stamp = at.isoformat(timespec="milliseconds") + "Z"
        if rng.random() < 0.2:
            stamp = round((at - datetime(1970, 1, 1)) / timedelta(milliseconds=1)) * 10**6
        events.append({"@timestamp": stamp, **event})
    return found, events
