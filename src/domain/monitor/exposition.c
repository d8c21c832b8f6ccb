/* Prometheus text format 0.0.4, as our own processes write it:
 *
 *     name{label="va\"lue",...} 12.5 [timestamp] */
#include <math.h>

#include "domain/monitor/measure.h"

enum { LABELS_MAX = 64 };

static bool name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

/* Takes bytes of a name off the front. */
static struct sb_str take_name(struct sb_str *s) {
    size_t n = 0;
    while (n < s->n && name_byte(s->p[n])) n++;
    struct sb_str name = sb_str_sub(*s, 0, n);
    *s = sb_str_sub(*s, n, s->n);
    return name;
}

static bool take_byte(struct sb_str *s, char c) {
    if (!s->n || s->p[0] != c) return false;
    *s = sb_str_sub(*s, 1, s->n);
    return true;
}

/* "value" with \\, \" and \n; false when it does not end. .p NULL: no memory. */
static bool take_quoted(struct sb_str *s, struct sb_arena *a, struct sb_str *out) {
    size_t end = 0;
    bool escapes = false;
    if (!take_byte(s, '"')) return false;
    for (; end < s->n && s->p[end] != '"'; end++)
        if (s->p[end] == '\\') {
            escapes = true;
            end++;
        }
    if (end >= s->n) return false;
    struct sb_str raw = sb_str_sub(*s, 0, end);
    *s = sb_str_sub(*s, end + 1, s->n);
    *out = raw;
    if (!escapes) return true;
    char *p = sb_arena_try(a, raw.n + 1);
    *out = (struct sb_str){p, 0};
    for (size_t i = 0; p && i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '\\' && i + 1 < raw.n) c = raw.p[++i] == 'n' ? '\n' : raw.p[i];
        p[out->n++] = c;
    }
    return true;
}

static bool take_labels(struct sb_str *s, struct sb_arena *a, struct sb_monitor_sample *out) {
    struct sb_monitor_pair labels[LABELS_MAX];
    size_t n = 0;
    while (!take_byte(s, '}')) {
        if (n == LABELS_MAX) return false;
        labels[n].key = take_name(s);
        if (!labels[n].key.n || !take_byte(s, '=') || !take_quoted(s, a, &labels[n].value))
            return false;
        n++;
        take_byte(s, ',');
    }
    struct sb_monitor_pair *copy = sb_arena_try(a, (n + 1) * sizeof *copy);
    if (!copy) return false;
    memcpy(copy, labels, n * sizeof *copy);
    out->labels = copy;
    out->nlabels = n;
    return true;
}

static bool read_value(struct sb_str s, double *out) {
    struct sb_str word;
    s = sb_str_trim(s);
    if (!sb_str_split(&s, ' ', &word)) return false;
    if (sb_double_parse(word, out)) return true;
    *out = sb_str_is(word, "+Inf") ? HUGE_VAL : sb_str_is(word, "-Inf") ? -HUGE_VAL : (double)NAN;
    return sb_str_is(word, "NaN") || isinf(*out);
}

static bool read_line(struct sb_str line, struct sb_arena *a, struct sb_monitor_sample *out) {
    *out = (struct sb_monitor_sample){.metric = take_name(&line)};
    if (!out->metric.n) return false;
    if (take_byte(&line, '{') && !take_labels(&line, a, out)) return false;
    return read_value(line, &out->value);
}

sb_err sb_monitor_exposition(struct sb_str text, struct sb_arena *a, struct sb_monitor_samples *out,
                             struct sb_errctx *ctx) {
    size_t lines = 1, n = 0;
    for (size_t i = 0; i < text.n; i++) lines += text.p[i] == '\n';
    text = sb_arena_dup(a, text);
    struct sb_monitor_sample *sample = sb_arena_try_array(a, lines, sizeof *sample);
    if (!text.p || !sample) return sb_fail(ctx, SB_E_LIMIT, "metrics: too many for one look");
    for (struct sb_str line; sb_str_split(&text, '\n', &line);)
        if (line.n && line.p[0] != '#' && read_line(line, a, &sample[n])) n++;
    *out = (struct sb_monitor_samples){sample, n};
    return SB_OK;
}
