/* Load that does not wait for answers: requests are due at random times (Poisson) whatever the
 * server does, and latency counts from when a request was due, not from when a busy generator came
 * to send it, so that a server that stalls cannot hide it ("coordinated omission").
 *
 *     open_loop PORT PATH BODY_FILE CONNECTIONS RATE SECONDS
 *
 * RATE 0: closed loop, each connection sends again as soon as it is answered: finds the peak.
 * A request that finds no free connection waits; after 1 s it is given up and counts as failed.
 *
 * A shared machine may stop as a whole for some milliseconds. The generator hardly sleeps, so it
 * sees that as holes in its own time. Latencies are given twice: of all requests, and
 * ("undisturbed") of those that were not under way during a hole or the 20 ms after one.
 * Prints one JSON object; times in microseconds. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 8192, ANSWER_MAX = 1 << 16, DUE_MAX = 1 << 20 };
enum { SAMPLES_MAX = 1 << 22, HOLES_MAX = 1 << 16 };
static const int64_t GIVE_UP_NS = 1000000000, HOLE_NS = 5000000, AFTER_HOLE_NS = 20000000;

/* An answered request. */
struct sample {
    int64_t due_ns, done_ns;
    bool ok;
};

struct hole {
    int64_t from_ns, to_ns;
};

struct connection {
    int fd;
    bool busy;
    int64_t due_ns, sent_ns;
    size_t at; /* of the request, when it did not go out at once */
    char head[1024];
    size_t nhead;
    int64_t left; /* of the answer's body; -1 = its head is being read */
    int status;
};

static struct {
    struct connection c[CONNECTIONS_MAX];
    int idle[CONNECTIONS_MAX], nidle, n, epoll;
    char *request;
    size_t nrequest;
    int64_t due[DUE_MAX]; /* ring of requests that wait for a connection */
    size_t first, waiting;
    struct sample *samples;
    size_t nsamples;
    struct hole holes[HOLES_MAX];
    size_t nholes;
    uint64_t nok, nrejected, nfailed, sent;
    bool closed_loop;
    int64_t until_ns;
} g;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "open_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- one connection ---- */

static void flush(struct connection *c) {
    while (c->at < g.nrequest) {
        ssize_t n = send(c->fd, g.request + c->at, g.nrequest - c->at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return; /* EPOLLOUT will come */
        if (n < 0) fail("send");
        c->at += (size_t)n;
    }
}

static void start(int i, int64_t due_ns) {
    struct connection *c = &g.c[i];
    c->busy = true;
    c->due_ns = due_ns;
    c->sent_ns = now_ns();
    c->at = 0;
    c->nhead = 0;
    c->left = -1;
    g.sent++;
    flush(c);
}

static void answered(int i) {
    struct connection *c = &g.c[i];
    int64_t now = now_ns();
    c->busy = false;
    bool ok = c->status == 200, rejected = c->status == 503 || c->status == 429;
    g.nok += ok;
    g.nrejected += rejected;
    g.nfailed += !ok && !rejected;
    if ((ok || rejected) && g.nsamples < SAMPLES_MAX)
        g.samples[g.nsamples++] = (struct sample){c->due_ns, now, ok};
    if (g.closed_loop) {
        if (now < g.until_ns) start(i, now);
        return;
    }
    if (!g.waiting) {
        g.idle[g.nidle++] = i;
        return;
    }
    int64_t due = g.due[g.first];
    g.first = (g.first + 1) % DUE_MAX;
    g.waiting--;
    start(i, due);
}

/* The head ends within the first bytes of an answer: they are kept until it is whole. */
static size_t read_head(struct connection *c, const char *p, size_t n) {
    size_t take = n < sizeof c->head - 1 - c->nhead ? n : sizeof c->head - 1 - c->nhead;
    memcpy(c->head + c->nhead, p, take);
    c->head[c->nhead + take] = '\0';
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) {
        c->nhead += take;
        if (c->nhead == sizeof c->head - 1) fail("the head of an answer is too long");
        return take;
    }
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->status = (int)strtol(c->head + 9, NULL, 10);
    c->left = length ? strtoll(length + 17, NULL, 10) : 0;
    size_t used = (size_t)(end + 4 - c->head) - c->nhead;
    return used;
}

static void read_answers(int i) {
    static char buffer[ANSWER_MAX];
    struct connection *c = &g.c[i];
    for (;;) {
        ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) fail("the server closed a connection");
        size_t at = 0;
        while (at < (size_t)n) {
            if (c->left < 0) at += read_head(c, buffer + at, (size_t)n - at);
            if (c->left < 0) continue;
            size_t rest = (size_t)n - at;
            size_t take = rest < (size_t)c->left ? rest : (size_t)c->left;
            at += take;
            c->left -= (int64_t)take;
            if (c->left == 0) answered(i);
        }
        if (n < (ssize_t)sizeof buffer) return;
    }
}

static void open_connections(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g.epoll = epoll_create1(0);
    for (int i = 0; i < g.n; i++) {
        int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)i};
        if (epoll_ctl(g.epoll, EPOLL_CTL_ADD, fd, &e) < 0) fail("epoll");
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) fail("fcntl");
        g.c[i] = (struct connection){.fd = fd, .left = -1};
        g.idle[g.nidle++] = i;
    }
}

/* ---- the schedule ---- */

static double next_gap_ns(double rate) {
    return -log(1 - drand48()) / rate * 1e9;
}

static void due(int64_t at_ns) {
    if (g.nidle) {
        start(g.idle[--g.nidle], at_ns);
    } else if (g.waiting < DUE_MAX) {
        g.due[(g.first + g.waiting++) % DUE_MAX] = at_ns;
    } else {
        g.nfailed++;
    }
}

