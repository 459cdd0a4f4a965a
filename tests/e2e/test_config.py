# SPDX-License-Identifier: Apache-2.0
"""The configuration of a running agent: what is refused is refused before, a mended file ends the
trouble, one sensor holds the slot whatever is reloaded, and nobody is told to try again."""

import os
import random
import subprocess
import threading
import unittest

import support
from support import BUILD, EICAR, SOURCE, TOCSIND, Agent, wait_for


def plugins(agent):
    return {p["name"]: p for p in agent.call("plugin.list")["items"]}


# A sensor that says that it sees its canary, or does not start.
EYE = """
#include <tocsin/plugin.h>
static int init(const struct tocsin_host *host, void **ret_state)
{ *ret_state = (void *)(uintptr_t)host; return 0; }
static int start(void *state)
{
    const struct tocsin_host *host = state;
    if (host->option_bool(host, "broken"))
        return -EIO;
    host->report(host, TOCSIN_REPORT_FACT, "canary_ns", "1", 0);
    return 0;
}
static int stop(void *state) { (void)state; return 0; }
static void destroy(void *state) { (void)state; }
static const struct tocsin_option options[] = {
    {.name = "broken", .type = TOCSIN_OPTION_BOOL, .flags = TOCSIN_OPTION_RESTART,
     .fallback = "false", .help = "does not start"}, {.name = 0}};
TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_SYSTEM_EXTENSION),
    .name = "eye", .version = "1", .summary = "sees nothing", .options = options,
    .init = init, .start = start, .stop = stop, .destroy = destroy };
"""


class Config(Agent):
    """An agent whose sections are written anew, with a place for every sensor to watch."""

    def write(self, es="{watch: [%s]}", rest="", head=""):
        text = "paths: {state: %s, runtime: %s, plugins: [%s]}\napproval: {required: false}\n" % (
            self.state, self.runtime, os.path.join(BUILD, "lib/tocsin/plugins"))
        text += head + "plugins:\n"
        if es:
            text += "  es: %s\n" % (es % self.protected if "%s" in es else es)
        text += "  av: {rules: [%s]}\n" % os.path.join(SOURCE, "config/rules/yara")
        self.write_config(text + rest)

    def validate(self):
        return self.call("config.validate")

    def reload(self):
        return self.call("config.reload", timeout=60)


