# SPDX-License-Identifier: Apache-2.0
"""Owns: a plugin in a process of its own under the whole agent: its denials hold, its crashes and
hangs cost one answer each, and neither the core nor real-time protection is started anew for it."""

import os
import signal
import unittest

from support import BUILD, SOURCE, Agent, main, needs_root, wait_for

WRECKS = os.path.join(BUILD, "lib/tocsin/test-plugins/tocsin_wrecks.so")


def isolated(how):
    return Agent(plugins="  wrecks: {isolate: true, file: %s, how: %s}\n" % (WRECKS, how))


@needs_root
class Isolated(unittest.TestCase):
    def info(self, agent):
        return agent.call("plugin.info", {"name": "wrecks"})

    def process(self, agent):
        """Of the plugin that runs; None while there is none, or it is not ready."""
        info = self.info(agent)
        return info["pid"] if info.get("process") == "running" else None

    def write(self, agent, name):
        """Makes a file, which is not yet opened by its name."""
        with open(agent.path("new"), "w", encoding="ascii") as f:
            f.write(name)
        os.rename(agent.path("new"), agent.path(name))
        return agent.path(name)

    def denied(self, path):
        try:
            with open(path, "rb"):
                return False
        except PermissionError:
            return True

    def test_its_votes_hold_and_its_process_has_no_rights(self):
        with isolated("none") as agent:
            pid = wait_for(lambda: self.process(agent))
            self.assertTrue(self.info(agent)["isolated"])
            self.assertFalse(self.denied(self.write(agent, "good")))
            self.assertTrue(self.denied(self.write(agent, "deny")))
            with open("/proc/%d/status" % pid, encoding="ascii") as f:
                status = dict(line.split(":", 1) for line in f)
            self.assertNotIn("0", status["Uid"].split())
            self.assertEqual(int(status["CapPrm"], 16), 0)
            self.assertEqual(status["NoNewPrivs"].strip(), "1")
            self.assertEqual(status["Seccomp"].strip(), "2")

    def test_it_is_replaced_and_then_left_out_and_the_core_goes_on(self):
        with isolated("event") as agent:
            core = agent.core()
            for n in range(3):
                pid = wait_for(lambda: self.process(agent))
                self.assertFalse(self.denied(self.write(agent, "trigger%d" % n)))
                wait_for(lambda: self.process(agent) != pid)
            issue = wait_for(lambda: [i for i in agent.call("health")["health_issues"]
                                      if i["id"].endswith("plugin_wrecks")])[0]
            self.assertIn("left out after 3", issue["text"])
            self.assertEqual(issue["fix"], "tocsin plugin enable wrecks")
            self.assertEqual(agent.core(), core)
            self.assertTrue(agent.call("health")["real_time_protection_enabled"])
            agent.tocsin("plugin", "enable", "wrecks")
            deny = self.write(agent, "deny")
            wait_for(lambda: self.denied(deny))
            # What it crashed on is not shown to it again.
            pid = self.process(agent)
            self.assertFalse(self.denied(agent.path("trigger2")))
            self.assertEqual(self.process(agent), pid)
            self.assertEqual(agent.core(), core)

    def test_a_killed_process_is_replaced_and_goes_with_the_agent(self):
        with isolated("none") as agent:
            pid = wait_for(lambda: self.process(agent))
            os.kill(pid, signal.SIGKILL)
            after = wait_for(lambda: self.process(agent) not in (None, pid) and self.process(agent))
            self.assertEqual(self.info(agent)["restarts"], 1)
            self.assertIn("signal 9", self.info(agent)["last_error"])
            os.kill(agent.core(), signal.SIGKILL)
            wait_for(lambda: not os.path.exists("/proc/%d" % after))


@needs_root
class Edr(unittest.TestCase):
    """The product's own detector of behaviour, in a process of its own."""

    def process(self, agent):
        info = agent.call("plugin.info", {"name": "edr"})
        return info["pid"] if info.get("process") == "running" else None

    def test_its_alerts_are_raised_also_by_the_process_after_the_one_that_was_killed(self):
        plugins = "  trace: {acts: none, files: []}\n  edr: {isolate: true, rules: [%s]}\n" % (
            os.path.join(SOURCE, "config/rules/sigma"))
        with Agent(plugins=plugins) as agent:
            core = agent.core()
            pid = wait_for(lambda: self.process(agent))
            self.assertGreater(agent.json("definitions", "list")["edr"]["runs"], 0)
            agent.tocsin("edr", "selftest")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: self.process(agent) not in (None, pid))
            wait_for(lambda: agent.json("definitions", "list")["edr"]["runs"] > 0)
            agent.tocsin("edr", "selftest")
            self.assertEqual(agent.core(), core)


if __name__ == "__main__":
    main()
