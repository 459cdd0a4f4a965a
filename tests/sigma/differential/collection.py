# SPDX-License-Identifier: Apache-2.0
"""What stands above single rules, as plainly as plain.py: YAML files, filters, correlations, and
which rules are reported. The readings taken are listed in plain.py."""

import os
import re

from datetime import datetime, timezone

import yaml

from plain import Detection, Rule
from values import Refused, fold, lookup, text_of


class Yaml12(yaml.CSafeLoader):
    """Rules specification, "Yaml File": YAML 1.2.2, of which this is the core schema."""
    yaml_implicit_resolvers = {}

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(map(str, keys))) != len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key is there twice",
                                                    node.start_mark)
        return super().construct_mapping(node, deep=deep)

    def construct_int(self, node):
        text = node.value
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)

    def construct_float(self, node):
        return float(node.value)


for _kind, _pattern in (
        ("null", r"null|Null|NULL|~|"),
        ("bool", r"true|True|TRUE|false|False|FALSE"),
        ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")):
    Yaml12.add_implicit_resolver("tag:yaml.org,2002:" + _kind,
                                 re.compile("^(?:%s)$" % _pattern), None)
Yaml12.add_constructor("tag:yaml.org,2002:int", Yaml12.construct_int)
Yaml12.add_constructor("tag:yaml.org,2002:float", Yaml12.construct_float)


def merge(base, over):
    """`over` laid upon `base`, map by map."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{k: merge(base[k], v) if k in base else v for k, v in over.items()}}


def documents(path):
    """The documents of one file, those of `action: global` merged into the ones that follow."""
    common = {}
    with open(path, encoding="utf-8") as f:
        for document in yaml.load_all(f, Loader=Yaml12):
            if not isinstance(document, dict):
                continue
            if document.get("action") == "global":
                common = merge(common, {k: v for k, v in document.items() if k != "action"})
            else:
                yield merge(common, document)


def files(path):
    if os.path.isfile(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path)
                  for name in names if name.endswith((".yml", ".yaml")))


class Filter:
    def __init__(self, document):
        for key in ("title", "logsource", "filter"):
            if key not in document:
                raise Refused("no %s" % key)
        self.logsource = document["logsource"] or {}
        self.rules = document["filter"].get("rules")
        if not isinstance(self.rules, list) or not self.rules:
            raise Refused("a filter names its rules in a list")
        self.detection = Detection(document["filter"], ("condition", "rules"))

    def concerns(self, rule):
        named = rule.id in self.rules or (rule.name and rule.name in self.rules)
        return bool(named) and all(rule.logsource.get(key) == self.logsource[key]
                                   for key in ("category", "product", "service")
                                   if key in self.logsource)


def time_of(event):
    """Nanoseconds since the epoch."""
    given = event.get("@timestamp", 0)
    if isinstance(given, int):
        return given
    at = datetime.fromisoformat(given)
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    since = at - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return ((since.days * 86400 + since.seconds) * 10**6 + since.microseconds) * 1000


class Hit:
    """An event that matched one of the rules a correlation refers to."""

    def __init__(self, number, event, rule):
        self.number = number
        self.event = event
        self.time = time_of(event)
        self.rule = rule
        self.group = None


SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

CONDITIONS = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
}


class Correlation:
    def __init__(self, document):
        section = document["correlation"]
        self.id = document.get("id")
        self.name = document.get("name")
        self.title = document.get("title")
        self.type = section.get("type")
        self.references = section.get("rules")
        self.group_by = section.get("group-by") or []
        self.aliases = section.get("aliases") or {}
        self.generate = section.get("generate", False)
        span = re.fullmatch(r"([0-9]+)([smhd])", str(section.get("timespan")))
        if not span:
            raise Refused("timespan %s" % section.get("timespan"))
        self.span = int(span[1]) * SECONDS[span[2]] * 10**9
        condition = dict(section.get("condition") or {})
        self.counted = condition.pop("field", [])
        if isinstance(self.counted, str):
            self.counted = [self.counted]
        self.condition = condition
        self.check()
        self.rules = []  # what the references mean, in their order
        self.hits = []

    def check(self):
        if self.type not in ("event_count", "value_count", "temporal", "temporal_ordered"):
            raise Refused("type %s" % self.type)
        if not isinstance(self.references, list) or not self.references:
            raise Refused("no rules")
        if self.type in ("event_count", "value_count") and not self.condition:
            raise Refused("no condition")
        if self.type == "value_count" and not self.counted:
            raise Refused("no field to count")
        if set(self.condition) - set(CONDITIONS):
            raise Refused("condition %s" % self.condition)

    def values(self, hit, fields):
        """The texts of these fields in this event, or None where one is missing."""
        found = []
        for field in fields:
            names = self.aliases.get(field, {})
            field = names.get(hit.rule.name, names.get(hit.rule.id, field))
            value = lookup(hit.event, field)
            text = text_of(value[0]) if value else None
            if text is None:
                return None
            found.append("".join(map(fold, text)))
        return tuple(found)

    def holds(self, count):
        return all(CONDITIONS[operator](count, limit)
                   for operator, limit in self.condition.items())

    def matches(self, number, event, matched):
        """`matched`: the rules, of those referred to, that this event matches."""
        new = [Hit(number, event, rule) for rule in matched]
        for hit in new:
            hit.group = self.values(hit, self.group_by)
        new = [hit for hit in new if hit.group is not None
               and (self.type != "value_count" or self.values(hit, self.counted) is not None)]
        self.hits += new
        return any(self.correlates(hit) for hit in new)

    def correlates(self, last):
        window = [hit for hit in self.hits
                  if hit.group == last.group and last.time - self.span <= hit.time <= last.time]
        if self.type == "event_count":
            return self.holds(len({hit.number for hit in window}))
        if self.type == "value_count":
            return self.holds(len({self.values(hit, self.counted) for hit in window}))
        if self.type == "temporal_ordered" and not self.condition:
            return last.rule is self.rules[-1] and self.ordered(window, last)
        seen = len({id(hit.rule) for hit in window})
        return self.holds(seen) if self.condition else seen == len(self.rules)

    def ordered(self, window, last):
        """Whether a different, later event can be taken for each rule, the last one being `last`.
        The earliest possible one leaves most room for those that follow."""
        number, time = -1, last.time - self.span
        for rule in self.rules[:-1]:
            later = [hit for hit in window if hit.rule is rule and hit.number > number
                     and hit.time >= time]
            if not later:
                return False
            first = min(later, key=lambda hit: hit.number)
            number, time = first.number, first.time
        return last.number > number


class Collection:
    """Everything that was loaded from a path; `refused` says what cannot run, and why."""

    def __init__(self, path):
        self.rules = []
        self.correlations = []
        self.refused = []
        filters = []
        for file in files(path):
            try:
                found = list(documents(file))
            except yaml.YAMLError as e:
                self.refused.append((file, None, str(e)))
                continue
            for document in found:
                kind, into = ((Correlation, self.correlations) if "correlation" in document
                              else (Filter, filters) if "filter" in document
                              else (Rule, self.rules))
                try:
                    into.append(kind(document))
                except Refused as e:
                    self.refused.append((file, document.get("id"), str(e)))
        for rule in self.rules:
            rule.filters = [each for each in filters if each.concerns(rule)]
        self.resolve()
        self.hidden = self.find_hidden()

    def resolve(self):
        """Correlations specification, "Related rules": "by the `id` or `name`". A correlation whose
        reference means nothing, or leads back to itself, is refused, as are those above it."""
        waiting = self.correlations
        ready = []
        while True:
            for each in waiting:
                known = self.rules + ready
                each.rules = [next((rule for rule in known if name in (rule.id, rule.name)), None)
                              for name in each.references]
            able = [each for each in waiting if None not in each.rules]
            if not able:
                break
            ready += able
            waiting = [each for each in waiting if each not in able]
        self.refused += [(None, each.id, "refers to what is not there") for each in waiting]
        self.correlations = ready  # in the order in which they can be asked

    def find_hidden(self):
        referred = [(rule, each.generate) for each in self.correlations for rule in each.rules]
        shown = [rule for rule, generate in referred if generate]
        return [rule for rule, _ in referred if rule not in shown]

    def evaluate(self, events):
        """For each event the set of the ids of the rules that match at it."""
        for each in self.correlations:
            each.hits = []
        for number, event in enumerate(events):
            matched = [rule for rule in self.rules if rule.matches(event)]
            for each in self.correlations:
                known = [rule for rule in each.rules if rule in matched]
                if known and each.matches(number, event, known):
                    matched.append(each)
            yield {rule.id for rule in matched if rule not in self.hidden}
