# SPDX-License-Identifier: Apache-2.0
"""Writes documents as YAML 1.2 in every style that people use, chosen at random."""

import json
import re

# What a plain scalar would not give back as the same text.
SPECIAL = re.compile(r"(?i)null|true|false")
PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_/.|+-]*( [A-Za-z0-9_/.*-]+)*")


def scalar(rng, value, flow=False):
    if not isinstance(value, str):
        return "null" if value is None else json.dumps(value)
    styles = ["double"]
    if value.isprintable():
        styles += ["single"] * 4
        if PLAIN.fullmatch(value) and not SPECIAL.fullmatch(value) and not flow:
            styles += ["plain"] * 4
    style = rng.choice(styles)
    if style == "plain":
        return value
    if style == "single":
        return "'%s'" % value.replace("'", "''")
    return json.dumps(value, ensure_ascii=rng.random() < 0.2 and value.isascii())


def simple(value):
    return not isinstance(value, (dict, list))


def lines(rng, value, indent):
    """The lines of a map or a list as a block."""
    pad = " " * indent
    found = []
    members = value.items() if isinstance(value, dict) else [("-", each) for each in value]
    for key, each in members:
        head = pad + ("-" if isinstance(value, list) else scalar(rng, key) + ":")
        if simple(each):
            found.append("%s %s" % (head, scalar(rng, each)))
        elif isinstance(each, list) and all(map(simple, each)) and rng.random() < 0.3:
            found.append("%s [%s]" % (head, ", ".join(scalar(rng, v, True) for v in each)))
        elif isinstance(value, list):
            # The first member of what is inside stands beside the dash.
            inner = lines(rng, each, indent + 4)
            found += [pad + "-   " + inner[0].lstrip(" ")] + inner[1:]
        else:
            found.append(head)
            found += lines(rng, each, indent + 4)
    return found


def document(rng, value):
    return "\n".join(lines(rng, value, 0)) + "\n"
