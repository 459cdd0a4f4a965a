# SPDX-License-Identifier: Apache-2.0
"""That the network filter harms nobody: what is established goes on whatever becomes of the agent,
what waits is freed when the agent is hung, and other people's rules and marks stay as they are."""

import os
import signal
import threading
import time
import unittest

from network import (NEVER_ANSWERS, OTHER, SERVER, Filtered, Network, Stream, figure,
                     needs_network)
from support import main, wait_for

STALL_LIMIT = 1.0  # seconds; the promise is 50 ms, and this is above what a busy machine adds
SLOW_PORTS = (7000, 443)  # the second is one whose flows are looked into


@needs_network
class Transfer(unittest.TestCase):
    def check(self, name):
        """What the transfers have done since the last check."""
        for stream in self.streams:
            count, gap = stream.mark()
            self.worst = max(self.worst, gap)
            figure("transfer to %d, %s: longest stall %.1f ms, %.1f MB" % (
                stream.port, name, gap * 1e3, count / 1e6))
            self.assertGreater(count, 0, name)
            self.assertLess(gap, STALL_LIMIT, name)

    def through(self, name, act, settle=0.5):
        act()
        time.sleep(settle)
        self.check(name)

    def restarted_core(self, agent):
        readies = agent.text_of_log().count("ready\n")
        os.kill(agent.core(), signal.SIGKILL)
        wait_for(lambda: agent.text_of_log().count("ready\n") > readies)
        agent.filters()

    def disable_and_enable(self, agent):
        agent.tocsin("network-filter", "disable")
        time.sleep(0.5)
        agent.tocsin("network-filter", "enable")
        agent.filters()

    def reload(self, agent):
        agent.set_list(["evil.test", OTHER, "192.0.2.0/24"])
        agent.tocsin("indicator", "reload")
        agent.tocsin("config", "reload")
        agent.tocsin("plugin", "reload", "netfilter")
        agent.filters()

    def isolated(self, agent):
        agent.tocsin("isolate", "on", *["--allow=%s:%d" % (SERVER, s.port)
                                        for s in self.streams])
        time.sleep(1.5)
        agent.tocsin("isolate", "off")

    def test_a_transfer_goes_on_whatever_becomes_of_the_agent(self):
        with Network() as network:
            network.serve_bytes(80)
            self.worst = 0
            self.streams = [Stream(network, port) for port in SLOW_PORTS]
            time.sleep(2)
            self.check("without an agent")
            baseline, self.worst = self.worst, 0
            agent = Filtered(network, block=["evil.test", OTHER])
            try:
                self.through("start", agent.start)
                self.assertIn("tocsin", network.shell("nft list tables"))
                self.streams.append(Stream(network, 8443))
                self.through("steady", lambda: time.sleep(2))
                self.through("reload", lambda: self.reload(agent))
                self.through("disable and enable", lambda: self.disable_and_enable(agent))
                self.through("SIGKILL of the core", lambda: self.restarted_core(agent))
                self.through("isolated, and not", lambda: self.isolated(agent))
                with agent.stopped(*agent.pids()):
                    self.through("SIGSTOP", lambda: time.sleep(3))
                self.through("SIGCONT", agent.filters)
                self.through("SIGKILL of all", agent.kill_all)
                agent.process = None
                self.through("the next start", agent.start)
                self.through("stop", agent.stop)
            except BaseException:
                print(agent.text_of_log())
                raise
            finally:
                agent.__exit__(None)
            figure("longest stall of a transfer: %.1f ms; without an agent %.1f ms" % (
                self.worst * 1e3, baseline * 1e3))


class Waiting:
    """Programs that connect, each in a thread; how long each took."""

    def __init__(self, network, ports):
        self.results = {}
        self.threads = [threading.Thread(target=self._connect, args=(network, port))
                        for port in ports]
        for thread in self.threads:
            thread.start()

    def _connect(self, network, port):
        begin = time.monotonic()
        status = network.connect("tcp", SERVER, port, "x")
        self.results[port] = (status, begin, time.monotonic())

    def join(self):
        for thread in self.threads:
            thread.join()
        return self.results


