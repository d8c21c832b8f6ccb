/* What clients ask before they search, and what is refused. */
#include "api/search/api_int.h"
#include "base/clock.h"
#include "domain/event/source.h"

sb_err run_root(struct call *c) {
    struct sb_json_writer *w = &c->w;
    static const struct {
        const char *key, *value;
    } version[] = {{"number", ES_VERSION},
                   {"build_flavor", "default"},
                   {"build_type", "tar"},
                   {"build_hash", "0000000000000000000000000000000000000000"},
                   {"build_date", "2025-04-10T10:09:16.444104780Z"}};
    sb_json_obj(w, NULL);
    sb_json_str(w, "name", SB_STR("sibyl"));
    sb_json_str(w, "cluster_name", SB_STR(ES_CLUSTER));
    sb_json_str(w, "cluster_uuid", sb_str_of(c->api->uuid));
    sb_json_obj(w, "version");
    for (size_t i = 0; i < SB_COUNT(version); i++)
        sb_json_str(w, version[i].key, sb_str_of(version[i].value));
    sb_json_bool(w, "build_snapshot", false);
    sb_json_str(w, "lucene_version", SB_STR("9.12.1"));
    sb_json_str(w, "minimum_wire_compatibility_version", SB_STR("7.17.0"));
    sb_json_str(w, "minimum_index_compatibility_version", SB_STR("7.0.0"));
    sb_json_end(w);
    sb_json_str(w, "tagline", SB_STR("You Know, for Search"));
    sb_json_end(w);
    return SB_OK;
}

sb_err run_health(struct call *c) {
    struct sb_json_writer *w = &c->w;
    struct targets t;
    static const char *const zeros[] = {
        "relocating_shards",         "initializing_shards",
        "unassigned_shards",         "unassigned_primary_shards",
        "delayed_unassigned_shards", "number_of_pending_tasks",
        "number_of_in_flight_fetch", "task_max_waiting_in_queue_millis"};
    SB_TRY(targets_of_path(c, &t));
    sb_json_obj(w, NULL);
    sb_json_str(w, "cluster_name", SB_STR(ES_CLUSTER));
    sb_json_str(w, "status", SB_STR("green"));
    sb_json_bool(w, "timed_out", false);
    sb_json_int(w, "number_of_nodes", 1);
    sb_json_int(w, "number_of_data_nodes", 1);
    sb_json_int(w, "active_primary_shards", (int64_t)t.n);
    sb_json_int(w, "active_shards", (int64_t)t.n);
    for (size_t i = 0; i < SB_COUNT(zeros); i++) sb_json_int(w, zeros[i], 0);
    sb_json_double(w, "active_shards_percent_as_number", 100);
    sb_json_end(w);
    targets_release(c, &t);
    return SB_OK;
}

sb_err run_nodes(struct call *c) {
    struct sb_json_writer *w = &c->w;
    static const char *const roles[] = {"data", "ingest", "master"};
    struct sb_str host = sb_http_get_header(c->req, "Host");
    sb_json_obj(w, NULL);
    sb_json_obj(w, "_nodes");
    sb_json_int(w, "total", 1);
    sb_json_int(w, "successful", 1);
    sb_json_int(w, "failed", 0);
    sb_json_end(w);
    sb_json_str(w, "cluster_name", SB_STR(ES_CLUSTER));
    sb_json_obj(w, "nodes");
    sb_json_obj(w, c->api->uuid);
    sb_json_str(w, "name", SB_STR("sibyl"));
    sb_json_str(w, "version", SB_STR(ES_VERSION));
    sb_json_str(w, "build_flavor", SB_STR("default"));
    sb_json_arr(w, "roles");
    for (size_t i = 0; i < SB_COUNT(roles); i++) sb_json_str(w, NULL, sb_str_of(roles[i]));
    sb_json_end(w);
    sb_json_obj(w, "http");
    sb_json_str(w, "publish_address", host);
    sb_json_int(w, "max_content_length_in_bytes", SB_SEARCH_BODY_MAX);
    sb_json_end(w);
    for (int i = 0; i < 3; i++) sb_json_end(w);
    return SB_OK;
}

