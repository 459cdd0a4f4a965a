# SPDX-License-Identifier: Apache-2.0
"""Who reads `healthy : true` is protected: each misconfiguration is told with its cause, and what
health shows as the fix, done as it stands, makes the agent healthy again."""

import os
import re
import shlex
import subprocess
import unittest

import support
from support import BEHAVIOUR, TOCSIN, Agent, wait_for

CONFIGURATION = " in the configuration and run tocsin config reload"


class Whole(Agent):
    """One that keeps every promise but the network's."""

    def __init__(self, config="", es="", av="", plugins=BEHAVIOUR, **kwargs):
        super().__init__(config=config, es=es, av=av, plugins=plugins, **kwargs)

    def start(self, ready=True):
        super().start(ready)
        self.written = self.text()

    def text(self):
        with open(self.config, encoding="utf-8") as f:
            return f.read()

    def change(self, old, new):
        assert old in self.text(), (old, self.text())
        self.write_config(self.text().replace(old, new))
        self.tocsin("config", "reload")

    def healthy(self):
        """As a monitor asks: by the exit status."""
        return subprocess.run([TOCSIN, "--socket", self.socket, "health"], check=False,
                              capture_output=True).returncode == 0

    def issues(self):
        return {i["id"]: i for i in self.call("health")["health_issues"]}

    def broken(self):
        """The promises that are not kept."""
        return {name for name, promise in self.call("health")["promises"].items()
                if not promise["kept"]}

    def run_fix(self, fix):
        """Does what health says. What is to be changed in the configuration is what the test has
        changed; the command after it is health's own."""
        if fix.endswith(CONFIGURATION):
            self.write_config(self.written)
            fix = "tocsin config reload"
        command = shlex.split(fix)
        assert command[0] == "tocsin", fix
        self.tocsin(*command[1:])


@support.needs_root
class Truth(unittest.TestCase):
    def told_and_mended(self, agent, issue, *promises):
        """Health names the issue and the promises that are broken; its fix ends that."""
        found = wait_for(lambda: agent.issues().get(issue))
        self.assertFalse(agent.healthy())
        self.assertFalse(agent.call("health")["healthy"])
        self.assertEqual(agent.broken(), set(promises))
        self.assertTrue(found["text"])
        agent.run_fix(found["fix"])
        wait_for(agent.healthy)
        self.assertEqual(agent.broken(), set())
        return found

    def test_parts_that_are_switched_off(self):
        parts = {"av": ("scanning", "quarantine"), "edr": ("behaviour",),
                 "trace": ("behaviour",)}
        with Whole() as agent:
            wait_for(agent.healthy)
            for name, promises in parts.items():
                agent.tocsin("plugin", "disable", name)
                self.told_and_mended(agent, "core." + name, *promises)
                agent.change("  %s: {" % name, "  %s: {enabled: false, " % name)
                found = self.told_and_mended(agent, "core." + name, *promises)
                self.assertIn("by the configuration", found["text"])

    def test_parts_that_the_configuration_does_not_name(self):
        with Whole() as agent:
            for name in ("av", "edr", "trace"):
                section = re.search(r"(?m)^  %s: .*\n" % name, agent.text()).group()
                agent.change(section, "")
                found = self.told_and_mended(agent, "core." + name, *(
                    ("scanning", "quarantine") if name == "av" else ("behaviour",)))
                self.assertIn("does not name plugin " + name, found["text"])

    def test_the_sensor_is_switched_off(self):
        with Whole() as agent:
            agent.tocsin("plugin", "disable", "es")
            self.told_and_mended(agent, "core.disabled", "real_time")
            agent.change("  es: {", "  es: {enabled: false, ")
            self.told_and_mended(agent, "core.disabled", "real_time")

    def test_what_lets_everything_pass(self):
        with Whole() as agent:
            agent.change("plugins:\n", "mode: passive\nplugins:\n")
            self.told_and_mended(agent, "core.passive", "real_time", "quarantine")
            for exclusion, promises in (
                    ('{path: "/**"}', ("real_time", "scanning", "behaviour")),
                    ('{path: "%s/**"}' % agent.protected, ("real_time", "scanning", "behaviour")),
                    ('{process: "**/*"}', ("real_time", "scanning", "behaviour")),
                    ('{path: "/**", scope: av}', ("scanning",)),
                    ('{path: "/**", scope: edr}', ("behaviour",))):
                agent.change("plugins:\n", "exclusions: [%s]\nplugins:\n" % exclusion)
                found = self.told_and_mended(agent, ("core.excluded." + agent.protected)[:63],
                                             *promises)
                self.assertIn(agent.protected, found["text"])


if __name__ == "__main__":
    support.main()
