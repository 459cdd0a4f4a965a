# SPDX-License-Identifier: Apache-2.0
"""Who reads `healthy : true` is protected: each misconfiguration is told with its cause, and what
health shows as the fix, done as it stands, makes the agent healthy again."""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import support
from support import BEHAVIOUR, BUILD, EICAR, SOURCE, TOCSIN, TOCSIND, Agent, wait_for

# A vendor's plugins, from the public header alone: one that never answers, one that publishes
# more at once than its own queue holds, and one that says it has lost what it was to report.
FAULTY = """
#include <tocsin/event.h>
#include <tocsin/plugin.h>
#define MUTE %(mute)d
#define LEAKY %(leaky)d
static int init(const struct tocsin_host *host, void **ret_state)
{ *ret_state = (void *)(uintptr_t)host; return 0; }
static int start(void *state)
{ const struct tocsin_host *host = state;
  host->report(host, TOCSIN_REPORT_FACT, "mood", "%(name)s", 0); return 0; }
static int ok(void *state) { (void)state; return 0; }
static void event(void *state, const struct tocsin_event *e)
{ const struct tocsin_host *host = state; uint8_t buf[16]; struct tocsin_writer w; int i;
  if (MUTE || __builtin_strcmp(e->topic, "rpc.%(name)s.flood")) return;
  tocsin_writer_init(&w, buf, sizeof(buf)); tocsin_begin_map(&w, 0);
  tocsin_put_uint(&w, "count", 7); tocsin_end(&w);
  if (LEAKY) tocsin_publish(host, "sensor.gap", 0, &w);
  else for (i = 0; i < 20000; i++) tocsin_publish(host, "deaf.noise", 0, &w);
  tocsin_reply(host, e, &w); }
static void destroy(void *state) { (void)state; }
static const char *const subscribes[] = {MUTE ? "file.open" : "deaf.*", "rpc.%(name)s.*", 0};
static const char *const publishes[] = {
    MUTE ? "verdict" : LEAKY ? "sensor.gap" : "deaf.noise", "rpc.reply", 0};
TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(LEAKY ? TOCSIN_KIND_SUPPLEMENTARY : TOCSIN_KIND_DETECTOR),
    .name = "%(name)s", .version = "1", .summary = "has a fault", .subscribes = subscribes, .publishes = publishes,
    .init = init, .start = start, .event = event, .stop = ok, .destroy = destroy };
"""


def build(agent, name):
    """Has the agent have that plugin."""
    source, plugin = (os.path.join(agent.dir, file) for file in (name + ".c", "tocsin_%s.so" % name))
    with open(source, "w", encoding="ascii") as f:
        f.write(FAULTY % {"name": name, "mute": name == "mute", "leaky": name == "leaky"})
    subprocess.run(["cc", "-shared", "-fPIC", "-o", plugin, source,
                    "-I" + os.path.join(SOURCE, "include")], check=True)
    os.chmod(plugin, 0o755)
    agent.write_config(agent.text() + "  %s: {file: %s}\n" % (name, plugin))


class Whole(Agent):
    """One that keeps every promise but the network's."""

    def __init__(self, config="", es="", av="", plugins=BEHAVIOUR, **kwargs):
        super().__init__(config=config, es=es, av=av, plugins=plugins, **kwargs)

    def start(self, ready=True):
        super().start(ready)
        self.written = self.text()
        if "timeout:" not in self.written:  # it is asked for nothing
            wait_for(self.healthy)

    def text(self):
        with open(self.config, encoding="utf-8") as f:
            return f.read()

    def change(self, old, new):
        assert old in self.text(), (old, self.text())
        self.write_config(self.text().replace(old, new))
        self.tocsin("config", "reload")

    def healthy(self):
        """As a monitor asks: by the exit status."""
        return subprocess.run([TOCSIN, "--socket", self.socket, "health"], check=False,
                              capture_output=True).returncode == 0

    def issues(self):
        return {i["id"]: i for i in self.call("health")["health_issues"]}

    def broken(self):
        """The promises that are not kept."""
        return {name for name, promise in self.call("health")["promises"].items()
                if not promise["kept"]}

    def run_fix(self, fix):
        """Does what health says, as it stands."""
        env = dict(os.environ, TOCSIN_SOCKET=self.socket,
                   PATH=os.path.dirname(TOCSIN) + ":" + os.environ["PATH"])
        subprocess.run(["sh", "-c", fix], check=True, env=env, stdout=subprocess.DEVNULL)

    def restore(self):
        """The configuration as it was first."""
        if self.text() != self.written:
            self.write_config(self.written)
            self.tocsin("config", "reload")
            wait_for(self.healthy)


