/* The field table and the tree of keys that leads to it. Documents of one topic look alike, so each
 * key remembers which came behind it: a key is mostly found by one comparison. */
#include "engine/column/column_int.h"

enum { NODES_MAX = 4 * SB_COLUMN_FIELDS_MAX };

static int32_t node_push(struct sb_column_fields *f, struct sb_column_node n) {
    if (f->nnodes == f->cap_nodes) {
        f->cap_nodes = f->cap_nodes ? f->cap_nodes * 2 : 64;
        f->nodes = sb_realloc(f->nodes, (size_t)f->cap_nodes * sizeof *f->nodes);
    }
    f->nodes[f->nnodes] = n;
    return f->nnodes++;
}

void sb_column_fields_init(struct sb_column_fields *f, const char *const *skip) {
    *f = (struct sb_column_fields){.skip = skip};
    sb_arena_init(&f->arena, SIZE_MAX);
    sb_map_init(&f->by_name);
    sb_map_init(&f->by_key);
    f->at = sb_calloc(SB_COLUMN_FIELDS_MAX, sizeof *f->at);
    (void)node_push(f, (struct sb_column_node){.parent = -1, .field = -1, .first = -1, .next = -1});
}

void sb_column_fields_fini(struct sb_column_fields *f) {
    sb_map_fini(&f->by_name, NULL);
    sb_map_fini(&f->by_key, NULL);
    sb_free(f->at);
    sb_free(f->nodes);
    sb_arena_fini(&f->arena);
    *f = (struct sb_column_fields){0};
}

int sb_column_fields_find(const struct sb_column_fields *f, struct sb_str name) {
    return (int)(intptr_t)sb_map_get(&f->by_name, name) - 1;
}

int sb_column_fields_make(struct sb_column_fields *f, struct sb_str name,
                          enum sb_column_type type) {
    int found = sb_column_fields_find(f, name);
    if (found >= 0) return found;
    if (f->n == SB_COLUMN_FIELDS_MAX || !name.n || name.n > SB_COLUMN_NAME_MAX) return -1;
    f->at[f->n] = (struct sb_column_field){sb_arena_dup(&f->arena, name), type};
    f->n++;
    (void)sb_map_put(&f->by_name, name, (void *)(intptr_t)f->n);
    f->version++;
    return (int)f->n - 1;
}

void sb_column_fields_promote(struct sb_column_fields *f, int field) {
    SB_ASSERT(f->at[field].type == SB_COLUMN_LONG);
    f->at[field].type = SB_COLUMN_DOUBLE;
    f->version++;
}

/* ---- keys ---- */

static bool skipped(const struct sb_column_fields *f, struct sb_str path) {
    if (sb_str_is(path, "_ignored")) return true; /* ours */
    for (const char *const *s = f->skip; s && *s; s++) {
        if (sb_str_is(path, *s)) return true;
    }
    return false;
}

/* The map's key: the parent's number, then the key. */
static struct sb_str map_key(char to[4 + SB_COLUMN_NAME_MAX], int32_t parent, struct sb_str key) {
    memcpy(to, &parent, 4);
    if (key.n) memcpy(to + 4, key.p, key.n);
    return sb_str_make(to, 4 + key.n);
}

static int32_t node_make(struct sb_column_fields *f, int32_t parent, struct sb_str key) {
    struct sb_str above = f->nodes[parent].path;
    size_t n = above.n + (parent > 0) + key.n;
    if (f->nnodes == NODES_MAX || n > SB_COLUMN_NAME_MAX) return SB_COLUMN_NODE_NONE;
    char path[SB_COLUMN_NAME_MAX];
    if (above.n) memcpy(path, above.p, above.n);
    if (parent > 0) path[above.n] = '.';
    if (key.n) memcpy(path + n - key.n, key.p, key.n);
    struct sb_str own = sb_arena_dup(&f->arena, sb_str_make(path, n));
    return node_push(f, (struct sb_column_node){
                            .key = sb_str_make(own.p + n - key.n, key.n),
                            .path = own,
                            .parent = parent,
                            .field = sb_column_fields_find(f, own),
                            .first = -1,
                            .next = -1,
                            .skip = skipped(f, own),
                        });
}

static int32_t node_look_up(struct sb_column_fields *f, int32_t parent, struct sb_str key) {
    char room[4 + SB_COLUMN_NAME_MAX];
    if (key.n > SB_COLUMN_NAME_MAX) return SB_COLUMN_NODE_NONE;
    struct sb_str k = map_key(room, parent, key);
    int32_t found = (int32_t)(intptr_t)sb_map_get(&f->by_key, k) - 1;
    if (found >= 0) return found;
    int32_t made = node_make(f, parent, key);
    if (made >= 0) (void)sb_map_put(&f->by_key, k, (void *)(intptr_t)(made + 1));
    return made;
}

int32_t sb_column_fields_node(struct sb_column_fields *f, int32_t parent, int32_t before,
                              struct sb_str key) {
    int32_t likely = before >= 0 ? f->nodes[before].next : f->nodes[parent].first;
    if (SB_LIKELY(likely >= 0 && sb_str_eq(f->nodes[likely].key, key))) return likely;
    int32_t node = node_look_up(f, parent, key);
    if (node >= 0) *(before >= 0 ? &f->nodes[before].next : &f->nodes[parent].first) = node;
    return node;
}

int sb_column_fields_of(struct sb_column_fields *f, int32_t node, enum sb_column_type type) {
    struct sb_column_node *n = &f->nodes[node];
    if (SB_UNLIKELY(n->field < 0)) n->field = sb_column_fields_make(f, n->path, type);
    return n->field;
}
