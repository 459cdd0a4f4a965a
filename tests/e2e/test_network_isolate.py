# SPDX-License-Identifier: Apache-2.0
"""A host that is cut off by `tocsin isolate`, and every way back."""

import os
import time
import unittest

from network import OTHER, SERVER, Filtered, Network, figure, needs_network
from support import main, wait_for


@needs_network
class Isolation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = Network()
        cls.addClassCleanup(cls.network.close)
        cls.network.serve_bytes(7000, 7001)
        cls.network.serve_names({"good.test": SERVER})

    def reaches(self, address=SERVER, port=7000):
        return self.network.connect("tcp", address, port, "x") == 0

    def is_cut_off(self, allowed=(SERVER, 7000)):
        """All but what is allowed, at once and both ways."""
        begin = time.monotonic()
        for address, port in ((OTHER, 7000), (SERVER, 7001)):
            if (address, port) != allowed:
                self.assertFalse(self.reaches(address, port), (address, port))
        self.assertLess(time.monotonic() - begin, 10)
        if allowed:
            self.assertTrue(self.reaches(*allowed))

    def table(self):
        return "tocsin_isolation" in self.network.shell("nft list tables")

    def changes(self, agent):
        items = agent.call("event.list", {"limit": 1000})["items"]
        return [i["event"] for i in reversed(items) if i["topic"] == "isolation.changed"]

    def test_on_and_off(self):
        with Filtered(self.network) as agent:
            self.assertFalse(agent.json("isolate", "status")["isolated"])
            begin = time.monotonic()
            agent.tocsin("isolate", "on", "--allow=%s:7000" % SERVER, "--reason", "a test's")
            figure("isolate on took %.3f s" % (time.monotonic() - begin))
            self.is_cut_off()
            status = agent.json("isolate", "status")
            self.assertTrue(status["isolated"])
            self.assertEqual(status["reason"], "a test's")
            self.assertIn("isolated", agent.tocsin("health", "--field", "host_isolation"))
            wait_for(lambda: agent.json("isolate", "status")["cut_out"] > 0)
            # The filter may be off meanwhile.
            agent.tocsin("network-filter", "disable")
            self.is_cut_off()
            agent.tocsin("network-filter", "enable")
            agent.filters()
            agent.tocsin("isolate", "off")
            self.assertTrue(self.reaches(OTHER))
            self.assertFalse(self.table())
            self.assertEqual([c["isolated"] for c in self.changes(agent)], [True, False])

    def test_its_time_is_over(self):
        with Filtered(self.network) as agent:
            agent.tocsin("isolate", "on", "--for", "3s")
            begin = time.monotonic()
            self.is_cut_off(allowed=None)
            wait_for(lambda: not self.table())
            took = time.monotonic() - begin
            figure("isolate on --for 3s: over after %.1f s" % took)
            self.assertGreater(took, 1)
            self.assertTrue(self.reaches(OTHER))
            self.assertFalse(agent.json("isolate", "status")["isolated"])

    def test_it_survives_restarts_and_crashes(self):
        with Filtered(self.network) as agent:
            agent.tocsin("isolate", "on", "--allow=%s:7000" % SERVER)
            agent.stop()
            self.assertFalse(self.table())  # its owner is gone
            agent.start()
            wait_for(self.table)
            self.is_cut_off()
            agent.kill_all()
            agent.process = None
            wait_for(lambda: not self.table())
            self.assertTrue(self.reaches(OTHER))
            agent.start()
            wait_for(self.table)
            self.is_cut_off()
            self.assertTrue(agent.json("isolate", "status")["isolated"])
            agent.tocsin("isolate", "off")
            agent.stop()
            agent.start()
            self.assertFalse(self.table())

    def test_others_cannot_take_it_away(self):
        with Filtered(self.network) as agent:
            agent.tocsin("isolate", "on", "--allow=%s:7000" % SERVER)
            self.network.shell("nft flush ruleset")
            self.is_cut_off()
            self.network.shell("! nft delete table inet tocsin_isolation 2>/dev/null")
            self.network.shell("nft add table inet theirs; nft delete table inet theirs")
            self.is_cut_off()

    def test_the_way_back_without_an_agent(self):
        with Filtered(self.network) as agent:
            agent.tocsin("isolate", "on")
            self.is_cut_off(allowed=None)
            with agent.stopped(*agent.pids()):  # it hangs, and is ended by force
                self.is_cut_off(allowed=None)
                done = agent.tocsin("isolate", "off", "--local", "--state", agent.state)
                self.assertIn("removed", done)
                core = agent.core()
            agent.kill_all()
            agent.process = None
            wait_for(lambda: not os.path.exists("/proc/%d" % core) or not self.table())
            wait_for(lambda: not self.table())
            self.assertTrue(self.reaches(OTHER))
            agent.start()
            self.assertFalse(agent.json("isolate", "status")["isolated"])
            self.assertFalse(self.table())


if __name__ == "__main__":
    main()
