#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes headers of a minor of the plugin ABI that there is not: next_minor.py INCLUDE_DIR OUT_DIR

They are the present ones with the next minor's number and a member more at the end of each structure that
a later minor may append to, so that the tests see today what an older plugin is to an agent of that minor."""

import os
import re
import sys

MEMBERS = {
    "tocsin_event": "uint64_t made_up;",
    "tocsin_option": "uint64_t made_up;",
    "tocsin_host": "void (*made_up)(const struct tocsin_host *host);",
    "tocsin_plugin": "int (*made_up)(void *state);",
}


def main(include, out):
    text = open(os.path.join(include, "tocsin/plugin.h"), encoding="utf-8").read()
    text, n = re.subn(r"(#define TOCSIN_ABI_MINOR )(\d+)", lambda m: m[1] + str(int(m[2]) + 1), text)
    assert n == 1
    for struct, member in MEMBERS.items():
        text, n = re.subn(r"(\nstruct %s \{\n.*?\n)\};\n" % struct, r"\1    %s\n};\n" % member, text, flags=re.S)
        assert n == 1, struct
    os.makedirs(os.path.join(out, "tocsin"), exist_ok=True)
    with open(os.path.join(out, "tocsin/plugin.h"), "w", encoding="utf-8") as file:
        file.write(text)


main(*sys.argv[1:])