@support.needs_root
class Truth(unittest.TestCase):
    def told_and_mended(self, agent, issue, *promises):
        """Health names the issue and the promises that are broken; its fix ends that."""
        found = wait_for(lambda: agent.issues().get(issue))
        self.assertFalse(agent.healthy())
        self.assertFalse(agent.call("health")["healthy"])
        self.assertEqual(agent.broken(), set(promises))
        self.assertTrue(found["text"])
        agent.run_fix(found["fix"])
        wait_for(agent.healthy)
        self.assertEqual(agent.broken(), set())
        agent.restore()
        return found

    def test_parts_that_are_switched_off(self):
        parts = {"av": ("scanning", "quarantine"), "edr": ("behaviour",),
                 "trace": ("behaviour",)}
        with Whole() as agent:
            for name, promises in parts.items():
                agent.tocsin("plugin", "disable", name)
                self.told_and_mended(agent, "core." + name, *promises)
                agent.change("  %s: {" % name, "  %s: {enabled: false, " % name)
                found = self.told_and_mended(agent, "core." + name, *promises)
                self.assertIn("by the configuration", found["text"])

    def test_parts_that_the_configuration_does_not_name(self):
        with Whole() as agent:
            for name in ("av", "edr", "trace"):
                section = re.search(r"(?m)^  %s: .*\n" % name, agent.text()).group()
                agent.change(section, "")
                found = wait_for(lambda name=name: agent.issues().get("core." + name))
                self.assertEqual(agent.broken(), (
                    {"scanning", "quarantine"} if name == "av" else {"behaviour"}))
                self.assertIn("does not name plugin " + name, found["text"])
                agent.run_fix(found["fix"])  # with the product's own rules, if they are there
                wait_for(lambda name=name: "core." + name not in agent.issues())
                agent.restore()

    def test_the_sensor_is_switched_off(self):
        with Whole() as agent:
            agent.tocsin("plugin", "disable", "es")
            self.told_and_mended(agent, "core.disabled", "real_time")
            agent.change("  es: {", "  es: {enabled: false, ")
            self.told_and_mended(agent, "core.disabled", "real_time")

    def test_nobody_protects_before_it_is_granted(self):
        """No fallback is there: what helps is the answer that is missing."""
        with Whole(config="approval: {timeout: 10s, bridge: false}\n") as agent:
            agent.tocsin("approval", "grant", "full_disk_access")
            for answer in ("deny", "revoke"):
                agent.tocsin("approval", answer, "es_extension")
                found = self.told_and_mended(agent, "core.sensor", "real_time")
                self.assertEqual(found["fix"], "tocsin approval grant es_extension")

    def test_the_file_of_a_part_is_missing(self):
        with Whole() as agent:
            agent.stop()
            plugin = os.path.join(agent.dir, "tocsin_edr.so")
            agent.write_config(agent.text().replace("  edr: {", "  edr: {file: %s, " % plugin))
            Agent.start(agent)
            found = wait_for(lambda: agent.issues().get("core.plugin_edr"))
            self.assertEqual(agent.broken(), {"behaviour"})
            self.assertIn(plugin, found["text"])
            shutil.copy(os.path.join(BUILD, "lib/tocsin/plugins/tocsin_edr.so"), plugin)
            agent.run_fix(found["fix"])
            wait_for(agent.healthy)

    def test_a_list_that_is_missing(self):
        with Whole() as agent:
            path = os.path.join(agent.dir, "block.txt")
            agent.change("config/rules/yara]", "config/rules/yara], block_list: %s" % path)
            found = wait_for(lambda: next((i for i in agent.issues().values()
                                           if path in i["text"]), None))
            self.assertEqual(agent.broken(), {"scanning"})
            self.assertTrue(found["fix"])
            with open(path, "w", encoding="ascii") as f:
                f.write("# none\n")
            wait_for(agent.healthy)

    def test_what_lets_everything_pass(self):
        with Whole() as agent:
            agent.change("plugins:\n", "mode: passive\nplugins:\n")
            self.told_and_mended(agent, "core.passive", "real_time", "quarantine")
            for exclusion, promises in (
                    ('{path: "/**"}', ("real_time", "scanning", "behaviour")),
                    ('{path: "%s/**"}' % agent.protected, ("real_time", "scanning", "behaviour")),
                    ('{process: "**/*"}', ("real_time", "scanning", "behaviour")),
                    ('{path: "/**", scope: av}', ("scanning",)),
                    ('{path: "/**", scope: edr}', ("behaviour",))):
                agent.change("plugins:\n", "exclusions: [%s]\nplugins:\n" % exclusion)
                found = self.told_and_mended(agent, ("core.excluded." + agent.protected)[:63],
                                             *promises)
                self.assertIn(agent.protected, found["text"])


    def test_a_scanner_that_fails_on_every_file(self):
        with Whole() as agent:
            rules = os.path.join(agent.dir, "rules")
            os.mkdir(rules)
            agent.change("rules: [%s/config/rules/yara]" % SOURCE,
                         "rules: [%s/config/rules/yara, %s]" % (SOURCE, rules))
            wait_for(agent.healthy)
            rule = os.path.join(rules, "fails.yar")
            with open(rule, "w", encoding="ascii") as f:
                f.write('rule fails { strings: $a = "ab" condition: #a in (1..6) > 0 }')
            agent.tocsin("definitions", "reload", status=None)  # it says so, too
            with open(agent.path("file"), "wb") as f:
                f.write(EICAR)
            wait_for(lambda: not os.path.lexists(agent.path("file")))
            if agent.healthy():
                return  # a libyara without that fault
            issue = next(iter(agent.issues().values()))
            self.assertIn(rule + ": it compiles, and makes every scan fail", issue["text"])
            self.assertEqual(agent.broken(), {"scanning"})
            os.unlink(rule)  # "remove it from the rule folder"
            wait_for(agent.healthy)

    def test_no_rule_is_there(self):
        with Whole() as agent:
            for name, promise in (("av", "scanning"), ("edr", "behaviour")):
                path = re.search(r"(?m)^  %s: .*rules: \[(.*?)\]" % name, agent.text()).group(1)
                agent.change("rules: [%s]" % path, "rules: []")
                wait_for(lambda name=name: name + ".no_rules" in agent.issues())
                self.assertEqual(agent.broken(), {promise})
                agent.change("rules: []", "rules: [%s]" % path)
                wait_for(agent.healthy)

    def test_the_quarantine_is_removed(self):
        with Whole(av="quarantine_retry: 100ms") as agent:
            shutil.rmtree(os.path.join(agent.state, "quarantine"))
            self.told_and_mended(agent, "av.quarantine", "quarantine")
            agent.change("quarantine_retry", "quarantine: false, quarantine_retry")
            self.told_and_mended(agent, "av.quarantine_off", "quarantine")

    def test_the_quarantine_is_full(self):
        with Whole(av="quarantine_retry: 100ms") as agent:
            agent.stop()
            folder = os.path.join(agent.state, "quarantine")
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "e2e", folder], check=True)
            try:
                agent.start()
                filler = os.path.join(folder, "filler")
                with open(filler, "wb") as f, self.assertRaises(OSError):
                    while True:
                        f.write(bytes(65536))
                        f.flush()
                found = wait_for(lambda: agent.issues().get("av.quarantine_room"))
                self.assertIn("no room is left", found["text"])
                self.assertEqual(agent.broken(), {"quarantine"})
                os.unlink(filler)  # "free space"
                wait_for(agent.healthy)
                agent.stop()
            finally:
                subprocess.run(["umount", "-l", folder], check=True)

    def test_the_journal_is_deleted(self):
        """It is put back, with all that was in it: no fix is needed."""
        with Whole() as agent:
            agent.tocsin("plugin", "disable", "edr")
            for name in glob.glob(os.path.join(agent.state, "journal.db*")):
                os.unlink(name)
            agent.tocsin("plugin", "enable", "edr")
            wait_for(lambda: os.path.exists(os.path.join(agent.state, "journal.db")))
            wait_for(agent.healthy)
            self.assertTrue(agent.call("event.list", {"topic": "agent.started"})["items"])

    def test_a_voter_that_does_not_answer(self):
        with Whole(config="verdict: {budget: 200ms}\n") as agent:
            agent.stop()
            build(agent, "mute")
            agent.start()
            for i in range(3):
                with open(agent.path("file%d" % i), "wb") as f:
                    f.write(b"x")
                with open(agent.path("file%d" % i), "rb") as f:
                    f.read()
            found = self.told_and_mended(agent, "core.voter_mute", "real_time")
            self.assertIn("plugin mute does not answer", found["text"])

    def test_a_detector_that_loses_events(self):
        """For as long as that is recent; who has lost is named."""
        with Whole() as agent:
            agent.stop()
            build(agent, "deaf")
            agent.start()
            agent.call("deaf.flood")
            found = wait_for(lambda: agent.issues().get("core.lost_deaf"))
            self.assertFalse(agent.healthy())
            self.assertRegex(found["text"], r"plugin deaf has lost \d+ events")
            command = found["fix"].split(";")[0].split()
            self.assertIn("deaf", agent.tocsin(*command[1:]))
            info = json.loads(agent.tocsin("--output", "json", "plugin", "info", "deaf"))
            self.assertEqual(info["facts"], {"mood": "deaf"})

    def test_one_that_has_lost_what_it_was_to_report(self):
        with Whole() as agent:
            agent.stop()
            build(agent, "leaky")
            agent.start()
            for lost in (7, 14):
                agent.call("leaky.flood")
                found = wait_for(lambda: agent.issues().get("core.lost_leaky"))
                self.assertIn("has lost %d events" % lost, found["text"])
            self.assertFalse(agent.healthy())

    def test_the_file_of_consents_is_writable_by_others(self):
        with Whole(config="approval: {timeout: 10s}\n") as agent:
            for gate in ("es_extension", "full_disk_access"):
                agent.tocsin("approval", "grant", gate)
            wait_for(agent.healthy)
            path = os.path.join(agent.state, "consent")
            with open(path, "rb") as f:
                before = f.read()
            for spoil in (lambda: os.chmod(path, 0o666), lambda: os.unlink(path)):
                spoil()
                wait_for(lambda: os.path.exists(path) and os.stat(path).st_mode & 0o777 == 0o600)
                with open(path, "rb") as f:
                    self.assertEqual(f.read(), before)
            self.assertIn("could be written by others than root; it was written anew",
                          agent.text_of_log())
            agent.stop()
            agent.start()
            wait_for(agent.healthy)

    def test_the_sensors_watch_different_folders(self):
        with Whole(plugins=BEHAVIOUR + "  kext: {}\n") as agent:
            wait_for(agent.healthy)
            agent.change("  kext: {}", "  kext: {watch: [%s]}" % agent.path("folder"))
            found = self.told_and_mended(agent, "core.watch", "real_time")
            self.assertIn(agent.protected + " is protected by es only", found["text"])

    def test_a_sensor_that_cannot_watch(self):
        """What the configuration cannot know: told while nobody protects, and over by itself."""
        with Whole() as agent:
            missing = agent.path("missing")
            agent.change("watch: [%s]" % agent.protected,
                         "watch: [%s, %s]" % (agent.protected, missing))
            found = wait_for(lambda: next((i for i in agent.issues().values()
                                           if missing in i["text"]), None))
            self.assertEqual(agent.broken(), {"real_time"})
            subprocess.run(shlex.split(found["fix"]), check=True)
            wait_for(agent.healthy)

    def test_other_misconfigurations(self):
        """In the file itself: what is written instead of what, the issue, what is broken."""
        cases = (
            ("plugins:\n", "journal: {max_age: 10m}\nplugins:\n", "core.record_age", "record"),
            ("acts: none", "acts: none, mechanism: netlink", "trace.trace_netlink", "behaviour"),
            ("edr: {", "edr: {responses: [nosuch=kill], ", "edr.responses_0", "behaviour"),
            ("rules/yara]", "rules/yara, /missing/yara]", "av.rules_0", "scanning"),
            ("rules/yara]", "rules/yara], block_list: /missing/list", "av.rules_0", "scanning"),
            ("rules/sigma]", "rules/sigma, /missing/sigma]", "edr.rules_0", "behaviour"),
        )
        with Whole() as agent:
            for old, new, issue, promise in cases:
                agent.change(old, new)
                found = self.told_and_mended(agent, issue, promise)
                self.assertTrue(found["fix"].startswith("tocsin config "), found)

    def test_misconfigurations_in_a_file_of_conf_d(self):
        """What the last file says counts, and it is that one which the fix changes."""
        cases = (
            ("# ours\nexclusions: [{path: \"/**\"}, {path: /one}]\n", "# ours\nexclusions: [{path: /one}]\n",
             ("real_time", "scanning", "behaviour")),
            ("plugins: {es: {enabled: false}}\n", "plugins: {es: {enabled: true}}\n", ("real_time",)),
            ("mode: passive\n", "mode: block\n", ("real_time", "quarantine")),
        )
        with Whole() as agent:
            os.mkdir(os.path.join(agent.dir, "conf.d"))
            path = os.path.join(agent.dir, "conf.d/50-site.yaml")
            for text, mended, promises in cases:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                agent.tocsin("config", "reload")
                wait_for(lambda: not agent.healthy())
                issue = next(i for i in agent.issues() if i != "core.sensor")
                self.told_and_mended(agent, issue, *promises)
                with open(path, encoding="utf-8") as f:
                    self.assertEqual(f.read(), mended)

    def test_a_file_that_is_not_in_force(self):
        """The next start would not come up by it."""
        with Whole() as agent:
            agent.write_config(agent.written + "mdoe: block\n")
            agent.tocsin("config", "reload", status=1)
            found = agent.issues()["core.config"]
            self.assertFalse(agent.healthy())
            self.assertRegex(found["text"], r"tocsin.yaml:\d+:1: unknown key \"mdoe\"")
            agent.write_config(agent.written)
            self.told_and_mended(agent, "core.config")

    def test_a_machine_without_an_id(self):
        """It is told, with what helps, and keeps nobody from being protected."""
        with tempfile.NamedTemporaryFile() as empty:
            script = 'mount --bind %s /etc/machine-id && exec "$0" "$@"' % empty.name
            with Whole(command=["unshare", "-m", "sh", "-c", script, TOCSIND]) as agent:
                wait_for(agent.healthy)
                self.assertEqual(agent.json("health")["machine_id"], "unknown")
                fix = agent.issues()["core.machine_id"]["fix"]
                env = dict(os.environ, TOCSIN_SOCKET=agent.socket,
                           PATH=os.path.dirname(TOCSIN) + ":" + os.environ["PATH"])
                subprocess.run(["nsenter", "-m", "-t", str(agent.process.pid), "sh", "-c", fix],
                               check=True, env=env)
                self.assertEqual(agent.issues(), {})
                self.assertRegex(agent.json("health")["machine_id"], "^[0-9a-f]{32}$")


