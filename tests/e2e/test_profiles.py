# SPDX-License-Identifier: Apache-2.0
"""Managed profiles as a fleet's management uses them: written into their folder before the agent
starts, while it asks, and taken away again. A number in a test's first line is that of the
promise in the approval flow's list."""

import os
import plistlib
import unittest

from guarded import APPROVED, FALLBACK, WITH_NETWORK, Guarded
from support import SOURCE, main, needs_root, wait_for

TEAM = "TOCSIN"
ES, NETFILTER, AGENT = "org.tocsin.es", "org.tocsin.netfilter", "org.tocsin.agent"

DEFENDER = """identity: {team: UBF8T346G9, agent: com.microsoft.wdav, es: com.microsoft.wdav.epsext,
  netfilter: com.microsoft.wdav.netext, kext: com.microsoft.wdavkext}
"""


def extensions(team=TEAM, listed=(ES, NETFILTER), **more):
    return dict(PayloadType="com.apple.system-extension-policy",
                AllowedSystemExtensions={team: list(listed)} if listed else {}, **more)


def disk_access(allowed=True, identifiers=(AGENT, ES)):
    entries = [dict(Identifier=i, IdentifierType="bundleID", Allowed=allowed, StaticCode=0,
                    CodeRequirement='identifier "%s" and anchor apple generic' % i)
               for i in identifiers]
    return dict(PayloadType="com.apple.TCC.configuration-profile-policy",
                Services={"SystemPolicyAllFiles": entries})


def content_filter(agent=AGENT, netfilter=NETFILTER):
    return dict(PayloadType="com.apple.webcontent-filter", FilterType="Plugin",
                PluginBundleID=agent, FilterDataProviderBundleIdentifier=netfilter,
                FilterDataProviderDesignatedRequirement='identifier "%s"' % netfilter,
                FilterSockets=True, FilterPackets=False, FilterGrade="inspector",
                UserDefinedName="Content Filter")


def profile(name, *payloads):
    content = [dict(p, PayloadVersion=1, PayloadUUID="%s-%d" % (name, i),
                    PayloadIdentifier="test.%s.%d" % (name, i)) for i, p in enumerate(payloads)]
    return dict(PayloadType="Configuration", PayloadVersion=1, PayloadDisplayName=name,
                PayloadIdentifier="test." + name, PayloadUUID=name, PayloadScope="System",
                PayloadContent=content)


class Managed(Guarded):
    """One whose folder of profiles has some before it starts."""

    def __init__(self, *profiles, **kwargs):
        super().__init__(**kwargs)
        for p in profiles:
            self.install(p)

    def path_of(self, name):
        return os.path.join(self.managed, name + ".mobileconfig")

    def install(self, p, fmt=plistlib.FMT_XML):
        """Whole at once, as management tools do it."""
        path = self.path_of(p["PayloadDisplayName"])
        with open(path + ".new", "wb") as f:
            plistlib.dump(p, f, fmt=fmt)
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def remove(self, name):
        os.unlink(self.path_of(name))


@needs_root
class Grants(unittest.TestCase):
    def granted_with_no_prompt(self, agent):
        with agent:
            agent.protected_by(APPROVED)
            self.assertEqual(set(agent.states().values()), {"granted"})
            self.assertEqual(len(agent.states()), 4)
            self.assertEqual({g["source"] for g in agent.call("approval.list")["gates"]},
                             {"managed"})
            self.assertEqual((agent.prompts(), agent.events("approval.timeout")), ([], []))
            wait_for(agent.calm)
            self.assertRegex(agent.tocsin("health"),
                             r"full_disk_access_enabled +: true \[managed\]")

    def test_those_of_microsoft_defender_with_its_identity_ask_nobody(self):
        """15"""
        team, wdav = "UBF8T346G9", "com.microsoft.wdav"
        both = (wdav + ".epsext", wdav + ".netext")
        agent = Managed(
            profile("system-extensions", extensions(
                team, both, AllowUserOverrides=True, PayloadEnabled=True,
                NonRemovableSystemExtensions={team: list(both)})),
            profile("full-disk-access", disk_access(1, (wdav, wdav + ".epsext"))),
            profile("network-filter", content_filter(wdav, wdav + ".netext")),
            more=DEFENDER, plugins=WITH_NETWORK)
        self.granted_with_no_prompt(agent)

    def test_the_sample_that_has_everything_asks_nobody(self):
        """15"""
        agent = Managed(plugins=WITH_NETWORK)
        with open(os.path.join(SOURCE, "config/profiles/tocsin.mobileconfig"), "rb") as f:
            agent.install(plistlib.load(f), plistlib.FMT_BINARY)
        self.granted_with_no_prompt(agent)

    def test_one_for_the_extensions_leaves_filter_and_disk_access_to_people(self):
        """15"""
        with Managed(profile("extensions", extensions()), plugins=WITH_NETWORK) as agent:
            agent.grant("network_filter", "full_disk_access")
            agent.protected_by(APPROVED)
            self.assertEqual(agent.prompts(), ["network_filter", "full_disk_access"])
            self.assertEqual([g["source"] for g in agent.call("approval.list")["gates"]],
                             ["managed", "managed", "user", "user"])


