/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/mask.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 64   /* of the name of an option, a variable or a header */
#define WORDS_BACK_MAX 64   /* words in which the program is looked for */
#define BYTES_BACK_MAX 4096 /* likewise */
#define RUNS_MAX 256        /* of one text; then any program may be it */

/* ---- The table ---- */

/* Names that end so have a secret as value: --db-password x, PGPASSWORD=x, "token": "x".
 */
static const struct {
    const char *word; /* lower case; a hyphen stands for an underscore, too */
    bool whole;       /* it must be all of the name, or stand behind a hyphen */
} names[] = {
    {"password", false},   {"passwd", false},    {"passphrase", false},
    {"secret", false},     {"token", false},     {"apikey", false},
    {"api-key", false},    {"secretkey", false}, {"secret-key", false},
    {"access-key", false}, {"accesskey", false}, {"auth-key", true},
    {"pass", true},        {"pwd", true},        {"pw", true},
    {"passin", true},      {"passout", true},    {"secret-id", true},
};

/* Names that begin so want none: --no-password, --ask-pass. */
static const char *const not_names[] = {"no-", "ask", "prompt", "without"};

/* Headers whose whole value is one, but the scheme in it. */
static const char *const headers[] = {"authorization", "cookie", "set-cookie"};
static const char *const schemes[] = {"basic ", "bearer ",    "digest ",
                                      "token ", "negotiate ", "apikey "};

/* Tokens that begin so, and are at least so much longer. Those of a letter stand
 * together, and `places` says where. */
static const struct {
    char begin[40];
    size_t more;
} tokens[] = {
    {"AKIA", 12},        {"ASIA", 12},
    {"AIza", 30},        {"AGE-SECRET-KEY-1", 20},
    {"SG.", 20},         {"dop_v1_", 20},
    {"eyJ", 20},         {"ghp_", 16},
    {"gho_", 16},        {"ghu_", 16},
    {"ghs_", 16},        {"ghr_", 16},
    {"github_pat_", 20}, {"glpat-", 16},
    {"gldt-", 16},       {"hvs.", 16},
    {"hf_", 20},         {"https://hooks.slack.com/services/", 10},
    {"npm_", 20},        {"pypi-", 20},
    {"rk_live_", 8},     {"sk_live_", 8},
    {"sk-ant-", 8},      {"sk-proj-", 8},
    {"xoxb-", 8},        {"xoxp-", 8},
    {"xoxa-", 8},        {"xoxr-", 8},
    {"xoxs-", 8},        {"xapp-", 8},
    {"ya29.", 16},
};

enum form { ATTACHED = 1, SEPARATE = 2, BOTH = 3 };

/* Short options of programs whose name begins so. "login" is a word of docker, podman,
 * az, oc ... */
static const struct {
    char program[16], option[16];
    enum form form;
    char behind; /* of the value, the secret stands behind the first of these; 0: all */
} options[] = {
    {"mysql", "-p", ATTACHED, 0},
    {"mariadb", "-p", ATTACHED, 0},
    {"sshpass", "-p", BOTH, 0},
    {"login", "-p", BOTH, 0},
    {"mongo", "-p", BOTH, 0},
    {"useradd", "-p", BOTH, 0},
    {"usermod", "-p", BOTH, 0},
    {"7z", "-p", ATTACHED, 0},
    {"evil-winrm", "-p", BOTH, 0},
    {"crackmapexec", "-p", BOTH, 0},
    {"nxc", "-p", BOTH, 0},
    {"hydra", "-p", BOTH, 0},
    {"curl", "-u", BOTH, ':'},
    {"curl", "-U", BOTH, ':'},
    {"curl", "--user", SEPARATE, ':'},
    {"curl", "--proxy-user", SEPARATE, ':'},
    {"http", "-a", SEPARATE, ':'},
    {"redis-cli", "-a", SEPARATE, 0},
    {"ldap", "-w", BOTH, 0},
    {"zip", "-P", BOTH, 0},
    {"unzip", "-P", BOTH, 0},
    {"sqlcmd", "-P", BOTH, 0},
    {"ipmitool", "-P", BOTH, 0},
    {"mosquitto_", "-P", SEPARATE, 0},
    {"smbclient", "-U", BOTH, '%'},
    {"rpcclient", "-U", BOTH, '%'},
    {"net", "-U", BOTH, '%'},
    {"mount.cifs", "-U", BOTH, '%'},
    {"snmp", "-A", BOTH, 0},
    {"snmp", "-X", BOTH, 0},
    {"xfreerdp", "/p:", ATTACHED, 0},
    {"openssl", "-k", SEPARATE, 0},
    {"openssl", "-K", SEPARATE, 0},
};