class Validate(unittest.TestCase):
    REFUSED = (
        ("es: {watch: [home]}", '"home" is no absolute path'),
        ("es: {watch: [\"~/x\"]}", '"~/x" is no absolute path'),
        ("es: {watch: []}", "at least one"),
        ("es: {watch: [/proc]}", "of type proc"),
        ("es: {watch: [/tmp, /sys/kernel]}", "of type sysfs"),
        ("av: {rules: [rules]}", "no absolute path"),
        ("av: {block_list: hashes}", "no absolute path"),
        ("av: {isolate: true}", "the quarantine, which takes the agent's rights"),
        ("es: {isolate: true}", "only a detector can run in a process of its own"),
        ("edr: {responses: [foo=shoot]}", "kill, suspend, quarantine, isolate"),
        ("edr: {responses: [\"=kill\"]}", "NAME=ACTION"),
    )
    WARNED = (
        ("es: {watch: [/nonexistent]}", "/nonexistent does not exist"),
        ("es: {watch: [\"/home/*\"]}", "taken as it is written"),
        ("av: {rules: [/nonexistent/rules]}", "does not exist"),
        ("av: {block_list: /nope}", "/nope does not exist"),
    )
    REFUSED_HEAD = (
        ("sensor: {primary: foo}", "foo"),
        ("sensor: {primary: av}", "sensor"),
        ("sensor: {fallback: [es]}", "es"),
    )

    def cases(self, check):
        """Every case by `check`, which gives (right, text, warnings) for the file."""
        with_es = "plugins:\n  es: {enabled: false}\n  av: {enabled: false}\n  edr: {enabled: false}\n"

        def write(section, head=""):
            name = section.split(":")[0]
            self.path_of_section(head + "\n" + with_es.replace(
                name + ": {enabled: false}", section.replace("{", "{enabled: false, ", 1)))

        for section, why in self.REFUSED:
            write(section)
            right, text, _ = check()
            self.assertFalse(right, section)
            self.assertIn(why, text)
            self.assertRegex(text, r"case\.yaml:\d+:\d+: ")
        for section, why in self.WARNED:
            write(section)
            right, text, warnings = check()
            self.assertTrue(right, text)
            self.assertIn(why, "".join(warnings))
            self.assertRegex("".join(warnings), r"case\.yaml:\d+:\d+: ")
        for head, why in self.REFUSED_HEAD:
            write("es: {watch: [/tmp]}", head)
            right, text, _ = check()
            self.assertFalse(right, head)
            self.assertIn(why, text)
            self.assertRegex(text, r"case\.yaml:\d+:\d+: ")
        write("edr: {isolate: true}", "sensor: {primary: es, fallback: []}")
        right, text, warnings = check()
        self.assertTrue(right, text)
        self.assertEqual(list(warnings), [])

    def path_of_section(self, text):
        with open(self.case, "w", encoding="utf-8") as f:
            f.write("paths: {plugins: [%s/lib/tocsin/plugins]}\n%s" % (BUILD, text))

    def test_a_running_agent_asks_the_plugins(self):
        with Agent(sensor=False) as agent:
            self.case = os.path.join(agent.dir, "case.yaml")

            def check():
                answer = agent.call("config.validate", {"path": self.case})
                return answer["ok"], answer["why"], answer["warnings"]

            self.cases(check)
            # The command line: what is wrong is one sentence, a warning is on stderr.
            self.path_of_section("plugins: {es: {enabled: false, watch: [/nonexistent]}}\n")
            self.assertIn("valid", agent.tocsin("config", "validate", self.case))

    def test_without_an_agent_the_same_is_found(self):
        with Agent() as agent:
            agent.stop()
            self.case = os.path.join(agent.dir, "case.yaml")

            def check():
                done = subprocess.run([TOCSIND, "--check", "--config", self.case],
                                      capture_output=True, text=True, check=False)
                lines = done.stderr.splitlines()
                return (done.returncode == 0, done.stderr,
                        [line for line in lines if line.startswith("warning: ")])

            self.cases(check)


