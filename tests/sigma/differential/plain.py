# SPDX-License-Identifier: Apache-2.0
"""Decides whether an event matches a Sigma rule, sentence by sentence as the Sigma specification
2.1.0 says it, slowly and plainly. It exists to be compared with the engine, so it shares nothing
with it and must not learn from it. Rules are here; single values and modifiers are in values.py,
what stands above rules (files, filters, correlations) in collection.py.

Where the specification leaves a choice, this is the reading taken:
 1. "All values are treated as case-insensitive strings": letters of every alphabet, one character
    against one character; a number is compared by its decimal text (5 = "5"), true and false by
    these words; `?` is one character, not one byte. base64 texts are compared without case, too.
 2. Field names are case-sensitive. A dotted name is looked up as it stands, then as a path through
    nested objects. A field whose value is a list matches where one of its elements does.
 3. "null value": the field is absent or null. `''` is a field that is there and empty. A `*` asks
    for a field that is there and not null. null in a list, or with a modifier other than neq, is
    refused.
 4. `exists`: "only verifies the presence of a field": one that is null exists.
 5. Keywords, "applied to the full log message": a keyword is contained in one of the event's field
    values, at any depth; names of fields and the event's `logsource` are not part of the message.
 6. `windash`, "interchangeably", "all possible permutations": each of the five characters, wherever
    it stands in the value, may be each of the five.
 7. Modifiers "are applied in the given order": `base64offset|contains`, not the other way round.
    Encodings take the value with its escapes resolved; a wildcard cannot be encoded: refused. Of the
    several values that one expands into, one is enough, with `all`, too.
 8. `neq`: the opposite of the same item without it: unlike all of the values, or absent.
 9. `fieldref` compares texts without case (with `cased`: with it) and takes no wildcard from the
    event; where one of the two fields is absent or null it does not match. With startswith,
    endswith and contains the other field's value is looked for at that place.
10. gt, gte, lt, lte: a number, or text that is a decimal number (`-1.5`, `1e3`, `.5`); anything else
    does not match.
    The rule's value has to be a number.
11. `cidr`: text that is no address does not match; bits of the host in the rule's network are
    ignored; an IPv4 address never lies in an IPv6 network.
12. `expand`: no placeholder has a value here, so a rule with one is refused.
13. `1 of x*`: "same as them": an identifier with a leading `_` is meant only by a pattern that has
    it, too. A pattern has to cover the whole name, and to name at least one identifier.
14. `all` on a single value is "not allowed" but changes nothing, so it is accepted.
15. logsource: an event that gives its own is meant by a rule when each of category, product and
    service that the rule names is given by the event, and equal. An event without: every rule.
    Time modifiers: a date without a time of day has no hour and no minute.
16. YAML is 1.2: `yes`, `on` and dates are text; 0x17 is the number 23.
17. A filter names what is suppressed ("to suppress matches"; its example selects the tolerated
    accounts): the rule matches where the filter's condition does not. It works on the rules that it
    lists by id or name, when all that its logsource names is so in the rule's.
18. Correlations look back from each event that matches one of the rules referred to: the window is
    [its time - timespan, its time], both ends included, same group. The correlation matches at each
    event where its condition holds; nothing is reset by a match.
19. An event without a group-by field belongs to no group; one without the counted field does not
    count. Groups and counted values are compared as texts, without case.
20. An event that several of the rules match is one event to event_count, in each group that one of
    them (by its aliases) puts it in, and satisfies all of them
    in temporal. temporal_ordered takes a different, later event for each rule (later in the input,
    not earlier in time) and matches at the one that completes the sequence.
21. A correlation's match is itself an event, with the time and the fields of the event that
    completed it.
22. `generate` is false by default: a rule that a correlation refers to is not reported by itself,
    unless one of those correlations says `generate: true`.
23. Times: `@timestamp`, ISO 8601 or nanoseconds; without, all events are at one time.
24. "The condition can be a list": OR. Operators are written in lower case. `timeframe` and
    aggregations after a pipe are no longer part of the language: refused.
"""

import itertools
import re

