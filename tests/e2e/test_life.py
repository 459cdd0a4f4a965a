# SPDX-License-Identifier: Apache-2.0
"""Owns: that nothing between the agent's start and its stop leaves the machine unprotected, or
protected twice: a plugin that is not ready, a detector that was away, a reload that fails."""

import os
import signal
import subprocess
import sys
import time
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


def journal(agent):
    """[(topic, event)], oldest first."""
    items = agent.call("event.list", {"limit": 1000})["items"]
    return [(i["topic"], i["event"]) for i in reversed(items)]


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
            with_one.__exit__(*sys.exc_info())

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
            wait_for(lambda: agent.call("health")["real_time_protection_available"])
            path = put(agent, "refused")
            with self.assertRaises(PermissionError):  # there is no place to put it away
                open(path, "rb").close()
        finally:
            agent.stop()
            subprocess.run(["umount", "-l", agent.state], check=True)
            agent.__exit__(*sys.exc_info())

    def gap_is_told_and_looked_at(self, agent, end):
        """`end` ends the agent; what is written before the next start is found by it."""
        end()
        before = time.time_ns()
        path = put(agent, "gap")
        after = time.time_ns()
        agent.start()
        wait_for(lambda: not os.path.lexists(path))
        gap = [e for t, e in journal(agent) if t == "sensor.gap" and "to" in e][-1]
        self.assertLessEqual(gap["from"], before)
        self.assertGreaterEqual(gap["to"], after)
        return gap

    def test_what_is_written_between_stop_and_start_is_found(self):
        with Agent() as agent:
            self.gap_is_told_and_looked_at(agent, agent.stop)
            self.assertFalse([e for t, e in journal(agent) if t == "agent.ended"])

    def test_a_supervisor_that_is_killed_is_told_of_and_its_successor_starts_at_once(self):
        def kill():
            agent.process.kill()
            agent.process.wait()

        with Agent() as agent:
            gap = self.gap_is_told_and_looked_at(agent, kill)
            ended = [e for t, e in journal(agent) if t == "agent.ended"]
            self.assertEqual(ended[0]["reason"], "the agent ended, and its supervisor with it")
            self.assertLess(ended[0]["from"], ended[0]["to"])
            # The same moment, by two clocks that are not read at once.
            self.assertAlmostEqual(ended[0]["from"], gap["from"], delta=1e9)

    def test_an_agent_that_stood_still_as_a_whole_says_so_and_lives_on(self):
        with Agent() as agent:
            core, supervisor = agent.core(), agent.process.pid
            stopped = time.time_ns()
            os.kill(supervisor, signal.SIGSTOP)
            os.kill(core, signal.SIGSTOP)
            time.sleep(9)  # longer than a loop may stand still
            os.kill(core, signal.SIGCONT)
            os.kill(supervisor, signal.SIGCONT)
            # Told with both ends; a busy machine may have held the agent up before, for less.
            gap = wait_for(lambda: [e for t, e in journal(agent) if t == "sensor.gap" and
                                    e.get("to", 0) > stopped + 8e9])[0]
            self.assertLess(gap["from"], stopped + 1e9)
            self.assertEqual(agent.core(), core)
            self.assertTrue(agent.call("health")["real_time_protection_available"])

    def test_a_sensor_that_cannot_take_its_new_options_goes_on_alone(self):
        with Watched() as agent:
            agent.approve()
            started = len(agent.events("sensor.starting"))
            # Nothing is wrong with that but that nothing is left to be watched, which its start finds.
            nothing = "ignore_filesystems: [tmpfs], "
            agent.change("  es: {watch: [", "  es: {%swatch: [" % nothing)
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
            agent.change(nothing, "")
            agent.tocsin("config", "reload")
            wait_for(lambda: not [i for i in agent.call("health")["health_issues"]
                                  if i["id"] == "core.plugin_es"])


if __name__ == "__main__":
    main()
