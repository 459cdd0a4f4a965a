# SPDX-License-Identifier: Apache-2.0
"""Owns: the proof of the handover, on the real kernel: sensors are swapped under a load, and what
was published is compared with what has happened, each counted by somebody else than the agent."""

import collections
import os
import shutil
import signal
import subprocess
import unittest

from support import main, needs_root, wait_for
from swap import NOTHING, Load, Swapper, Watched

# In the set that everybody runs; without, it is a stress test.
SHORT = "TOCSIN_SWAP_SHORT" in os.environ
SWAPS = 4 if SHORT else 100
DENYING_SWAPS = 4 if SHORT else 20
CROSSING_US = 250000  # TC_OVERLAP_CROSSING_NS
PAUSE_US = 20000 if SHORT else 1000


def under_load(agent, swaps, **load):
    """So many swaps under a load. Gives the load and what each swap reported, with its seconds."""
    with Swapper(agent) as swapper, Load(agent, pause_us=PAUSE_US, **load) as running:
        reported = [swapper.swap("es" if i % 2 else "kext") for i in range(swaps)]
    return running, reported


def print_summary(load, reported):
    """The figures, for whoever reads the test's output."""
    seconds = sorted(s for s, _ in reported)
    result = load.result
    print("\n%d swaps, %.2f s the median, %.2f s the longest; %d opens, %d executions"
          % (len(reported), seconds[len(seconds) // 2], seconds[-1],
             sum(f["opened"] for f in result["files"]), result["run"]))
    for kind in ("open", "exec"):
        d = result[kind]
        print("  %s: median %.0f us, 99 %% %.0f us, 99.9 %% %.0f us, longest %.1f ms"
              % (kind, d["p50_us"], d["p99_us"], d["p999_us"], d["longest_us"] / 1e3))
    print("  denied: %d of %d opens came through, %d of %d executions (%d were killed)"
          % (result["denied_opened"], result["denied_open_tries"], result["denied_run"],
             result["denied_run_tries"], result["denied_killed"]))
    print("  " + ", ".join("%s %d" % (name, sum(t[name] for _, t in reported))
                           for name in ("matched", "only_from", "only_to", "suppressed")))


def differences(happened, published):
    """What was published more often than it happened, and what less often."""
    twice, lost = published.copy(), happened.copy()
    twice.subtract(happened)
    lost.subtract(published)
    return dict(+twice), dict(+lost)


@needs_root
class Swap(unittest.TestCase):
    def settled(self, agent, happened, count):
        """What was published, counted by `count`, once all that happened has been reported or
        nothing more comes."""
        def came():
            records, self.lost = agent.records()
            self.published = collections.Counter(filter(None, map(count, records)))
            return not differences(happened, self.published)[1]

        try:
            wait_for(came, 5)
        except AssertionError:
            pass  # who calls says what is missing
        self.assertEqual(self.lost, 0)
        return self.published

    def nothing_denied(self, agent, load):
        """No file that is denied came through, as far as the two sensors can refuse it."""
        result = load.result
        self.assertGreater(result["denied_run_tries"], 0)
        self.assertEqual(result["denied_run"], 0)
        if agent.refuses_opens:
            self.assertGreater(result["denied_open_tries"], 0)
            self.assertEqual(result["denied_opened"], 0)

    def test_every_open_and_exec_is_published_once(self):
        # On the lower level opens are reported where configured.
        with Watched(kext="watch_opens: on") as agent:
            agent.approve()
            load, reported = under_load(agent, SWAPS)
            print_summary(load, reported)
            result = load.result
            self.assertEqual((result["open_failed"], result["run_failed"]), (0, 0), result)
            run = os.stat(agent.path("run")).st_ino
            opened = [f["inode"] for f in result["files"]]
            happened = collections.Counter(("exec", pid) for pid, _ in load.runs)
            # Calls that took so long that es may go in the midst of them (docs/slot.md).
            long = collections.Counter(("exec", pid) for pid, us in load.runs if us > CROSSING_US)
            for file in result["files"]:
                happened["open", file["inode"]] = file["opened"]
                long["open", file["inode"]] = file["long"]

            def count(record):
                if record.kind == b"e" and record.inode == run:
                    return "exec", record.pid
                if record.kind == b"o" and record.pid == result["pid"] and record.inode in opened:
                    return "open", record.inode
                return None

            published = self.settled(agent, happened, count)
            self.assertEqual(agent.lost(), {})
            twice, lost = differences(happened, published)
            self.assertEqual(lost, {})
            if twice:
                print("  twice: %s, of calls that took 250 ms: %s" % (twice, dict(+long)))
            self.assertEqual(dict(collections.Counter(twice) - long), {}, [
                r for r in agent.records()[0] if count(r) in twice and count(r)[0] == "exec"])
            self.adds_up(agent.records()[0], reported)
            self.assertGreater(sum(t["matched"] for _, t in reported), 0)
            self.nothing_denied(agent, load)

    def adds_up(self, records, reported):
        """The agent's own counts, against the witness's between the same two events."""
        began = None
        counts = []
        for record in sorted(records):
            if record.kind == b"b":
                began = collections.Counter()
            elif record.kind == b"s":
                counts.append(began)
                began = None
            elif began is not None:
                began[record.sensor] += 1
        for (_, swapped), count in zip(reported, counts[-len(reported):]):
            of = {swapped["from"]: swapped["only_from"], swapped["to"]: swapped["only_to"]}
            self.assertEqual((count[b"e"], count[b"k"]),
                             (of["es"] + swapped["matched"], of["kext"]), swapped)

    def test_what_was_denied_is_known_to_the_sensor_that_comes(self):
        # Each ends at once when it is let run: it is gone before a verdict.
        with Watched(witness="deny: denied") as agent:
            names = ["denied_run%d" % i for i in range(60)]
            for name in names:
                shutil.copy(NOTHING, agent.path(name))
            agent.approve()
            for name in names:
                with self.assertRaises(PermissionError):
                    subprocess.run([agent.path(name)], check=False)
            with Swapper(agent) as swapper:
                swapper.swap("kext")
                came = [name for name in names if not self.is_stopped(agent.path(name))]
            self.assertEqual(came, [])

    @staticmethod
    def is_stopped(program):
        """Refused, where BPF LSM is, or killed before its first instruction."""
        try:
            return subprocess.run([program], check=False).returncode == -signal.SIGKILL
        except PermissionError:
            return True

    def test_nothing_comes_through_when_everything_is_denied(self):
        with Watched(witness="deny: ''") as agent:
            agent.approve()
            load, reported = under_load(agent, DENYING_SWAPS)
            print_summary(load, reported)
            self.nothing_denied(agent, load)
            self.assertEqual(load.result["run"], 0)
            if agent.refuses_opens:
                self.assertEqual([f["opened"] for f in load.result["files"]],
                                 [0] * len(load.result["files"]))


if __name__ == "__main__":
    main()