@support.needs_root
class Reload(unittest.TestCase):
    def holder(self, agent):
        return agent.call("health").get("real_time_protection_subsystem")

    def test_reloads_wait_for_each_other(self):
        with Config(plugins="  edr: {enabled: false}\n") as agent:
            results, threads = [], []

            def ask(method):
                try:
                    results.append(agent.call(method, timeout=60))
                except support.RpcError as e:
                    results.append(e)

            for i in range(8):
                agent.write(rest="  edr: {enabled: %s}\n" % ("true" if i % 2 else "false"))
                for method in ("config.validate", "config.reload"):
                    threads.append(threading.Thread(target=ask, args=(method,)))
                    threads[-1].start()
            for thread in threads:
                thread.join()
            self.assertEqual([r for r in results if isinstance(r, Exception)], [])
            self.assertEqual(len(results), 16)
            self.assertEqual(plugins(agent)["edr"]["state"], "running")

    def test_what_is_disabled_stays_so_and_saying_it_twice_is_no_failure(self):
        with Config(plugins="  edr: {}\n") as agent:
            self.assertIn("until tocsin plugin enable", agent.tocsin("plugin", "disable", "edr"))
            self.assertIn("disabled already", agent.tocsin("plugin", "disable", "edr"))
            agent.write(rest="  edr: {suppress: 11m}\n")
            self.assertIn("plugins.edr.suppress", agent.tocsin("config", "reload"))
            self.assertEqual(plugins(agent)["edr"]["state"], "disabled")
            agent.stop()
            agent.start()
            item = plugins(agent)["edr"]
            self.assertEqual(item["state"], "disabled")
            self.assertIn("by a command", item["why"])
            self.assertIn("disabled", agent.tocsin("plugin", "reload", "edr", status=1))
            self.assertIn("edr: enabled", agent.tocsin("plugin", "enable", "edr"))
            self.assertIn("enabled already", agent.tocsin("plugin", "enable", "edr"))
            agent.stop()
            agent.start()
            self.assertEqual(plugins(agent)["edr"]["state"], "running")

    def test_answers_that_are_so_are_no_failure(self):
        with Config(config="approval: {required: true, timeout: 10s}\n", plugins="  kext: {}\n") as agent:
            for answer, again in (("grant", "granted"), ("revoke", "nothing to revoke"),
                                  ("deny", "denied already")):
                agent.tocsin("approval", answer, "es_extension")
                said = agent.tocsin("approval", answer, "es_extension")
                self.assertIn(again, said)
            refused = agent.call("event.list", {"topic": "approval.refused"})["items"]
            self.assertEqual(refused, [])

    def test_what_is_in_force_is_shown_whole(self):
        with Config(plugins="  edr: {enabled: false}\n") as agent:
            config = agent.json("config", "show")
            self.assertEqual(config["plugins"]["es"]["watch"], [agent.protected])
            self.assertEqual(config["plugins"]["es"]["enabled"], True)
            self.assertIsInstance(config["plugins"]["es"]["max_pending"], int)
            self.assertEqual(config["approval"]["required"], False)
            self.assertEqual(config["verdict"]["budget"], "10s")
            names = {o["name"] for o in agent.call("plugin.info", {"name": "av"})["options"]}
            self.assertTrue(names <= set(config["plugins"]["av"]))
            # It can be put in force: nothing is another.
            shown = os.path.join(agent.dir, "shown.yaml")
            with open(shown, "w", encoding="utf-8") as f:
                f.write(agent.tocsin("config", "show"))
            self.assertTrue(agent.call("config.validate", {"path": shown})["ok"])

    def test_a_mended_file_ends_a_bar(self):
        """A sensor does not start until it is barred; then its options are mended, and it holds."""
        with Config(plugins="  kext: {}\n") as agent:
            agent.stop()
            so, source = os.path.join(agent.dir, "tocsin_eye.so"), os.path.join(agent.dir, "eye.c")
            with open(source, "w", encoding="ascii") as f:
                f.write(EYE)
            subprocess.run(["cc", "-shared", "-fPIC", "-o", so, source,
                            "-I" + os.path.join(SOURCE, "include")], check=True)
            section = "  eye: {file: %s, broken: %%s}\n  kext: {watch: [%s]}\n" % (so, agent.protected)
            head = "sensor: {primary: eye, fallback: [kext]}\n"
            agent.write(es=None, rest=section % "true", head=head)
            agent.start()
            wait_for(lambda: agent.call("event.list", {"topic": "sensor.barred"})["items"])
            wait_for(lambda: plugins(agent)["kext"]["state"] == "running")
            # The same file again changes nothing.
            self.assertEqual(agent.reload()["changed"], [])
            self.assertNotEqual(plugins(agent)["eye"]["state"], "running")
            agent.write(es=None, rest=section % "false", head=head)
            agent.reload()
            wait_for(lambda: plugins(agent)["eye"]["state"] == "running")
            wait_for(lambda: plugins(agent)["kext"]["state"] != "running")
            issues = [i["id"] for i in agent.call("health")["health_issues"]]
            self.assertFalse([i for i in issues if "eye" in i], issues)

    def test_one_sensor_holds_the_slot_whatever_is_reloaded(self):
        seed = int(os.environ.get("TOCSIN_STORM_SEED", "1"))
        rounds = int(os.environ.get("TOCSIN_STORM_ROUNDS", "12"))
        draw = random.Random(seed)
        with Config(plugins="  kext: {}\n") as agent:
            folder = agent.path("sub")
            os.mkdir(folder)
            starts = agent.text_of_log().count("ready\n")
            for _ in range(rounds):
                es = draw.choice(("{watch: [%s]}", "{watch: [" + folder + "]}", "{watch: [home]}",
                                  "{watch: []}", "{watch: [/proc]}", "{enabled: false}",
                                  "{watch: [/nonexistent]}", "{canary: maybe}", ""))
                kext = draw.choice(("  kext: {}\n", "  kext: {enabled: false}\n", "",
                                    "  kext: {watch: [%s]}\n" % folder))
                rest = draw.choice(("", "  acme: {}\n", "  acme: {file: /opt/nope.so}\n",
                                    "  edr: {rules: []}\n"))
                agent.write(es=es, rest=kext + rest, head=draw.choice(("", "log: {level: debug}\n")))
                for method in draw.sample(("config.validate", "config.reload", "config.show",
                                           "config.reload"), 3):
                    try:
                        agent.call(method, timeout=60)
                    except support.RpcError:
                        pass
                if draw.random() < 0.3:
                    agent.tocsin("plugin", draw.choice(("disable", "enable", "reload")), "es",
                                 status=None)
            agent.write(rest="  kext: {}\n")
            agent.reload()
            agent.tocsin("plugin", "enable", "es")
            wait_for(lambda: plugins(agent)["es"]["state"] == "running" and
                     plugins(agent)["kext"]["state"] != "running")
            self.assertEqual(agent.text_of_log().count("ready\n"), starts)
            path = agent.path("proof")
            with open(path, "wb") as f:
                f.write(EICAR)
            wait_for(lambda: not os.path.lexists(path))


