# SPDX-License-Identifier: Apache-2.0
"""The plain evaluator against the specification's own examples, against real rules that have a real
event each, and against real rules without."""

import glob
import os
import tempfile
import unittest

import yaml

from collection import Collection, Yaml12
from plain import Detection, Rule
from values import Refused
from windows import flatten, records

SIGMA = os.path.join(os.path.dirname(__file__), "../../../../shared/data/sigma")

needs_data = unittest.skipUnless(os.path.isdir(SIGMA), "no ../shared/data/sigma here")


def matches(item, event):
    """Whether one `key: value` in YAML matches the event."""
    detection = {"selection": yaml.load(item, Loader=Yaml12), "condition": "selection"}
    return Detection(detection).matches(event)


# rule, value of the field A, whether it matches; the field is absent where the value is Ellipsis
ITEMS = [
    # General; String Wildcard
    ("A: abc", "ABC", True), ("A: 5", "5", True), ("A: '5'", 5, True), ("A: 5", 50, False),
    ("A: prog?.exe", "progA.exe", True), ("A: prog?.exe", "prog.exe", False),
    ("A: antivirus_V*.exe", "antivirus_V21.2.1.exe", True), ("A: '?'", "ж", True),
    ("A: 'Жук'", "жУК", True), ("A: true", "True", True), ("A: 'true'", True, True),
    # Escape Character
    (r"A: 'a\b'", r"a\b", True), (r"A: 'a\\b'", r"a\b", True), (r"A: '\*'", "*", True),
    (r"A: '\*'", "x", False), (r"A: '\\*'", r"\x", True), (r"A: '\\*'", "*", False),
    (r"A: '\\\*'", r"\*", True), (r"A: '\\\*'", r"\x", False), (r"A: 'x\\\'", r"x\\", True),
    (r"A: 'x\\\\'", r"x\\", True), (r"A|startswith: 'C:\'", r"C:\x", True),
    (r"A|contains: 'a\*'", "xa*x", True), (r"A|contains: 'a\*'", "xax", False),
    # Special Field Values; Field Existence
    ("A: ''", "", True), ("A: ''", ..., False), ("A: null", ..., True), ("A: null", None, True),
    ("A: null", "", False), ("A|exists: true", None, True), ("A|exists: true", "", True),
    ("A|exists: true", ..., False), ("A|exists: false", ..., True), ("A: '*'", None, False),
    ("A: '*'", "", True),
    # Generic Modifiers
    ("A|contains|all: [x, y]", "yx", True), ("A|contains|all: [x, y]", "xx", False),
    ("A|startswith: ab", "ABc", True), ("A|endswith: bc", "ABc", True),
    ("A|endswith: ab", "ABc", False), ("A|cased: ab", "ab", True), ("A|cased: ab", "aB", False),
    ("A|contains|cased: b", "aB", False), ("A|neq: x", "y", True), ("A|neq: [x, y]", "y", False),
    ("A|neq: x", ..., True),
    # String Modifiers
    ("A|windash|contains: ' -f'", "x /f", True), ("A|contains|windash: ' -f'", "x \u2015f", True),
    ("A|contains|windash: '-a -b'", "/a \u2013b", True), ("A|re: ^a.c$", "abc", True),
    ("A|re: ^a.c$", "ABC", False), ("A|re|i: ^a.c$", "ABC", True), ("A|re: b", "abc", True),
    ("A|re|m: ^b$", "a\nb\nc", True), ("A|re: ^b$", "a\nb\nc", False), ("A|re: a.b", "a\nb", False),
    ("A|re|s: a.b", "a\nb", True),
    # Encoding
    ("A|base64: foobar", "Zm9vYmFy", True),
    ("A|base64offset|contains: foobar", "xGZvb2Jhcg==", True),
    ("A|base64offset|contains: foobar", "Zm9vYmFy", True),
    ("A|base64offset|contains: foobar", "Zm9vYmF", False),
    ("A|wide|base64offset|contains: cmd", "YwBtAGQA", True),
    ("A|utf16|base64: cmd", "//5jAG0AZAA=", True), ("A|utf16be|base64: cmd", "AGMAbQBk", True),
    # Numeric Modifiers
    ("A|gt: 5", 6, True), ("A|gt: 5", "6", True), ("A|gt: 5", 5, False), ("A|gte: 5", 5, True),
    ("A|lt: 5.5", 5, True), ("A|lte: 5", "x", False), ("A|lt: 5", ..., False),
    ("A|gt: 5", "", False),
    # Time Modifiers
    ("A|hour: 14", "2025-08-02T14:30:00Z", True), ("A|minute|gte: 30", "2025-08-02 14:30:00", True),
    ("A|week: 31", "2025-08-02", True), ("A|month|lt: 8", "2025-08-02", False),
    # IP Modifiers
    ("A|cidr: 10.0.0.0/8", "10.1.2.3", True), ("A|cidr: 10.0.0.0/8", "11.1.2.3", False),
    ("A|cidr: fe80::/10", "FE80::1", True), ("A|cidr: 10.0.0.0/8", "10.x", False),
    # Specific Modifiers; Placeholders
    ("A|fieldref: B", "other", True), ("A|fieldref: C", ..., False),
    ("A|fieldref|neq: B", "x", True),
    ("A: '%name%'", "%name%", True), (r"A|expand: '\%plain'", "%plain", True),
    # Lists; Maps
    ("A: [x, 5]", 5, True), ("[{A: x}, {A: y}]", "y", True), ("{A: x, B: other}", "x", True),
    ("{A: x, B: y}", "x", False), ("A: x", ["y", "X"], True),
    # Keywords search
    ("[ell, none]", "hello", True), ("'|all': [ell, OTHER]", "hello", True),
    ("'|all': [ell, none]", "hello", False),
]

