/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods config.*: judged, changed, read anew, shown. */
#include <stdlib.h>
#include <string.h>

#include "core/conf/config.h"
#include "core/conf/config_edit.h"
#include "core/control/control_priv.h"
#include "core/host/registry.h"

#define KEY_BYTES_MAX 256     /* of what is set */
#define VALUE_BYTES_MAX 16384 /* and to what */

/* An array of the lines of a text. */
static void put_lines(struct tc_pack *p, const char *key, const char *text)
{
    tc_pack_begin_array(p, key);
    while (*text) {
        size_t n = strcspn(text, "\n");

        tc_pack_strn(p, NULL, text, n);
        text += n + (text[n] == '\n');
    }
    tc_pack_end(p);
}

static void on_validated(void *arg, int status, const char *why,
                         const struct tc_config_changes *changes)
{
    struct tc_pack p;

    (void)changes;
    tc_control_call_begin(&p);
    tc_pack_bool(&p, "ok", !status);
    tc_pack_str(&p, "why", status ? why : "");
    put_lines(&p, "warnings", status ? "" : why);
    tc_control_call_end(arg, &p);
}

void tc_control_config_validate(struct tc_control *control, struct tc_rpc_call *call,
                                const struct tc_rpc_params *params)
{
    char path[4096];

    control->options.reload(
        control->options.arg,
        tc_control_call_text(params, "path", path, sizeof(path)) ? path : NULL, true,
        on_validated, call);
}

/* An array of the names in "a, b". */
static void put_names(struct tc_pack *p, const char *key, const char *names)
{
    tc_pack_begin_array(p, key);
    while (*names) {
        size_t n = strcspn(names, ",");

        tc_pack_strn(p, NULL, names, n);
        names += n;
        names += strspn(names, ", ");
    }
    tc_pack_end(p);
}

static void on_reloaded(void *arg, int status, const char *why,
                        const struct tc_config_changes *changes)
{
    struct tc_pack p;

    if (status) {
        tc_control_call_end_status(arg, status, why);
        return;
    }
    tc_control_call_begin(&p);
    put_names(&p, "changed", changes->changed);
    put_names(&p, "restart", changes->restart);
    put_lines(&p, "warnings", why);
    if (*changes->file)
        tc_pack_str(&p, "file", changes->file);
    if (*changes->also)
        tc_pack_str(&p, "also_in", changes->also);
    tc_control_call_end(arg, &p);
}

void tc_control_config_reload(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params)
{
    (void)params;
    control->options.reload(control->options.arg, NULL, false, on_reloaded, call);
}

static void config_edit(struct tc_control *control, struct tc_rpc_call *call,
                        const struct tc_rpc_params *params, enum tc_config_verb verb)
{
    char key[KEY_BYTES_MAX], *value = calloc(1, VALUE_BYTES_MAX);

    if (!value)
        tc_rpc_fail(call, "failed", "out of memory");
    else if (!tc_control_call_text(params, "key", key, sizeof(key)))
        tc_rpc_fail(call, "usage", "which key? Write it with dots: plugins.es.watch");
    else if (!tc_control_call_text(params, "value", value, VALUE_BYTES_MAX) &&
             verb != TC_CONFIG_UNSET)
        tc_rpc_fail(call, "usage", "which value? At most %d bytes of YAML",
                    VALUE_BYTES_MAX - 1);
    else
        control->options.edit(control->options.arg, verb, key, value, on_reloaded, call);
    free(value);
}

void tc_control_config_set(struct tc_control *control, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params)
{
    config_edit(control, call, params, TC_CONFIG_SET);
}

void tc_control_config_unset(struct tc_control *control, struct tc_rpc_call *call,
                             const struct tc_rpc_params *params)
{
    config_edit(control, call, params, TC_CONFIG_UNSET);
}

void tc_control_config_add(struct tc_control *control, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params)
{
    config_edit(control, call, params, TC_CONFIG_ADD);
}

void tc_control_config_remove(struct tc_control *control, struct tc_rpc_call *call,
                              const struct tc_rpc_params *params)
{
    config_edit(control, call, params, TC_CONFIG_REMOVE);
}

static struct tc_option_table table_of(void *arg, const char *plugin)
{
    return tc_registry_table(((struct tc_control *)arg)->services->registry, plugin);
}

static bool is_enabled(void *arg, const char *plugin)
{
    return tc_registry_wants(((struct tc_control *)arg)->services->registry, plugin);
}

void tc_control_config_show(struct tc_control *control, struct tc_rpc_call *call,
                            const struct tc_rpc_params *params)
{
    char *yaml = tc_config_show(control->services->config, table_of, control);
    const struct tc_config_view view = {table_of, is_enabled, control};
    struct tc_pack p;

    (void)params;
    if (!yaml) {
        tc_rpc_fail(call, "failed", "out of memory");
        return;
    }
    tc_control_call_begin(&p);
    tc_pack_str(&p, "yaml", yaml);
    (void)tc_config_put_shown(yaml, "config", &p); /* what was shown can be read */
    tc_config_put_values(control->services->config, &view, "values", &p);
    tc_control_call_end(call, &p);
    free(yaml);
}
