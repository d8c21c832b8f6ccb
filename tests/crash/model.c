#include "model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "sys/file.h"
#include "workload.h"

enum { SECTOR = 512, FILES = 256, NAMES = 512, PENDING = 64 };
enum { ACK = SB_SYS_KIND_COUNT };

struct op {
    int kind;
    char *path, *path2; /* relative to root */
    char *data;
    size_t len;
    int64_t off, arg;
};

struct trace {
    char *root;
    struct sb_mutex m;
    struct op *op;
    size_t n, cap;
    struct sb_sys_hook hook;
};

/* ---- recording ---- */

static void push(struct trace *t, struct op op) {
    sb_mutex_lock(&t->m);
    if (t->n == t->cap)
        t->op = sb_realloc(t->op, (t->cap = t->cap ? 2 * t->cap : 256) * sizeof *t->op);
    t->op[t->n++] = op;
    sb_mutex_unlock(&t->m);
}

static char *relative(const struct trace *t, const char *path) {
    size_t n = strlen(t->root);
    if (!path || strncmp(path, t->root, n)) return NULL;
    return sb_strdup(path[n] == '/' ? path + n + 1 : path + n);
}

static int record(void *self, struct sb_sys_op *o) {
    struct trace *t = self;
    switch (o->kind) {
    case SB_SYS_PREAD:
    case SB_SYS_READDIR:
    case SB_SYS_STAT:
    case SB_SYS_LOCK:
    case SB_SYS_MMAP: return 0;
    default: break;
    }
    if (o->kind == SB_SYS_OPEN && !(o->arg & (SB_OPEN_CREATE | SB_OPEN_TRUNC))) return 0;
    struct op op = {.kind = (int)o->kind,
                    .path = relative(t, o->path),
                    .len = o->len,
                    .off = o->off,
                    .arg = o->arg};
    if (!op.path) return 0;
    op.path2 = relative(t, o->path2);
    if (o->kind == SB_SYS_PWRITE) {
        op.data = sb_alloc(o->len);
        memcpy(op.data, o->data, o->len);
    }
    push(t, op);
    return 0;
}

struct trace *trace_new(const char *root) {
    struct trace *t = sb_calloc(1, sizeof *t);
    t->root = sb_strdup(root);
    t->hook = (struct sb_sys_hook){record, t};
    sb_mutex_init(&t->m);
    return t;
}

void trace_free(struct trace *t) {
    for (size_t i = 0; i < t->n; i++) {
        sb_free(t->op[i].path);
        sb_free(t->op[i].path2);
        sb_free(t->op[i].data);
    }
    sb_mutex_fini(&t->m);
    sb_free(t->op);
    sb_free(t->root);
    sb_free(t);
}

const struct sb_sys_hook *trace_hook(struct trace *t) {
    return &t->hook;
}

void trace_ack(struct trace *t, int64_t number, int64_t offset) {
    push(t, (struct op){.kind = ACK, .off = number, .arg = offset});
}

size_t trace_length(const struct trace *t) {
    return t->n;
}

void trace_acks(const struct trace *t, size_t end,
                void (*each)(void *self, int64_t number, int64_t offset), void *self) {
    for (size_t i = 0; i < end; i++)
        if (t->op[i].kind == ACK) each(self, t->op[i].off, t->op[i].arg);
}

/* ---- replaying ---- */

struct file {
    char *now, *sure; /* contents as written, and as of the last sync */
    size_t now_n, sure_n, cap;
    bool fresh; /* no sync since the last change */
    const struct op *pending[PENDING * 64];
    size_t pending_n;
};

struct name {
    const char *path;
    int file; /* -1: removed */
};

struct names {
    struct name e[NAMES];
    size_t n;
};

struct world {
    struct file *file[FILES];
    size_t files;
    struct names now, sure;
    const struct op *pending[PENDING * 16]; /* of folders */
    int pending_file[PENDING * 16];         /* what a creation created */
    size_t pending_n;
};

static struct name *find(struct names *l, const char *path) {
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->e[i].path, path)) return &l->e[i];
    return NULL;
}

static void put(struct names *l, const char *path, int file) {
    struct name *e = find(l, path);
    if (!e) {
        SB_ASSERT(l->n < NAMES);
        e = &l->e[l->n++];
        e->path = path;
    }
    e->file = file;
}

static int file_of(struct names *l, const char *path) {
    struct name *e = find(l, path);
    return e ? e->file : -1;
}