/* ---- What has been found ---- */

struct found {
    const char *text;
    size_t n;
    struct tc_mask_span *spans;
    size_t count;
    size_t end;    /* of the last */
    unsigned runs; /* how often a program was looked for */
};

static void add(struct found *found, size_t at, size_t end)
{
    if (at < found->end)
        at = found->end;
    if (at >= end || found->count == TC_MASK_SPANS_MAX)
        return;
    if (found->count == TC_MASK_SPANS_MAX - 1)
        end = found->n; /* there may be more than can be told */
    found->spans[found->count++] = (struct tc_mask_span){at, end - at};
    found->end = end;
}

/* ---- Words ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\0' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* A lower-case letter, with the underscore as a hyphen. */
static char folded(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static bool is_same(const char *text, const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (folded(text[i]) != word[i])
            return false;
    return true;
}

static bool begins(const struct found *f, size_t at, const char *with)
{
    size_t n = strlen(with);

    return n <= f->n - at && !strncasecmp(f->text + at, with, n);
}

static size_t word_end(const struct found *f, size_t at)
{
    while (at < f->n && !is_blank(f->text[at]))
        at++;
    return at;
}

static bool is_secret_name(const char *name, size_t n)
{
    if (!n || !strchr("denstwy", folded(name[n - 1]))) /* that one of these ends with */
        return false;
    for (size_t i = 0; i < sizeof(not_names) / sizeof(*not_names); i++)
        if (n > strlen(not_names[i]) && is_same(name, not_names[i], strlen(not_names[i])))
            return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        size_t len = strlen(names[i].word);

        if (n < len || !is_same(name + n - len, names[i].word, len))
            continue;
        if (!names[i].whole || n == len || folded(name[n - len - 1]) == '-')
            return true;
    }
    return false;
}

static bool is_header(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
        if (n == strlen(headers[i]) && is_same(name, headers[i], n))
            return true;
    return n > 14 && is_same(name + n - 14, "-authorization", 14);
}

/* ---- Values ---- */

/* A reference to one, or what was masked already, is none. */
static bool is_value(const struct found *f, size_t at)
{
    return at < f->n && f->text[at] != '$' && f->text[at] != '%' &&
           !(f->n - at >= 3 && !memcmp(f->text + at, TC_MASK_SHOWN, 3));
}

/* One that begins there: to its other quote, or to the end of the word, or, where it is
 * an argument of its own, of that. */
static void take_value(struct found *f, size_t at, bool argument, char stop)
{
    char quote = 0;
    size_t end;

    if (at < f->n && f->text[at] == '\\' && at + 1 < f->n)
        at++;
    if (at < f->n && (f->text[at] == '"' || f->text[at] == '\''))
        quote = f->text[at++];
    if (!is_value(f, at))
        return;
    end = at;
    if (quote) {
        while (end < f->n && f->text[end] != quote && f->text[end] != '\0')
            end++;
    } else if (argument) {
        while (end < f->n && f->text[end] != '\0')
            end++;
    } else {
        while (end < f->n && !is_blank(f->text[end]) && f->text[end] != stop)
            end++;
    }
    add(f, at, end);
}

/* The value of an option, in the word behind it. */
static void take_next(struct found *f, size_t at)
{
    bool argument = at < f->n && f->text[at] == '\0';

    while (at < f->n && is_blank(f->text[at]))
        at++;
    if (at < f->n && !(f->text[at] == '-' && at + 1 < f->n && f->text[at + 1] == '-'))
        take_value(f, at, argument, 0);
}