class Edit(unittest.TestCase):
    def test_a_key_is_set_in_its_file_and_in_force(self):
        with Config() as agent:
            agent.write(head="# ours\nmode: block  # for now\n")
            agent.reload()
            said = agent.tocsin("config", "set", "mode", "passive")
            self.assertIn("changed: mode", said)
            self.assertIn("file: " + agent.config, said)
            self.assertIn("mode: passive", agent.tocsin("config", "show"))
            with open(agent.config, encoding="utf-8") as f:
                self.assertIn("# ours\nmode: passive  # for now\n", f.read())
            self.assertIn("nothing has changed", agent.tocsin("config", "set", "mode", "passive"))
            agent.tocsin("config", "unset", "mode")
            self.assertIn("mode: block", agent.tocsin("config", "show"))
            agent.tocsin("config", "set", "exclusions", "[]")
            agent.tocsin("config", "add", "exclusions", "{path: /one}")
            agent.tocsin("config", "remove", "exclusions", "{path: '/one'}")
            agent.tocsin("config", "set", "plugins.edr", "{enabled: true, rules: [%s]}" %
                         os.path.join(SOURCE, "config/rules/sigma"))
            wait_for(lambda: plugins(agent)["edr"]["state"] == "running")
            asked = [e["event"] for e in agent.call("event.list", {"topic": "agent.command"})["items"]
                     if e["event"]["method"] == "config.set"]
            self.assertIn({"key": "mode", "value": "passive"}, [a["params"] for a in asked])

    def test_what_is_refused_changes_nothing(self):
        with Config() as agent:
            with open(agent.config, encoding="utf-8") as f:
                before = f.read()
            for args, why in (
                    (("set", "mode", "loud"), "block"),
                    (("set", "mdoe", "block"), 'did you mean "mode"?'),
                    (("set", "plugins.es.wach", "[/tmp]"), 'did you mean "watch"?'),
                    (("set", "plugins.es.watch", "[/proc]"), "of type proc"),
                    (("set", "plugins.av.rules", "[rules]"), "no absolute path"),
                    (("set", "sensor.primary", "av"), "sensor"),
                    (("remove", "plugins.es.watch", "/nowhere"), "no such item")):
                self.assertIn(why, agent.tocsin("config", *args, status=1))
            with open(agent.config, encoding="utf-8") as f:
                self.assertEqual(f.read(), before)
            self.assertEqual([n for n in os.listdir(agent.dir) if n.startswith(".")], [])
            self.assertEqual(agent.reload()["changed"], [])
            # Nor is what only the next start would find taken from the file.
            agent.write_config("sensor: {primary: av}\n" + before)
            self.assertIn("sensor", agent.tocsin("config", "reload", status=1))

    @support.needs_root
    def test_it_takes_root(self):
        with Agent(sensor=False) as agent:
            os.chmod(agent.socket, 0o666)
            done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups",
                                   support.TOCSIN, "--socket", agent.socket,
                                   "config", "set", "mode", "passive"],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("root", done.stderr)


if __name__ == "__main__":
    support.main()