static void resize(struct file *f, size_t n) {
    if (n > f->cap) {
        size_t cap = n * 2;
        f->now = sb_realloc(f->now, cap);
        f->sure = sb_realloc(f->sure, cap);
        f->cap = cap;
    }
    if (n > f->now_n) memset(f->now + f->now_n, 0, n - f->now_n);
    f->now_n = n;
}

static void synced(struct file *f) {
    if (f->now_n) memcpy(f->sure, f->now, f->now_n);
    f->sure_n = f->now_n;
    f->pending_n = 0;
}

static void apply_content(struct file *f, const struct op *op) {
    SB_ASSERT(f->pending_n < SB_COUNT(f->pending));
    f->pending[f->pending_n++] = op;
    if (op->kind == SB_SYS_PWRITE) {
        size_t end = (size_t)op->off + op->len;
        if (end > f->now_n) resize(f, end);
        memcpy(f->now + op->off, op->data, op->len);
    } else if (op->kind == SB_SYS_FTRUNCATE) {
        resize(f, (size_t)op->arg);
    } else if (op->kind == SB_SYS_FALLOCATE) {
        if ((size_t)op->arg > f->now_n) resize(f, (size_t)op->arg);
    } else { /* open with O_TRUNC */
        resize(f, 0);
    }
}

static bool parent_is(const char *path, const char *dir) {
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    return strlen(dir) == n && !strncmp(path, dir, n);
}

/* A change of names, into one of the two lists; false when it cannot be (its source got lost). */
static bool apply_name(struct names *l, const struct op *op, int file) {
    switch (op->kind) {
    case SB_SYS_OPEN: put(l, op->path, file); return true;
    case SB_SYS_MKDIR: put(l, op->path, -2); return true;
    case SB_SYS_UNLINK: put(l, op->path, -1); return true;
    case SB_SYS_RENAME: {
        int from = file_of(l, op->path);
        if (from < 0) return false;
        put(l, op->path, -1);
        put(l, op->path2, from);
        return true;
    }
    default: return true;
    }
}

static void sync_folder(struct world *w, const char *dir) {
    size_t kept = 0;
    for (size_t i = 0; i < w->pending_n; i++) {
        const struct op *op = w->pending[i];
        if (parent_is(op->path, dir)) {
            apply_name(&w->sure, op, w->pending_file[i]);
        } else {
            w->pending[kept] = op;
            w->pending_file[kept++] = w->pending_file[i];
        }
    }
    w->pending_n = kept;
}

static void change_name(struct world *w, const struct op *op, int file) {
    SB_ASSERT(w->pending_n < SB_COUNT(w->pending));
    w->pending[w->pending_n] = op;
    w->pending_file[w->pending_n++] = file;
    apply_name(&w->now, op, file);
}

static void play(struct world *w, const struct op *op) {
    int id = op->path ? file_of(&w->now, op->path) : -1;
    struct file *f = id >= 0 ? w->file[id] : NULL;
    switch (op->kind) {
    case SB_SYS_OPEN:
        if (!f) {
            SB_ASSERT(w->files < FILES);
            id = (int)w->files++;
            w->file[id] = sb_calloc(1, sizeof **w->file);
            resize(w->file[id], 0);
            change_name(w, op, id);
        } else if (op->arg & SB_OPEN_TRUNC) {
            apply_content(f, op);
        }
        break;
    case SB_SYS_PWRITE:
    case SB_SYS_FTRUNCATE:
    case SB_SYS_FALLOCATE:
        if (f) apply_content(f, op);
        break;
    case SB_SYS_FSYNC:
    case SB_SYS_FDATASYNC:
        if (f) synced(f);
        break;
    case SB_SYS_SYNCDIR: sync_folder(w, op->path); break;
    case SB_SYS_MKDIR:
    case SB_SYS_UNLINK:
    case SB_SYS_RENAME: change_name(w, op, -1); break;
    default: break;
    }
}

/* ---- choosing ---- */

static size_t below(struct sb_rng *r, size_t n) {
    return n ? (size_t)(sb_rng_next(r) % n) : 0;
}

/* How much of what was not synced has got lost, for a whole state. */
struct luck {
    unsigned lost; /* of 256 */
    bool prefix;   /* all up to a point, nothing behind it */
    bool garbage;  /* where a file grew: garbage instead of zeros */
};

