/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see write.h. */
#include "yaml/write.h"

#include <ctype.h>
#include <string.h>

bool tc_yaml_is_harmless(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("/._-", *c))
            return false;
    return *text;
}

void tc_yaml_write_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if ((unsigned char)*c < ' ' || *c == 0x7f)
            fprintf(out, "\\x%02x", (unsigned char)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

void tc_yaml_write_key(FILE *out, const char *key)
{
    if (strspn(key, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(key) &&
        islower((unsigned char)*key))
        fputs(key, out);
    else
        tc_yaml_write_quoted(out, key);
    fputs(": ", out);
}

void tc_yaml_write(FILE *out, const struct tc_yaml_node *node)
{
    if (node->kind == TC_YAML_NULL) {
        fputs("null", out);
    } else if (node->kind == TC_YAML_TEXT) {
        if (!node->quoted && tc_yaml_is_harmless(node->text))
            fputs(node->text, out);
        else
            tc_yaml_write_quoted(out, node->text);
    } else {
        fputc(node->kind == TC_YAML_LIST ? '[' : '{', out);
        for (const struct tc_yaml_node *at = node->first; at; at = at->next) {
            fputs(at == node->first ? "" : ", ", out);
            if (at->key)
                tc_yaml_write_key(out, at->key);
            tc_yaml_write(out, at);
        }
        fputc(node->kind == TC_YAML_LIST ? ']' : '}', out);
    }
}
