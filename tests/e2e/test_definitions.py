# SPDX-License-Identifier: Apache-2.0
"""What the detectors judge by, as an operator asks the running agent for it: that all rules for
Linux that can be fed are, that thousands of them are listed, and that changes are taken."""

import json
import os
import subprocess
import tempfile
import unittest

from support import SOURCE, TOCSIN, Agent, main, wait_for

SIGMAHQ = os.path.join(os.path.dirname(SOURCE), "shared/data/sigma/linux")
RULE = """title: Rule %d
logsource: {category: process_creation, product: linux}
detection:
  s: {CommandLine|contains: 'no-such-word-%d'}
  condition: s
"""


class Definitions(unittest.TestCase):
    def agent(self, rules):
        return Agent(plugins="  trace: {}\n  edr: {rules: [%s]}\n" % rules)

    def listed(self, agent):
        return json.loads(agent.tocsin("definitions", "list", "--output", "json"))

    @unittest.skipUnless(os.path.isdir(SIGMAHQ), "there are no rules at " + SIGMAHQ)
    def test_every_rule_for_linux_of_the_main_log_sources_can_fire(self):
        with self.agent(SIGMAHQ) as agent:
            edr = self.listed(agent)["edr"]
            self.assertEqual((edr["refused"], edr["cannot_run"]), (0, 0))
            share = {s["source"]: s["percent"] for s in edr["sources"]}
            for category in ("process_creation", "file_event", "network_connection"):
                self.assertEqual(share["linux/" + category], 100, category)
            for item in edr["items"]:
                self.assertEqual("why" in item, item["state"] != "runs", item)
            self.assertIn("linux/process_creation", agent.tocsin("definitions", "list"))

    def test_rules_that_no_plugin_here_feeds_are_listed_as_such(self):
        with tempfile.TemporaryDirectory() as rules:
            with open(os.path.join(rules, "dns.yml"), "w", encoding="ascii") as f:
                f.write("title: Name\nlogsource: {category: dns_query}\n"
                        "detection: {s: {QueryName: a.test}, condition: s}\n")
            with self.agent(rules) as agent:
                edr = self.listed(agent)["edr"]
                self.assertEqual([i["state"] for i in edr["items"]], ["no_source"])
                self.assertEqual((edr["runs"], edr["no_source"]), (0, 1))
                self.assertIn("dns.answered", edr["items"][0]["why"])

    def test_thousands_of_rules_are_listed_and_changes_are_taken(self):
        with tempfile.TemporaryDirectory() as rules:
            for n in range(25):
                with open(os.path.join(rules, "%d.yml" % n), "w", encoding="ascii") as f:
                    f.write("---\n".join(RULE % (k, k) for k in range(100 * n, 100 * n + 100)))
            with self.agent(rules) as agent:
                listed = self.listed(agent)
                self.assertEqual(sorted(int(i["title"][5:]) for i in listed["edr"]["items"]),
                                 list(range(2500)))
                self.assertGreater(listed["av"]["rules"], 0)
                with open(os.path.join(rules, "0.yml"), "w", encoding="ascii") as f:
                    f.write("title: [\n")
                wait_for(lambda: self.listed(agent)["edr"]["refused"] == 1)
                self.assertEqual(self.listed(agent)["edr"]["runs"], 2400)
                self.assertIn("/0.yml:2:1: ", agent.tocsin("health"))
                os.unlink(os.path.join(rules, "0.yml"))
                reply = json.loads(agent.tocsin("definitions", "reload", "--output", "json"))
                self.assertEqual((reply["edr"]["rules"], reply["edr"]["refused"]), (2400, 0))

    def test_own_rules_are_right_and_all_can_run(self):
        own = os.path.join(SOURCE, "config/rules/sigma")
        done = subprocess.run([TOCSIN, "definitions", "check", own], check=False,
                              capture_output=True, encoding="utf-8")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(" 0 cannot run, 0 have no source here; 0 refused", done.stdout)


if __name__ == "__main__":
    main()
