/* Inside of domain/registry: transactions, failures, and small helpers that its files share. */
#ifndef SB_DOMAIN_REGISTRY_STORE_INT_H
#define SB_DOMAIN_REGISTRY_STORE_INT_H

#include "base/buf.h"
#include "codec/json.h"
#include "domain/registry/registry.h"
#include "engine/sql/sql.h"

/* ---- failures ---- */

/* Fills c->error and returns the sb_err that fits. */
sb_err sb_call_fail(struct sb_registry_call *c, enum sb_mlflow_error code, const char *fmt, ...)
    SB_PRINTF(3, 4);
#define sb_call_invalid(c, ...) sb_call_fail((c), SB_MLFLOW_INVALID_PARAMETER_VALUE, __VA_ARGS__)
#define sb_call_missing(c, ...) sb_call_fail((c), SB_MLFLOW_RESOURCE_DOES_NOT_EXIST, __VA_ARGS__)

/* ---- transactions ---- */

enum { TX_CHANGES_MAX = 2 };

struct sb_tx {
    struct sb_registry *reg;
    struct sb_registry_call *c;
    struct sb_arena *arena; /* c's */
    struct sb_sql *db;
    int64_t now; /* ms */
    int reader;  /* index of the connection, -1 = the writer */
    struct {
        enum sb_registry_change what;
        struct sb_str model;
    } changes[TX_CHANGES_MAX];
    size_t changes_n;
    sb_err err; /* the arena's limit was passed while rows were copied */
};

SB_MUST_CHECK sb_err sb_tx_begin(struct sb_tx *tx, struct sb_registry_call *c, bool write);
/* Commits when err is SB_OK, else rolls back; gives the connection back; fills c->error when the
 * failure was not one of sb_call_fail; tells on_change after a commit. */
SB_MUST_CHECK sb_err sb_tx_end(struct sb_tx *tx, sb_err err);
/* To be told after the commit; model must live in the call's arena or be its caller's. */
void sb_tx_changed(struct sb_tx *tx, enum sb_registry_change what, struct sb_str model);
/* The same for a tag, when it is one that serving goes by. */
void sb_tx_tag_changed(struct sb_tx *tx, struct sb_str model, struct sb_str key);
/* The connection is the store's writer: it can still fail, see sb_tx_end. */
const char *sb_tx_artifact_root(const struct sb_tx *tx);

/* Copies of columns in the arena; NULL is absent. */
struct sb_str sb_tx_text(struct sb_tx *tx, struct sb_sql_stmt *st, int i);
struct sb_opt_i64 sb_tx_opt(struct sb_sql_stmt *st, int i);
/* One integer of one row; *found = false and 0 when there is no row. */
SB_MUST_CHECK sb_err sb_tx_one_int(struct sb_tx *tx, int64_t *out, bool *found, struct sb_str sql,
                                   const struct sb_sql_value *values, size_t n);

static inline struct sb_sql_value sb_sql_opt(struct sb_opt_i64 v) {
    return v.has ? sb_sql_int(v.v) : sb_sql_null();
}

/* ---- growing arrays in the arena ---- */

struct sb_vec {
    char *p;
    size_t n, cap;
};
/* A zeroed new element, or NULL (and tx->err) over the arena's limit. */
void *sb_vec_push(struct sb_tx *tx, struct sb_vec *v, size_t size);

/* ---- text ---- */

/* Characters (code points) of UTF-8 text, as Python counts them. */
size_t sb_text_length(struct sb_str s);
/* The first n characters. */
struct sb_str sb_text_cut(struct sb_str s, size_t n);
/* "text" as JSON, for messages. */
const char *sb_text_json(struct sb_arena *a, struct sb_str s);
/* As Python's repr shows them, for messages: 'text', "it's"; 1.0, nan. */
const char *sb_text_repr(struct sb_arena *a, struct sb_str s);
const char *sb_text_repr_double(struct sb_arena *a, double v);
/* root/part/part..., no doubled slash. */
struct sb_str sb_text_join(struct sb_arena *a, struct sb_str root, const char *const *parts,
                           size_t n);
/* prefix + 32 random hex digits (a UUID of version 4). */
struct sb_str sb_text_uuid(struct sb_arena *a, const char *prefix);
/* "bold-heron-417": at most 20 characters. */
struct sb_str sb_text_made_up_name(struct sb_arena *a);

/* ---- pages: base64 of {"offset": n}, MLflow's own form ---- */

SB_MUST_CHECK sb_err sb_page_parse(struct sb_registry_call *c, struct sb_str token,
                                   int64_t *offset);
struct sb_str sb_page_make(struct sb_arena *a, int64_t offset);
/* Of n rows found, those of this page; true when there is another one behind it. */
bool sb_page_cut(size_t *n, int64_t limit);
/* The parts of it, for tokens that hold more. */
SB_MUST_CHECK sb_err sb_page_decode(struct sb_registry_call *c, struct sb_str token,
                                    struct sb_json **out);
SB_MUST_CHECK sb_err sb_page_offset(struct sb_registry_call *c, const struct sb_json *token,
                                    int64_t *offset);
struct sb_str sb_page_encode(struct sb_arena *a, struct sb_str json);
/* max_results within 1..max, fallback when absent. */
SB_MUST_CHECK sb_err sb_page_size(struct sb_registry_call *c, struct sb_opt_i64 asked,
                                  int64_t fallback, int64_t max, int64_t *out);

/* ---- reads of child rows for many parents at once ---- */

/* Calls row(tx, st, user) for each row of a statement whose %s is replaced by a list of `?` for
 * ids. Ids go in groups of 1, 16 or 256, padded with NULL, so that the statement texts stay few. */
SB_MUST_CHECK sb_err sb_tx_each(struct sb_tx *tx, const char *sql, const struct sb_str *ids,
                                size_t n, void (*row)(struct sb_tx *, struct sb_sql_stmt *, void *),
                                void *user);

/* Index of parents by id, for such rows. */
struct sb_ids {
    struct sb_id {
        struct sb_str id;
        size_t at;
    } * v;
    size_t n;
};
SB_MUST_CHECK sb_err sb_ids_init(struct sb_tx *tx, struct sb_ids *ids, const struct sb_str *v,
                                 size_t n);
/* SIZE_MAX when it is none of them. */
size_t sb_ids_find(const struct sb_ids *ids, struct sb_str id);

/* {key, value} columns grouped by the id in column 0: *lists[k] is the list of parent k. The
 * statement is ordered by column 0. */
SB_MUST_CHECK sb_err sb_tx_tags(struct sb_tx *tx, const char *sql, const struct sb_str *ids,
                                const struct sb_ids *index, size_t n, struct sb_tags **lists);

#endif
