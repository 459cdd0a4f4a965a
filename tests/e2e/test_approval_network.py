# SPDX-License-Identifier: Apache-2.0
"""The gates in their order, all four, with a stand-in for the network extension: who is asked when,
for how long, and which sensor may run meanwhile. A number in a test's first line is that of the
promise in the approval flow's list."""

import time
import unittest

from guarded import (APPROVED, FALLBACK, THAT_FAILS, THAT_IS_LATE, THAT_IS_MUTE, THAT_TAKES_TIME,
                     WITH_NETWORK, WITHOUT_FILTER, Guarded)
from support import RpcError, main, needs_root, wait_for


def left(agent):
    return agent.call("approval.list").get("left_seconds")


def learnt(agent):
    """What the extension has learnt of its gate since it was started: (granted, state)."""
    try:
        return [(g["granted"], g["state"]) for g in agent.call("netstub.status")["gates"]]
    except RpcError:
        return []  # it does not run, or not yet


@needs_root
class Order(unittest.TestCase):
    def test_one_gate_prompts_and_those_behind_it_are_queued_and_refused(self):
        """2, 3, 28"""
        with Guarded("timeout: 60s", plugins=WITH_NETWORK) as agent:
            self.assertEqual(agent.states(), {
                "es_extension": "prompting", "network_extension": "queued",
                "network_filter": "queued", "full_disk_access": "queued"})
            refused = agent.tocsin("approval", "grant", "network_extension", status=1)
            self.assertIn("es_extension must be granted first", refused)
            refused = wait_for(lambda: agent.events("approval.refused"))[0]
            self.assertEqual(refused["gate"], "network_extension")
            self.assertIn("es_extension", refused["reason"])
            self.assertIn("uid 0", refused["who"])
            wait_for(lambda: left(agent) <= 58)
            self.assertRegex(agent.issues()[0],
                             r"^waiting for approval: es_extension \(1 of 4\), \d+ seconds left$")
            agent.grant("es_extension")
            wait_for(lambda: agent.stands("network_extension") == "prompting")
            second = agent.events("approval.prompt_shown")[1]
            self.assertEqual((second["gate"], second["n"]), ("network_extension", 2))
            self.assertLess(second["left_seconds"], 58)  # the minute goes on
            self.assertLessEqual(left(agent), 58)
            self.assertIn("network_extension (2 of 4)", agent.issues()[0])
            agent.grant("network_extension", "network_filter", "full_disk_access")
            agent.protected_by(APPROVED)
            self.assertEqual(agent.prompts(), ["es_extension", "network_extension",
                                               "network_filter", "full_disk_access"])

    def test_full_disk_access_granted_early_counts_once_it_can_be_probed(self):
        with Guarded(plugins=WITH_NETWORK) as agent:
            agent.tocsin("approval", "grant", "full_disk_access")
            self.assertEqual(agent.stands("full_disk_access"), "queued")
            agent.grant("es_extension", "network_extension", "network_filter")
            agent.protected_by(APPROVED)
            self.assertNotIn("full_disk_access", agent.prompts())


