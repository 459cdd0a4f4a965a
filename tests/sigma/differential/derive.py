# SPDX-License-Identifier: Apache-2.0
"""Makes events out of a rule: ones that match, ones that nearly do, ones that do not. What they are
in truth is for the evaluators to say."""

import ipaddress
import re

from re import _constants as sre
from re import _parser as sre_parser

from plain import Search
from values import ANY, ONE, Cidr, Compare, FieldRef, Null, Regex, Refused, Text

LETTERS = list("abcXYZ019 -/\\*?%.:\"'_$\u2013\u2014\u00e9\u00c9\u0416\u65e5\U0001f600\n")
FILLERS = ["", "", "a", "X", " ", "-", "\\", "/", "*", "\u00e9", "abc", "\n", "a b"]
OTHERS = ["", "abc", "x y", "5", 5, 0, -1, 2.5, True, False, None, "10.0.0.1", "true", "C:\\x.exe"]


def swap_case(rng, text):
    """Other case for some characters, of those whose other case is one character, too."""
    return "".join(c.swapcase() if rng.random() < 0.5 and len(c.swapcase()) == 1
                   and c.swapcase().swapcase() == c else c for c in text)


def sample_set(rng, members):
    """A character out of (or, negated, not out of) a class."""
    def within(c):
        for operator, value in members:
            if ((operator is sre.LITERAL and ord(c) == value)
                    or (operator is sre.RANGE and value[0] <= ord(c) <= value[1])
                    or (operator is sre.CATEGORY and in_category(value, c))):
                return True
        return False
    negated = any(operator is sre.NEGATE for operator, _ in members)
    able = [c for c in map(chr, range(32, 127)) if within(c) != negated]
    return rng.choice(able) if able else "a"


def in_category(category, c):
    kinds = {sre.CATEGORY_DIGIT: r"\d", sre.CATEGORY_NOT_DIGIT: r"\D", sre.CATEGORY_SPACE: r"\s",
             sre.CATEGORY_NOT_SPACE: r"\S", sre.CATEGORY_WORD: r"\w", sre.CATEGORY_NOT_WORD: r"\W"}
    return re.match(kinds[category], c, re.ASCII) is not None


def sample_regex(rng, parsed):
    """Text that the parsed expression probably matches: anchors and lookarounds are not seen to."""
    text = ""
    for operator, value in parsed:
        if operator is sre.LITERAL:
            text += chr(value)
        elif operator is sre.NOT_LITERAL:
            text += "a" if value != ord("a") else "b"
        elif operator is sre.ANY:
            text += rng.choice("aX0 -\n")
        elif operator is sre.IN:
            text += sample_set(rng, value)
        elif operator is sre.BRANCH:
            text += sample_regex(rng, rng.choice(value[1]))
        elif operator is sre.SUBPATTERN:
            text += sample_regex(rng, value[3])
        elif operator in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, inner = value
            for _ in range(rng.randint(least, min(most, least + 2))):
                text += sample_regex(rng, inner)
    return text


def in_network(rng, network):
    """An address in the network, at its ends, or just outside."""
    last = int(network.broadcast_address)
    at = rng.choice([int(network.network_address), last, int(network.network_address) - 1, last + 1,
                     rng.randint(int(network.network_address), last)])
    kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    address = kind(min(max(at, 0), 2 ** network.max_prefixlen - 1))
    return rng.choice([str(address), str(address), address.exploded.upper()])


def sample(rng, value):
    """A scalar for which this value of a rule probably holds."""
    if isinstance(value, Text):
        text = "".join(rng.choice(FILLERS) if part is ANY else rng.choice(LETTERS) if part is ONE
                       else rng.choice(part) for part in value.parts)
        if rng.random() < 0.3:
            text = swap_case(rng, text)
        if re.fullmatch("-?[0-9]{1,15}", text) and str(int(text)) == text and rng.random() < 0.5:
            return int(text)
        if text in ("true", "false") and rng.random() < 0.5:
            return text == "true"
        return text
    if isinstance(value, Regex):
        text = sample_regex(rng, sre_parser.parse(value.compiled.pattern, value.compiled.flags))
        text = rng.choice(["", "", "x", "a\n"]) + text + rng.choice(["", "", "x", "\na"])
        # Where `$` sees a newline at the very end the dialects differ in multi-line mode.
        return swap_case(rng, text.rstrip("\n")) if rng.random() < 0.1 else text.rstrip("\n")
    if isinstance(value, Cidr):
        return in_network(rng, value.network)
    if isinstance(value, Compare):
        number = value.number + rng.choice([0, 0, 1, -1, 1, -1, 0.5])
        return rng.choice([number, str(number)])
    return None