static void cut_file(const struct file *f, struct sb_rng *rng, const struct luck *luck, char **out,
                     size_t *n) {
    size_t size = f->sure_n;
    if (f->pending_n) { /* old or new, or somewhere between */
        size_t lo = f->sure_n < f->now_n ? f->sure_n : f->now_n, hi = f->sure_n + f->now_n - lo;
        unsigned pick = (unsigned)below(rng, 4);
        size = pick == 0 ? lo : pick == 1 ? lo + below(rng, hi - lo + 1) : f->now_n;
    }
    char *p = sb_alloc(size ? size : 1);
    size_t sure = size < f->sure_n ? size : f->sure_n;
    if (sure) memcpy(p, f->sure, sure);
    for (size_t i = sure; i < size; i++) p[i] = luck->garbage ? (char)sb_rng_next(rng) : 0;
    for (size_t k = 0; k < f->pending_n; k++) {
        const struct op *op = f->pending[k];
        if (op->kind != SB_SYS_PWRITE) continue;
        size_t sectors = op->len / SECTOR + 2, stop = below(rng, sectors + 1);
        for (size_t at = 0, s = 0; at < op->len; s++) {
            size_t off = (size_t)op->off + at, part = SECTOR - off % SECTOR;
            if (part > op->len - at) part = op->len - at;
            bool lost = luck->prefix ? s >= stop : below(rng, 256) < luck->lost;
            if (!lost && off < size)
                memcpy(p + off, op->data + at, off + part > size ? size - off : part);
            at += part;
        }
    }
    *out = p;
    *n = size;
}

static uint64_t store(const char *to, const char *path, const char *p, size_t n, uint64_t hash) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", to, path);
    for (char *s = full + strlen(to) + 1; (s = strchr(s, '/')); s++) {
        *s = 0;
        mkdir(full, 0755);
        *s = '/';
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, p, n) != (ssize_t)n) {
        perror(full);
        exit(2);
    }
    close(fd);
    return hash * 31 + sb_hash(p, n) + sb_hash(path, strlen(path));
}

/* The mark is written through a map and never synced: after a power cut it holds any value it ever
 * had, nothing, or the page as it was between two of its words. docs/formats/journal.md */
static void store_mark(const struct trace *t, size_t end, struct sb_rng *rng, const char *to) {
    uint64_t durable = 0, key = UINT64_C(0x9e3779b97f4a7c15);
    size_t upto = below(rng, end + 1);
    if (below(rng, 3) == 0) return;
    for (size_t i = 0; i < upto; i++)
        if (t->op[i].kind == ACK) durable = (uint64_t)t->op[i].arg + 1;
    uint64_t words[4] = {UINT64_C(0x0000000131424d53), 1, durable, durable ^ key};
    if (below(rng, 8) == 0) words[3] = sb_rng_next(rng);
    char full[512];
    snprintf(full, sizeof full, "%s/mark", to);
    int fd = open(full, O_WRONLY);
    if (fd < 0) return;
    if (pwrite(fd, words, sizeof words, 0) != sizeof words) exit(2);
    close(fd);
}

static void free_world(struct world *w) {
    for (size_t i = 0; i < w->files; i++) {
        sb_free(w->file[i]->now);
        sb_free(w->file[i]->sure);
        sb_free(w->file[i]);
    }
    sb_free(w);
}

uint64_t trace_state(const struct trace *t, size_t end, struct sb_rng *rng, const char *to) {
    struct world *w = sb_calloc(1, sizeof *w);
    for (size_t i = 0; i < end; i++) play(w, &t->op[i]);
    static const unsigned losses[] = {0, 32, 128, 224, 256};
    struct luck luck = {losses[below(rng, SB_COUNT(losses))], below(rng, 4) == 0, below(rng, 2)};
    size_t stop = below(rng, w->pending_n + 1);
    unsigned lost = losses[below(rng, SB_COUNT(losses))];
    bool prefix = below(rng, 2);
    for (size_t i = 0; i < w->pending_n; i++)
        if (prefix ? i < stop : below(rng, 256) >= lost)
            apply_name(&w->sure, w->pending[i], w->pending_file[i]);
    fresh_dir(to);
    uint64_t hash = 0;
    for (size_t i = 0; i < w->sure.n; i++) {
        const struct name *e = &w->sure.e[i];
        if (e->file < 0 || !*e->path) continue;
        char *p;
        size_t n;
        cut_file(w->file[e->file], rng, &luck, &p, &n);
        hash = store(to, e->path, p, n, hash);
        sb_free(p);
    }
    free_world(w);
    store_mark(t, end, rng, to);
    return hash;
}
