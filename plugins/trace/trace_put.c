/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_put.h"

#include <stdlib.h>

void tc_trace_put_text(struct tocsin_writer *w, const char *key, const char *text)
{
    if (text && *text)
        tocsin_put_str(w, key, text);
}

static void put_number(struct tocsin_writer *w, const char *outer, const char *key,
                       uint64_t value)
{
    tocsin_begin_map(w, outer);
    tocsin_put_uint(w, key, value);
    tocsin_end(w);
}

void tc_trace_put_identity(struct tocsin_writer *w,
                           const struct tc_trace_process *process)
{
    tocsin_put_int(w, "pid", process->pid);
    if (process->start_ns)
        tocsin_put_uint(w, "start", process->start_ns);
    tc_trace_put_text(w, "name", process->name);
    if (process->image)
        tc_trace_put_text(w, "executable", process->image->executable);
}

void tc_trace_put_command_line(struct tocsin_writer *w,
                               const struct tc_trace_image *image, size_t max)
{
    size_t len = image->args_len;
    char *line;

    while (len && !image->args[len - 1])
        len--;
    if (len > max)
        for (len = max; len && ((uint8_t)image->args[len] & 0xc0) == 0x80;)
            len--;
    line = len ? malloc(len) : NULL;
    if (!line)
        return;
    for (size_t i = 0; i < len; i++)
        line[i] = (char)(image->args[i] ? image->args[i] : ' ');
    tocsin_put_strn(w, "command_line", line, len);
    free(line);
}

static void put_user(struct tocsin_writer *w, const char *key, const char *name,
                     uint32_t real, uint32_t effective, uint32_t saved)
{
    tocsin_begin_map(w, key);
    tocsin_put_uint(w, "id", real);
    tc_trace_put_text(w, "name", name);
    put_number(w, "effective", "id", effective);
    put_number(w, "saved", "id", saved);
    tocsin_end(w);
}

void tc_trace_put_users(struct tocsin_writer *w, const struct tc_trace_users *users,
                        const char *name)
{
    put_user(w, "user", name, users->uid, users->euid, users->suid);
    put_user(w, "group", NULL, users->gid, users->egid, users->sgid);
}

void tc_trace_put_other(struct tocsin_writer *w, const struct tc_trace_process *process)
{
    tc_trace_put_identity(w, process);
    if (process->identified)
        tc_trace_put_users(w, &process->users, NULL);
    if (process->image)
        tc_trace_put_command_line(w, process->image, SIZE_MAX);
}
