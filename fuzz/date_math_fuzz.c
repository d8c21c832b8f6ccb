/* Dates: "format\ntext". What is read lies in the calendar, and what is written by the format of
 * milliseconds is read back as the same moment. */
#include <stdint.h>

#include "api/search/date.h"
#include "api/search/interval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_round_trip(const struct es_date *o, int64_t ms) {
    struct sb_buf b;
    struct es_date iso = {.now_ms = o->now_ms};
    int64_t again;
    sb_buf_init(&b, 4096);
    es_date_add(&b, ms, (struct sb_str){0}, o->zone);
    SB_ASSERT(es_date_parse(&iso, sb_buf_view(&b), &again, NULL) != SB_OK || again == ms);
    sb_buf_reset(&b);
    es_date_add(&b, ms, o->format, o->zone);
    sb_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sb_str text = sb_str_make((const char *)data, n), format = {0};
    struct es_date o = {.now_ms = INT64_C(1795508400000)};
    int64_t ms, span;
    enum sb_agg_calendar calendar;
    if (n == 0) return 0;
    o.round_up = data[0] & 1;
    o.zone.fixed_ms = data[0] & 2 ? 7200000 : 0;
    sb_str_split(&text, '\n', &format);
    if (!text.p || es_date_format_check(format, NULL) != SB_OK) return 0;
    o.format = format;
    (void)es_span_parse(text, &span);
    (void)es_calendar_parse(text, &calendar);
    if (es_date_parse(&o, text, &ms, NULL) != SB_OK) return 0;
    SB_ASSERT(ms >= INT64_C(-62167219200000) - 86400000 &&
              ms <= INT64_C(253402300799999) + 86400000);
    check_round_trip(&o, ms);
    return 0;
}
