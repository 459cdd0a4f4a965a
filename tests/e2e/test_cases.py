# SPDX-License-Identifier: Apache-2.0
"""Owns: small inputs with the right answer, from public reports, which lie beside the project
(../shared/cases, whose README says what each key means)."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from support import SOURCE, TOCSIN, Agent, main

CASES = os.path.join(os.path.dirname(SOURCE), "shared", "cases")


def run(*args, cwd=None, socket="/nowhere"):
    return subprocess.run([TOCSIN, "--socket", socket, *args], cwd=cwd, capture_output=True, text=True, timeout=120,
                          check=False)


def hold(expect, one):
    """What of `expect` does not hold; `one` (key, value) says why one thing does not, or None."""
    wrong = [why for key, value in expect.items() if key != "any_of"
             for why in [one(key, value)] if why]
    ways = [hold(way, one) for way in expect.get("any_of", [])]
    if ways and all(ways):
        wrong += [why for way in ways for why in way]
    return wrong


def says(text, wanted):
    missing = [w for w in ([wanted] if isinstance(wanted, str) else wanted)
               if w.lower() not in text.lower()]
    return "%r is not said in %r" % (missing, text) if missing else None


@unittest.skipUnless(os.path.isdir(CASES), "there is no ../shared/cases")
class Cases(unittest.TestCase):
    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="tocsin-cases-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def each(self, kind, ending, check):
        names = sorted(n for n in os.listdir(os.path.join(CASES, kind)) if n.endswith(ending))
        self.assertTrue(names)
        for name in names:
            with self.subTest(name):
                wrong = check(os.path.join(CASES, kind, name))
                self.assertFalse(wrong, "\n".join(wrong))

    def sigma(self, case):
        folder = os.path.join(self.folder(), "case")
        shutil.copytree(case, folder, symlinks=True)
        rules = os.path.join(folder, "rules")
        if not os.path.isdir(rules):
            os.mkdir(rules)
            for name in os.listdir(folder):
                if name.endswith(".yml"):
                    os.rename(os.path.join(folder, name), os.path.join(rules, name))
        with open(os.path.join(folder, "expect.json"), encoding="utf-8") as f:
            expect = json.load(f)
        for path, target in expect.pop("links", {}).items():
            os.symlink(target, os.path.join(folder, path))
        tested = run("rule", "test", "--rules", "rules", "--events", "events.jsonl", "--output",
                     "json", cwd=folder)
        checked = run("definitions", "check", "rules", cwd=folder)
        said = tested.stderr + checked.stdout + checked.stderr
        matched = [answer["event"] for answer in map(json.loads, tested.stdout.splitlines())
                   if answer["matches"]]

        def one(key, value):
            if key == "matches":
                return None if matched == value else "matched %s, not %s" % (matched, value)
            if key == "says":
                return says(said, value)
            if key == "refuse":
                if tested.returncode != 1 or matched:
                    return "status %d, matched %s" % (tested.returncode, matched)
                return says(said, value)
            if key == "silent":
                return "said: " + tested.stderr if tested.stderr else None
            return None

        return hold(expect, one)

    def profile(self, agent, path):
        with open(path[:-len("mobileconfig")] + "json", encoding="utf-8") as f:
            case = json.load(f)
        files = [path, *(os.path.join(os.path.dirname(path), n) for n in case.get("with", []))]
        done = run("profile", "check", *files, socket=agent.socket)
        listed = run("profile", "check", *files, "--output", "json", socket=agent.socket)
        said = done.stdout + done.stderr

        def one(key, value):
            if key == "gates":
                gates = json.loads(listed.stdout or "{}")
                declared = {g["gate"]: g["declared"] for g in gates.get("gates", [])}
                wrong = {g: declared.get(g) for g in value if declared.get(g) != value[g]}
                return "declared: %s (%s)" % (wrong, said) if wrong else None
            if key == "refuse" and done.returncode != 1:
                return "status %d" % done.returncode
            return says(said, value)

        return hold(case["expect"], one)

    def test_sigma(self):
        self.each("sigma", "", self.sigma)

    def test_profiles(self):
        with Agent(sensor=False) as agent:
            def check(path):
                if not os.path.exists(path[:-len("mobileconfig")] + "json"):
                    return []  # it goes with another
                return self.profile(agent, path)

            self.each("profiles", ".mobileconfig", check)


if __name__ == "__main__":
    main()
