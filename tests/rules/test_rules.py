# SPDX-License-Identifier: Apache-2.0
"""Owns: the promises of our own Sigma rules. Beside this file, each rule has events named after
it, one a line: `matches` has the names of the rules that must match it, in any order, and no other
may; what else is in the line is the event. All rules judge all events, so that each rule is also
tried on what is meant for the others."""

import glob
import json
import os
import re
import subprocess
import tempfile
import unittest
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
RULES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "config/rules/sigma")
TOCSIN = os.path.join(os.environ["TOCSIN_BUILD"], "bin", "tocsin")


def documents():
    """Of each rule, correlation and filter: its file's stem and the text of its document."""
    for path in sorted(glob.glob(os.path.join(RULES, "*.yml"))):
        with open(path, encoding="utf-8") as f:
            for text in f.read().split("\n---\n"):
                yield os.path.splitext(os.path.basename(path))[0], text


def value(text, key):
    found = re.search(r"^%s: *(.*)$" % key, text, re.MULTILINE)
    return found and found.group(1)


def is_alert(text):
    """Whether it raises alerts itself: no filter, and no part of a correlation."""
    return value(text, "filter") is None and value(text, "level") != "informational"


def judge(events):
    """The matches of each event. One run of all, since a set of rules takes a while to make."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as f:
        # All at once, where they do not say when: correlations are told nothing else.
        f.writelines(json.dumps({"@timestamp": 1e9, **event}) + "\n" for event in events)
        f.flush()
        done = subprocess.run([TOCSIN, "--output", "json", "rule", "test", "--rules", RULES,
                               "--events", f.name], capture_output=True, text=True, timeout=60,
                              check=False)
    if done.returncode or done.stderr:
        raise AssertionError("status %d: %s" % (done.returncode, done.stderr))
    return [json.loads(line)["matches"] for line in done.stdout.splitlines()]


def events_of(stem):
    with open(os.path.join(HERE, stem + ".jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class OwnRules(unittest.TestCase):
    def test_each_says_what_people_and_alerts_need(self):
        ids = []
        for stem, text in documents():
            with self.subTest(stem):
                self.assertTrue(value(text, "title"))
                self.assertTrue(value(text, "description"))
                ids.append(value(text, "id"))
                uuid.UUID(ids[-1])
                if not is_alert(text):
                    continue
                self.assertEqual(value(text, "name"), stem)
                self.assertEqual(value(text, "license"), "Apache-2.0")
                self.assertEqual(value(text, "author"), "Tocsin")
                self.assertIn(value(text, "level"), ("low", "medium", "high", "critical"))
                self.assertRegex(text, r"\nfalsepositives:\n    - ")
                if stem != "tocsin_selftest":
                    self.assertRegex(text, r"\n    - attack\.t\d{4}")
        self.assertEqual(len(ids), len(set(ids)))

    def test_each_matches_its_events_and_no_other(self):
        names = {value(text, "id"): value(text, "name") for _, text in documents()}
        where, events = [], []
        for stem in sorted({stem for stem, text in documents() if is_alert(text)}):
            own = events_of(stem)
            self.assertTrue(any(stem in e["matches"] for e in own), stem + ": none that matches")
            self.assertTrue(any(not e["matches"] for e in own), stem + ": none that does not")
            where += ["%s.jsonl:%d" % (stem, i + 1) for i in range(len(own))]
            events += own
        for place, event, got in zip(where, events, judge(events), strict=True):
            with self.subTest(place):
                self.assertEqual(sorted(names[m["id"]] for m in got), sorted(event["matches"]))

    def test_the_work_of_every_day_matches_none(self):
        events = events_of("quiet")
        for i, got in enumerate(judge(events)):
            with self.subTest("quiet.jsonl:%d" % (i + 1)):
                self.assertEqual([m["title"] for m in got], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
