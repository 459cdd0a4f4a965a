# SPDX-License-Identifier: Apache-2.0
"""Plugins that do everything wrong never take the agent down for long, and never unseen."""

import glob
import os
import subprocess
import unittest

import support
from support import BUILD, EICAR, SOURCE, Agent, wait_for

# A vendor's plugin, from the public header alone, that does BODY at the first file.written.
SOURCE_OF_BAD = """
#include <tocsin/plugin.h>
static void run(void *arg) { (void)arg; %(work)s }
static void done(void *arg, int status) { (void)arg; (void)status; }
static int init(const struct tocsin_host *host, void **ret_state)
{ *ret_state = (void *)(uintptr_t)host; return 0; }
static int ok(void *state) { (void)state; return 0; }
static void event(void *state, const struct tocsin_event *e)
{ const struct tocsin_host *host = state; (void)e; (void)host; (void)run; (void)done; %(event)s }
static void destroy(void *state) { (void)state; }
static const char *const topics[] = {"file.written", 0};
TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    .name = "bad", .version = "1", .summary = "misbehaves", .subscribes = topics,
    .init = init, .start = ok, .event = event, .stop = ok, .destroy = destroy };
"""


def build_bad(agent, event, work=""):
    folder = os.path.join(agent.dir, "bad")
    os.mkdir(folder, 0o755)
    so, source = os.path.join(folder, "tocsin_bad.so"), os.path.join(folder, "bad.c")
    with open(source, "w", encoding="ascii") as f:
        f.write(SOURCE_OF_BAD % {"event": event, "work": work})
    subprocess.run(["cc", "-shared", "-fPIC", "-o", so, source,
                    "-I" + os.path.join(SOURCE, "include")], check=True)
    os.chmod(so, 0o755)
    with open(agent.config, "a", encoding="utf-8") as f:
        f.write("  bad: {file: %s}\n" % so)


@support.needs_root
class BadPlugins(unittest.TestCase):
    def still_protects(self, agent):
        path = agent.path("proof")
        count = len(agent.threats())
        with open(path, "wb") as f:
            f.write(EICAR)
        wait_for(lambda: len(agent.threats()) > count)
        wait_for(lambda: not os.path.lexists(path))

    def test_each_bad_file_is_refused_or_cleaned_up_with_a_sentence(self):
        files = sorted(glob.glob(BUILD + "/lib/tocsin/test-plugins/tocsin_*.so"))
        self.assertGreaterEqual(len(files), 10)
        names = [os.path.basename(f)[len("tocsin_"):-len(".so")] for f in files]
        sections = "".join("  %s: {file: %s}\n" % pair for pair in zip(names, files)
                           if pair[0] != "never_ready")  # takes its 30 s to be given up
        with Agent(plugins=sections) as agent:
            items = {p["name"]: p for p in agent.call("plugin.list")["items"]}
            for name in ("bad_magic", "newer_minor", "newer_major", "short_descriptor",
                         "no_symbol", "bad_options", "claims_core_topic", "init_fails",
                         "start_fails"):
                self.assertEqual(items[name]["state"], "failed", items[name])
                self.assertTrue(items[name]["why"], name)
            self.assertEqual(items["good"]["state"], "running")
            issues = [i["id"] for i in agent.call("health")["health_issues"]]
            self.assertIn("core.plugin_bad_magic", issues)
            self.still_protects(agent)
            for name, item in items.items():
                if item["state"] == "running" and name not in ("es", "av"):
                    agent.tocsin("plugin", "disable", name)
            self.still_protects(agent)
            self.assertEqual(agent.text_of_log().count("ready\n"), 1)

    def ask(self, agent, method, params=None):
        try:
            return agent.call(method, params, timeout=1)["items"]
        except (OSError, EOFError):  # no agent at this moment, or one that hangs
            return []

    def ends(self, agent):
        return self.ask(agent, "event.list", {"topic": "agent.ended"})

    def left_out(self, agent):
        items = self.ask(agent, "plugin.list")
        return any("3 times" in p["why"] for p in items if p["name"] == "bad")

    def crash(self, event, work=""):
        with Agent() as agent:
            agent.stop()
            build_bad(agent, event, work)
            agent.start()
            # Once is enough: what was written in the gap is reported again after it.
            with open(agent.path("file"), "wb") as f:
                f.write(b"x")
            wait_for(lambda: self.left_out(agent))
            gaps = agent.call("event.list", {"topic": "agent.ended"})["items"]
            self.assertEqual([g["event"]["plugin"] for g in gaps], ["bad"] * 3)
            item = [p for p in agent.call("plugin.list")["items"] if p["name"] == "bad"][0]
            self.assertEqual(item["state"], "failed")
            self.assertIn("3 times", item["why"])
            fix = [i["fix"] for i in agent.call("health")["health_issues"]
                   if i["id"] == "core.plugin_bad"]
            self.assertEqual(fix, ["tocsin plugin enable bad"])
            self.still_protects(agent)

    def test_one_that_crashes_is_disabled_after_three_times(self):
        self.crash("*(volatile int *)0 = 1;")

    def test_one_that_crashes_on_a_pool_thread_is_found_too(self):
        self.crash("host->work(host, run, done, 0);", "*(volatile int *)0 = 1;")

    def test_one_that_spins_is_killed_and_named(self):
        with Agent() as agent:
            agent.stop()
            build_bad(agent, "for (;;) { }")
            agent.start()
            core = agent.core()
            with open(agent.path("file"), "wb") as f:
                f.write(b"x")
            # It spins again when what was written in the gap is reported after it.
            # Everybody else goes on meanwhile: the sensor answers for the loop that is stuck.
            wait_for(lambda: agent.core() not in (None, core))
            gap = wait_for(lambda: self.ends(agent))[0]["event"]
            self.assertEqual(gap["plugin"], "bad")
            self.assertIn("loop hung", gap["reason"])


if __name__ == "__main__":
    support.main()
