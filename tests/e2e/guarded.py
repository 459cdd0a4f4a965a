# SPDX-License-Identifier: Apache-2.0
"""Owns: an agent that asks for approval, with the fallback installed, and the ways to see what
becomes of it: gates, swaps, the journal in the order of what happened, and a tap."""

import os
import re

from support import BUILD, PATIENCE, Agent, wait_for

APPROVED = "endpoint_security_extension"
FALLBACK = "kernel_extension"
NOBODY = "unavailable"

# Stands in for the network extension.
NETSTUB = "  netstub: {file: %s/lib/tocsin/test-plugins/tocsin_netstub.so%%s}\n" % BUILD
WITH_NETWORK = NETSTUB % ""
WITHOUT_FILTER = NETSTUB % ", filter: false"
THAT_TAKES_TIME = NETSTUB % ", after: 300ms"
THAT_IS_LATE = NETSTUB % ", after: 6s"
THAT_IS_MUTE = NETSTUB % ", mute: true"
THAT_FAILS = NETSTUB % ", fail: start"


class Guarded(Agent):
    """One that asks for approval, with the fallback installed."""

    def __init__(self, approval="timeout: 10s", more="", plugins="", **kwargs):
        super().__init__(config="approval: {%s}\n%s" % (approval, more), **kwargs)
        self.managed = os.path.join(self.dir, "managed")
        os.mkdir(self.managed, 0o755)
        self.change("paths: {", "paths: {managed: %s, " % self.managed)
        self.write_config(self.text() + "  kext: {watch: [%s]}\n" % self.protected + plugins)

    def text(self):
        with open(self.config, encoding="utf-8") as f:
            return f.read()

    def change(self, old, new):
        """Puts `new` for the `old` of the configuration, which must be there."""
        text = self.text()
        assert old in text, (old, text)
        self.write_config(text.replace(old, new))

    def restart(self):
        self.stop()
        self.start()

    def subsystem(self):
        return self.tocsin("health", "--field", "real_time_protection_subsystem").strip()

    def phase(self):
        return self.call("approval.list")["phase"]

    def gate(self, name):
        gates = self.call("approval.list")["gates"]
        return next(g for g in gates if g["gate"] == name)

    def stands(self, name):
        return self.gate(name)["state"]

    def states(self):
        return {g["gate"]: g["state"] for g in self.call("approval.list")["gates"] if g["asked"]}

    def answer(self, verb, *gates):
        """Answers each gate, once those before it let it be answered."""
        for gate in gates:
            if verb == "grant":
                wait_for(lambda g=gate: self.stands(g) not in ("queued", "unknown"))
            self.tocsin("approval", verb, gate)

    def grant(self, *gates):
        self.answer("grant", *gates)

    def protected_by(self, subsystem, seconds=PATIENCE):
        wait_for(lambda: self.subsystem() == subsystem, seconds)

    def happened(self, *families):
        """[(topic, event)] of the journal, oldest first."""
        items = self.call("event.list", {"limit": 1000})["items"]
        return [(i["topic"], i["event"]) for i in reversed(items)
                if not families or i["topic"].split(".")[0] in families]

    def events(self, topic):
        return [e for t, e in self.happened() if t == topic]

    def swaps(self):
        return [(s["from"], s["to"]) for s in self.events("sensor.swapped")]

    def gaps_since_first_sensor(self):
        """The ends of gaps, but for the one from the start to the first sensor."""
        return self.events("sensor.gap")[2:]

    def prompts(self):
        return [e["gate"] for e in self.events("approval.prompt_shown")]

    def issues(self):
        """But for the one of kext's lower level, which is there on some kernels only."""
        return [i["text"] for i in self.trouble() if i["id"] != "kext.kext_rung"]

    def calm(self):
        """Nothing is wrong, and no handover under way."""
        return not self.trouble()



def shape(text):
    """`text` without the numbers that go on while one looks."""
    return re.sub(r"\d+ second(s?) left", "N seconds left", text)