@needs_root
class Changes(unittest.TestCase):
    def test_one_that_comes_while_asking_answers_and_one_that_goes_revokes(self):
        """16"""
        with Managed() as agent:
            self.assertEqual(agent.phase(), "prompting")
            agent.install(profile("all", extensions(), disk_access()))
            agent.protected_by(APPROVED)
            self.assertEqual(agent.events("approval.prompt_withdrawn"),
                             [{"gate": "es_extension", "reason": "managed"}])
            self.assertEqual([(e["gate"], e["source"], e["profile"])
                              for e in agent.events("approval.granted")],
                             [("es_extension", "managed", "all"),
                              ("full_disk_access", "managed", "all")])
            refused = agent.tocsin("approval", "revoke", "es_extension", status=1)
            self.assertIn("allowed by the managed profile all", refused)
            wait_for(agent.calm)

            agent.remove("all")
            agent.protected_by(FALLBACK)
            self.assertEqual(agent.stands("es_extension"), "revoked")
            self.assertIn("es_extension was revoked: managed policy all is gone", agent.issues())
            wait_for(lambda: agent.swaps() == [("kext", "es"), ("es", "kext")])
            self.assertEqual(agent.gaps_since_first_sensor(), [])

    def test_one_that_goes_brings_back_what_root_had_granted(self):
        """16"""
        with Managed() as agent:
            agent.grant("es_extension", "full_disk_access")
            agent.protected_by(APPROVED)
            agent.install(profile("all", extensions(), disk_access()))
            wait_for(lambda: agent.gate("es_extension")["source"] == "managed")
            agent.remove("all")
            wait_for(lambda: agent.gate("es_extension")["source"] == "user")
            self.assertEqual(agent.subsystem(), APPROVED)
            wait_for(lambda: agent.swaps() == [("kext", "es")])

    def test_one_that_closes_the_list_forbids_and_root_may_not_either(self):
        """17"""
        with Managed() as agent:
            agent.install(profile("closed", extensions("OTHER", ("com.other",),
                                                       AllowUserOverrides=False)))
            wait_for(lambda: agent.stands("es_extension") == "forbidden")
            self.assertEqual(agent.subsystem(), FALLBACK)
            self.assertEqual(agent.issues(),
                             ["es_extension is blocked by managed policy closed"])
            refused = agent.tocsin("approval", "grant", "es_extension", status=1)
            self.assertIn("blocked by the managed profile closed", refused)
            self.assertEqual(agent.events("approval.forbidden")[0]["profile"], "closed")
            agent.remove("closed")
            wait_for(lambda: agent.stands("es_extension") == "prompting")

    def test_files_are_checked_before_they_are_installed(self):
        sample = os.path.join(SOURCE, "config/profiles/tocsin.mobileconfig")
        with Guarded() as agent:
            check = agent.tocsin("profile", "check", sample)
            self.assertRegex(check, r"es_extension +allows")
            self.assertRegex(check, r"full_disk_access +allows")
            bad = os.path.join(agent.dir, "bad.mobileconfig")
            with open(bad, "w", encoding="ascii") as f:
                f.write("<plist><dict><key>a</dict></plist>")
            self.assertIn("bad.mobileconfig:1:", agent.tocsin("profile", "check", bad, status=None))
            self.assertEqual(agent.subsystem(), FALLBACK)

    def test_where_two_disagree_the_one_that_denies_wins(self):
        """17"""
        with Managed(profile("all", extensions(), disk_access())) as agent:
            agent.protected_by(APPROVED)
            agent.install(profile("strict", disk_access(False)))
            agent.protected_by(FALLBACK)
            self.assertEqual(agent.stands("full_disk_access"), "denied")
            wait_for(lambda: agent.issues() == [
                "full_disk_access was refused by managed policy strict"])
            refused = agent.tocsin("approval", "grant", "full_disk_access", status=1)
            self.assertIn("denied by the managed profile strict", refused)
            check = agent.tocsin("profile", "check")
            self.assertRegex(check, r"full_disk_access +denies +strict +denied")
            self.assertRegex(check, r"es_extension +allows +all +granted")
            agent.remove("strict")
            agent.protected_by(APPROVED)

    def test_one_that_cannot_be_used_is_listed_and_is_an_issue(self):
        """18"""
        both = profile("both", extensions(AllowedTeamIdentifiers=[TEAM]))
        with Managed(profile("all", extensions(), disk_access())) as agent:
            agent.protected_by(APPROVED)
            agent.install(both)
            wait_for(lambda: agent.issues() == ["1 managed profile cannot be used"])
            self.assertFalse(agent.call("health")["healthy"])
            listed = agent.tocsin("profile", "list")
            self.assertIn("refused: both.mobileconfig", listed)
            self.assertIn(TEAM, listed.split("refused: ")[1])
            self.assertEqual(agent.subsystem(), APPROVED)  # it hides no other
            agent.remove("both")
            wait_for(agent.calm)

    def test_one_that_others_may_write_grants_nothing(self):
        with Managed() as agent:
            agent.install(profile("all", extensions(), disk_access()))
            agent.protected_by(APPROVED)
            os.chmod(agent.path_of("all"), 0o666)
            agent.protected_by(FALLBACK)
            self.assertIn("1 managed profile cannot be used", agent.issues())

    def test_the_ring_is_read_at_start_and_marked(self):
        """14"""
        channel = dict(PayloadType="com.microsoft.autoupdate2", ChannelName="Beta")
        with Managed() as agent:
            agent.install(profile("updates", channel))
            wait_for(lambda: "updates" in agent.tocsin("profile", "list"))
            self.assertEqual(agent.call("health")["release_ring"], "current")
            agent.restart()
            self.assertRegex(agent.tocsin("health"), r"release_ring +: beta \[managed\]")


if __name__ == "__main__":
    main()
