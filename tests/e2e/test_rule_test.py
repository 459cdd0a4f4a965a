# SPDX-License-Identifier: Apache-2.0
"""`tocsin rule test`: what goes in, what comes out, and the status, with no agent anywhere."""

import json
import os
import subprocess
import tempfile
import unittest

from support import SOURCE, TOCSIN, main

DATA = os.path.join(os.path.dirname(SOURCE), "shared", "data", "sigma")

RULE = """
title: %s
id: %s
logsource: {product: %s, category: process_creation}
detection:
    s: %s
    condition: s
"""
IDS = ["00000000-0000-4000-8000-%012d" % i for i in range(8)]


def rule(detection, title="r", number=0, product="linux"):
    return RULE % (title, IDS[number], product, detection)


class RuleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tocsin-rules-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def run_lines(self, rules, lines, status=0, output="json"):
        """Gives standard output's lines, and standard error."""
        if isinstance(rules, str):
            rules = [self.write("rule.yml", rules)] if "\n" in rules else [rules]
        events = self.write("events.jsonl", "".join(line + "\n" for line in lines))
        arguments = [word for path in rules for word in ("--rules", path)]
        done = subprocess.run([TOCSIN, "rule", "test", *arguments, "--events", events,
                               "--output", output], capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.splitlines(), done.stderr

    def matches(self, rules, *events):
        """The titles of the rules that match each event, all of which can be read."""
        out, err = self.run_lines(rules, map(json.dumps, events))
        self.assertEqual(err, "")
        answers = [json.loads(line) for line in out]
        self.assertEqual([a["event"] for a in answers], list(range(1, len(events) + 1)))
        return [[m["title"] for m in a["matches"]] for a in answers]

    def test_a_line_out_for_each_event_in_says_what_matched(self):
        out, _ = self.run_lines(
            rule("{Image|endswith: /id, CommandLine|contains: [x, y]}", 'a "b"') + "---" +
            rule("[word]", "w", 1) + "---" + rule("{a|contains|all: [x, y]}", "l", 2),
            ['{"Image":"/bin/id","CommandLine":"id x y"}', '{"Image":"/bin/ls"}',
             '{"m":"a word","a":["xa","ya"]}'])
        self.assertEqual([json.loads(line) for line in out], [
            {"event": 1, "matches": [{"id": IDS[0], "title": 'a "b"', "fields": {
                "Image": "/bin/id", "CommandLine": "id x y"}}]},
            {"event": 2, "matches": []},
            {"event": 3, "matches": [
                {"id": IDS[1], "title": "w", "fields": {"keywords": "a word"}},
                {"id": IDS[2], "title": "l", "fields": {"a": ["xa", "ya"]}}]},
        ])

    def test_text_names_the_event_the_rule_and_the_fields(self):
        out, _ = self.run_lines(rule("{Image|endswith: /id}"), ["{}", '{"Image":"/bin/id"}'],
                                output="text")
        self.assertEqual(out, ["2: medium: r: Image=/bin/id"])

    def test_rules_come_from_files_and_folders(self):
        self.write("rules/b.yml", rule("{Image: b}", "b", 1))
        self.write("rules/deep/a.yaml", rule("{Image: [b, c]}", "a", 2))
        self.write("rules/readme.txt", "no rule")
        one = self.write("c.yml", rule("{Image: c}", "c", 3))
        folder = os.path.join(self.dir, "rules")
        self.assertEqual(self.matches([folder], {"Image": "b"}, {"Image": "c"}),
                         [["b", "a"], ["a"]])
        self.assertEqual(self.matches([one, folder], {"Image": "b"}, {"Image": "c"}),
                         [["b", "a"], ["c", "a"]])

    def test_blank_lines_are_no_events_and_broken_ones_are_named_by_line(self):
        out, err = self.run_lines(rule("{Image: b}"), [
            "", '{"Image":"b"}', "  ", '{"Image":', "[1]", '{"Image":"b"} x', '{"Image":"b"}'],
            status=1)
        answers = [json.loads(line) for line in out]
        self.assertEqual([a["event"] for a in answers], [1, 2, 3, 4, 5])
        self.assertEqual([len(a["matches"]) for a in answers], [1, 0, 0, 0, 1])
        for line in (4, 5, 6):
            self.assertIn("events.jsonl:%d: this is not" % line, err)

    def test_lines_may_end_and_begin_as_on_windows(self):
        out, _ = self.run_lines(rule("{Image: b}"), ['\ufeff{"Image":"b"}\r', '{"Image":"b"}\r'])
        self.assertEqual([len(json.loads(line)["matches"]) for line in out], [1, 1])

    def test_the_log_source_of_an_event_limits_the_rules(self):
        rules = rule("{a: b}", "linux") + "---" + rule("{a: b}", "windows", 1, "windows")
        source = lambda **parts: {"a": "b", "logsource": parts}
        self.assertEqual(
            self.matches(rules, {"a": "b"}, source(product="linux"), source(product="Windows"),
                         source(category="file_event"), source(category="process_creation"),
                         source(product="linux", category="file_event"),
                         source(service="auditd"), source(product="", category="")),
            [["linux", "windows"], ["linux"], ["windows"], [], ["linux", "windows"], [],
             ["linux", "windows"], ["linux", "windows"]])

    def test_the_log_source_is_no_field(self):
        self.assertEqual(self.matches(rule("[linux]"), {"logsource": {"product": "linux"}}), [[]])

    def test_our_own_events_go_by_either_name(self):
        process = {"executable": "/usr/bin/dash", "exec_path": "/bin/sh", "args": ["sh", "-c"],
                   "command_line": "sh -c id", "user": {"id": 0}, "parent": {"pid": 1}}
        rules = (rule("{Image: /bin/sh, LogonId: 0, ParentProcessId: 1}", "sigma's") + "---" +
                 rule("{process.command_line|endswith: id, process.args: '-c'}", "ours", 1))
        event = {"process": process}
        tapped = {"topic": "process.started", "source": "trace", "id": 1, "event": event}
        other = dict(tapped, topic="file.created")
        self.assertEqual(self.matches(rules, event, tapped, other),
                         [["sigma's", "ours"], ["sigma's", "ours"], []])

    def test_an_event_of_several_records_is_one_line_and_a_rule_is_reported_once(self):
        auditd = "title: %s\nlogsource: {product: linux, service: auditd}\n" \
                 "detection: {s: %s, condition: s}\n"
        rules = "\n---\n".join([
            rule("{Image: /bin/sh}", "creation"), auditd % ("execve", "{type: EXECVE, a0: sh}"),
            auditd % ("syscall", "{type: SYSCALL, SYSCALL: execve}"),
            auditd % ("any", "{process.executable: /bin/sh}")])
        event = {"process": {"executable": "/bin/sh", "args": ["sh"]}}
        tapped = {"topic": "process.started", "source": "trace", "id": 1, "event": event}
        self.assertEqual(self.matches(rules, tapped), [["creation", "execve", "any", "syscall"]])

    def test_what_is_wrong_with_a_rule_is_said_and_the_others_run(self):
        broken = self.write("broken.yml", "title: b\nlogsource: {product: linux}\n"
                            "detection:\n    s: {a|no_such: b}\n    condition: s\n")
        good = self.write("good.yml", rule("{a: b}"))
        out, err = self.run_lines([broken, good], ['{"a":"b"}'], status=1)
        self.assertEqual(len(json.loads(out[0])["matches"]), 1)
        self.assertIn("broken.yml:4:", err)

    def test_a_rule_that_cannot_run_is_said_and_is_no_failure(self):
        correlation = "title: c\ncorrelation: {type: event_count, rules: [nobody], " \
                      "group-by: [a], timespan: 1m, condition: {gte: 2}}\n"
        out, err = self.run_lines(
            rule("{a|expand: '%nobody%'}") + "---\n" + correlation + "---" +
            rule("{a: b}", "good", 1), ['{"a":"b"}'])
        self.assertEqual([m["title"] for m in json.loads(out[0])["matches"]], ["good"])
        self.assertIn("%nobody%", err)
        self.assertIn("rule.yml:9:", err)

    def test_the_status_is_1_for_what_cannot_be_read_and_2_for_wrong_usage(self):
        good = self.write("good.yml", rule("{a: b}"))
        self.run_lines([os.path.join(self.dir, "nothing.yml")], ["{}"], status=1)
        for status, *words in ((1, "--rules", good, "--events", self.dir + "/nothing"),
                               (2, "--rules", good), (2, "--events", good)):
            done = subprocess.run([TOCSIN, "rule", "test", *words], capture_output=True,
                                  text=True, timeout=30, check=False)
            self.assertEqual((done.returncode, done.stdout), (status, ""))
            self.assertNotEqual(done.stderr, "")

    def test_events_may_come_from_standard_input(self):
        good = self.write("good.yml", rule("{a: b}"))
        done = subprocess.run([TOCSIN, "rule", "test", "--rules", good, "--events", "-",
                               "--output", "json"], input='{"a":"b"}', capture_output=True,
                              text=True, timeout=30, check=True)
        self.assertEqual(len(json.loads(done.stdout)["matches"]), 1)

    def test_a_correlation_counts_over_the_events(self):
        rules = rule("{a: b}").replace("title", "name: base\ntitle") + "---\n" + \
            "title: c\nid: %s\ncorrelation: {type: event_count, rules: [base], " \
            "group-by: [User], timespan: 1m, condition: {gte: 2}}\n" % IDS[1]
        event = lambda second, user: json.dumps(
            {"a": "b", "User": user, "@timestamp": "2026-03-01T10:00:%02dZ" % second})
        out, _ = self.run_lines(rules, [event(0, "x"), event(1, "y"), event(2, "x")])
        self.assertEqual([json.loads(line)["matches"] for line in out], [[], [], [
            {"id": IDS[1], "title": "c", "fields": {"User": "x"}, "count": 2}]])

    def test_every_event_of_the_regression_set_matches_its_rule(self):
        folder = os.path.join(DATA, "regression")
        if not os.path.isdir(folder):
            self.skipTest("there is no " + folder)
        events, wanted = [], []
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name, "event.json")
            if not os.path.exists(path):
                continue
            with open(os.path.join(folder, name, "rule.yml"), encoding="utf-8") as f:
                wanted.append((next(line for line in f if line.startswith("id:")).split()[1],
                               []))
            with open(path, encoding="utf-8") as f:
                for event in read_objects(f.read()):
                    wanted[-1][1].append(len(events))
                    events.append(json.dumps(flatten(event)))
        out, err = self.run_lines(folder, events)
        self.assertEqual((err, len(out), len(wanted)), ("", len(events), 202))
        for rule_id, numbers in wanted:
            self.assertTrue(any(rule_id in [m["id"] for m in json.loads(out[i])["matches"]]
                                for i in numbers), rule_id)