REFUSED = ["A: [x, null]", "A|contains: null", "A|expand: '%name%'", "A|base64: 'a*'",
           "A|nonsense: x", "A|gt: x", "A|cidr: x", "A|re: '('", "A: []", "A|exists: 1"]


# condition, the identifiers that match, whether the condition does
CONDITIONS = [
    ("a or b and c", "a", True), ("a or b and c", "b", False), ("(a or b) and c", "a", False),
    ("not a and b", "b", True), ("not a or b", "ab", True), ("not (a or b)", "c", True),
    ("not not a", "a", True), ("1 of them", "_", False), ("all of them", "abcde", True),
    ("1 of sel*", "d", True), ("all of sel*", "d", False), ("all of sel*", "de", True),
    ("1 of *2", "e", True), ("not 1 of sel*", "e", False), ("a and not all of sel*", "ad", True),
    ("1 of _*", "_", True), ("1 of *e*", "_", False), (["a", "b"], "b", True),
]


class Plain(unittest.TestCase):
    def test_items(self):
        for item, value, expected in ITEMS:
            event = {"B": "OTHER"} if value is ... else {"A": value, "B": "OTHER"}
            with self.subTest(item=item, event=event):
                self.assertIs(matches(item, event), expected)

    def test_refused(self):
        for item in REFUSED:
            with self.subTest(item=item), self.assertRaises(Refused):
                matches(item, {})

    def test_conditions(self):
        names = {"a": "a", "b": "b", "c": "c", "sel": "d", "sel2": "e", "_x": "_"}
        for condition, matching, expected in CONDITIONS:
            definition = {name: {"F": mark} for name, mark in names.items()}
            detection = Detection({**definition, "condition": condition})
            with self.subTest(condition=condition, matching=matching):
                self.assertIs(detection.matches({"F": list(matching)}), expected)
        for condition in ("x", "1 of y*", "1 of *_", "a b", "(a", "a and", "2 of them",
                          "a | count() > 5"):
            with self.subTest(condition=condition), self.assertRaises(Refused):
                Detection({"a": {"F": 1}, "b": {"F": 1}, "condition": condition})

    def test_logsource(self):
        rule = Rule({"title": "t",
                     "logsource": {"product": "linux", "category": "process_creation"},
                     "detection": {"s": {"A": 1}, "condition": "s"}})
        for logsource, expected in (({"product": "linux", "category": "process_creation"}, True),
                                    ({"product": "linux"}, False), (None, True),
                                    ({"product": "macos", "category": "process_creation"}, False)):
            self.assertIs(rule.matches({"A": 1, "logsource": logsource}), expected)


RULE = """
title: {0}
name: {0}
id: {0}
logsource: {{product: test}}
detection: {{s: {{Kind: {0}}}, condition: s}}
"""
CORRELATION = """
title: c
id: c
correlation: {%s}
"""


