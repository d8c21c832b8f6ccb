/* Snapshots: an immutable list of segments and the fields as they were. The current one is made
 * anew with each change and shared by all who take it. */
#include "engine/column/store_int.h"

/* The names and types of one moment. */
struct field_table {
    struct sb_refs refs;
    uint64_t version;
    uint32_t n;
    struct sb_column_field *at;
    struct sb_map by_name; /* index + 1; the names are its keys */
};

struct sb_column_snapshot {
    struct sb_refs refs;
    struct sb_column_parts parts;
    struct field_table *fields;
    int time_field, id_field;
    uint64_t docs;
};

static struct field_table *table_new(const struct sb_column_fields *f) {
    struct field_table *t = sb_calloc(1, sizeof *t);
    sb_refs_init(&t->refs);
    t->version = f->version;
    t->n = f->n;
    t->at = sb_calloc(f->n, sizeof *t->at);
    sb_map_init(&t->by_name);
    for (uint32_t i = 0; i < f->n; i++)
        (void)sb_map_put(&t->by_name, f->at[i].name, (void *)(intptr_t)(i + 1));
    size_t at = 0;
    for (struct sb_map_slot *s; (s = sb_map_next(&t->by_name, &at));) {
        size_t i = (size_t)(intptr_t)s->value - 1;
        t->at[i] = (struct sb_column_field){s->key, f->at[i].type};
    }
    return t;
}

static void table_unref(struct field_table *t) {
    if (!sb_refs_put(&t->refs)) return;
    sb_map_fini(&t->by_name, NULL);
    sb_free(t->at);
    sb_free(t);
}

/* ---- lists of segments ---- */

void sb_column_parts_fini(struct sb_column_parts *l) {
    for (uint32_t i = 0; i < l->n; i++) sb_column_part_unref(l->at[i]);
    sb_free(l->at);
    *l = (struct sb_column_parts){0};
}

void sb_column_parts_insert(struct sb_column_parts *l, uint32_t i, struct sb_column_part *p) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->at = sb_realloc(l->at, l->cap * sizeof *l->at);
    }
    memmove(l->at + i + 1, l->at + i, (l->n - i) * sizeof *l->at);
    l->at[i] = p;
    l->n++;
}

void sb_column_parts_remove(struct sb_column_parts *l, uint32_t from, uint32_t n,
                            struct sb_column_parts *to) {
    for (uint32_t i = from; i < from + n; i++) {
        if (to) {
            sb_column_parts_insert(to, to->n, l->at[i]);
        } else {
            sb_column_part_unref(l->at[i]);
        }
    }
    if (!n) return;
    memmove(l->at + from, l->at + from + n, (l->n - from - n) * sizeof *l->at);
    l->n -= n;
}

/* ---- publishing ---- */

static void count(struct sb_column_stats *t, const struct sb_column_part *p) {
    t->docs += p->view.docs;
    t->segments++;
    *(p->id ? &t->disk_bytes : &t->memory_bytes) += p->bytes;
    if (p->view.min_ms < t->first_ms || t->segments == 1) t->first_ms = p->view.min_ms;
    if (p->view.max_ms > t->last_ms || t->segments == 1) t->last_ms = p->view.max_ms;
}

void sb_column_publish(struct sb_column_index *ix) {
    struct sb_column_snapshot *s = sb_calloc(1, sizeof *s), *old = ix->current;
    struct sb_column_stats stats = {
        .fields = ix->fields.n,
        .ignored = ix->reader.ignored,
        .quarantined = ix->quarantined,
        .next = sb_column_ranges_end(&ix->seen),
    };
    sb_refs_init(&s->refs);
    s->time_field = ix->time_field;
    s->id_field = ix->id_field;
    if (old && old->fields->version == ix->fields.version) {
        s->fields = old->fields;
        sb_refs_get(&s->fields->refs);
    } else {
        s->fields = table_new(&ix->fields);
    }
    const struct sb_column_parts *lists[] = {&ix->files, &ix->memory};
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < lists[k]->n; i++) {
            struct sb_column_part *p = lists[k]->at[i];
            sb_column_parts_insert(&s->parts, s->parts.n, sb_column_part_ref(p));
            count(&stats, p);
        }
    }
    s->docs = stats.docs;
    sb_mutex_lock(&ix->mutex);
    ix->current = s;
    ix->stats = stats;
    sb_mutex_unlock(&ix->mutex);
    if (old) sb_column_snapshot_release(old);
}

void sb_column_stats_get(struct sb_column_index *ix, struct sb_column_stats *out) {
    sb_mutex_lock(&ix->mutex);
    *out = ix->stats;
    sb_mutex_unlock(&ix->mutex);
}

struct sb_column_snapshot *sb_column_snapshot_take(struct sb_column_index *ix) {
    sb_mutex_lock(&ix->mutex);
    struct sb_column_snapshot *s = ix->current;
    sb_refs_get(&s->refs);
    sb_mutex_unlock(&ix->mutex);
    return s;
}

void sb_column_snapshot_release(struct sb_column_snapshot *s) {
    if (!s || !sb_refs_put(&s->refs)) return;
    sb_column_parts_fini(&s->parts);
    table_unref(s->fields);
    sb_free(s);
}

/* ---- reading ---- */

size_t sb_column_field_count(const struct sb_column_snapshot *s) {
    return s->fields->n;
}

const struct sb_column_field *sb_column_field_at(const struct sb_column_snapshot *s, size_t i) {
    SB_ASSERT(i < s->fields->n);
    return &s->fields->at[i];
}

int sb_column_field_find(const struct sb_column_snapshot *s, struct sb_str name) {
    return (int)(intptr_t)sb_map_get(&s->fields->by_name, name) - 1;
}

uint64_t sb_column_docs(const struct sb_column_snapshot *s) {
    return s->docs;
}

size_t sb_column_segment_count(const struct sb_column_snapshot *s) {
    return s->parts.n;
}

const struct sb_column_segment *sb_column_segment_at(const struct sb_column_snapshot *s, size_t i) {
    SB_ASSERT(i < s->parts.n);
    return &s->parts.at[i]->view;
}

int sb_column_time_field(const struct sb_column_snapshot *s) {
    return s->time_field;
}

int sb_column_id_field(const struct sb_column_snapshot *s) {
    return s->id_field;
}
