# SPDX-License-Identifier: Apache-2.0
"""The values of a rule and the modifiers that make them, one scalar of an event against one value
of a rule. Reads no rule and knows no field but the one of a fieldref. The readings taken are listed
in plain.py."""

import base64
import functools
import ipaddress
import itertools
import re

from datetime import datetime

ANY = object()  # `*`
ONE = object()  # `?`


class Refused(Exception):
    """The rule cannot be run as the specification has it."""


# Rules specification, "Escape Character".
def parse_string(text):
    """A value as a list of ANY, ONE and literals. A literal is the string of the characters that
    may stand at its place: one, but for windash."""
    parts = []
    i = 0
    while i < len(text):
        following = text[i + 1:i + 2]
        if text[i] == "\\" and following and following in "\\*?":
            parts.append(following)
            i += 2
            continue
        parts.append({"*": ANY, "?": ONE}.get(text[i], text[i]))
        i += 1
    return parts


@functools.cache
def fold(character):
    """Simple case folding: one character stays one character."""
    folded = character.casefold()
    return folded if len(folded) == 1 else character


# Rules specification, "String Wildcard".
def wildcard_match(pattern, text, cased):
    """Follows all places of the text that the pattern can have reached so far."""
    if not cased:
        text = [fold(c) for c in text]
    places = {0}
    for part in pattern:
        if not places:
            return False
        if part is ANY:
            places = set(range(min(places), len(text) + 1))
        elif part is ONE:
            places = {p + 1 for p in places if p < len(text)}
        else:
            allowed = part if cased else [fold(c) for c in part]
            places = {p + 1 for p in places if p < len(text) and text[p] in allowed}
    return len(text) in places


def text_of(value):
    """A scalar as text; None where it has none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return value if isinstance(value, str) else None


def lookup(event, field):
    """[the value], or [] where the event has no such field. A dotted name goes into each object of
    a list, whose members' values are the field's, as a list."""
    if field in event:
        return [event[field]]
    found = [event]
    for name in field.split("."):
        found = [at[name] for at in scalars(found) if isinstance(at, dict) and name in at]
    return [found] if len(found) > 1 else found


def scalars(value):
    """What may be compared in a field's value: the value, or the elements of a list."""
    return [each for v in value for each in scalars(v)] if isinstance(value, list) else [value]


def all_scalars(value):
    if isinstance(value, dict):
        return [each for v in value.values() for each in all_scalars(v)]
    return [each for v in value for each in all_scalars(v)] if isinstance(value, list) else [value]


# The values of a rule, once its modifiers have been applied. Each says whether one scalar of the
# event matches it.
class Text:
    def __init__(self, parts, cased=False):
        self.parts = parts
        self.cased = cased

    def matches(self, value, _event):
        text = text_of(value)
        return text is not None and wildcard_match(self.parts, text, self.cased)

    def plain(self):
        """The strings that it stands for, for encodings; several after windash."""
        if ANY in self.parts or ONE in self.parts:
            raise Refused("a wildcard cannot be encoded")
        return ["".join(each) for each in itertools.product(*self.parts)]


class Null:
    def matches(self, value, _event):
        return value is None


def pcre(text, flags):
    """With m, PCRE's ^ does not match behind a line's end that ends the text."""
    if not flags & re.MULTILINE:
        return text
    return re.sub(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|\^", lambda token: (
        r"(?:\A|(?<=\n)(?!\Z))" if token[0] == "^" else token[0]), text, flags=re.DOTALL)


class Regex:
    def __init__(self, text, flags):
        try:
            text = pcre(text, flags)
            # \s, \d and \w are ASCII, as in PCRE.
            self.compiled = re.compile(text, flags | re.ASCII)
        except re.error as e:
            raise Refused("re: %s" % e) from e

    def matches(self, value, _event):
        text = text_of(value)
        return text is not None and self.compiled.search(text) is not None


