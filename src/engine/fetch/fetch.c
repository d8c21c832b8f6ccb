#include "engine/fetch/fetch.h"

#include <stdio.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/mem.h"

static const size_t MAX_BYTES = 16 << 20;
static const int64_t TIMEOUT_NS = 30 * SB_SEC;

struct sb_fetch {
    CURL *curl;
    char *base;
    _Atomic bool stopped;
};

/* One call in progress. */
struct transfer {
    struct sb_fetch *f;
    const struct sb_fetch_request *req;
    struct sb_buf *response;
    size_t got, max;
    sb_err err; /* why the body was cut short */
};

const char *sb_fetch_version(void) {
    return curl_version();
}

sb_err sb_fetch_new(struct sb_fetch **out, const char *base_url, struct sb_errctx *ctx) {
    struct sb_str url = sb_str_of(base_url);
    if (!sb_str_starts(url, SB_STR("http://")) && !sb_str_starts(url, SB_STR("https://")))
        return sb_fail(ctx, SB_E_INVALID, "%s: not an http:// or https:// URL", base_url);
    while (sb_str_ends(url, SB_STR("/"))) url.n--;
    struct sb_fetch *f = sb_calloc(1, sizeof *f);
    f->curl = curl_easy_init();
    if (!f->curl) {
        sb_free(f);
        return sb_fail(ctx, SB_E_NOMEM, "libcurl could not be set up");
    }
    f->base = sb_strndup(url.p, url.n);
    *out = f;
    return SB_OK;
}

void sb_fetch_free(struct sb_fetch *f) {
    if (!f) return;
    curl_easy_cleanup(f->curl);
    sb_free(f->base);
    sb_free(f);
}

const char *sb_fetch_base_url(const struct sb_fetch *f) {
    return f->base;
}

const char *sb_fetch_content_type(const struct sb_fetch *f) {
    const char *type = NULL;
    curl_easy_getinfo(f->curl, CURLINFO_CONTENT_TYPE, &type);
    return type ? type : "";
}

void sb_fetch_stop(struct sb_fetch *f) {
    f->stopped = true;
}

static size_t on_data(char *p, size_t size, size_t count, void *arg) {
    struct transfer *t = arg;
    size_t n = size * count;
    if (n > t->max - t->got) {
        t->err = SB_E_LIMIT;
        return 0;
    }
    t->got += n;
    long status = 0;
    curl_easy_getinfo(t->f->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->req->sink && status == 200) {
        t->err = t->req->sink(t->req->sink_arg, p, n);
        return t->err ? 0 : n;
    }
    if (t->response) sb_buf_add(t->response, p, n);
    return n;
}

/* Called about once a second also while nothing arrives. */
static int on_progress(void *arg, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un) {
    (void)dt, (void)dn, (void)ut, (void)un;
    return ((struct sb_fetch *)arg)->stopped;
}

static void set_up(struct sb_fetch *f, struct transfer *t, const char *url,
                   struct curl_slist *headers) {
    const struct sb_fetch_request *req = t->req;
    CURL *c = f->curl;
    curl_easy_reset(c); /* keeps the connection */
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
                     (long)((req->timeout_ns ? req->timeout_ns : TIMEOUT_NS) / SB_MS));
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, f);
    if (req->body.p) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, req->body.p);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
    }
    if (req->method) curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, req->method);
}

static sb_err outcome(const struct transfer *t, CURLcode rc, const char *url,
                      struct sb_errctx *ctx) {
    switch (rc) {
    case CURLE_OK: return SB_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return sb_fail(ctx, SB_E_TIMEOUT, "%s did not answer in time", url);
    case CURLE_ABORTED_BY_CALLBACK:
        return sb_fail(ctx, SB_E_CLOSED, "stopped while asking %s", url);
    case CURLE_WRITE_ERROR:
        if (t->err == SB_E_LIMIT)
            return sb_fail(ctx, SB_E_LIMIT, "%s answered more than %zu bytes", url, t->max);
        return t->err ? t->err : sb_fail(ctx, SB_E_NOMEM, "no memory for the answer of %s", url);
    default: return sb_fail(ctx, SB_E_UNAVAILABLE, "%s: %s", url, curl_easy_strerror(rc));
    }
}

sb_err sb_fetch_call(struct sb_fetch *f, const struct sb_fetch_request *req, int *status,
                     struct sb_buf *response, struct sb_errctx *ctx) {
    if (f->stopped) return sb_fail(ctx, SB_E_CLOSED, "stopped");
    struct sb_buf url;
    sb_buf_init(&url, 1 << 16);
    sb_buf_addz(&url, f->base);
    sb_buf_addz(&url, req->target);
    struct transfer t = {f, req, response, 0, req->max_bytes ? req->max_bytes : MAX_BYTES, SB_OK};
    /* no Expect: 100-continue: our bodies are small, and it costs a round trip */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (req->body.p) {
        char type[160];
        snprintf(type, sizeof type, "Content-Type: %s",
                 req->content_type ? req->content_type : "application/json");
        headers = curl_slist_append(headers, type);
    }
    for (const char *const *h = req->headers; h && *h; h++)
        headers = curl_slist_append(headers, *h);
    set_up(f, &t, sb_buf_cstr(&url), headers);
    sb_err err = outcome(&t, curl_easy_perform(f->curl), sb_buf_cstr(&url), ctx);
    if (!err) {
        long code = 0;
        curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &code);
        *status = (int)code;
        if (response && sb_buf_err(response)) err = sb_buf_err(response);
    }
    curl_slist_free_all(headers);
    sb_buf_fini(&url);
    return err;
}
