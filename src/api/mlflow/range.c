#include "api/mlflow/range.h"

static bool number(struct sb_str s, int64_t *out) {
    if (!s.n) return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    if (!sb_str_to_i64(s, out)) *out = INT64_MAX; /* beyond any file */
    return true;
}

enum range_kind range_parse(struct sb_str value, int64_t size, int64_t *begin, int64_t *end) {
    const struct sb_str unit = SB_STR("bytes=");
    int64_t first, last = INT64_MAX;
    if (!value.p || !sb_str_ieq(sb_str_sub(value, 0, unit.n), unit)) return RANGE_NONE;
    struct sb_str spec = sb_str_trim(sb_str_sub(value, unit.n, value.n));
    ptrdiff_t dash = sb_str_find(spec, '-');
    if (dash < 0) return RANGE_NONE;
    struct sb_str a = sb_str_sub(spec, 0, (size_t)dash);
    struct sb_str b = sb_str_sub(spec, (size_t)dash + 1, spec.n);
    if (!a.n) { /* the last bytes */
        if (!number(b, &last)) return RANGE_NONE;
        if (!last || !size) return RANGE_UNSATISFIABLE;
        *begin = last < size ? size - last : 0;
        *end = size;
        return RANGE_SOME;
    }
    if (!number(a, &first) || (b.n && !number(b, &last)) || last < first) return RANGE_NONE;
    if (first >= size) return RANGE_UNSATISFIABLE;
    *begin = first;
    *end = last < size ? last + 1 : size;
    return RANGE_SOME;
}
