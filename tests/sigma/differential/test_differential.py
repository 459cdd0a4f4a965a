# SPDX-License-Identifier: Apache-2.0
"""`tocsin rule test` against the plain evaluator: the same rules match the same events, over random
rules, random correlations, and events derived from real rules. Prints the seed; a difference is
printed as the smallest case that still shows it.

    test_differential.py [--pairs N] [--seed N] [--real FOLDER]... [--show N]

TOCSIN_BUILD is the build folder."""

import argparse
import glob
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time

import yaml

import derive
import emit
import generate

from collection import Collection, documents, files
from shrink import shrink
from windows import flatten, records

HERE = os.path.dirname(os.path.abspath(__file__))
SIGMA = os.path.join(HERE, "../../../../shared/data/sigma")
BUILD = os.environ.get("TOCSIN_BUILD", os.path.join(HERE, "../../../build"))
TOCSIN = os.path.join(BUILD, "bin/tocsin")

RULES = 12  # in one start of the engine
EVENTS = 10  # derived from each rule
REAL_EVENTS = 5  # the same, of real rules
REAL_BATCH = 300
CORRELATED_EVENTS = 60
PAIRS = 200  # that come of one start, on average and at least
DEADLINE_S = 60
SKIP = 77


class Failed(Exception):
    """The command did not do what it is for."""


def engine(rules, events, path, refused):
    """For each event the set of the ids that the engine says match. `rules` is where the rules are,
    `path` a file for the events, `refused` how many of the rules cannot run."""
    with open(path, "w", encoding="utf-8") as f:
        for event in events:
            f.write(json.dumps(event, ensure_ascii=len(event) % 2 == 0) + "\n")
    done = subprocess.run([TOCSIN, "rule", "test", "--rules", rules, "--events", path,
                           "--output", "json"],
                          capture_output=True, timeout=DEADLINE_S, check=False)
    if done.returncode not in ((0, 1) if refused else (0,)):
        raise Failed("exit status %d, where %d rules cannot run: %s" % (
            done.returncode, refused, done.stderr.decode()[-500:]))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if [answer["event"] for answer in answers] != list(range(1, len(events) + 1)):
        raise Failed("%d answers to %d events" % (len(answers), len(events)))
    return [{match["id"] for match in answer["matches"]} for answer in answers]


def write_rules(rng, folder, rules):
    """One file for each, or several in one."""
    os.mkdir(folder)
    rest = list(rules)
    number = 0
    while rest:
        count = rng.choice([1, 1, 1, 2, 3])
        texts = [emit.document(rng, each) for each in rest[:count]]
        if count > 1 and rng.random() < 0.3 and all("detection" in each for each in rest[:count]):
            texts.insert(0, emit.document(rng, {"action": "global", "author": "nobody"}))
        rest = rest[count:]
        with open(os.path.join(folder, "random_rule_%d.yml" % number), "w",
                  encoding="utf-8") as f:
            f.write("---\n".join(texts))
        number += 1


class Case:
    """Rules, as documents or as a folder that holds them, and events; what both say of them."""

    def __init__(self, rules, events, seed=0):
        with tempfile.TemporaryDirectory(prefix="tocsin_sigma") as folder:
            path = rules
            if isinstance(rules, list):
                path = os.path.join(folder, "rules")
                write_rules(random.Random(seed), path, rules)
            collection = Collection(path)
            self.refused = collection.refused
            self.compared = len(collection.rules + collection.correlations) * len(events)
            self.plain = list(collection.evaluate(events))
            self.engine = engine(path, events, os.path.join(folder, "events.jsonl"),
                                 len(self.refused))

    def differences(self):
        """(number of the event, the ids on which they differ)"""
        return [(i, a ^ b) for i, (a, b) in enumerate(zip(self.plain, self.engine)) if a != b]


def differs(case, refused):
    rules, events = case
    try:
        found = Case(rules, events)
    except (Failed, yaml.YAMLError, KeyError, AttributeError, TypeError, ValueError):
        return False
    return bool(found.differences()) and len(found.refused) == refused


def minimal(rules, events, at, ids):
    """The smallest case that shows the first difference of a batch."""
    if not isinstance(rules, list):
        rules = documents_of(rules)
    alone = [rule for rule in rules if rule.get("id") in ids]
    for candidate in ((alone, [events[at]]), (rules, events[:at + 1])):
        try:
            refused = len(Case(*candidate).refused)
        except Failed:
            continue  # a correlation without its rules
        if differs(candidate, refused):
            return shrink(candidate, lambda less, n=refused: differs(less, n))
    return rules, events[:at + 1]