/* Of a header: all of it but the scheme, to the end of what it is quoted in. */
static void take_header(struct found *f, size_t at)
{
    size_t end;

    while (at < f->n && f->text[at] == ' ')
        at++;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (begins(f, at, schemes[i])) {
            at += strlen(schemes[i]);
            break;
        }
    if (!is_value(f, at))
        return;
    for (end = at; end < f->n && f->text[end] != '\0' && f->text[end] != '"' &&
                   f->text[end] != '\'' && f->text[end] != '\n';)
        end++;
    add(f, at, end);
}

/* ---- Patterns ---- */

/* At a '=' or ':': NAME=value, "name": "value", Name: value. */
static void look_at_name(struct found *f, size_t at)
{
    bool colon = f->text[at] == ':', quoted = at && strchr("\"'", f->text[at - 1]);
    size_t end = quoted ? at - 1 : at, begin, next = at + 1;
    char before;

    if (quoted && end && f->text[end - 1] == '\\') /* a quote within quotes */
        end--;
    for (begin = end;
         begin && end - begin < NAME_MAX_BYTES && is_word(f->text[begin - 1]);)
        begin--;
    if (begin == end)
        return;
    before = begin ? f->text[begin - 1] : ' ';
    while (begin < end && f->text[begin] == '-')
        begin++;
    if (colon && is_header(f->text + begin, end - begin)) {
        take_header(f, next);
        return;
    }
    if (!is_secret_name(f->text + begin, end - begin))
        return;
    if (colon && next < f->n && !is_blank(f->text[next]) &&
        !strchr("\"'\\", f->text[next]) && end - begin != strlen("pass"))
        return; /* as image:tag is */
    while (colon && next < f->n && f->text[next] == ' ')
        next++;
    if (next < f->n && f->text[next] == '/' && end - begin >= strlen("pwd") &&
        end - begin <= strlen("oldpwd") && is_same(f->text + end - 3, "pwd", 3))
        return; /* a working directory */
    take_value(f, next, false, before == '?' || before == '&' ? '&' : 0);
}

/* At "://": a password, or of http a user alone, as a token is given. */
static void look_at_url(struct found *f, size_t at)
{
    size_t begin = at + 3, end = begin, sign = 0, colon = 0;

    for (; end < f->n && !is_blank(f->text[end]) && !strchr("/?#\"'<>", f->text[end]);
         end++) {
        if (f->text[end] == '@')
            sign = end;
        if (f->text[end] == ':' && !colon && !sign)
            colon = end;
    }
    if (!sign)
        return;
    if (!colon &&
        (at < 4 || strncasecmp(f->text + at - (at > 4 && f->text[at - 1] == 's' ? 5 : 4),
                               "http", 4) != 0))
        return;
    begin = colon ? colon + 1 : begin;
    if (is_value(f, begin))
        add(f, begin, sign);
}

/* Whether a word before `at`, of the same command, is that program. */
static bool is_run(struct found *f, size_t at, const char *program)
{
    size_t floor = at > BYTES_BACK_MAX ? at - BYTES_BACK_MAX : 0, n = strlen(program);

    if (f->runs++ >= RUNS_MAX)
        return true;
    for (unsigned words = 0; words < WORDS_BACK_MAX && at > floor; words++) {
        size_t end, begin;

        while (at > floor && is_blank(f->text[at - 1]))
            at--;
        for (end = at; at > floor && !is_blank(f->text[at - 1]);)
            at--;
        if (end == at || strchr("|;&", f->text[end - 1]))
            return false;
        for (begin = end; begin > at && !strchr("/\"'(`", f->text[begin - 1]);)
            begin--;
        if (end - begin >= n && !strncasecmp(f->text + begin, program, n))
            return true;
    }
    return false;
}

/* Where in the value the secret begins; `end`: there is none. */
static size_t behind(const struct found *f, size_t at, size_t end, char sign)
{
    const char *found = sign ? memchr(f->text + at, sign, end - at) : f->text + at - 1;

    return found ? (size_t)(found + 1 - f->text) : end;
}

