#include "flow/shelf.h"

#include "base/mem.h"

struct sb_shelf {
    struct sb_mutex lock;
    struct sb_cond changed;
    struct sb_place *first;
};

struct sb_shelf *sb_shelf_new(void) {
    struct sb_shelf *s = sb_calloc(1, sizeof *s);
    sb_mutex_init(&s->lock);
    sb_cond_init(&s->changed);
    return s;
}

void sb_shelf_free(struct sb_shelf *s) {
    if (!s) return;
    SB_ASSERT(!s->first);
    sb_cond_fini(&s->changed);
    sb_mutex_fini(&s->lock);
    sb_free(s);
}

static struct sb_place *find(struct sb_shelf *s, const char *id) {
    struct sb_place *p = s->first;
    while (p && strcmp(p->id, id) != 0) p = p->next;
    return p;
}

struct sb_place *sb_shelf_take(struct sb_shelf *s, const char *id, const char *key, bool *fresh) {
    struct sb_place *p;
    sb_mutex_lock(&s->lock);
    while ((p = find(s, id)) && !p->model) sb_cond_wait(&s->changed, &s->lock);
    *fresh = !p;
    if (!p) {
        p = sb_calloc(1, sizeof *p);
        p->id = sb_strdup(id);
        p->key = sb_strdup(key);
        p->shelf = s;
        p->next = s->first;
        s->first = p;
    }
    p->users++;
    sb_mutex_unlock(&s->lock);
    return p;
}

void sb_shelf_fill(struct sb_place *p, const struct sb_place *with) {
    SB_ASSERT(with->model);
    sb_mutex_lock(&p->shelf->lock);
    p->name = with->name;
    p->version = with->version;
    p->dir = with->dir;
    p->sha256 = with->sha256;
    p->run_id = with->run_id;
    p->model_id = with->model_id;
    p->model = with->model;
    sb_cond_broadcast(&p->shelf->changed);
    sb_mutex_unlock(&p->shelf->lock);
}

struct sb_place *sb_place_ref(struct sb_place *p) {
    sb_mutex_lock(&p->shelf->lock);
    p->users++;
    sb_mutex_unlock(&p->shelf->lock);
    return p;
}

static void unlink_place(struct sb_place *p) {
    struct sb_place **at = &p->shelf->first;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
}

void sb_place_unref(struct sb_place *p) {
    if (!p) return;
    struct sb_shelf *s = p->shelf;
    sb_mutex_lock(&s->lock);
    bool last = --p->users == 0;
    if (last) {
        unlink_place(p);
        sb_cond_broadcast(&s->changed);
    }
    sb_mutex_unlock(&s->lock);
    if (!last) return;
    sb_free(p->id);
    sb_free(p->key);
    sb_free(p->name);
    sb_free(p->version);
    sb_free(p->dir);
    sb_free(p->sha256);
    sb_free(p->run_id);
    sb_free(p->model_id);
    sb_model_unref(p->model);
    sb_free(p);
}

bool sb_shelf_uses(struct sb_shelf *s, struct sb_str key) {
    sb_mutex_lock(&s->lock);
    struct sb_place *p = s->first;
    while (p && !sb_str_is(key, p->key)) p = p->next;
    sb_mutex_unlock(&s->lock);
    return p != NULL;
}