class Collected(unittest.TestCase):
    def evaluate(self, documents, events):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "rules.yml"), "w", encoding="utf-8") as f:
                f.write("\n---\n".join(documents))
            collection = Collection(folder)
        self.assertEqual(collection.refused, [])
        return ["".join(sorted(each)) for each in collection.evaluate(events)]

    def correlate(self, section, events, names="ab"):
        """`events`: (second, kind, user). Where the correlation, or a rule, matched."""
        return self.evaluate(
            [RULE.format(name) for name in names] + [CORRELATION % section],
            [{"@timestamp": "2026-01-01T00:00:%02dZ" % second, "Kind": kind, **(
                {"User": user} if user else {})} for second, kind, user in events])

    def test_event_count(self):
        section = ("type: event_count, rules: [a], group-by: [User], timespan: 10s, "
                   "condition: {gte: 2}")
        events = [(0, "a", "x"), (1, "a", "y"), (10, "a", "X"), (12, "a", "y"), (13, "a", "x"),
                  (13, "b", "x"), (14, "a", None)]
        self.assertEqual(self.correlate(section, events), ["", "", "c", "", "c", "b", ""])

    def test_value_count(self):
        section = ("type: value_count, rules: [a], group-by: [Kind], timespan: 1m, "
                   "condition: {field: User, gt: 1, lte: 2}, generate: true")
        events = [(0, "a", "x"), (1, "a", "x"), (2, "a", "y"), (3, "a", None), (4, "a", "z")]
        self.assertEqual(self.correlate(section, events), ["a", "a", "ac", "a", "a"])

    def test_temporal(self):
        section = "type: temporal, rules: [a, b], group-by: [User], timespan: 5s"
        events = [(0, "b", "x"), (1, "a", "y"), (5, "a", "x"), (11, "b", "x"), (12, "a", "x")]
        self.assertEqual(self.correlate(section, events), ["", "", "c", "", "c"])

    def test_temporal_ordered(self):
        section = "type: temporal_ordered, rules: [a, b], group-by: [User], timespan: 5s"
        events = [(0, "b", "x"), (1, "a", "x"), (2, "b", "x"), (3, "b", "x"), (9, "b", "x")]
        self.assertEqual(self.correlate(section, events), ["", "", "c", "c", ""])

    def test_aliases(self):
        section = ("type: temporal, rules: [a, b], group-by: [who], timespan: 5s, "
                   "aliases: {who: {a: User, b: Other}}")
        found = self.evaluate(
            [RULE.format("a"), RULE.format("b"), CORRELATION % section],
            [{"Kind": "a", "User": "x"}, {"Kind": "b", "User": "x"}, {"Kind": "b", "Other": "x"}])
        self.assertEqual(found, ["", "", "c"])

    def test_chain(self):
        """"Failed Logins Followed by Successful Login", with three instead of ten."""
        many = CORRELATION.replace(": c", ": many") % (
            "type: event_count, rules: [a], group-by: [User], timespan: 10m, condition: {gte: 3}")
        last = CORRELATION % ("type: temporal_ordered, rules: [many, b], group-by: [User], "
                              "timespan: 10m")
        events = [{"Kind": kind, "User": "x"} for kind in "baabab"]
        self.assertEqual(self.evaluate([last, many, RULE.format("a"), RULE.format("b")], events),
                         ["", "", "", "", "", "c"])

    def test_filter(self):
        found = self.evaluate(
            [RULE.format("a"), RULE.format("b"), """
title: f
logsource: {product: test}
filter: {rules: [a], selection: {User|startswith: adm_}, condition: selection}
"""], [{"Kind": kind, "User": user} for kind in "ab" for user in ("adm_x", "x")])
        self.assertEqual(found, ["", "a", "b", "b"])

    def test_global(self):
        found = self.evaluate(["action: global\nlogsource: {product: test}\ntitle: t\n",
                               "id: a\ndetection: {s: {A: 1}, condition: s}\n",
                               "id: b\ndetection: {s: {A: 2}, condition: s}\n"], [{"A": 2}])
        self.assertEqual(found, ["b"])


@needs_data
class Real(unittest.TestCase):
    def test_regression(self):
        folders = sorted(glob.glob(os.path.join(SIGMA, "regression/*/")))
        self.assertEqual(len(folders), 202)
        for folder in folders:
            with open(folder + "event.json", encoding="utf-8") as f:
                events = [flatten(record) for record in records(f.read())]
            collection = Collection(folder)
            found = list(collection.evaluate(events))
            # Where there are several records, some only lead to the one that matters.
            self.assertIn({collection.rules[0].id}, found, folder)

    def test_loading(self):
        for folder, count in (("linux", 228), ("macos", 75)):
            collection = Collection(os.path.join(SIGMA, folder))
            self.assertEqual(collection.refused, [])
            self.assertEqual(len(collection.rules), count)


if __name__ == "__main__":
    unittest.main()
