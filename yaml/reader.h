/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the files of reading share: a text on its way to trees, and the texts of
 * its scalars (scalar.c). Private to yaml/.
 */
#ifndef TC_YAML_READER_H
#define TC_YAML_READER_H

#include <libfyaml.h>

#include "yaml/yaml.h"

struct tc_yaml_anchor {
    const char *name;
    const struct tc_yaml_node *node;
};

struct tc_yaml_reader {
    struct tc_yaml *yaml;
    const struct tc_yaml_limits *limits;
    const char *text;
    size_t len;
    struct fy_diag *diag;
    struct fy_parser *parser;
    struct fy_event *event; /* the one at hand; never NULL while a value is read */
    struct tc_yaml_anchor anchors[TC_YAML_ANCHORS_MAX];
    size_t anchor_count, nodes;
    struct tc_yaml_error *error;
};

/* Why the arena gave nothing: -EINVAL or -ENOMEM. */
int tc_yaml_refuse_memory(struct tc_yaml_reader *r);

/* What a token stands for, in the tree's memory. */
int tc_yaml_token_text(struct tc_yaml_reader *r, struct fy_token *token,
                       const char **ret_text);

/* The event at hand is a SCALAR: its kind and text. */
int tc_yaml_read_scalar(struct tc_yaml_reader *r, struct tc_yaml_node *node);

#endif