def put(rng, event, field, value):
    """Sets a field; a dotted one sometimes as nested objects."""
    first, *inner = field.split(".")
    if inner and first not in event and field not in event and rng.random() < 0.5:
        for name in reversed(inner):
            value = {name: value}
        # Each object of a list counts, the others' members as well.
        event[first] = [{}, value] if rng.random() < 0.2 else value
    else:
        event[field] = value


def is_date(value):
    """What begins like one stays one: whether text that only begins with a date has an hour is for
    nobody to say."""
    return isinstance(value, str) and re.match("20[0-9]{2}-", value) is not None


def satisfy_item(rng, item, event):
    if item.exists is not None:
        if item.exists:
            put(rng, event, item.field, rng.choice(["", None, "x", 0]))
        return
    field = item.field or rng.choice(["Message", "CommandLine", "Extra"])
    wanted = item.values if item.link is all else [rng.choice(item.values)]
    wanted = [rng.choice(expanded) for expanded in wanted]
    rng.shuffle(wanted)
    if item.part:
        put(rng, event, field, "20%02d-0%d-%02d%s%02d:%02d:00" % (
            rng.randint(20, 29), rng.randint(2, 9), rng.randint(1, 28), rng.choice("T "),
            rng.randint(0, 23), rng.randint(0, 59)))
        return
    for value in wanted:
        if isinstance(value, Null):
            if rng.random() < 0.5:
                put(rng, event, field, None)
            continue
        if isinstance(value, FieldRef):
            text = rng.choice(["abc", "\u00c9a", "a*b", "?", 5, "x y"])
            put(rng, event, value.name, text)
            around = ("x" if value.before else "") + "%s" + ("x" if value.after else "")
            put(rng, event, field, around % text if around != "%s" else text)
            continue
        found = sample(rng, value)
        before = event.get(field)
        if is_date(before):
            continue
        if isinstance(before, str) and isinstance(found, str) and (
                len(wanted) > 1 or rng.random() < 0.5):
            found = before + rng.choice(["", " ", "x"]) + found
        put(rng, event, field, found)


def satisfy(rng, search, event):
    members = search.members if search.link is all else [rng.choice(search.members)]
    for member in members:
        if isinstance(member, Search):
            satisfy(rng, member, event)
        else:
            satisfy_item(rng, member, event)


def mutate_text(rng, text):
    at = rng.randint(0, len(text))
    kind = rng.randrange(7)
    if kind == 0:
        return text[:at] + text[at + 1:]
    if kind == 1:
        return text[:at] + rng.choice(LETTERS) + text[at:]
    if kind == 2:
        return text[:at] + rng.choice(LETTERS) + text[at + 1:]
    if kind == 3:
        return swap_case(rng, text)
    if kind == 4:
        return text + rng.choice(LETTERS)
    if kind == 5:
        return rng.choice(LETTERS) + text
    return text + text


def mutate(rng, event):
    """Changes one field."""
    if not event:
        return
    field = rng.choice(sorted(event))
    value = event[field]
    kind = rng.randrange(10)
    if kind == 0:
        del event[field]
    elif kind == 1:
        event[field] = rng.choice(OTHERS)
    elif kind == 2 and not isinstance(value, list):
        event[field] = [rng.choice(OTHERS), value]
    elif kind == 3:
        event[rng.choice([field.swapcase(), field + "x", field[1:] or "y"])] = event.pop(field)
    elif isinstance(value, str) and not is_date(value):
        event[field] = mutate_text(rng, value)
    elif isinstance(value, bool):
        event[field] = not value
    elif isinstance(value, int):
        event[field] = rng.choice([value + 1, str(value), -value])


def logsource(rng, own):
    """One that the rule means, or nearly. It is given whole."""
    given = {"category": "test", "product": "test", "service": "test", **own}
    if rng.random() < 0.3:
        given[rng.choice(sorted(given))] = rng.choice(["linux", "other"])
    return given


def named(pattern, name):
    """Whether a condition's pattern names this search identifier."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) is not None


def searches_of(document):
    found = []
    for name, definition in document["detection"].items():
        if name != "condition":
            try:
                found.append(Search(definition))
            except Refused:
                pass
    return found


def event_for(rng, document, searches):
    """`searches`: the rule's, from searches_of()."""
    event = {}
    order = [each for each in searches if rng.random() < 0.8]
    rng.shuffle(order)
    for search in order:
        satisfy(rng, search, event)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        mutate(rng, event)
    if rng.random() < 0.2:
        event[rng.choice(["Extra", "Message"])] = rng.choice(OTHERS)
    if rng.random() < 0.25:
        event["logsource"] = logsource(rng, {
            key: value for key, value in document["logsource"].items() if key != "definition"})
    return event
