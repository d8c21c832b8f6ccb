/* sibyl models, sibyl routes: what serving says of itself. */
#include <stdio.h>

#include "app/client.h"
#include "app/commands.h"
#include "app/text.h"

enum { TREE_MAX = 256 << 20, TEXT_MAX = 64 << 20 };

const struct sb_option sb_models_options[] = {
    SB_CLIENT_JSON_OPTION,
    SB_CLIENT_URL_OPTION,
    {NULL, 0, NULL, NULL},
};
const struct sb_option sb_routes_options[] = {
    SB_CLIENT_JSON_OPTION,
    SB_CLIENT_URL_OPTION,
    {NULL, 0, NULL, NULL},
};

static const char nothing_registered[] =
    "No model is registered. Register one with MLflow (examples/quickstart.ipynb): it is live at "
    "once.\n";

/* ---- models ---- */

static void add_version(struct sb_buf *out, const char *role, const struct sb_json *live) {
    int64_t bytes = 0;
    if (!live) return;
    sb_buf_addf(out, "  %-8s version ", role);
    sb_text_add(out, sb_client_text(live, "version"));
    sb_buf_addz(out, "  ");
    sb_text_add(out, sb_client_text(live, "backend"));
    sb_buf_addz(out, "  (");
    sb_text_add(out, sb_client_text(live, "policy"));
    sb_buf_addz(out, ")");
    if (sb_client_text(live, "class").n) {
        sb_buf_addz(out, "  ");
        sb_text_add(out, sb_client_text(live, "class"));
    }
    if (sb_json_get_i64(live, "memory_bytes", &bytes) && bytes) {
        sb_buf_addz(out, "  ");
        sb_text_add_bytes(out, bytes);
    }
    sb_buf_addc(out, '\n');
    if (sb_client_text(live, "why").n) {
        sb_buf_addz(out, "           ");
        sb_text_add(out, sb_client_text(live, "why"));
        sb_buf_addc(out, '\n');
    }
}

static void add_failure(struct sb_buf *out, const char *what, struct sb_str version,
                        struct sb_str failure) {
    if (!failure.n) return;
    sb_buf_addf(out, "  %-8s", what);
    if (version.n) sb_buf_addz(out, " version ");
    sb_text_add(out, version);
    sb_buf_addz(out, "\n           ");
    sb_text_add(out, failure);
    sb_buf_addc(out, '\n');
}

static void add_model(struct sb_buf *out, const struct sb_json *m) {
    sb_text_add(out, sb_client_text(m, "name"));
    sb_buf_addc(out, '\n');
    if (!sb_json_get(m, "live")) sb_buf_addz(out, "  no version is live\n");
    add_version(out, "live", sb_json_get(m, "live"));
    add_version(out, "shadow", sb_json_get(m, "shadow"));
    add_failure(out, "failed", sb_client_text(m, "failed_version"), sb_client_text(m, "failure"));
    add_failure(out, "no shadow", (struct sb_str){0}, sb_client_text(m, "shadow_failure"));
    add_failure(out, "pending", sb_client_text(m, "pending_version"), sb_client_text(m, "pending"));
}

static void print_models(const struct sb_json *models) {
    struct sb_buf out;
    sb_buf_init(&out, TEXT_MAX);
    if (!models || !models->child) sb_buf_addz(&out, nothing_registered);
    for (const struct sb_json *m = models ? models->child : NULL; m; m = m->next)
        add_model(&out, m);
    sb_text_print(&out);
    sb_buf_fini(&out);
}

static enum sb_exit models_json(struct sb_cli *cli) {
    struct sb_buf answer;
    struct sb_fetch_request r = {.target = "/models"};
    int status = 0;
    bool ok = sb_client_call(cli, &r, &status, &answer);
    if (ok && status != 200) {
        sb_cli_error("serving answered %d to GET /models", status);
        ok = false;
    }
    if (ok) sb_client_print_json(sb_buf_view(&answer));
    sb_buf_fini(&answer);
    return ok ? SB_EXIT_OK : SB_EXIT_FAILED;
}

enum sb_exit sb_models_run(struct sb_cli *cli) {
    struct sb_arena a;
    if (sb_cli_option(cli, "json")) return models_json(cli);
    sb_arena_init(&a, TREE_MAX);
    const struct sb_json *doc = sb_client_get(cli, "/models", 200, 0, &a);
    if (doc) print_models(sb_json_get(doc, "models"));
    sb_arena_fini(&a);
    return doc ? SB_EXIT_OK : SB_EXIT_FAILED;
}

/* ---- routes ---- */

static void json_place(struct sb_json_writer *w, const char *key, const struct sb_json *live) {
    static const char *const members[] = {"model", "version", "alias", "policy", "backend"};
    if (!live) return;
    sb_json_obj(w, key);
    for (size_t i = 0; i < SB_COUNT(members); i++)
        if (sb_client_text(live, members[i]).n)
            sb_json_str(w, members[i], sb_client_text(live, members[i]));
    sb_json_end(w);
}

