# SPDX-License-Identifier: Apache-2.0
"""Owns: what tests and benches of the swap share: an agent with a witness in it, a load that counts
for itself, and the toggling between the two sensors."""

import collections
import contextlib
import json
import mmap
import os
import shutil
import struct
import subprocess
import time

from guarded import APPROVED, FALLBACK, Guarded
from support import BUILD, wait_for

LOAD = os.path.join(BUILD, "bin", "tocsin_load")
NOTHING = os.path.join(BUILD, "bin", "tocsin_nothing")
WITNESS = os.path.join(BUILD, "lib/tocsin/test-plugins/tocsin_witness.so")
OPEN_FILES = 3

# tests/vendor_plugins/witness.c
Record = collections.namedtuple(
    "Record", "id inode device epoch sequence time_ns pid kind sensor denied")
_HEADER = struct.Struct("=QQ")
_RECORD = struct.Struct("=QQQQQQiccc1x")


class Watched(Guarded):
    """One whose every file.open and file.exec is written down by a plugin of the test's own."""

    def __init__(self, witness="", kext="", **kwargs):
        super().__init__(plugins="  witness: {file: %s%s}\n" % (
            WITNESS, ", " + witness if witness else ""), **kwargs)
        if kext:
            self.change("  kext: {", "  kext: {%s, " % kext)
        self.refuses_opens = False
        for i in range(OPEN_FILES):
            self.put("open%d" % i, b"nothing to see\n")
        self.put("denied", b"not for you\n")
        self.put("slow", b"let me think\n")
        for name in ("run", "denied_run"):
            shutil.copy(NOTHING, self.path(name))

    def put(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content)

    def approve(self):
        """Grants all that is asked for; es protects from then on."""
        self.protected_by(FALLBACK, 60)
        # Whether the fallback can refuse an open, as es can.
        self.refuses_opens = self.call("health")["sensor_mechanism"] == "bpf_lsm"
        for gate in ("es_extension", "full_disk_access"):
            wait_for(lambda gate=gate: self.gate(gate)["state"] == "prompting", 60)
            self.call("approval.grant", {"gate": gate})
        self.protected_by(APPROVED, 60)
        wait_for(lambda: self.swaps() == [("kext", "es")], 60)  # the fallback has gone

    def records(self):
        """What the witness was shown so far, and what it had no room for."""
        with open(os.path.join(self.state, "witness", "records"), "rb") as f:
            with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
                count, lost = _HEADER.unpack_from(m)
                data = m[_HEADER.size:_HEADER.size + count * _RECORD.size]
        return [Record(*r) for r in _RECORD.iter_unpack(data)], lost

    def lost(self):
        """Events that were not delivered to somebody, or did not come out of the kernel."""
        bus = self.call("diagnostic.stats")["bus"]
        return {s["name"]: s["dropped"] for s in bus["subscribers"] if s["dropped"]}


class Swapper:
    """Changes the sensor by the operator's own means, and hears of it in a tap."""

    def __init__(self, agent):
        self.agent = agent
        self.orders = agent.rpc()
        self.tap = agent.rpc()
        self.tap.call("tap.open", {"topics": ["sensor.*"]})
        self.events = []  # (topic, event, time.monotonic_ns() when it was heard)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.orders.close()
        self.tap.close()

    def hear(self, topic, seconds):
        """The next event of that topic; all before it are kept too."""
        end = time.monotonic() + seconds
        while True:
            _, _, params = self.tap.notification(max(end - time.monotonic(), 0.001))
            self.events.append((params[0], params[3], time.monotonic_ns()))
            if params[0] == topic:
                return params[3]

    def swap(self, to, seconds=20):
        """To "es" or "kext". Gives the seconds from the order to the swap, and what was reported."""
        method = "approval.grant" if to == "es" else "approval.revoke"
        began = time.monotonic()
        self.orders.call(method, {"gate": "es_extension"})
        swapped = self.hear("sensor.swapped", seconds)
        if swapped["to"] != to:
            raise AssertionError("swapped to %s, not %s" % (swapped["to"], to))
        return time.monotonic() - began, swapped


class Load:
    """tocsin_load on an agent's files, while a `with` lasts. Its outcome is then in `result`, and
    (process, delay in us) of each execution in `runs`."""

    def __init__(self, agent, openers=4, runners=4, pause_us=1000, seconds=300):
        self.out = os.path.join(agent.dir, "load")
        self.args = [LOAD, agent.protected, self.out, str(openers), str(runners),
                     str(pause_us), str(seconds)]
        self.process = None
        self.result = None
        self.runs = []

    def __enter__(self):
        self.process = subprocess.Popen(self.args, stdin=subprocess.PIPE)
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        status = self.process.wait(60)
        if exc[0]:
            return
        if status:
            raise AssertionError("tocsin_load: status %d" % status)
        with open(self.out + ".json", encoding="ascii") as f:
            self.result = json.load(f)
        with open(self.out + ".runs", "rb") as f:
            data = f.read()
        self.runs = list(struct.iter_unpack("=iI", data))