def read_objects(text):
    """One object after another."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        at = text.find("{", at)
        if at < 0:
            return
        value, at = decoder.raw_decode(text, at)
        yield value


def flatten(recorded):
    """A Windows event as the README of the data has it."""
    flat = {}

    def put(name, value):
        flat[name.replace(" ", "")] = value

    def put_data(data):
        for name, value in (data or {}).items():
            if isinstance(value, dict):
                put_data({} if name == "#attributes" else value)
            elif name != "#attributes":
                put(name, value)

    event = recorded["Event"]
    for name, value in event.get("System", {}).items():
        if isinstance(value, dict) and "#attributes" in value:
            for attribute, of in value["#attributes"].items():
                put("%s_%s" % (name, attribute), of)
        else:
            put(name, value)
    put_data(event.get("EventData"))
    put_data(event.get("UserData"))
    return flat

    def test_long_values_are_looked_at_by_expressions(self):
        long = "cmd" + " -abc" * 20000 + " --last"
        self.assertEqual(self.matches(rule("{c|re: '^cmd( -\\w+)* --last$'}"), {"c": long},
                                      {"c": long + "x"}), [["r"], []])

    def test_times_have_many_names_and_zones(self):
        text = self.counting(3, "1m")
        for events, matched in (
                ([{"EventTime": "2026-03-0%dT10:00:00Z" % d} for d in (1, 2, 3)], False),
                ([{"ts": 1772359200.5 + 86400 * d} for d in (1, 2, 3)], False),
                ([{"ts": "%.1f" % (1772359200.5 + d)} for d in (1, 2, 3)], True),
                ([{"@timestamp": t} for t in (
                    "2026-03-01T10:00:00+02:00", "2026-03-01T08:00:20Z",
                    "2026-03-01 07:30:40,5 -0030")], True)):
            got = self.matches(text, *({"c": "a", **e} for e in events))
            self.assertEqual(got[2], ["count"] if matched else [], events)

    def counting(self, count, timespan):
        return rule("{c: a}") .replace("title: r", "title: r\nname: r") + """---