static bool take_short(struct found *f, size_t at, size_t word)
{
    if (word - at < 2 || !strchr("-AKPUXakpuw", f->text[at + 1]))
        return false; /* none of the table is so */
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        size_t n, value, end;

        if (options[i].option[1] != f->text[at + 1])
            continue;
        n = strlen(options[i].option);
        value = at + n;
        if (word - at < n || memcmp(f->text + at, options[i].option, n) != 0)
            continue;
        if (!(options[i].form & (word == value ? SEPARATE : ATTACHED)) ||
            !is_run(f, at, options[i].program))
            continue;
        if (word == value)
            while (value < f->n && is_blank(f->text[value]))
                value++;
        end = word_end(f, value);
        value = behind(f, value, end, options[i].behind);
        if (value < end)
            take_value(f, value, word < f->n && f->text[word] == '\0' && word < value, 0);
        return true;
    }
    return false;
}

/* At the '-' or '/' that a word begins with. */
static void look_at_option(struct found *f, size_t at)
{
    size_t end = word_end(f, at), name = at;

    if (take_short(f, at, end) || f->text[at] != '-')
        return;
    while (name < end && f->text[name] == '-')
        name++;
    if (end < f->n && end - name <= NAME_MAX_BYTES &&
        !memchr(f->text + name, '=', end - name) &&
        is_secret_name(f->text + name, end - name))
        take_next(f, end);
}

/* A token of the rows that begin with its letter. */
static void look_at_token(struct found *f, size_t at, size_t row)
{
    for (; row < sizeof(tokens) / sizeof(*tokens) && tokens[row].begin[0] == f->text[at];
         row++) {
        size_t n = strlen(tokens[row].begin), end;

        if (n > f->n - at || memcmp(f->text + at, tokens[row].begin, n) != 0)
            continue;
        for (end = at + n;
             end < f->n && f->text[end] &&
             (is_word(f->text[end]) || strchr(".+/=~", f->text[end]) != NULL);)
            end++;
        if (end - at - n >= tokens[row].more)
            add(f, at + n, end);
    }
}

/* What may begin at a character; all others are passed over. */
enum place { NOTHING, NAME, OPTION, BEARER, TOKEN /* and the first row of its letter */ };

static const uint8_t places[256] = {
    ['='] = NAME,       [':'] = NAME,       ['-'] = OPTION,     ['/'] = OPTION,
    ['B'] = BEARER,     ['b'] = BEARER,     ['A'] = TOKEN + 0,  ['S'] = TOKEN + 4,
    ['d'] = TOKEN + 5,  ['e'] = TOKEN + 6,  ['g'] = TOKEN + 7,  ['h'] = TOKEN + 15,
    ['n'] = TOKEN + 18, ['p'] = TOKEN + 19, ['r'] = TOKEN + 20, ['s'] = TOKEN + 21,
    ['x'] = TOKEN + 24, ['y'] = TOKEN + 30,
};

static void look(struct found *f, size_t at, uint8_t place)
{
    char before = at ? f->text[at - 1] : ' ';

    if (place == NAME) {
        if (f->n - at > 3 && !memcmp(f->text + at, "://", 3))
            look_at_url(f, at);
        else
            look_at_name(f, at);
    } else if (place == OPTION) {
        if (!is_blank(before) && !strchr("\"'(`", before))
            return;
        look_at_option(f, at);
        if (begins(f, at, "-----begin ")) /* a private key */
            take_value(f, at, true, 0);
    } else if (is_word(before)) {
        return;
    } else if (place >= TOKEN) {
        look_at_token(f, at, place - TOKEN);
    } else if (begins(f, at, "bearer ")) {
        take_value(f, at + strlen("bearer "), false, 0);
    }
}

size_t tc_mask_find(const char *text, size_t n,
                    struct tc_mask_span ret_spans[TC_MASK_SPANS_MAX])
{
    struct found f = {.text = text, .n = n, .spans = ret_spans};

    for (size_t i = 0; i < n; i++) {
        uint8_t place = places[(uint8_t)text[i]];

        if (place == NOTHING)
            continue;
        if (i < f.end)
            i = f.end - 1;
        else
            look(&f, i, place);
    }
    return f.count;
}