from values import (ANY, COMPARE, MODIFIERS, RE_FLAGS, TIME_PARTS, Cidr, Compare, FieldRef, Null,
                    Refused, Regex, Text, all_scalars, expand, extract, lookup, only, parse_string,
                    scalars, text_of)


class Item:
    """One `field|modifiers: values` of a map, or, where the field is '', keywords."""

    def __init__(self, key, given):
        self.field, *modifiers = key.split("|")
        self.link = any
        self.negated = False
        self.part = None
        self.exists = None
        if isinstance(given, dict):
            raise Refused("a map is no value")
        if "exists" in modifiers:
            if modifiers != ["exists"] or not isinstance(given, bool) or not self.field:
                raise Refused("exists takes a field and a boolean alone")
            self.exists = given
            return
        is_list = isinstance(given, list)
        if is_list and (not given or None in given):
            raise Refused("an empty list, or null in a list")
        self.values = []
        for value in given if is_list else [given]:
            self.values.append(self.modify(value, modifiers))
        if not self.field:
            for value in itertools.chain(*self.values):
                if not isinstance(value, (Text, Regex)):
                    raise Refused("no value for keywords")
                if isinstance(value, Text):
                    value.parts = [ANY] + value.parts + [ANY]

    def modify(self, value, modifiers):
        """"The value modifiers are applied in the given order to the value." """
        kind = ""
        flags = 0
        cased = False
        current = [value]
        for modifier in modifiers:
            if modifier == "all":
                self.link = all
            elif modifier == "neq":
                self.negated = True
            elif modifier == "cased":
                cased = True
            elif modifier in TIME_PARTS:
                self.part = modifier
            elif modifier in RE_FLAGS and kind == "re":
                flags |= RE_FLAGS[modifier]
            elif modifier in ("re", "cidr", *COMPARE) and not kind:
                kind = modifier
            elif modifier == "expand":
                current = [new for each in current for new in expand(each)]
            elif modifier == "fieldref":
                current = [FieldRef(only(str, each, modifier)) for each in current]
            elif modifier in MODIFIERS and not kind:
                current = [new for each in current for new in MODIFIERS[modifier](
                    self.wrap(each, modifiers))]
            else:
                raise Refused("modifier %s" % modifier)
        return [self.finish(each, kind, flags, cased, modifiers) for each in current]

    def wrap(self, value, modifiers):
        """A value as it stands in the rule, as one that modifiers work on."""
        if value is None:
            if set(modifiers) - {"neq"}:
                raise Refused("null takes no modifier")
            return Null()
        if isinstance(value, (str, bool, int, float)):
            return Text(parse_string(text_of(value)))
        if isinstance(value, (Text, FieldRef, bytes)):
            return value
        raise Refused("a list or map is no value")

    def finish(self, value, kind, flags, cased, modifiers):
        if kind == "re":
            return Regex(only(str, value, kind), flags)
        if kind == "cidr":
            return Cidr(only(str, value, kind))
        if kind:
            if isinstance(value, bool):
                raise Refused("%s takes a number" % kind)
            return Compare(kind, only((int, float), value, kind))
        if isinstance(value, bytes):
            try:
                return Text(list(value.decode()), cased)
            except UnicodeDecodeError as e:
                raise Refused("UTF-16 without base64 is no text") from e
        value = self.wrap(value, modifiers)
        value.cased = cased
        return value

    def matches(self, event):
        if self.exists is not None:
            return bool(lookup(event, self.field)) == self.exists
        if not self.field:
            found = all_scalars({k: v for k, v in event.items() if k != "logsource"})
        else:
            # An absent field is null.
            found = [each for value in lookup(event, self.field) or [None]
                     for each in scalars(value)]
        if self.part:
            found = [extract(self.part, each) for each in found]
        # "A value might also expand into multiple values": one of them is enough for the value.
        result = self.link(any(value.matches(each, event) for value in expanded for each in found)
                           for expanded in self.values)
        return result != self.negated