title: count
correlation: {type: event_count, rules: r, timespan: %s, condition: {gte: %d}}
""" % (timespan, count)

    def test_times_that_nobody_knows_are_told_of(self):
        text = self.counting(2, "1m")
        _, err = self.run_lines(text, ['{"c":"a","when":1}', '{"c":"a","when":2}'])
        self.assertIn("events.jsonl:1: it has no @timestamp", err)
        _, err = self.run_lines(text, [
            '{"c":"a","@timestamp":"2026-03-01T10:00:00Z"}',
            '{"c":"a","@timestamp":"2026-03-02T1O:00:00Z"}'])
        self.assertIn("events.jsonl:2: its time cannot be read", err)
        _, err = self.run_lines(rule("{c: a}"), ['{"c":"a"}'])
        self.assertEqual(err, "")

    def test_folders_that_are_links_are_read_once(self):
        self.write("real/a.yml", rule("{c: a}", "linked"))
        self.write("rules/sub/OWN.YML", rule("{c: a}", "own", 1))
        os.symlink("../real", os.path.join(self.dir, "rules", "linked"))
        os.symlink("..", os.path.join(self.dir, "rules", "sub", "round"))
        rules = [os.path.join(self.dir, "rules")]
        out, err = self.run_lines(rules, ['{"c":"a"}'], status=1)
        self.assertEqual(sorted(m["title"] for m in json.loads(out[0])["matches"]),
                         ["linked", "own"])
        self.assertIn("sub/round: this cannot be read: it leads back", err)


if __name__ == "__main__":
    main()