def show(rules, events, seed):
    case = Case(rules, events)
    print("--- a difference, found with seed %d" % seed)
    print("\n---\n".join(yaml.safe_dump(
        {k: v for k, v in rule.items() if k not in ("title", "status", "level")},
        sort_keys=False, allow_unicode=True).rstrip() for rule in rules))
    for _, _, reason in case.refused:
        print("# the plain evaluator refuses it: %s" % reason)
    for event, plain, engine_ in zip(events, case.plain, case.engine):
        print(json.dumps(event, ensure_ascii=False))
        print("    plain: %s  engine: %s" % (sorted(plain) or "none", sorted(engine_) or "none"))
    sys.stdout.flush()


def batch(seed, correlated):
    rng = random.Random(seed)
    if correlated:
        rules, events = generate.correlated(rng, CORRELATED_EVENTS)
        return rules, events, len(rules) * len(events)
    rules = [generate.rule(rng) for _ in range(RULES)]
    events = []
    for rule in rules:
        searches = derive.searches_of(rule)
        events += [derive.event_for(rng, rule, searches) for _ in range(EVENTS)]
    return rules, events, len(events)


def run(job):
    """One batch: (pairs of a rule and an event made for it, pairs in all, matches, differences,
    what failed)."""
    seed, rules, events = job
    if rules is None:
        rules, events, pairs = batch(seed, seed % 4 == 3)
    else:
        pairs = len(events)
    try:
        case = Case(rules, events, seed)
    except (Failed, subprocess.TimeoutExpired) as e:
        return 0, 0, 0, [], "seed %d: %s" % (seed, e)
    found = [(seed, rules, events, i, ids) for i, ids in case.differences()]
    return pairs, case.compared, sum(map(len, case.plain)), found, None


def documents_of(folder):
    return [document for path in files(folder) for document in documents(path)]


def real(folder, rng):
    """Batches of events derived from the rules of a folder, and of the real ones beside them."""
    events = []
    for rule in documents_of(folder):
        searches = derive.searches_of(rule)
        events += [derive.event_for(rng, rule, searches) for _ in range(REAL_EVENTS)]
    for path in sorted(glob.glob(folder + "/*/event.json")):
        with open(path, encoding="utf-8") as f:
            events += map(flatten, records(f.read()))
    for start in range(0, len(events), REAL_BATCH):
        yield start, folder, events[start:start + REAL_BATCH]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int,
                        default=100000 if os.environ.get("CI") == "true" else 20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="append", default=None)
    parser.add_argument("--show", type=int, default=5, help="differences to shrink and print")
    chosen = parser.parse_args()
    if chosen.real is None:
        chosen.real = [os.path.join(SIGMA, name) for name in ("linux", "macos", "regression")]
    start = time.monotonic()
    print("seed %d, %d pairs" % (chosen.seed, chosen.pairs))
    jobs = []
    for folder in chosen.real:
        if os.path.isdir(folder):
            jobs += real(folder, random.Random(chosen.seed))
        else:
            print("skipped: no %s here" % os.path.relpath(folder, HERE))
    base = chosen.seed * 10 ** 6
    jobs += [(base + i, None, None) for i in range(-(-chosen.pairs // PAIRS))]
    pairs = compared = matched = failures = 0
    found = []
    with multiprocessing.Pool() as pool:
        for own, every, matches, differences, failure in pool.imap_unordered(run, jobs):
            pairs += own
            compared += every
            matched += matches
            found += differences
            if failure:
                failures += 1
                if failures <= chosen.show:
                    print(failure)
    shown = set()
    for seed, rules, events, at, ids in sorted(found, key=lambda each: each[0]):
        if len(shown) < chosen.show and not ids & shown:
            shown |= set(sorted(ids)[:1])
            show(*minimal(rules, events, at, ids), seed)
    print("%d pairs of a rule and an event made for it, %d in all, %d matches: %d differences, "
          "%d failures in %.1f s" % (pairs, compared, matched, len(found), failures,
                                     time.monotonic() - start))
    return 1 if found or failures else 0


if __name__ == "__main__":
    sys.exit(main())