class Cidr:
    def __init__(self, text):
        try:
            self.network = ipaddress.ip_network(text, strict=False)
        except ValueError as e:
            raise Refused("cidr: %s" % e) from e

    def matches(self, value, _event):
        try:
            address = ipaddress.ip_address(text_of(value) or "")
        except ValueError:
            return False
        return address.version == self.network.version and address in self.network


COMPARE = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def number_of(value):
    """The value as a number, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value):
            return None
        return int(value) if re.fullmatch(r"[+-]?[0-9]+", value) else float(value)
    return value if isinstance(value, (int, float)) else None


class Compare:
    def __init__(self, operator, number):
        self.compare = COMPARE[operator]
        self.number = number

    def matches(self, value, _event):
        number = number_of(value)
        return number is not None and self.compare(number, self.number)


class FieldRef:
    def __init__(self, name):
        self.name = name
        self.before = []
        self.after = []
        self.cased = False

    def matches(self, value, event):
        text = text_of(value)
        for other in itertools.chain(*map(scalars, lookup(event, self.name))):
            literal = text_of(other)
            if text is not None and literal is not None and wildcard_match(
                    self.before + list(literal) + self.after, text, self.cased):
                return True
        return False


# Modifiers appendix. Each takes one value and gives the values it becomes.
def only(kind, value, modifier):
    if not isinstance(value, kind):
        raise Refused("%s cannot be applied to this value" % modifier)
    return value


def put_wildcards(before, after):
    def modify(value):
        if isinstance(value, FieldRef):
            value.before, value.after = before, after
            return [value]
        only(Text, value, "contains, startswith, endswith")
        return [Text(before + value.parts + after)]
    return modify


def windash(value):
    dashes = "-/\u2013\u2014\u2015"
    parts = only(Text, value, "windash").parts
    return [Text([dashes if part in tuple(dashes) else part for part in parts])]


# A value on its way through encodings is bytes, then base64 text.
def as_bytes(value):
    if isinstance(value, bytes):
        return [value]
    return [each.encode() for each in only(Text, value, "encodings").plain()]


def encode_utf16(mark, encoding):
    return lambda value: [mark + each.decode().encode(encoding) for each in as_bytes(value)]


def base64_whole(value):
    return [Text(list(base64.b64encode(each).decode())) for each in as_bytes(value)]


def base64_shifted(value):
    """"Three variants for shifts by zero to two bytes": of each, the characters whose six bits all
    come from the value: "the static part in the middle"."""
    found = []
    for each in as_bytes(value):
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + each).decode()
            first, last = 8 * shift, 8 * (shift + len(each))
            static = [c for i, c in enumerate(encoded) if first <= 6 * i and 6 * i + 6 <= last]
            if not static:
                raise Refused("too short for base64offset")
            found.append(Text(static))
    return found


def expand(value):
    """"A plain percent character can be used by escaping it with a backslash." """
    parts = only(str, value, "expand").split(r"\%")
    if any(re.search("%[^%]+%", part) for part in parts):
        raise Refused("no value for a placeholder")
    return ["%".join(parts)]


MODIFIERS = {
    "contains": put_wildcards([ANY], [ANY]),
    "startswith": put_wildcards([], [ANY]),
    "endswith": put_wildcards([ANY], []),
    "windash": windash,
    "wide": encode_utf16(b"", "utf-16-le"),
    "utf16le": encode_utf16(b"", "utf-16-le"),
    "utf16be": encode_utf16(b"", "utf-16-be"),
    "utf16": encode_utf16(b"\xff\xfe", "utf-16-le"),
    "base64": base64_whole,
    "base64offset": base64_shifted,
}

# "Time Modifiers": "it extracts a numeric value from a date".
TIME_PARTS = {
    "minute": lambda t: t.minute,
    "hour": lambda t: t.hour,
    "day": lambda t: t.day,
    "week": lambda t: t.isocalendar().week,
    "month": lambda t: t.month,
    "year": lambda t: t.year,
}

RE_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


def extract(part, value):
    """"It is not designed to handle timezone": the part as it is written, if it is."""
    try:
        if part in ("hour", "minute") and ":" not in value:
            return None
        return TIME_PARTS[part](datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return None