static void json_member(struct sb_json_writer *w, const struct sb_json *o, const char *key) {
    if (sb_client_text(o, key).n) sb_json_str(w, key, sb_client_text(o, key));
}

static void print_routes_json(const struct sb_json *health) {
    const struct sb_json *routes = sb_json_get(health, "models"),
                         *registry = sb_json_get(health, "registry");
    struct sb_buf out;
    sb_buf_init(&out, TEXT_MAX);
    struct sb_json_writer w = {.b = &out};
    sb_json_obj(&w, NULL);
    sb_json_arr(&w, "routes");
    for (const struct sb_json *r = routes ? routes->child : NULL; r; r = r->next) {
        sb_json_obj(&w, NULL);
        sb_json_str(&w, "route", sb_client_text(r, "name"));
        json_place(&w, "primary", sb_json_get(r, "live"));
        json_place(&w, "shadow", sb_json_get(r, "shadow"));
        json_member(&w, r, "failed_version");
        json_member(&w, r, "failure");
        json_member(&w, r, "shadow_failure");
        json_member(&w, r, "pending_version");
        json_member(&w, r, "pending");
        sb_json_end(&w);
    }
    sb_json_end(&w);
    sb_json_obj(&w, "registry");
    json_member(&w, registry, "url");
    json_member(&w, registry, "state");
    sb_json_end(&w);
    sb_json_end(&w);
    sb_client_print_json(sb_buf_view(&out));
    sb_buf_fini(&out);
}

static void add_row(struct sb_table *t, struct sb_str route, const char *role,
                    const struct sb_json *live) {
    sb_table_add(t, route);
    sb_table_add(t, sb_str_of(role));
    sb_table_add(t, live ? sb_client_text(live, "model") : SB_STR("-"));
    sb_table_add(t, live ? sb_client_text(live, "version") : SB_STR("-"));
    sb_table_add(t, live ? sb_client_text(live, "backend") : SB_STR("-"));
    sb_table_add(t, live ? sb_client_text(live, "policy") : SB_STR("no version is live"));
}

static void add_routes(struct sb_buf *out, const struct sb_json *routes) {
    static const char *const titles[] = {"ROUTE", "ROLE", "MODEL", "VERSION", "BACKEND", "POLICY"};
    struct sb_table t;
    sb_table_init(&t, titles, SB_COUNT(titles));
    for (const struct sb_json *r = routes->child; r; r = r->next) {
        const struct sb_json *shadow = sb_json_get(r, "shadow");
        add_row(&t, sb_client_text(r, "name"), "primary", sb_json_get(r, "live"));
        if (shadow) add_row(&t, SB_STR(""), "shadow", shadow);
    }
    sb_table_print(&t, out);
    sb_table_fini(&t);
    for (const struct sb_json *r = routes->child; r; r = r->next) {
        struct sb_str name = sb_client_text(r, "name");
        if (sb_client_text(r, "failure").n || sb_client_text(r, "shadow_failure").n) {
            sb_buf_addc(out, '\n');
            sb_text_add(out, name);
            sb_buf_addc(out, '\n');
        }
        add_failure(out, "failed", sb_client_text(r, "failed_version"),
                    sb_client_text(r, "failure"));
        add_failure(out, "no shadow", (struct sb_str){0}, sb_client_text(r, "shadow_failure"));
    }
}

static void print_routes(const struct sb_json *health) {
    const struct sb_json *routes = sb_json_get(health, "models"),
                         *registry = sb_json_get(health, "registry");
    struct sb_buf out;
    sb_buf_init(&out, TEXT_MAX);
    if (routes && routes->child)
        add_routes(&out, routes);
    else
        sb_buf_addz(&out, nothing_registered);
    if (registry) {
        sb_buf_addz(&out, "\nThey come from the registry ");
        sb_text_add(&out, sb_client_text(registry, "url"));
        sb_buf_addz(&out, " (");
        sb_text_add(&out, sb_client_text(registry, "state"));
        sb_buf_addz(&out, ").\n");
    }
    sb_text_print(&out);
    sb_buf_fini(&out);
}

enum sb_exit sb_routes_run(struct sb_cli *cli) {
    struct sb_arena a;
    sb_arena_init(&a, TREE_MAX);
    /* also when it cannot answer predictions just now */
    const struct sb_json *health = sb_client_get(cli, "/health", 200, 503, &a);
    if (health && sb_cli_option(cli, "json"))
        print_routes_json(health);
    else if (health)
        print_routes(health);
    sb_arena_fini(&a);
    return health ? SB_EXIT_OK : SB_EXIT_FAILED;
}