@needs_root
class Time(unittest.TestCase):
    def test_extensions_granted_in_time_leave_the_filter_untimed_and_refusable(self):
        """4, 10, 12, 11"""
        with Guarded(plugins=WITH_NETWORK) as agent:
            begin = time.monotonic()
            wait_for(lambda: left(agent) <= 2)
            agent.grant("es_extension", "network_extension")
            wait_for(lambda: agent.phase() == "filter_wait")
            wait_for(lambda: time.monotonic() > begin + 11)
            self.assertEqual(agent.events("approval.timeout"), [])
            self.assertEqual(agent.phase(), "filter_wait")
            self.assertEqual(agent.issues(), ["network event provider not running"])
            health = agent.call("health")
            self.assertEqual(health["network_events_subsystem"], "unavailable")
            self.assertEqual(health["real_time_protection_subsystem"], FALLBACK)

            agent.tocsin("approval", "deny", "network_filter")
            wait_for(lambda: agent.phase() == "denied")
            self.assertEqual(agent.issues(), ["network_filter was refused"])
            agent.tocsin("approval", "grant", "full_disk_access")
            wait_for(lambda: agent.stands("full_disk_access") == "granted")
            self.assertEqual(agent.subsystem(), FALLBACK)  # all_gates

            agent.change("timeout: 10s", "timeout: 10s, policy: per_sensor")
            agent.tocsin("config", "reload")
            agent.protected_by(APPROVED)
            self.assertEqual(agent.call("health")["network_events_subsystem"], "unavailable")
            self.assertFalse(agent.call("health")["healthy"])

            agent.change("policy: per_sensor", "policy: all_gates")
            agent.tocsin("config", "reload")
            agent.protected_by(FALLBACK)
            agent.tocsin("approval", "grant", "network_filter")
            agent.protected_by(APPROVED)
            self.assertEqual(agent.call("health")["network_events_subsystem"],
                             "network_filter_extension")
            wait_for(agent.calm)

    def test_the_minute_without_the_second_extension_keeps_the_first_and_takes_a_late_one(self):
        """5, 8"""
        with Guarded(plugins=WITH_NETWORK) as agent:
            agent.tocsin("approval", "grant", "full_disk_access")
            agent.grant("es_extension")
            wait_for(lambda: agent.phase() == "timed_out")
            self.assertEqual([t["pending"] for t in agent.events("approval.timeout")],
                             [["network_extension"]])
            self.assertEqual(agent.subsystem(), FALLBACK)
            self.assertEqual(agent.stands("es_extension"), "granted")
            self.assertEqual(agent.issues(), ["approval timed out: network_extension"])
            self.assertEqual(agent.events("approval.prompt_withdrawn"),
                             [{"gate": "network_extension", "reason": "timeout"}])
            agent.tocsin("approval", "grant", "network_extension")
            wait_for(lambda: agent.stands("network_filter") == "prompting")
            self.assertEqual([e["gate"] for e in agent.events("approval.late_granted")],
                             ["network_extension"])
            agent.grant("network_filter")
            agent.protected_by(APPROVED)
            wait_for(lambda: agent.swaps() == [("es", "kext"), ("kext", "es")])

    def test_a_late_grant_that_needs_a_restart_waits_for_it(self):
        """9"""
        with Guarded("timeout: 10s, late: restart_required", plugins=WITH_NETWORK) as agent:
            agent.grant("es_extension")
            wait_for(lambda: agent.phase() == "timed_out")
            agent.grant("network_extension")
            wait_for(lambda: agent.stands("network_extension") == "reboot_required")
            agent.grant("network_filter", "full_disk_access")
            wait_for(lambda: agent.phase() == "restart_needed")
            self.assertIn("at the next start", agent.issues()[0])
            self.assertEqual(agent.subsystem(), FALLBACK)
            wait_for(lambda: agent.swaps() == [("es", "kext")])
            prompts = len(agent.prompts())
            agent.restart()
            agent.protected_by(APPROVED)
            self.assertEqual(len(agent.prompts()), prompts)
            self.assertEqual(agent.gate("es_extension")["source"], "preexisting")


@needs_root
class Extension(unittest.TestCase):
    def test_one_that_does_not_start_is_an_error_until_retried(self):
        with Guarded(plugins=THAT_FAILS) as agent:
            agent.grant("es_extension", "network_extension")
            wait_for(lambda: agent.phase() == "error")
            gate = agent.gate("network_extension")
            self.assertEqual((gate["state"], gate["result"]), ("error", "NOT_PERMITTED"))
            self.assertEqual(agent.subsystem(), FALLBACK)
            self.assertTrue(any("network_extension does not work" in i for i in agent.issues()))
            agent.change("fail: start", "fail: none")
            agent.tocsin("config", "reload")
            agent.tocsin("approval", "retry")
            agent.grant("network_filter", "full_disk_access")
            agent.protected_by(APPROVED)
            wait_for(agent.calm)

    def test_one_that_does_not_filter_is_an_error_of_the_filter(self):
        with Guarded(plugins=WITHOUT_FILTER) as agent:
            agent.grant("es_extension", "network_extension", "network_filter")
            wait_for(lambda: agent.phase() == "error")
            self.assertEqual(agent.gate("network_filter")["result"], "INTERNAL")
            self.assertEqual(agent.stands("network_extension"), "granted")
            self.assertEqual(agent.subsystem(), FALLBACK)
            agent.change("filter: false", "filter: true")
            agent.tocsin("config", "reload")
            agent.tocsin("approval", "retry")
            agent.grant("full_disk_access")
            agent.protected_by(APPROVED)

    def test_one_that_is_disabled_while_asked_for_holds_nothing_up(self):
        with Guarded(plugins=WITH_NETWORK) as agent:
            agent.grant("es_extension")
            wait_for(lambda: agent.stands("network_extension") == "prompting")
            agent.tocsin("plugin", "disable", "netstub")
            agent.grant("full_disk_access")
            agent.protected_by(APPROVED)
            self.assertEqual(set(agent.states()), {"es_extension", "full_disk_access"})
            agent.tocsin("plugin", "enable", "netstub")
            wait_for(lambda: agent.stands("network_extension") == "prompting")
            agent.protected_by(FALLBACK)  # all_gates

    def test_one_that_runs_is_called_off_when_disabled_or_revoked(self):
        def running():
            return next(p for p in agent.call("plugin.list")["items"]
                        if p["name"] == "netstub")["state"] == "running"

        with Guarded(plugins=WITH_NETWORK) as agent:
            agent.grant("es_extension", "network_extension", "network_filter",
                        "full_disk_access")
            agent.protected_by(APPROVED)
            self.assertTrue(running())
            agent.tocsin("plugin", "disable", "netstub")
            wait_for(lambda: not running())
            self.assertEqual(agent.subsystem(), APPROVED)
            agent.tocsin("plugin", "enable", "netstub")
            wait_for(running)  # the consent was for this very file
            agent.tocsin("approval", "revoke", "network_extension")
            wait_for(lambda: not running())
            agent.protected_by(FALLBACK)
            self.assertEqual(agent.call("health")["network_events_subsystem"], "unavailable")
            wait_for(lambda: agent.issues() == ["network_extension was revoked"])

    def test_one_that_takes_its_time_to_say_that_it_filters_is_waited_for(self):
        with Guarded(plugins=THAT_TAKES_TIME) as agent:
            agent.grant("es_extension", "network_extension", "network_filter",
                        "full_disk_access")
            agent.protected_by(APPROVED)
            agent.restart()  # the system is asked again, before it can have said so
            agent.protected_by(APPROVED)
            self.assertEqual(agent.events("approval.probe_failed"), [])

    def test_one_that_is_late_is_an_error_until_it_says_that_it_filters(self):
        with Guarded(plugins=THAT_IS_LATE) as agent:
            agent.grant("es_extension", "network_extension", "network_filter",
                        "full_disk_access")
            wait_for(lambda: agent.events("approval.probe_failed"))
            agent.protected_by(APPROVED)  # nobody had to ask again
            wait_for(agent.calm)

    def test_one_that_says_nothing_of_itself_is_an_error_of_the_filter(self):
        with Guarded(plugins=THAT_IS_MUTE) as agent:
            agent.grant("es_extension", "network_extension", "network_filter")
            wait_for(lambda: agent.phase() == "error")
            self.assertEqual(agent.gate("network_filter")["result"], "INTERNAL")