@needs_network
class Hung(unittest.TestCase):
    PORTS = (80, 443, 7001, 7002)

    def freed(self, agent, network, whom):
        """Flows that begin while the agent is stopped, and what comes after them."""
        with agent.stopped(*whom(agent)):
            stopped = time.monotonic()
            results = Waiting(network, self.PORTS).join()
            begin = time.monotonic()
            self.assertEqual(network.connect("tcp", SERVER, 7001, "x"), 0)
            after = time.monotonic() - begin
        took = {port: round(end - stopped, 2) for port, (_, _, end) in results.items()}
        longest = max(took.values())
        self.assertEqual({s for s, _, _ in results.values()}, {0})
        # Two seconds, and none of the sender's own waits because something was dropped.
        self.assertLess(longest, 4, took)
        self.assertLess(after, 4)
        agent.filters()
        return longest, after

    def test_flows_that_meet_a_stopped_agent_are_freed(self):
        with Network() as network:
            network.serve_bytes(*self.PORTS)
            with Filtered(network, block=["evil.test"]) as agent:
                for name, whom in (
                        ("the core", lambda a: [a.core()]),
                        ("the supervisor and the core", lambda a: a.pids()),
                        ("the core, a second time", lambda a: [a.core()])):
                    longest, after = self.freed(agent, network, whom)
                    figure("SIGSTOP of %s: flows freed within %.2f s, the next connect took "
                           "%.3f s" % (name, longest, after))

    def test_flows_that_wait_for_a_verdict_are_freed_when_the_agent_stops(self):
        with Network() as network:
            network.serve_bytes(*self.PORTS)
            with Filtered(network, options="budget: 10s", plugins=NEVER_ANSWERS) as agent:
                # The first is how the filter learns that somebody votes.
                network.connect("tcp", SERVER, 7001, "x")
                wait_for(lambda: agent.status()["queue"]["used"])
                agent.filters()
                waiting = Waiting(network, self.PORTS)
                wait_for(lambda: agent.status()["queue"]["waiting"] >= len(self.PORTS))
                with agent.stopped(agent.core()):
                    stopped = time.monotonic()
                    results = waiting.join()
                longest = max(end - stopped for _, _, end in results.values())
                self.assertEqual({s for s, _, _ in results.values()}, {0})
                self.assertLess(longest, 4)
                figure("flows that waited for a verdict: freed %.2f s after SIGSTOP" % longest)


# Marks of packets and connections, set and matched, as wg-quick and others do. `lost` counts what
# has not got them.
FOREIGN = """
table inet theirs {
	set seen {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.0/24, 198.51.100.7 }
	}
	counter lost { }
	chain setting {
		type filter hook output priority mangle; policy accept;
		ip daddr 10.77.2.2 meta mark set 0x0000002a
		ip daddr 10.77.2.2 ct mark set 0x00000015
	}
	chain matching {
		type filter hook postrouting priority 100; policy accept;
		ip daddr 10.77.2.2 meta mark != 0x0000002a counter name "lost"
		ip daddr 10.77.2.2 ct mark != 0x00000015 counter name "lost"
	}
}
table ip nat_of_theirs {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		ip daddr 192.0.2.1 masquerade
	}
}
"""


