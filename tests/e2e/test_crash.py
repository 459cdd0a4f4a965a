# SPDX-License-Identifier: Apache-2.0
"""Owns: what becomes of the slot when the core dies while es holds it: the fallback takes over, the
gap has both ends, what was written in it is found, and es comes back, but not for ever."""

import os
import signal
import subprocess
import sys
import time
import unittest

from guarded import APPROVED, FALLBACK
from support import EICAR, has_ended, main, needs_root, wait_for
from swap import Watched

SLOW = 20 if "TOCSIN_SWAP_SHORT" in os.environ else 1  # emulated machines are


def kill_core(agent, meanwhile=lambda: None):
    """SIGKILL to the core; returns when the next one listens."""
    readies = agent.text_of_log().count("ready\n")
    os.kill(agent.core(), signal.SIGKILL)
    meanwhile()
    wait_for(lambda: agent.text_of_log().count("ready\n") > readies, 10 + SLOW)


@needs_root
class Crash(unittest.TestCase):
    def comes_back(self, agent):
        """Killed, es is there again after a while in which kext stands in."""
        kill_core(agent)
        agent.protected_by(APPROVED, 10 * SLOW)

    def killed_in_a_request(self, agent):
        """What is written before the next core protects is found all the same."""
        asking = subprocess.Popen([sys.executable, "-c", "open(%r).read()" % agent.path("slow")])
        slow = os.stat(agent.path("slow")).st_ino
        wait_for(lambda: [r for r in agent.records()[0] if r.inode == slow], 10 * SLOW)
        killed = time.time_ns()

        def write():
            # Closing allows whoever waits.
            self.assertEqual(asking.wait(5 * SLOW), 0)
            with open(agent.path("gap"), "wb") as f:
                f.write(EICAR)

        kill_core(agent, meanwhile=write)
        agent.protected_by(FALLBACK, 5 * SLOW)
        gap = wait_for(lambda: [g for g in agent.events("sensor.gap") if g.get("to", 0) > killed])
        self.assertEqual(gap[0]["sensor"], "kext")
        self.assertLess(gap[0]["from"], gap[0]["to"])
        self.assertEqual(agent.events("agent.ended")[-1]["signal"], signal.SIGKILL)
        wait_for(agent.threats, 5 * SLOW)
        wait_for(lambda: not os.path.lexists(agent.path("gap")))

    def stays_with_the_fallback(self, agent):
        issue = wait_for(lambda: [i for i in agent.call("health")["health_issues"]
                                  if i["id"] == "sensor.es"])[0]
        self.assertIn("is disabled", issue["text"])
        self.assertEqual(issue["fix"], "tocsin approval retry")
        count = len(agent.events("sensor.starting"))
        time.sleep(5)  # longer than any wait that three crashes in a row would have
        self.assertEqual(len(agent.events("sensor.starting")), count)
        self.assertEqual(agent.subsystem(), FALLBACK)

    def test_three_crashes_the_third_in_a_request(self):
        with Watched(witness="slow: 30s") as agent:
            agent.approve()
            self.comes_back(agent)
            self.comes_back(agent)
            self.killed_in_a_request(agent)
            self.stays_with_the_fallback(agent)
            agent.tocsin("approval", "retry")
            agent.protected_by(APPROVED, 5 * SLOW)
            # Kext need not have come to the end of its walk.
            wait_for(lambda: agent.call("es.stats")["catch_up_walks"] > 0)


@needs_root
class WithoutCore(unittest.TestCase):
    @staticmethod
    def is_stopped(program):
        """Refused, where BPF LSM is, or killed before its first instruction."""
        try:
            return subprocess.run([program], check=False).returncode == -signal.SIGKILL
        except PermissionError:
            return True

    def test_what_kext_knows_as_bad_is_refused_until_the_next_core(self):
        with Watched(witness="deny: denied") as agent:
            agent.protected_by(FALLBACK, 10 * SLOW)
            program = agent.path("denied_run")
            wait_for(lambda: self.is_stopped(program), 10 * SLOW)
            core = agent.core()
            # It starts no other one meanwhile.
            os.kill(agent.process.pid, signal.SIGSTOP)
            try:
                os.kill(core, signal.SIGKILL)
                wait_for(lambda: has_ended(core))
                self.assertTrue(all(self.is_stopped(program) for _ in range(20)))
                self.assertTrue(os.path.isdir(agent.pins()))
            finally:
                readies = agent.text_of_log().count("ready\n")
                os.kill(agent.process.pid, signal.SIGCONT)
            wait_for(lambda: agent.text_of_log().count("ready\n") > readies, 10 + 10 * SLOW)
            agent.protected_by(FALLBACK, 10 * SLOW)
            agent.stop()
            self.assertFalse(os.path.exists(agent.pins()))
            self.assertFalse(self.is_stopped(program))


if __name__ == "__main__":
    main()