sb_err run_license(struct call *c) {
    struct sb_json_writer *w = &c->w;
    sb_json_obj(w, NULL);
    sb_json_obj(w, "license");
    sb_json_str(w, "status", SB_STR("active"));
    sb_json_str(w, "uid", sb_str_of(c->api->uuid));
    sb_json_str(w, "type", SB_STR("basic"));
    sb_json_str(w, "issued_to", SB_STR(ES_CLUSTER));
    sb_json_str(w, "issuer", SB_STR("elasticsearch"));
    sb_json_end(w);
    sb_json_end(w);
    return SB_OK;
}

static void write_sums(struct sb_json_writer *w, uint64_t docs, uint64_t bytes) {
    static const char *const copies[] = {"primaries", "total"};
    for (size_t i = 0; i < 2; i++) {
        sb_json_obj(w, copies[i]);
        sb_json_obj(w, "docs");
        sb_json_int(w, "count", (int64_t)docs);
        sb_json_int(w, "deleted", 0);
        sb_json_end(w);
        sb_json_obj(w, "store");
        sb_json_int(w, "size_in_bytes", (int64_t)bytes);
        sb_json_end(w);
        sb_json_end(w);
    }
}

sb_err run_stats(struct call *c) {
    struct sb_json_writer *w = &c->w;
    struct targets t;
    struct sb_column_stats s[ES_TARGETS_MAX];
    uint64_t docs = 0, bytes = 0;
    SB_TRY(targets_of_path(c, &t));
    for (size_t i = 0; i < t.n; i++) {
        sb_index_stats(t.list[i].index, &s[i]);
        docs += s[i].docs;
        bytes += s[i].disk_bytes;
    }
    sb_json_obj(w, NULL);
    write_shards(w, t.n);
    sb_json_obj(w, "_all");
    write_sums(w, docs, bytes);
    sb_json_end(w);
    sb_json_obj(w, "indices");
    for (size_t i = 0; i < t.n; i++) {
        sb_json_key(w, t.list[i].fields.index);
        sb_json_obj(w, NULL);
        sb_json_str(w, "uuid", t.list[i].fields.index);
        sb_json_str(w, "health", SB_STR("green"));
        sb_json_str(w, "status", SB_STR("open"));
        write_sums(w, s[i].docs, s[i].disk_bytes);
        sb_json_end(w);
    }
    sb_json_end(w);
    sb_json_end(w);
    targets_release(c, &t);
    return SB_OK;
}

/* ---- _refresh ---- */

/* One past the newest durable record of the topic; 0 when nobody has written to it. */
static int64_t durable_next(const struct sb_index *ix) {
    struct sb_event_source source;
    int64_t first, next = 0;
    if (sb_event_source_journal(&source, ix->topic_dir, NULL) != SB_OK) return 0;
    if (source.ops->range(source.self, &first, &next) != SB_OK) next = 0;
    sb_event_source_close(&source);
    return next;
}

/* The indexer makes documents visible by itself, within a second: this waits for it. */
static sb_err wait_visible(struct call *c, struct sb_index *ix, int64_t next) {
    struct sb_column_stats s;
    for (;;) {
        sb_index_stats(ix, &s);
        if (s.next >= next) return SB_OK;
        if (atomic_load(&c->cancel)) return es_fail_engine(&c->error, SB_E_CLOSED, NULL);
        if (sb_mono_ns() > c->deadline_ns) return es_fail_engine(&c->error, SB_E_TIMEOUT, NULL);
        sb_sleep_ns(5 * SB_MS);
    }
}

sb_err run_refresh(struct call *c) {
    struct targets t;
    sb_err err = SB_OK;
    SB_TRY(targets_of_path(c, &t));
    for (size_t i = 0; i < t.n && !err; i++)
        err = wait_visible(c, t.list[i].index, durable_next(t.list[i].index));
    sb_json_obj(&c->w, NULL);
    write_shards(&c->w, t.n);
    sb_json_end(&c->w);
    targets_release(c, &t);
    return err;
}

sb_err run_refused(struct call *c) {
    return es_fail(&c->error, 405, "security_exception",
                   "indexes are read-only: they are derived from the journal. Predictions enter it "
                   "through the serving API");
}