static void give_up(int64_t now) {
    while (g.waiting && g.due[g.first] + GIVE_UP_NS < now) {
        g.first = (g.first + 1) % DUE_MAX;
        g.waiting--;
        g.nfailed++;
    }
}

static void poll_once(int timeout_ms) {
    struct epoll_event e[256];
    int n = epoll_wait(g.epoll, e, 256, timeout_ms);
    for (int k = 0; k < n; k++) {
        int i = (int)e[k].data.u32;
        if (e[k].events & EPOLLOUT && g.c[i].busy) flush(&g.c[i]);
        if (e[k].events & EPOLLIN) read_answers(i);
    }
}

static void look_for_hole(int64_t before, int64_t now) {
    if (now - before > HOLE_NS && g.nholes < HOLES_MAX)
        g.holes[g.nholes++] = (struct hole){before, now};
}

static void run(double rate, double seconds) {
    int64_t from = now_ns(), end = from + (int64_t)(seconds * 1e9);
    double next = (double)from;
    g.until_ns = end;
    if (g.closed_loop) {
        for (int i = 0; i < g.n; i++) start(i, now_ns());
        while (now_ns() < end) poll_once(10);
        return;
    }
    for (int64_t now = from, before = from; now < end; before = now, now = now_ns()) {
        look_for_hole(before, now);
        for (int burst = 0; (int64_t)next <= now && burst < 64; burst++) {
            due((int64_t)next);
            next += next_gap_ns(rate);
        }
        give_up(now);
        poll_once((int64_t)next > now + 1000000 ? 1 : 0);
    }
    /* the rest is waited for a second, and late answers count as what they are */
    for (int64_t until = now_ns() + GIVE_UP_NS; now_ns() < until && g.nidle < g.n;) {
        give_up(now_ns());
        poll_once(10);
    }
    for (int i = 0; i < g.n; i++) g.nfailed += g.c[i].busy;
    g.nfailed += g.waiting;
}

/* ---- what came out ---- */

/* Holes and samples are both in order of time, but samples by when they were done. */
static bool disturbed(const struct sample *s) {
    for (size_t i = 0; i < g.nholes; i++)
        if (s->due_ns < g.holes[i].to_ns + AFTER_HOLE_NS && s->done_ns > g.holes[i].from_ns)
            return true;
    return false;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* q of n ascending values; 0 of none. */
static double quantile(const double *v, size_t n, double q) {
    return n ? v[(size_t)ceil(q * (double)n) - 1] : 0;
}

static void print_latencies(const char *name, bool ok, bool all) {
    double *us = malloc((g.nsamples + 1) * sizeof *us);
    size_t n = 0;
    for (size_t i = 0; i < g.nsamples; i++) {
        const struct sample *s = &g.samples[i];
        if (s->ok != ok || (!all && disturbed(s))) continue;
        us[n++] = (double)(s->done_ns - s->due_ns) / 1000;
    }
    qsort(us, n, sizeof *us, by_value);
    printf("\"%s\": {\"n\": %zu, \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}", name, n,
           quantile(us, n, 0.5), quantile(us, n, 0.99), quantile(us, n, 1));
    free(us);
}

static void print_result(double took) {
    int64_t held = 0;
    for (size_t i = 0; i < g.nholes; i++) held += g.holes[i].to_ns - g.holes[i].from_ns;
    printf(
        "{\"sent\": %llu, \"ok\": %llu, \"rejected\": %llu, \"failed\": %llu, \"goodput\": %.1f, ",
        (unsigned long long)g.sent, (unsigned long long)g.nok, (unsigned long long)g.nrejected,
        (unsigned long long)g.nfailed, (double)g.nok / took);
    print_latencies("ok_us", true, true);
    printf(", ");
    print_latencies("rejected_us", false, true);
    printf(", \"holes\": {\"n\": %zu, \"ms\": %.1f}, \"undisturbed\": {", g.nholes,
           (double)held / 1e6);
    print_latencies("ok_us", true, false);
    printf(", ");
    print_latencies("rejected_us", false, false);
    printf("}}\n");
}

static void make_request(const char *path, const char *body_file, int port) {
    FILE *f = fopen(body_file, "rb");
    if (!f) fail(body_file);
    char *body = malloc(1 << 24);
    size_t n = fread(body, 1, 1 << 24, f);
    fclose(f);
    g.request = malloc(n + 1024);
    int head =
        snprintf(g.request, 1024,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 path, port, n);
    memcpy(g.request + head, body, n);
    g.nrequest = (size_t)head + n;
    free(body);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fputs("usage: open_loop PORT PATH BODY_FILE CONNECTIONS RATE SECONDS\n", stderr);
        return 2;
    }
    int port = (int)strtol(argv[1], NULL, 10);
    double rate = strtod(argv[5], NULL), seconds = strtod(argv[6], NULL);
    g.n = (int)strtol(argv[4], NULL, 10);
    if (g.n < 1 || g.n > CONNECTIONS_MAX) {
        fprintf(stderr, "open_loop: 1 to %d connections\n", CONNECTIONS_MAX);
        return 2;
    }
    g.closed_loop = rate <= 0;
    srand48(1);
    g.samples = malloc(SAMPLES_MAX * sizeof *g.samples);
    make_request(argv[2], argv[3], port);
    open_connections(port);
    int64_t from = now_ns();
    run(rate, seconds);
    double took = g.closed_loop ? (double)(now_ns() - from) / 1e9 : seconds;
    print_result(took);
    return 0;
}
