/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_encode.h"

#include <stdlib.h>
#include <string.h>

#include "sensor_encode.h"
#include "trace_act.h"
#include "trace_flow.h"
#include "trace_put.h"

#define ARGS_MAX 65535        /* entries of a list, see tocsin_begin_array */
#define ANCESTOR_LINE_MAX 512 /* bytes of an ancestor's command line */

static void put_args(struct tocsin_writer *w, const struct tc_trace_image *image)
{
    bool cut = image->args_cut;
    size_t at = 0, n = 0, len;

    tocsin_begin_array(w, "args");
    while (at < image->args_len && n < ARGS_MAX) {
        len = strnlen(image->args + at, image->args_len - at);
        tocsin_put_strn(w, NULL, image->args + at, len);
        at += len + 1;
        n++;
    }
    tocsin_end(w);
    tocsin_put_uint(w, "args_count", n);
    if (cut || at < image->args_len)
        tocsin_put_bool(w, "args_truncated", true);
}

static void put_users(struct tocsin_writer *w, const struct tc_trace_event *event)
{
    const struct tc_trace_process *process = event->process;

    tc_trace_put_users(w, &process->users, event->user);
    if (process->session > 0)
        tocsin_put_int(w, "session", process->session);
    tc_trace_put_text(w, "tty", process->tty);
    if (process->login_uid != TC_TRACE_NOBODY)
        tocsin_put_uint(w, "loginuid", process->login_uid);
}

/* A file that memfd_create(2) made has no place, and this for its name. */
static bool is_memfd(const struct tc_trace_image *image)
{
    return image->deleted && image->executable &&
           !strncmp(image->executable, "/memfd:", strlen("/memfd:"));
}

static void put_image(struct tocsin_writer *w, const struct tc_trace_event *event)
{
    const struct tc_trace_image *image = event->process->image;

    tc_trace_put_text(w, "exec_path", image->exec_path);
    tc_trace_put_command_line(w, image, SIZE_MAX);
    if (event->whole)
        put_args(w, image);
    tc_trace_put_text(w, "working_directory", image->folder);
    if (image->deleted)
        tocsin_put_bool(w, "executable_deleted", true);
    if (is_memfd(image))
        tocsin_put_bool(w, "executable_memfd", true);
    if (event->sha256) {
        tocsin_begin_map(w, "hash");
        tocsin_put_str(w, "sha256", event->sha256);
        tocsin_end(w);
    }
}

/* The exit code as a shell would give it. */
static void put_exit(struct tocsin_writer *w, int status)
{
    int signal = status & 0x7f;

    tocsin_put_int(w, "exit_code", signal ? 128 + signal : status >> 8 & 0xff);
    if (signal)
        tocsin_put_int(w, "exit_signal", signal);
}

/* The command lines of all others were reported when they were executed. */
static void put_old_command_line(struct tocsin_writer *w,
                                 const struct tc_trace_event *event, size_t i)
{
    const struct tc_trace_image *image = event->ancestors[i]->image;

    if (i && image && image->from_proc) /* the parent has a map of its own */
        tc_trace_put_command_line(w, image, ANCESTOR_LINE_MAX);
}

static void put_parent(struct tocsin_writer *w, const struct tc_trace_process *parent,
                       const char *user)
{
    tc_trace_put_identity(w, parent);
    if (parent->identified) {
        tocsin_begin_map(w, "user");
        tocsin_put_uint(w, "id", parent->users.uid);
        tc_trace_put_text(w, "name", user);
        tocsin_end(w);
    }
    if (parent->image) {
        tc_trace_put_text(w, "exec_path", parent->image->exec_path);
        tc_trace_put_command_line(w, parent->image, SIZE_MAX);
    }
}

static void put_ancestors(struct tocsin_writer *w, const struct tc_trace_event *event)
{
    const struct tc_trace_process *process = event->process;

    tocsin_begin_map(w, "parent");
    if (event->ancestor_count) {
        put_parent(w, event->ancestors[0], event->parent_user);
    } else {
        tocsin_put_int(w, "pid", process->parent_pid);
        if (process->parent_start_ns)
            tocsin_put_uint(w, "start", process->parent_start_ns);
    }
    tocsin_end(w);
    tocsin_begin_array(w, "ancestors");
    for (size_t i = 0; i < event->ancestor_count; i++) {
        tocsin_begin_map(w, NULL);
        tc_trace_put_identity(w, event->ancestors[i]);
        put_old_command_line(w, event, i);
        tocsin_end(w);
    }
    tocsin_end(w);
}

static void put_container(struct tocsin_writer *w, const struct tc_trace_process *process)
{
    const struct tc_trace_image *image = process->image;

    if (process->cgroup_id || (image && image->cgroup)) {
        tocsin_begin_map(w, "cgroup");
        if (process->cgroup_id)
            tocsin_put_uint(w, "id", process->cgroup_id);
        if (image)
            tc_trace_put_text(w, "path", image->cgroup);
        tocsin_end(w);
    }
    if (image && *image->container) {
        tocsin_begin_map(w, "container");
        tocsin_put_str(w, "id", image->container);
        tocsin_end(w);
    }
}

static void put_process(struct tocsin_writer *w, const struct tc_trace_event *event)
{
    tocsin_begin_map(w, "process");
    tc_trace_put_identity(w, event->process);
    if (event->process->identified)
        put_users(w, event);
    if (event->process->image)
        put_image(w, event);
    if (event->ended)
        put_exit(w, event->exit_status);
    if (event->process->parent_pid > 0)
        put_ancestors(w, event);
    tocsin_end(w);
}

void tc_trace_encode(struct tocsin_writer *w, const struct tc_trace_event *event)
{
    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, "@timestamp", event->time_ns);
    tocsin_begin_map(w, "event");
    tocsin_put_uint(w, "sequence", event->sequence);
    if (event->act)
        tc_trace_act_put_event(w, event->act->record);
    tocsin_end(w);
    tocsin_put_str(w, "sensor", "trace");
    tocsin_put_uint(w, "epoch", event->epoch);
    if (event->process)
        put_process(w, event);
    if (event->file)
        tc_sensor_put_file(w, event->file);
    if (event->flow)
        tc_trace_flow_put(w, event->flow);
    if (event->act)
        tc_trace_act_put(w, event->act);
    if (event->process)
        put_container(w, event->process);
    tocsin_end(w);
}