@needs_root
class Learns(unittest.TestCase):
    def test_the_extension_learns_whether_it_may_decide_and_every_change(self):
        with Guarded(plugins=WITH_NETWORK) as agent:
            agent.grant("es_extension", "network_extension")
            wait_for(lambda: agent.stands("network_filter") == "prompting")
            wait_for(lambda: learnt(agent)[-1:] == [(False, "prompting")])
            self.assertFalse(any(granted for granted, _ in learnt(agent)))
            agent.grant("network_filter")
            wait_for(lambda: learnt(agent)[-1:] == [(True, "granted")])
            agent.tocsin("approval", "revoke", "network_filter")
            wait_for(lambda: learnt(agent)[-1:] == [(False, "revoked")])
            self.assertEqual(agent.call("netstub.status")["gates"][-1]["reason"],
                             "network_filter is revoked")
            agent.grant("network_filter")
            wait_for(lambda: learnt(agent)[-1:] == [(True, "granted")])

    def test_it_learns_it_again_after_each_start(self):
        with Guarded(plugins=WITH_NETWORK) as agent:
            agent.grant("es_extension", "network_extension", "network_filter")
            wait_for(lambda: learnt(agent)[-1:] == [(True, "granted")])
            agent.tocsin("plugin", "reload", "netstub")
            wait_for(lambda: learnt(agent) == [(True, "granted")])
            agent.tocsin("plugin", "disable", "netstub")
            agent.tocsin("plugin", "enable", "netstub")
            wait_for(lambda: learnt(agent)[-1:] == [(True, "granted")])
            agent.change("netstub.so", "netstub.so, after: 1ms")
            agent.tocsin("config", "reload")
            wait_for(lambda: learnt(agent) == [(True, "granted")])

    def test_without_approval_it_may_decide_at_once(self):
        with Guarded("required: false", plugins=WITH_NETWORK) as agent:
            wait_for(lambda: learnt(agent)[-1:] == [(True, "granted")])

    def test_what_it_changes_is_kept_in_the_journal(self):
        with Guarded("required: false", plugins=WITH_NETWORK) as agent:
            wait_for(lambda: learnt(agent))
            agent.call("netstub.isolate")
            wait_for(lambda: agent.events("isolation.changed") == [{"on": True}])
            self.assertEqual(agent.events("network_filter.changed"), [{"on": True}])
            self.assertEqual(agent.events("network_filter.gate"), [])
            command = agent.events("agent.command")[-1]
            self.assertEqual((command["method"], command["user_id"]), ("netstub.isolate", 0))


if __name__ == "__main__":
    main()
