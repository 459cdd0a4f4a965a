/* SPDX-License-Identifier: Apache-2.0 */
#include "process/edr_machine.h"

#include <stdio.h>
#include <sys/utsname.h>

#define ID_PATH "/etc/machine-id"
#define OS_KEY "PRETTY_NAME="

static void read_text(const char *path, char *ret, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n = 0;

    if (file) {
        n = fread(ret, 1, size - 1, file);
        fclose(file);
    }
    ret[n] = '\0';
}

static void read_id(char ret[33])
{
    char text[64];

    read_text(ID_PATH, text, sizeof(text));
    if (strspn(text, "0123456789abcdef") != 32) /* "uninitialized", at the first boot */
        text[0] = '\0';
    snprintf(ret, 33, "%.32s", text);
}

void tc_edr_machine_os(char *text, char ret[256])
{
    char *line, *save = NULL, *value;
    size_t n;

    ret[0] = '\0';
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, OS_KEY, sizeof(OS_KEY) - 1) != 0)
            continue;
        value = line + sizeof(OS_KEY) - 1;
        n = strlen(value);
        if (n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value) {
            value[n - 1] = '\0';
            value++;
        }
        snprintf(ret, 256, "%s", value);
    }
}

static void read_os(char ret[256])
{
    char text[4096];

    read_text("/etc/os-release", text, sizeof(text));
    if (!text[0])
        read_text("/usr/lib/os-release", text, sizeof(text));
    tc_edr_machine_os(text, ret);
}

void tc_edr_machine_read(struct tc_edr_machine *ret)
{
    struct utsname names;

    memset(ret, 0, sizeof(*ret));
    if (!uname(&names)) {
        snprintf(ret->name, sizeof(ret->name), "%s", names.nodename);
        snprintf(ret->kernel, sizeof(ret->kernel), "%s", names.release);
    }
    read_id(ret->id);
    read_os(ret->os);
}

static void put_known(struct tocsin_writer *w, const char *key, const char *text)
{
    if (*text)
        tocsin_put_str(w, key, text);
}

void tc_edr_machine_put(struct tocsin_writer *w, const struct tc_edr_machine *machine)
{
    tocsin_begin_map(w, "host");
    put_known(w, "name", machine->name);
    put_known(w, "id", machine->id);
    if (machine->kernel[0] || machine->os[0]) {
        tocsin_begin_map(w, "os");
        put_known(w, "kernel", machine->kernel);
        put_known(w, "name", machine->os);
        tocsin_end(w);
    }
    tocsin_end(w);
}
