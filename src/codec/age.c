#include "codec/age.h"

#include "base/err.h"
#include "codec/json.h"

bool sb_age_parse(struct sb_str text, int64_t *ms) {
    static const struct {
        char unit;
        double ms;
    } units[] = {{'d', 86400e3}, {'h', 3600e3}, {'m', 60e3}, {'s', 1e3}};
    double sum = 0;
    size_t next = 0;
    if (!text.n) return false;
    while (text.n) {
        size_t digits = 0;
        double value;
        while (digits < text.n &&
               ((text.p[digits] >= '0' && text.p[digits] <= '9') || text.p[digits] == '.'))
            digits++;
        if (digits == text.n || !sb_double_parse(sb_str_sub(text, 0, digits), &value)) return false;
        while (next < SB_COUNT(units) && units[next].unit != text.p[digits]) next++;
        if (next == SB_COUNT(units)) return false;
        sum += value * units[next++].ms;
        text = sb_str_sub(text, digits + 1, text.n);
    }
    if (!(sum < 1e15)) return false; /* 30,000 years */
    *ms = (int64_t)sum;
    return true;
}