@needs_network
class Others(unittest.TestCase):
    def ruleset(self, network):
        return network.shell("nft list ruleset")

    def theirs(self, network):
        """The ruleset without tables of ours."""
        text, keep = "", True
        for line in self.ruleset(network).splitlines(keepends=True):
            if line.startswith("table "):
                keep = "tocsin" not in line
            text += line if keep else ""
        return text

    def test_their_rules_and_marks_stay_as_they_are(self):
        with Network() as network:
            network.serve_bytes(7000, 443)
            path = os.path.join(network.dir, "theirs.nft")
            with open(path, "w", encoding="ascii") as f:
                f.write(FOREIGN)
            network.shell("nft -f " + path)
            before = self.ruleset(network)
            self.assertIn("mark", before)

            def same(when):
                for port in (7000, 443):
                    self.assertEqual(network.connect("tcp", SERVER, port, "x"), 0, when)
                    self.assertEqual(network.connect("send", SERVER, port, "x"), 0, when)
                self.assertEqual(self.theirs(network), before, when)

            same("before")
            with Filtered(network, block=["evil.test", OTHER]) as agent:
                self.assertIn("table inet tocsin", self.ruleset(network))
                same("on")
                agent.tocsin("network-filter", "disable")
                wait_for(lambda: self.ruleset(network) == before)
                same("disabled")
                agent.tocsin("network-filter", "enable")
                agent.filters()
                same("enabled")
                agent.tocsin("isolate", "on", "--allow=" + SERVER)
                same("isolated")
                agent.tocsin("isolate", "off")
                same("released")
                agent.kill_all()
                agent.process = None
                same("killed")
                agent.start()
                same("started again")
            self.assertEqual(self.ruleset(network), before)
            same("stopped")
            # Loaded again, as a firewall's own reload would, while the agent runs.
            with Filtered(network, block=["evil.test"]) as agent:
                saved = self.theirs(network)
                network.shell("nft flush ruleset")
                wait_for(lambda: "table inet tocsin" in self.ruleset(network))
                with open(path, "w", encoding="ascii") as f:
                    f.write(saved)
                network.shell("nft -f " + path)
                agent.filters()
                same("loaded again")
            network.shell("nft flush ruleset")
            self.assertEqual(self.ruleset(network), "")

    def test_a_table_that_others_have_taken_away_is_made_again(self):
        with Network() as network:
            network.serve_bytes(80)
            with Filtered(network, block=["evil.test"]) as agent:
                worst = 0
                for line in ("nft flush ruleset", "nft delete table inet tocsin",
                             "nft flush table inet tocsin", "nft delete chain inet tocsin output",
                             "nft flush ruleset"):
                    before = self.ruleset(network)
                    network.shell(line)
                    begin = time.monotonic()
                    wait_for(lambda b=before: self.ruleset(network) == b)
                    worst = max(worst, time.monotonic() - begin)
                figure("a table that was taken away: made again within %.3f s" % worst)
                self.assertLess(worst, 1)
                self.assertNotEqual(network.connect(
                    "tcp", SERVER, 80, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n"), 0)
                self.assertIn("was made again", agent.text_of_log())

    def test_a_killed_agent_cuts_nothing_off_and_the_next_takes_over(self):
        request = ("tcp", SERVER, 80, "GET / HTTP/1.1\r\nHost: %s.test\r\n\r\n")
        evil, good = ((*request[:3], request[3] % name) for name in ("evil", "good"))
        with Network() as network:
            network.serve_bytes(80, 7000)
            with Filtered(network, block=["evil.test"]) as agent:
                self.assertNotEqual(network.connect(*evil), 0)
                self.assertEqual(network.connect(*good), 0)
                agent.kill_all()
                agent.process = None
                killed = time.monotonic()
                for args in (good, evil, ("tcp", SERVER, 7000, "x")):
                    begin = time.monotonic()
                    self.assertEqual(network.connect(*args), 0)
                    self.assertLess(time.monotonic() - begin, 5)
                figure("after SIGKILL of all: three connects in %.3f s"
                       % (time.monotonic() - killed))
                agent.start()
                self.assertEqual(network.shell("nft list tables").count("tocsin"), 1)
                self.assertEqual(network.connect(*good), 0)
                self.assertNotEqual(network.connect(*evil), 0)
            self.assertEqual(self.ruleset(network), "")


if __name__ == "__main__":
    main()