class Search:
    """A search identifier: "two different data structures - lists and maps"."""

    def __init__(self, definition):
        if isinstance(definition, dict):
            self.link = all  # "All elements of a map are joined with a logical 'AND'."
            self.members = [Item(str(k), v) for k, v in definition.items()]
        elif isinstance(definition, list):
            self.link = any  # "linked with a logical 'OR'"
            self.members = [Search(each) if isinstance(each, dict) else Item("", each)
                            for each in definition]
        else:
            self.link = any
            self.members = [Item("", definition)]
        if not self.members:
            raise Refused("an empty search identifier")

    def matches(self, event):
        return self.link(member.matches(event) for member in self.members)


class Condition:
    """Rules specification, "Condition": from the least binding, or, to the most, brackets."""

    def __init__(self, text, names):
        if not isinstance(text, str):
            raise Refused("a condition is text")
        self.names = names
        self.words = re.findall(r"[()]|[^\s()]+", text)
        self.tree = self.alternatives()
        if self.words:
            raise Refused("condition: unexpected %s" % self.words[0])

    def take(self, *expected):
        if self.words and (not expected or self.words[0] in expected):
            return self.words.pop(0)
        return None

    def alternatives(self):
        members = [self.conjunction()]
        while self.take("or"):
            members.append(self.conjunction())
        return lambda found: any(member(found) for member in members)

    def conjunction(self):
        members = [self.negation()]
        while self.take("and"):
            members.append(self.negation())
        return lambda found: all(member(found) for member in members)

    def negation(self):
        if self.take("not"):
            inner = self.negation()
            return lambda found: not inner(found)
        return self.operand()

    def operand(self):
        if self.take("("):
            inner = self.alternatives()
            if not self.take(")"):
                raise Refused("condition: a bracket is left open")
            return inner
        word = self.take()
        if word in ("1", "all") and self.take("of"):
            chosen = self.chosen(self.take() or "")
            link = any if word == "1" else all
            return lambda found: link(found(name) for name in chosen)
        if word not in self.names:
            raise Refused("condition: %s is no search identifier" % word)
        return lambda found: found(word)

    def chosen(self, pattern):
        if pattern == "them":
            names = [name for name in self.names if not name.startswith("_")]
        else:
            # Only `*` is a wildcard here.
            whole = re.compile("".join(".*" if c == "*" else re.escape(c) for c in pattern))
            names = [name for name in self.names if whole.fullmatch(name)
                     and (pattern.startswith("_") or not name.startswith("_"))]
        if not names:
            raise Refused("condition: %s is no search identifier" % pattern)
        return names


class Detection:
    """A rule's `detection`, or a filter's `filter`."""

    def __init__(self, definition, reserved=("condition",)):
        if not isinstance(definition, dict) or "condition" not in definition:
            raise Refused("no condition")
        if "timeframe" in definition:
            raise Refused("timeframe is gone: write a correlation")
        self.searches = {name: Search(each) for name, each in definition.items()
                         if name not in reserved}
        conditions = definition["condition"]
        conditions = conditions if isinstance(conditions, list) else [conditions]
        self.conditions = [Condition(each, list(self.searches)) for each in conditions]

    def matches(self, event):
        return any(condition.tree(lambda name: self.searches[name].matches(event))
                   for condition in self.conditions)


class Rule:
    def __init__(self, document):
        for key in ("title", "logsource", "detection"):
            if key not in document:
                raise Refused("no %s" % key)
        if document.get("taxonomy", "sigma") != "sigma":
            raise Refused("taxonomy %s" % document["taxonomy"])
        self.id = document.get("id")
        self.name = document.get("name")
        self.title = document["title"]
        self.logsource = {k: v for k, v in (document["logsource"] or {}).items()
                          if k in ("category", "product", "service")}
        self.detection = Detection(document["detection"])
        self.filters = []

    def applies(self, event):
        given = event.get("logsource")
        return not isinstance(given, dict) or all(
            given.get(key) == value for key, value in self.logsource.items())

    def matches(self, event):
        return (self.applies(event) and self.detection.matches(event)
                and not any(each.detection.matches(event) for each in self.filters))
