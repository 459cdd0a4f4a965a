# SPDX-License-Identifier: Apache-2.0
"""Owns: the slot as an operator meets it: es is asked for, kext protects meanwhile, grants
and revocations swap them live, and everything is to be seen in one tap."""

import os
import subprocess
import time
import unittest

from support import EICAR, Agent, main, needs_root, wait_for

APPROVED = "endpoint_security_extension"
FALLBACK = "kernel_extension"


class Guarded(Agent):
    """One that asks for approval, with the fallback installed."""

    def __init__(self, approval="timeout: 10s", more="", plugins="", **kwargs):
        super().__init__(config="approval: {%s}\n%s" % (approval, more), **kwargs)
        self.managed = os.path.join(self.dir, "managed")
        os.mkdir(self.managed, 0o755)
        with open(self.config, encoding="utf-8") as f:
            text = f.read()
        text = text.replace("paths: {", "paths: {managed: %s, " % self.managed)
        self.write_config(text + "  kext: {watch: [%s]}\n" % self.protected + plugins)

    def subsystem(self):
        return self.tocsin("health", "--field", "real_time_protection_subsystem").strip()

    def phase(self):
        return self.call("approval.list")["phase"]

    def gate(self, name):
        gates = self.call("approval.list")["gates"]
        return next(g for g in gates if g["gate"] == name)

    def protected_by(self, subsystem, seconds=5):
        wait_for(lambda: self.subsystem() == subsystem, seconds)

    def events(self, topic):
        return [e["event"] for e in reversed(self.call("event.list", {"topic": topic})["items"])]

    def swaps(self):
        return [(s["from"], s["to"]) for s in self.events("sensor.swapped")]


@needs_root
class Slot(unittest.TestCase):
    def test_the_walk_from_installed_to_approved_and_back(self):
        with Guarded() as agent:
            agent.protected_by(FALLBACK)
            self.assertIn("es_extension", agent.tocsin("approval", "list"))
            issues = agent.tocsin("health", "--field", "health_issues")
            self.assertIn("waiting for approval: es_extension (1 of 2)", issues)
            agent.tocsin("approval", "grant", "es_extension")
            wait_for(lambda: agent.phase() == "full_disk_access_wait" or
                     agent.gate("full_disk_access")["state"] == "prompting")
            self.assertEqual(agent.subsystem(), FALLBACK)
            begin = time.monotonic()
            agent.tocsin("approval", "grant", "full_disk_access")
            agent.protected_by(APPROVED)
            self.assertLess(time.monotonic() - begin, 2.0)
            wait_for(lambda: agent.tocsin("health", "--field", "healthy").strip() == "true")
            agent.tocsin("approval", "revoke", "es_extension")
            agent.protected_by(FALLBACK)
            self.assertEqual(agent.gate("es_extension")["state"], "revoked")
            wait_for(lambda: agent.swaps() == [("kext", "es"), ("es", "kext")])

    def test_after_the_minute_the_slot_is_the_fallbacks(self):
        """approval.md 5.6, with the bridge: one timeout, one swap, no open gap."""
        with Guarded() as agent:
            agent.protected_by(FALLBACK)
            self.assertEqual(agent.swaps(), [])
            wait_for(lambda: agent.phase() == "timed_out", 15)
            wait_for(agent.swaps)
            self.assertEqual(agent.swaps(), [("es", "kext")])
            self.assertEqual(len(agent.events("approval.timeout")), 1)
            self.assertEqual(agent.subsystem(), FALLBACK)


if __name__ == "__main__":
    main()
