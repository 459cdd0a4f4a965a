/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: changes of one value in a YAML text, by which every other byte stays as it is:
 * comments, order, quotes. (libfyaml can write documents, and drops their comments.) What
 * has come out is read again; unless it is the same but for that value, the change is
 * refused. Pure. Must not: know what a key means, or touch a file.
 */
#ifndef TC_YAML_EDIT_H
#define TC_YAML_EDIT_H

#include "yaml/yaml.h"

enum tc_yaml_change {
    TC_YAML_SET,    /* the value of the key; maps on the way to it are made */
    TC_YAML_UNSET,  /* takes the key away */
    TC_YAML_ADD,    /* one more item, at the end of the list */
    TC_YAML_REMOVE, /* the first item that is the same */
};

/*
 * `path`: keys from the root, ended by NULL. `value`: read from YAML too, NULL with
 * UNSET. 0 and a text that is malloc'ed, also when it is what was there already (of
 * UNSET: no such key; of ADD: it is in the list). -ENOENT: no such list, or no such item;
 * -ENOTSUP: the text is written in a way that this cannot keep; -EINVAL: something on the
 * way is not a map; -ENOMEM.
 */
int tc_yaml_edit(const char *text, size_t len, const struct tc_yaml_limits *limits,
                 enum tc_yaml_change change, const char *const *path,
                 const struct tc_yaml_node *value, char **ret_text);

/* The value on one line, in brackets and quotes where it needs them. malloc'ed. */
char *tc_yaml_line(const struct tc_yaml_node *node);

#endif
