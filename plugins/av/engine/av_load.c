/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: making a rule set of files: finding them, compiling the sources, loading the
 * compiled ones, and saying which did not. Any thread; blocks.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/av_engine.h"
#include "engine/av_engine_priv.h"

#define TRY_TIMEOUT_S 5

struct source {
    char *path;
    bool compiled;
    char *text; /* of a source that compiles */
};

struct load {
    struct tc_av_rules *rules;
    void (*folder)(void *arg, const char *path); /* or NULL */
    void *arg;
    struct source *sources;
    size_t sources_n;
    EVP_MD_CTX *hash;
};

/* The first error of one file, as the compiler reported it. */
struct note {
    const char *path;
    char text[TC_AV_WHY];
};

static void issue(struct tc_av_rules *rules, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void issue(struct tc_av_rules *rules, const char *format, ...)
{
    va_list args;
    char *text;

    rules->failed_n++;
    if (rules->issues_n == TC_AV_RULE_ISSUES_MAX)
        return;
    va_start(args, format);
    if (vasprintf(&text, format, args) >= 0)
        rules->issues[rules->issues_n++] = text;
    va_end(args);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n > m && !strcmp(text + n - m, end);
}

static bool is_rule_file(const char *name)
{
    return name[0] != '.' && (ends_with(name, ".yar") || ends_with(name, ".yara") ||
                              ends_with(name, ".yarc"));
}

static int add_source(struct load *load, const char *path)
{
    struct source *grown;

    if (load->sources_n == TC_AV_RULE_FILES_MAX) {
        issue(load->rules, "%s: more than %d rule files; skipped", path,
              TC_AV_RULE_FILES_MAX);
        return 0;
    }
    grown = realloc(load->sources, (load->sources_n + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    load->sources = grown;
    grown += load->sources_n;
    *grown = (struct source){.path = strdup(path), .compiled = ends_with(path, ".yarc")};
    if (!grown->path)
        return -ENOMEM;
    load->sources_n++;
    return 0;
}

static int find_in_folder(struct load *load, const char *path, int depth)
{
    struct dirent **entries;
    int n, r = 0;

    if (load->folder)
        load->folder(load->arg, path);
    n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        issue(load->rules, "%s: %s", path, strerror(errno));
        return 0;
    }
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        char *full = NULL;
        struct stat st;

        if (!r && name[0] != '.' && asprintf(&full, "%s/%s", path, name) < 0) {
            full = NULL;
            r = -ENOMEM;
        }
        /* Sub-folders are not entered through links, so that no loop is possible. */
        if (full && !lstat(full, &st) && S_ISDIR(st.st_mode)) {
            if (depth < TC_AV_RULE_FOLDER_DEPTH)
                r = find_in_folder(load, full, depth + 1);
        } else if (full && is_rule_file(name)) {
            r = add_source(load, full);
        }
        free(full);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int find(struct load *load, const char *path)
{
    struct stat st;

    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        return find_in_folder(load, path, 0);
    if (access(path, R_OK)) {
        issue(load->rules, "%s: %s", path, strerror(errno));
        return 0;
    }
    return add_source(load, path);
}

static void on_compile(int level, const char *file, int line, const YR_RULE *rule,
                       const char *message, void *arg)
{
    struct note *note = arg;

    (void)file;
    (void)rule;
    if (level == YARA_ERROR_LEVEL_ERROR && !note->text[0])
        /* Versions differ in what they take: only 4.5 refuses negative offsets. */
        snprintf(note->text, sizeof(note->text), "%s:%d: %s (YARA %s)", note->path, line,
                 message, YR_VERSION);
}

static YR_COMPILER *compiler_new(struct note *note)
{
    YR_COMPILER *compiler;

    if (yr_compiler_create(&compiler) != ERROR_SUCCESS)
        return NULL;
    yr_compiler_set_include_callback(compiler, NULL, NULL, NULL);
    yr_compiler_set_callback(compiler, on_compile, note);
    return compiler;
}

static int on_try(YR_SCAN_CONTEXT *context, int message, void *data, void *arg)
{
    (void)context;
    (void)message;
    (void)data;
    (void)arg;
    return CALLBACK_CONTINUE;
}

/* Some rules compile, and make every scan fail (libyara 4.2.3: `#a in (1..6)`): one of
 * them would switch off all the others. */
static int try_rules(struct load *load, const struct source *source,
                     YR_COMPILER *compiler)
{
    YR_RULES *rules;
    int error;

    if (yr_compiler_get_rules(compiler, &rules) != ERROR_SUCCESS)
        return -ENOMEM;
    error = yr_rules_scan_mem(rules, (const uint8_t *)TC_AV_SAMPLE, strlen(TC_AV_SAMPLE),
                              SCAN_FLAGS_FAST_MODE | SCAN_FLAGS_NO_TRYCATCH, on_try, NULL,
                              TRY_TIMEOUT_S);
    yr_rules_destroy(rules);
    if (error == ERROR_SUCCESS || error == ERROR_SCAN_TIMEOUT)
        return 0;
    if (error == ERROR_INSUFFICIENT_MEMORY)
        return -ENOMEM;
    issue(load->rules, "%s: it compiles, and makes every scan fail (YARA %s, error %d)",
          source->path, YR_VERSION, error);
    return -EINVAL;
}

/* A compiler that met an error can only be thrown away, so each file has one to try. */
static int try_source(struct load *load, struct source *source, const char *text)
{
    struct note note = {.path = source->path};
    YR_COMPILER *compiler = compiler_new(&note);
    int errors, r = 0;

    if (!compiler)
        return -ENOMEM;
    errors = yr_compiler_add_string(compiler, text, source->path);
    if (!errors)
        r = try_rules(load, source, compiler);
    yr_compiler_destroy(compiler);
    if (!errors)
        return r;
    issue(load->rules, "%s", note.text[0] ? note.text : source->path);
    return -EINVAL;
}

static int read_source(struct load *load, struct source *source)
{
    const char *name;
    struct stat st;
    size_t len;
    char *text;
    int r =
        tc_av_read_whole(AT_FDCWD, source->path, TC_AV_RULE_FILE_BYTES_MAX, &text, &len);

    if (r) {
        issue(load->rules, "%s: %s", source->path, strerror(-r));
        return r;
    }
    name = strrchr(source->path, '/');
    name = name ? name + 1 : source->path; /* not the folder: the same rules anywhere */
    EVP_DigestUpdate(load->hash, name, strlen(name) + 1);
    EVP_DigestUpdate(load->hash, &len, sizeof(len));
    EVP_DigestUpdate(load->hash, text, len);
    if (!stat(source->path, &st) && st.st_mtime > load->rules->updated_s)
        load->rules->updated_s = st.st_mtime;
    if (!source->compiled) {
        r = memchr(text, 0, len) ? -EINVAL : 0;
        if (r)
            issue(load->rules, "%s:1: not a text file", source->path);
        else
            r = try_source(load, source, text);
        if (!r)
            source->text = text;
    }
    if (!source->text)
        free(text);
    return r;
}

static int add_part(struct tc_av_rules *rules, YR_RULES *part)
{
    YR_RULES **grown = realloc(rules->parts, (rules->parts_n + 1) * sizeof(YR_RULES *));

    if (!grown) {
        yr_rules_destroy(part);
        return -ENOMEM;
    }
    rules->parts = grown;
    grown[rules->parts_n++] = part;
    rules->rules_n += part->num_rules;
    return 0;
}

/*
 * Compiled rules are code for libyara's machine and are not checked by it, so they must
 * come from the agent's own user or root, as a plugin must.
 */
static int load_compiled(struct load *load, const struct source *source)
{
    YR_RULES *part;
    struct stat st;

    if (stat(source->path, &st)) {
        issue(load->rules, "%s: %s", source->path, strerror(errno));
        return 0;
    }
    if ((st.st_uid && st.st_uid != geteuid()) || (st.st_mode & 022)) {
        issue(load->rules,
              "%s: compiled rules must belong to root and be writable by nobody else",
              source->path);
        return 0;
    }
    if (yr_rules_load(source->path, &part) != ERROR_SUCCESS) {
        issue(load->rules, "%s: no compiled rules of YARA %s", source->path, YR_VERSION);
        return 0;
    }
    load->rules->files_n++;
    return add_part(load->rules, part);
}

static int compile_sources(struct load *load)
{
    struct note note = {.path = "rules"};
    static const char own[] = "rule tocsin_selftest { strings: $sample = \"" TC_AV_SAMPLE
                              "\" condition: $sample }";
    YR_COMPILER *compiler = compiler_new(&note);
    YR_RULES *part;
    unsigned added = 0;
    int r = 0;

    if (!compiler)
        return -ENOMEM;
    if (yr_compiler_add_string(compiler, own, TC_AV_OWN_NAMESPACE)) {
        r = -ENOMEM;
        goto out;
    }
    for (size_t i = 0; i < load->sources_n; i++) {
        struct source *source = &load->sources[i];

        if (!source->text)
            continue;
        note.path = source->path;
        /* Each has compiled alone; together they can fail only on libyara's own limits.
         */
        if (yr_compiler_add_string(compiler, source->text, source->path)) {
            issue(load->rules, "%s", note.text[0] ? note.text : source->path);
            r = -ENOMEM;
            goto out;
        }
        added++;
    }
    r = yr_compiler_get_rules(compiler, &part) == ERROR_SUCCESS ? 0 : -ENOMEM;
    if (!r)
        r = add_part(load->rules, part);
    if (!r)
        load->rules->rules_n--; /* its own */
    load->rules->files_n += added;
out:
    yr_compiler_destroy(compiler);
    return r;
}

static void load_done(struct load *load)
{
    for (size_t i = 0; i < load->sources_n; i++) {
        free(load->sources[i].path);
        free(load->sources[i].text);
    }
    free(load->sources);
    EVP_MD_CTX_free(load->hash);
}

static void set_version(struct load *load)
{
    uint8_t hash[TC_AV_HASH_BYTES];
    char text[TC_AV_HASH_TEXT];

    EVP_DigestFinal_ex(load->hash, hash, NULL);
    tc_av_hash_text(hash, text);
    memcpy(load->rules->version, text, sizeof(load->rules->version) - 1);
}

int tc_av_rules_load(const char *const *paths, size_t count,
                     void (*folder)(void *arg, const char *path), void *arg,
                     struct tc_av_rules **ret_rules)
{
    struct load load = {.rules = calloc(1, sizeof(*load.rules)),
                        .folder = folder,
                        .arg = arg,
                        .hash = EVP_MD_CTX_new()};
    int r = -ENOMEM;

    if (!load.rules)
        goto out;
    atomic_init(&load.rules->refs, 1);
    pthread_mutex_init(&load.rules->lock, NULL);
    if (!load.hash || !EVP_DigestInit_ex(load.hash, EVP_sha256(), NULL))
        goto out;
    for (size_t i = 0; i < count; i++) {
        r = find(&load, paths[i]);
        if (r)
            goto out;
    }
    r = 0;
    for (size_t i = 0; i < load.sources_n && r != -ENOMEM; i++) {
        r = read_source(&load, &load.sources[i]);
        if (!r && load.sources[i].compiled)
            r = load_compiled(&load, &load.sources[i]);
    }
    if (r != -ENOMEM)
        r = compile_sources(&load);
    set_version(&load);
out:
    load_done(&load);
    if (r)
        tc_av_rules_unref(load.rules);
    else
        *ret_rules = load.rules;
    return r;
}
