# SPDX-License-Identifier: Apache-2.0
"""Owns: the slot as an operator meets it: es is asked for, kext protects meanwhile, grants
and revocations swap them live, and everything is to be seen in one tap. A number in a test's
first line is that of the promise in the approval flow's list."""

import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import unittest

from guarded import APPROVED, FALLBACK, NOBODY, Guarded, shape
from support import BUILD, EICAR, PATIENCE, TOCSIN, main, needs_root, wait_for

PLUGINS = os.path.join(BUILD, "lib/tocsin/plugins")

# Asks for a grant as somebody who may not.
STRANGER = """
import sys
sys.path.insert(0, sys.argv[1])
from support import *
rpc = Rpc(sys.argv[2])
print(rpc.call("approval.list")["phase"])
try:
    rpc.call("approval.grant", {"gate": "es_extension"})
except RpcError as e:
    print(e.args[0]["message"])
"""


def by_field(value):
    """A value of health as `--field` prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class Slot(unittest.TestCase):
    def shown_alike(self, agent):
        """30: text, --field and JSON say the same of health, and `approval list` says the
        same as health does."""
        before = shown = None
        while before is None or before != shape(json.dumps(health)):
            before = shape(json.dumps(agent.json("health")))
            shown = (agent.tocsin("health"), agent.json("approval", "list"),
                    agent.tocsin("approval", "list"))
            fields = {name: agent.tocsin("health", "--field", name).strip()
                      for name in json.loads(before)}
            health = agent.json("health")  # nothing has changed meanwhile
        text, listed, words = shown
        for name, value in health.items():
            if name == "health_issues":
                for issue in value:
                    self.assertIn(shape("  - %s\n" % issue["text"]), shape(text))
                    self.assertIn("    fix: %s\n" % issue["fix"], text)
                    self.assertIn(shape(issue["text"]), shape(fields[name]))
            elif name == "promises":
                for promise, said in value.items():
                    self.assertRegex(text, r"(?m)^promises.%s.kept +: %s$"
                                     % (promise, str(said["kept"]).lower()))
            elif name != "managed":
                self.assertEqual(fields[name], by_field(value), name)
                line = next(l for l in text.splitlines() if l.split(" ")[0] == name)
                self.assertTrue(line.split(" : ")[1].startswith(fields[name]), line)
        self.assertEqual([shape(i["text"]) for i in listed["issues"]],
                         [shape(i["text"]) for i in health["health_issues"]
                          if i["id"].startswith("approval.")])
        for gate in listed["gates"]:
            if gate["asked"]:
                self.assertRegex(words, r"(?m)^%s +%s" % (gate["gate"], gate["state"]))

    def granted(self, agent, *gates):
        agent.grant(*(gates or ("es_extension", "full_disk_access")))
        agent.protected_by(APPROVED)
        wait_for(agent.calm)

    def caught(self, agent, name="eicar"):
        """A threat is written, and is quarantined and listed."""
        with open(agent.path(name), "wb") as f:
            f.write(EICAR)
        wait_for(lambda: [t for t in agent.threats() if t["path"] == agent.path(name) and
                          t["status"] == "quarantined"])
        self.assertFalse(os.path.lexists(agent.path(name)))


@needs_root
class Walk(Slot):
    def test_the_walk_from_installed_to_approved_and_back(self):
        """11"""
        with Guarded("timeout: 1m") as agent:
            agent.protected_by(FALLBACK)
            self.assertIn("es_extension", agent.tocsin("approval", "list"))
            issues = agent.tocsin("health", "--field", "health_issues")
            self.assertIn("waiting for approval: es_extension (1 of 2)", issues)
            agent.tocsin("approval", "grant", "es_extension")
            wait_for(lambda: agent.phase() == "disk_wait")
            self.assertEqual(agent.issues(), ["full disk access has not been granted"])
            self.assertFalse(agent.call("health")["full_disk_access_enabled"])
            self.assertEqual(agent.subsystem(), FALLBACK)
            agent.tocsin("approval", "grant", "full_disk_access")
            agent.protected_by(APPROVED)
            wait_for(agent.calm)
            self.assertTrue(agent.call("health")["full_disk_access_enabled"])
            agent.tocsin("approval", "revoke", "es_extension")
            agent.protected_by(FALLBACK)
            self.assertEqual(agent.stands("es_extension"), "revoked")
            wait_for(lambda: agent.swaps() == [("kext", "es"), ("es", "kext")])
            self.assertEqual(agent.gaps_since_first_sensor(), [])

    def test_all_of_it_is_in_one_tap(self):
        """1"""
        with Guarded() as agent:
            topics = [t for t, e in agent.happened("approval", "sensor", "agent")]
            self.assertLess(topics.index("agent.started"), topics.index("sensor.starting"))
            self.assertLess(topics.index("sensor.canary_ok"),
                            topics.index("approval.prompt_shown"))
            self.assertEqual(agent.events("sensor.canary_ok"), [{"sensor": "kext"}])
            tap = subprocess.Popen([TOCSIN, "--socket", agent.socket, "--output", "json", "tap",
                                    "approval.*", "sensor.*"], stdout=subprocess.PIPE, text=True)

            def hears():
                agent.tocsin("approval", "grant", "network_extension", status=1)
                return select.select([tap.stdout], [], [], 0)[0]

            def until(topic):
                seen = []
                while not seen or seen[-1][0] != topic:
                    event = json.loads(tap.stdout.readline())
                    if event["topic"] != "approval.refused":
                        seen.append((event["topic"], event["event"].get("gate")))
                return seen

            try:
                wait_for(hears)
                self.granted(agent)
                there = until("sensor.swapped")
                agent.tocsin("approval", "revoke", "full_disk_access")
                back = until("sensor.swapped")
            finally:
                tap.kill()
                tap.communicate()
            handover = [("sensor.starting", None), ("sensor.canary_ok", None),
                        ("sensor.overlap_begin", None), ("sensor.overlap_end", None),
                        ("sensor.swapped", None)]
            self.assertEqual(there, [
                ("approval.granted", "es_extension"),
                ("approval.prompt_shown", "full_disk_access"),
                ("approval.granted", "full_disk_access"),
                ("approval.flow_completed", None)] + handover)
            # An issue where kext has its lower level only.
            back = [e for e in back if e[0] != "sensor.degraded"]
            self.assertEqual(back, [("approval.revoked", "full_disk_access")] + handover)


    def test_each_step_is_shown_alike_everywhere(self):
        """30"""
        with Guarded("timeout: 1m") as agent:
            self.shown_alike(agent)
            agent.grant("es_extension")
            wait_for(lambda: agent.phase() == "disk_wait")
            self.shown_alike(agent)
            self.granted(agent, "full_disk_access")
            self.shown_alike(agent)
            agent.tocsin("approval", "revoke", "es_extension")
            wait_for(lambda: agent.swaps() == [("kext", "es"), ("es", "kext")])
            self.shown_alike(agent)


@needs_root
class Minute(Slot):
    def test_nobody_answers_and_the_fallback_protects_all_along(self):
        """6, 8"""
        with Guarded() as agent:
            agent.tocsin("approval", "grant", "full_disk_access")
            self.caught(agent)
            wait_for(lambda: agent.phase() == "timed_out")
            self.assertEqual(agent.subsystem(), FALLBACK)
            self.assertEqual(agent.issues(), ["approval timed out: es_extension"])
            self.assertEqual(agent.call("health")["health_issues"][0]["fix"],
                             "tocsin approval grant es_extension")
            self.shown_alike(agent)
            self.assertEqual([e["pending"] for e in agent.events("approval.timeout")],
                             [["es_extension"]])
            self.assertEqual(agent.gaps_since_first_sensor(), [])
            self.caught(agent, "later")
            agent.tocsin("approval", "grant", "es_extension")
            agent.protected_by(APPROVED)
            wait_for(agent.calm)
            self.assertEqual([e["gate"] for e in agent.events("approval.late_granted")],
                             ["es_extension"])
            wait_for(lambda: agent.swaps() == [("es", "kext"), ("kext", "es")])

    def test_without_the_bridge_nobody_protects_until_it_is_over(self):
        """6"""
        with Guarded("timeout: 10s, bridge: false") as agent:
            self.assertEqual(agent.subsystem(), NOBODY)
            health = agent.call("health")
            self.assertFalse(health["healthy"])
            self.assertFalse(health["real_time_protection_available"])
            self.assertIn("no active event provider", agent.issues())
            self.assertTrue(any("waiting for approval: es_extension (1 of 2)" in issue
                                for issue in agent.issues()))
            nobody = [i for i in agent.trouble() if i["id"] == "core.sensor"]
            self.assertEqual(nobody[0]["fix"], "tocsin approval grant es_extension")
            self.shown_alike(agent)
            self.assertEqual(["to" in g for g in agent.events("sensor.gap")], [False])
            with open(agent.path("unseen"), "wb") as f:
                f.write(EICAR)
            wait_for(lambda: agent.phase() == "timed_out")
            agent.protected_by(FALLBACK)
            opened, closed = agent.events("sensor.gap")
            self.assertEqual(closed["sensor"], "kext")
            self.assertGreater(closed["to"] - closed["from"], 9 * 10**9)
            self.assertLess(abs(closed["from"] - opened["from"]), 10**6)
            wait_for(lambda: agent.swaps() == [("es", "kext")])
            self.assertEqual(len(agent.events("approval.timeout")), 1)
            self.caught(agent)


@needs_root
class Answers(Slot):
    def test_denied_keeps_the_fallback_until_asked_anew(self):
        with Guarded() as agent:
            agent.tocsin("approval", "deny", "es_extension")
            wait_for(lambda: agent.phase() == "denied")
            self.assertEqual(agent.subsystem(), FALLBACK)
            self.assertEqual(agent.issues(), ["es_extension was refused"])
            self.shown_alike(agent)
            agent.tocsin("approval", "retry")
            wait_for(lambda: agent.phase() == "prompting")
            self.assertEqual(agent.events("approval.prompt_shown")[-1]["left_seconds"], 10)
            self.assertEqual(agent.prompts(), ["es_extension", "es_extension"])
            self.granted(agent)

    def test_a_caller_who_is_not_root_is_refused_and_journalled(self):
        """29"""
        with Guarded() as agent:
            os.chmod(agent.socket, 0o666)
            done = subprocess.run(
                [sys.executable, "-c", STRANGER, os.path.dirname(os.path.abspath(__file__)),
                 agent.socket], capture_output=True, text=True, user=65534, check=True)
            self.assertIn("prompting\n", done.stdout)
            self.assertIn("root", done.stdout)
            self.assertEqual(agent.stands("es_extension"), "prompting")
            shown = wait_for(lambda: [e for e in agent.events("agent.command")
                                     if e["user_id"] == 65534])
            self.assertEqual((shown[0]["method"], shown[0]["allowed"]), ("approval.grant", False))

    def test_approval_that_is_no_longer_required_admits_es_at_once(self):
        with Guarded() as agent:
            self.assertEqual(agent.phase(), "prompting")
            agent.change("approval: {", "approval: {required: false, ")
            agent.tocsin("config", "reload")
            agent.protected_by(APPROVED)
            self.assertEqual(agent.events("approval.prompt_withdrawn"),
                             [{"gate": "es_extension", "reason": "not_required"}])
            wait_for(agent.calm)
            self.shown_alike(agent)
            agent.change("required: false, ", "")
            agent.tocsin("config", "reload")
            agent.protected_by(FALLBACK)
            wait_for(lambda: agent.phase() == "prompting")


@needs_root
class Prerequisites(Slot):
    def test_each_that_fails_is_named_and_nobody_is_asked(self):
        """13, 14"""
        more = 'prerequisites: {os_version: "99.0", release_rings: [preview]}\n'
        with Guarded(more=more) as agent:
            release = os.uname().release
            self.assertEqual(agent.phase(), "prerequisites_failed")
            self.assertEqual(agent.issues(), ["os_version is %s, needed is 99.0" % release,
                                              "release_ring is current, needed is preview"])
            self.assertEqual([e["prerequisite"] for e in
                              agent.events("approval.prerequisite_failed")],
                             ["os_version", "release_ring"])
            self.assertEqual((agent.prompts(), agent.subsystem()), ([], FALLBACK))
            self.assertIn("prerequisites are not met",
                          agent.tocsin("approval", "grant", "es_extension", status=1))
            self.shown_alike(agent)
            self.caught(agent)

            agent.change('"99.0"', '"%s"' % release.split("-")[0])
            agent.write_config(agent.text() + "release_ring: preview\n")
            agent.tocsin("config", "reload")
            self.assertEqual(agent.issues(), ["release_ring is current, needed is preview"])
            self.assertEqual(agent.prompts(), [])
            agent.restart()
            self.assertEqual(agent.phase(), "prompting")
            self.granted(agent)


@needs_root
class Consent(Slot):
    def test_it_holds_over_restarts_and_only_for_its_own_file(self):
        """7"""
        with Guarded() as agent:
            agent.grant("es_extension")
            wait_for(lambda: agent.phase() == "disk_wait")
            agent.restart()
            self.assertEqual(agent.phase(), "disk_wait")
            self.assertEqual(agent.gate("es_extension")["source"], "preexisting")
            self.assertEqual(agent.prompts(), ["es_extension"] + 2 * ["full_disk_access"])
            agent.grant("full_disk_access")
            agent.protected_by(APPROVED)
            agent.kill_all()
            agent.start()
            self.assertEqual((agent.phase(), agent.subsystem()), ("complete", APPROVED))
            self.assertEqual(len(agent.prompts()), 3)

            other = os.path.join(agent.dir, "tocsin_es.so")
            shutil.copy(os.path.join(PLUGINS, "tocsin_es.so"), other)
            with open(other, "ab") as f:
                f.write(b"\0")
            os.chmod(other, 0o755)
            agent.change("es: {", "es: {file: %s, " % other)
            agent.restart()
            self.assertEqual((agent.phase(), agent.subsystem()), ("prompting", FALLBACK))
            self.assertEqual(agent.events("approval.prompt_shown")[-1]["left_seconds"], 10)
            self.assertIn("es_extension was granted for another file of plugin es",
                          agent.text_of_log())
            self.granted(agent)
            self.assertEqual(agent.gate("es_extension")["source"], "user")

            agent.change("file: %s, " % other, "")
            agent.tocsin("config", "reload")  # the first file again, while the other runs
            agent.protected_by(FALLBACK)
            wait_for(lambda: agent.phase() == "prompting")
            self.granted(agent)


@needs_root
class Sensor(Slot):
    def test_es_switched_off_and_on_by_hand_leaves_no_gap(self):
        with Guarded() as agent:
            self.granted(agent)
            agent.tocsin("plugin", "disable", "es")
            agent.protected_by(FALLBACK)
            self.caught(agent)
            agent.tocsin("plugin", "enable", "es")
            agent.protected_by(APPROVED)
            wait_for(agent.calm)
            self.assertEqual(agent.prompts(), ["es_extension", "full_disk_access"])
            wait_for(lambda: agent.swaps() == [("kext", "es"), ("es", "kext"), ("kext", "es")])
            self.assertEqual(agent.gaps_since_first_sensor(), [])

    def test_what_is_written_after_a_crash_is_found_by_the_fallback(self):
        """19"""
        with Guarded() as agent:
            self.granted(agent)
            gaps = len(agent.events("sensor.gap"))
            os.kill(agent.core(), signal.SIGKILL)
            with open(agent.path("unseen"), "wb") as f:
                f.write(EICAR)
            agent.readies += 1
            wait_for(agent.is_ready)
            wait_for(lambda: agent.threats() and not os.path.lexists(agent.path("unseen")))
            agent.protected_by(APPROVED)
            opened, closed = agent.events("sensor.gap")[gaps:]
            self.assertEqual(closed["sensor"], "kext")
            self.assertLess(abs(closed["from"] - opened["from"]), 10**6)

    def test_the_fallback_ends_what_is_denied(self):
        program = os.path.realpath("/bin/sleep")
        agent = Guarded()
        blocked = os.path.join(agent.dir, "blocked")
        with open(program, "rb") as f, open(blocked, "w", encoding="ascii") as to:
            to.write(hashlib.sha256(f.read()).hexdigest() + "\n")
        agent.change("av: {", "av: {block_list: %s, " % blocked)
        with agent:
            self.assertEqual(agent.subsystem(), FALLBACK)
            path = agent.path("sleep")
            try:
                shutil.copy(program, path)
                # It ends by the verdict, however late that comes.
                status = subprocess.run([path, "1000"], timeout=PATIENCE, check=False).returncode
                self.assertEqual(status, -signal.SIGKILL)
            except (FileNotFoundError, PermissionError):
                pass  # it had been found when it was written
            wait_for(lambda: [t for t in agent.threats() if t["path"] == path])

    def test_a_holder_that_takes_a_new_file_leaves_a_gap_with_both_ends(self):
        with Guarded(approval="required: false") as agent:
            agent.protected_by(APPROVED)
            before = len(agent.events("sensor.gap"))
            agent.tocsin("plugin", "reload", "es")
            agent.protected_by(APPROVED)
            gaps = wait_for(lambda: agent.events("sensor.gap")[before + 1:])
            self.assertEqual(gaps[0]["sensor"], "es")
            self.assertLess(gaps[0]["from"], gaps[0]["to"])

    def test_a_sensor_whose_file_is_gone_is_given_up_at_once(self):
        with Guarded("required: false") as agent:
            agent.protected_by(APPROVED)
            copy = os.path.join(agent.dir, "tocsin_es.so")
            shutil.copy(os.path.join(BUILD, "lib/tocsin/plugins/tocsin_es.so"), copy)
            # Nothing to protect there: it fails, and kext stands in.
            agent.stop()
            agent.change("  es: {watch: [%s]" % agent.protected, "  es: {file: %s, watch: [/proc]" % copy)
            agent.start()
            agent.protected_by(FALLBACK)
            os.unlink(copy)
            agent.tocsin("approval", "retry")
            wait_for(lambda: [e for e in agent.events("sensor.handover_aborted")
                              if "No such file" in e["reason"]])
            self.assertEqual(agent.subsystem(), FALLBACK)


if __name__ == "__main__":
    main()