@support.needs_root
class Sources(unittest.TestCase):
    def test_rules_have_no_source_without_trace(self):
        def states(agent):
            return {item["state"] for item in agent.json("definitions", "list")["edr"]["items"]
                    if item.get("category") == "process_creation"}

        with Whole() as agent:
            self.assertEqual(states(agent), {"runs"})
            agent.tocsin("plugin", "disable", "trace")
            self.assertEqual(states(agent), {"no_source"})

    def test_a_rule_about_what_trace_is_told_not_to_report_has_no_source(self):
        with Whole() as agent:
            rule = os.path.join(agent.dir, "module.yml")
            with open(rule, "w", encoding="ascii") as f:
                f.write("title: module\nid: 0c6a8d1e-0000-4000-8000-000000000001\n"
                        "logsource: {product: linux, service: auditd}\n"
                        "detection: {s: {type: SYSCALL, SYSCALL: init_module}, condition: s}\n")
            agent.change("config/rules/sigma]", "config/rules/sigma, %s]" % rule)

            def found():
                return next((i for i in agent.json("definitions", "list")["edr"]["items"]
                             if i.get("title") == "module"), None)

            item = wait_for(found)
            self.assertEqual((item["state"], item["topics"]), ("no_source", ["kernel.module_loaded"]))
            self.assertIn("kernel.module_loaded", item["why"])
            agent.change("acts: none", "acts: auto")
            if "trace.trace_acts" not in agent.issues():  # the kernel has hooks for it
                wait_for(lambda: found()["state"] == "runs")

    def test_self_test_without_trace_says_what_helps(self):
        with Whole() as agent:
            agent.change("  trace: {acts: none, files: []}\n", "")
            said = agent.tocsin("edr", "selftest", "--wait", "1", status=1)
            self.assertIn('write "trace: {}" below plugins:', said)
            agent.write_config(agent.written)
            agent.tocsin("config", "reload")
            self.assertIn("self-test", agent.tocsin("edr", "selftest").lower())


if __name__ == "__main__":
    support.main()
