# SPDX-License-Identifier: Apache-2.0
"""Owns: that nothing between the agent's start and its stop leaves the machine unprotected, or
protected twice: a plugin that is not ready, a detector that was away, a reload that fails."""

import os
import subprocess
import unittest

from guarded import APPROVED
from support import BUILD, EICAR, Agent, main, needs_root, wait_for
from swap import Watched

TEST_PLUGINS = os.path.join(BUILD, "lib/tocsin/test-plugins")
NEVER_READY = "  never_ready: {file: %s/tocsin_never_ready.so}\n" % TEST_PLUGINS


def put(agent, name, content=EICAR):
    path = os.path.join(agent.protected, name)
    with open(path, "wb") as f:
        f.write(content)
    return path


def state_of(agent, plugin):
    states = {p["name"]: p["state"] for p in agent.call("plugin.list")["items"]}
    return states.get(plugin)


@needs_root
class Life(unittest.TestCase):
    def test_a_detector_that_is_not_ready_holds_no_sensor_up(self):
        with_one = Agent(plugins=NEVER_READY)
        try:
            with_one.start(ready=False)
            wait_for(lambda: os.path.exists(with_one.socket))
            wait_for(lambda: with_one.call("health")["real_time_protection_available"])
            wait_for(lambda: state_of(with_one, "av") == "running")
            path = put(with_one, "early")
            wait_for(lambda: not os.path.lexists(path))
            self.assertEqual(state_of(with_one, "never_ready"), "starting")
            self.assertNotIn("ready\n", with_one.text_of_log())
        finally:
            with_one.__exit__(None)

    def test_what_was_written_without_a_detector_is_judged_when_it_comes(self):
        with Agent() as agent:
            agent.tocsin("plugin", "disable", "av")
            path = put(agent, "unjudged")
            with open(path, "rb") as f:
                self.assertEqual(f.read(), EICAR)  # nobody says no
            agent.tocsin("plugin", "enable", "av")
            wait_for(lambda: not os.path.lexists(path))

    def test_a_state_folder_that_turns_read_only_keeps_no_sensor_from_starting(self):
        agent = Agent()
        os.mkdir(agent.state, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "tocsin-e2e", agent.state], check=True)
        try:
            os.chmod(agent.state, 0o700)
            agent.start()
            agent.stop()
            subprocess.run(["mount", "-o", "remount,ro", agent.state], check=True)
            agent.start()
            self.assertTrue(agent.call("health")["real_time_protection_available"])
            path = put(agent, "refused")
            with self.assertRaises(PermissionError):  # there is no place to put it away
                open(path, "rb").close()
        finally:
            agent.stop()
            subprocess.run(["umount", "-l", agent.state], check=True)
            agent.__exit__(None)

    def test_a_sensor_that_cannot_take_its_new_options_goes_on_alone(self):
        with Watched() as agent:
            agent.approve()
            started = len(agent.events("sensor.starting"))
            agent.change("  es: {watch: [", "  es: {watch: [relative, ")
            agent.tocsin("config", "reload")
            kept = wait_for(lambda: agent.events("plugin.kept"))
            self.assertEqual(kept[0]["name"], "es")
            issue = next(i for i in agent.call("health")["health_issues"]
                         if i["id"] == "core.plugin_es")
            self.assertEqual(issue["fix"], "tocsin plugin reload es")
            self.assertEqual(agent.subsystem(), APPROVED)
            self.assertEqual(state_of(agent, "es"), "running")
            self.assertNotEqual(state_of(agent, "kext"), "running")
            self.assertEqual(len(agent.events("sensor.starting")), started)
            agent.change("relative, ", "")
            agent.tocsin("config", "reload")
            wait_for(lambda: not [i for i in agent.call("health")["health_issues"]
                                  if i["id"] == "core.plugin_es"])


if __name__ == "__main__":
    main()
