/* The supervisor: one loop, two children, no work of its own.
 *
 * A child is  idle -> starting -> ready -> (ended) waiting -> starting ...  It is ready when its
 * run/NAME.json names its own pid. A child that ends before everything was ready once is a failed
 * start: the supervisor stops the rest and ends with that child's exit code, so that a service
 * manager and a person see it. Later it is restarted, with back-off. Stopping: SIGTERM to all,
 * SIGKILL to what is left after STOP_NS or at a second Ctrl-C; the exit code says whether all ended
 * by themselves. */
#include "app/supervisor.h"

#include <signal.h>
#include <stdio.h>

#include "app/datadir.h"
#include "app/instance.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/log.h"
#include "loop/listen.h"
#include "loop/proc.h"

#define STOP_NS        (10 * SB_SEC)
#define READY_POLL_NS  (5 * SB_MS)
#define START_LIMIT_NS (600 * SB_SEC) /* recovery of a large journal takes its time */
#define BACKOFF_MIN    (200 * SB_MS)
#define BACKOFF_MAX    (30 * SB_SEC)
#define BACKOFF_STABLE (30 * SB_SEC)

enum { CHILDREN = 2 };

enum child_state { IDLE, STARTING, READY, WAITING };

struct child {
    struct supervisor *sup;
    const char *name;
    const char *state_path;  /* run/NAME.json */
    const char *const *argv; /* sibyl NAME OUR_PID --settings */
    const char *const *env;  /* settings that are secrets */
    enum child_state state;
    struct sb_proc *proc; /* NULL when none runs */
    int64_t started, backoff;
    struct sb_timer timer; /* starting: looks for ready; waiting: the next start */
};

struct supervisor {
    const char *program;
    struct sb_config *config;
    struct sb_arena *arena;
    struct sb_loop *loop;
    struct child children[CHILDREN];
    const struct sb_supervisor_hooks *hooks;
    struct sb_lock lock;
    bool was_ready, stopping;
    enum sb_exit exit;
    int64_t began;
    struct sb_timer stop_timer;
};

int64_t sb_supervisor_backoff(int64_t before, int64_t ran_ns) {
    if (before == 0 || ran_ns >= BACKOFF_STABLE) return BACKOFF_MIN;
    return before * 2 > BACKOFF_MAX ? BACKOFF_MAX : before * 2;
}

static void child_start(struct child *c);
static void stop_all(struct supervisor *s, const char *why);

/* ---- what is said when everything runs ---- */

static const char *url_of(struct supervisor *s, const struct child *c, const char *what) {
    const char *url = "";
    int64_t pid = 0;
    sb_instance_read(s->arena, c->state_path, &pid, what, &url);
    return url;
}

static void say_ready(struct supervisor *s, const struct sb_supervisor_urls *u) {
    bool other_data = strcmp(s->config->data, "./sibyl-data") != 0;
    const char *example =
        s->hooks ? s->hooks->example : "/models/NAME/predict -d '{\"FEATURE\": 1.0}'";
    printf("\nsibyl %s is ready after %lld ms, data in %s\n\n"
           "  predictions  %s   /docs to try it, /health says what is live\n"
           "  registry     %s   for MLflow clients: MLFLOW_TRACKING_URI=%s\n"
           "  dashboard    %s   events, versions compared, usage, models, alerts\n"
           "  search       %s   for Elasticsearch clients and Grafana\n\n"
           "%s\n"
           "  curl -H 'Content-Type: application/json' %s%s\n"
           "  curl '%s/predictions/_search?q=model:%s&size=1&pretty'\n"
           "  %s events tail -f%s%s\n"
           "Ctrl-C stops it.\n\n",
           SB_VERSION, (long long)((sb_mono_ns() - s->began) / SB_MS), s->config->data, u->serving,
           u->registry, u->registry, u->dashboard, u->search,
           s->hooks
               ? "Sample models get sample traffic. Ask one yourself:"
               : "Next: register a model (examples/quickstart.ipynb); it is live at once. Then:",
           u->serving, example, u->search, s->hooks ? s->hooks->model : "NAME", s->program,
           other_data ? " --data " : "", other_data ? s->config->data : "");
    fflush(stdout);
}

/* ---- children ---- */

static bool all_in(const struct supervisor *s, enum child_state state) {
    for (size_t i = 0; i < CHILDREN; i++)
        if (s->children[i].state != state) return false;
    return true;
}

static bool says_ready(struct child *c) {
    int64_t pid = 0;
    return sb_instance_read(c->sup->arena, c->state_path, &pid, NULL, NULL) &&
           pid == sb_proc_pid(c->proc);
}

static void on_child_ready(struct child *c) {
    struct supervisor *s = c->sup;
    c->state = READY;
    sb_timer_stop(&c->timer);
    if (s->was_ready) {
        SB_LOG(SB_LOG_INFO, "supervisor", "running again", SB_KS("process", c->name),
               SB_KI("pid", sb_proc_pid(c->proc)));
        return;
    }
    if (!all_in(s, READY)) return;
    s->was_ready = true;
    struct sb_supervisor_urls urls = {
        url_of(s, &s->children[0], "serving"), url_of(s, &s->children[1], "registry"),
        url_of(s, &s->children[1], "dashboard"), url_of(s, &s->children[1], "search")};
    say_ready(s, &urls);
    if (s->hooks) s->hooks->ready(s->hooks->arg, s->config, &urls);
}

static void on_child_timer(struct sb_timer *t) {
    struct child *c = SB_CONTAINER(t, struct child, timer);
    if (c->state == WAITING) {
        child_start(c);
        return;
    }
    if (says_ready(c)) {
        on_child_ready(c);
    } else if (sb_mono_ns() - c->started > START_LIMIT_NS) {
        SB_LOG(SB_LOG_ERROR, "supervisor", "takes too long to start, ending it",
               SB_KS("process", c->name));
        sb_proc_kill(c->proc, SIGKILL);
    }
}

static void wait_and_restart(struct child *c, int64_t ran) {
    c->backoff = sb_supervisor_backoff(c->backoff, ran);
    c->state = WAITING;
    SB_LOG(SB_LOG_WARN, "supervisor", "restarting", SB_KS("process", c->name),
           SB_KI("after_ms", c->backoff / SB_MS));
    sb_timer_start(&c->timer, c->sup->loop, c->backoff, 0);
}

static void log_end(const struct child *c, int64_t status, int signal) {
    enum sb_log_level level = c->sup->stopping && !signal && !status ? SB_LOG_DEBUG : SB_LOG_ERROR;
    if (signal)
        SB_LOG(level, "supervisor", "process killed", SB_KS("process", c->name),
               SB_KS("signal", strsignal(signal)));
    else
        SB_LOG(level, "supervisor", "process ended", SB_KS("process", c->name),
               SB_KI("exit", status));
}

static void on_child_exit(struct sb_proc *p, void *arg, int64_t status, int signal) {
    struct child *c = arg;
    struct supervisor *s = c->sup;
    SB_UNUSED(p);
    /* Asked to stop before it listens for that, a child dies of the signal, with nothing to lose.
     */
    if (s->stopping && c->state == STARTING && signal == SIGTERM) signal = 0;
    c->proc = NULL;
    c->state = IDLE;
    sb_timer_stop(&c->timer);
    log_end(c, status, signal);
    if (s->stopping) {
        if ((signal || status) && s->exit == SB_EXIT_OK) s->exit = SB_EXIT_FAILED;
        if (all_in(s, IDLE)) sb_loop_stop(s->loop);
        return;
    }
    if (s->was_ready) {
        wait_and_restart(c, sb_mono_ns() - c->started);
        return;
    }
    s->exit =
        !signal && status > 0 && status <= SB_EXIT_BUSY ? (enum sb_exit)status : SB_EXIT_FAILED;
    stop_all(s, "a process did not start");
}

static void child_start(struct child *c) {
    struct supervisor *s = c->sup;
    struct sb_errctx ctx = {0};
    c->started = sb_mono_ns();
    struct sb_proc_opts o = {.argv = c->argv,
                             .env = c->env,
                             .file = "/proc/self/exe", /* also when the file was replaced */
                             .share_output = true,
                             .on_exit = on_child_exit,
                             .arg = c};
    sb_err err = sb_proc_spawn(&c->proc, s->loop, &o, &ctx);
    if (err) {
        SB_LOG(SB_LOG_ERROR, "supervisor", "cannot start", SB_KS("process", c->name),
               SB_KE(&ctx, err));
        wait_and_restart(c, 0);
        return;
    }
    c->state = STARTING;
    SB_LOG(SB_LOG_DEBUG, "supervisor", "started", SB_KS("process", c->name),
           SB_KI("pid", sb_proc_pid(c->proc)));
    sb_timer_start(&c->timer, s->loop, READY_POLL_NS, READY_POLL_NS);
}

/* ---- stopping ---- */

static void kill_all(struct supervisor *s, int signal) {
    for (size_t i = 0; i < CHILDREN; i++)
        if (s->children[i].proc) sb_proc_kill(s->children[i].proc, signal);
}

static void on_stop_timeout(struct sb_timer *t) {
    struct supervisor *s = SB_CONTAINER(t, struct supervisor, stop_timer);
    SB_LOG(SB_LOG_WARN, "supervisor", "not stopped in time, killing what is left");
    kill_all(s, SIGKILL);
}

static void stop_all(struct supervisor *s, const char *why) {
    if (s->stopping) return;
    s->stopping = true;
    SB_LOG(SB_LOG_INFO, "supervisor", "stopping", SB_KS("reason", why));
    if (s->hooks && s->was_ready) s->hooks->stopping(s->hooks->arg);
    for (size_t i = 0; i < CHILDREN; i++) {
        struct child *c = &s->children[i];
        sb_timer_stop(&c->timer);
        if (!c->proc) c->state = IDLE;
    }
    kill_all(s, SIGTERM);
    if (all_in(s, IDLE)) {
        sb_loop_stop(s->loop);
        return;
    }
    s->stop_timer.fn = on_stop_timeout;
    sb_timer_start(&s->stop_timer, s->loop, STOP_NS, 0);
}

static void on_signal(void *arg, int signum) {
    struct supervisor *s = arg;
    if (s->stopping && signum == SIGINT) {
        kill_all(s, SIGKILL);
        return;
    }
    stop_all(s, strsignal(signum));
}

/* ---- start ---- */

/* A port of 0 is settled here, once: the processes know each other's, and keep theirs when they are
 * restarted. */
static sb_err settle_ports(struct sb_config *c, struct sb_errctx *ctx) {
    struct sb_addr *addrs[] = {&c->serving_listen, &c->registry_listen, &c->dashboard_listen,
                               &c->search_listen};
    for (size_t i = 0; i < SB_COUNT(addrs); i++)
        SB_TRY(sb_listen_check(addrs[i]->host, &addrs[i]->port, ctx));
    sb_config_fix_ports(c);
    return SB_OK;
}

static const char *const *child_argv(struct supervisor *s, const char *name) {
    size_t n;
    const char *const *flags = sb_config_flags(s->config, &n);
    const char **argv = sb_arena_zalloc(s->arena, (n + 4) * sizeof *argv);
    argv[0] = "sibyl";
    argv[1] = name;
    argv[2] = sb_arena_printf(s->arena, "%d", sb_proc_self_pid());
    for (size_t i = 0; i < n; i++) argv[3 + i] = flags[i];
    return argv;
}

static void init_children(struct supervisor *s) {
    static const char *const names[CHILDREN] = {"serving", "platform"};
    for (size_t i = 0; i < CHILDREN; i++) {
        s->children[i] =
            (struct child){.sup = s,
                           .name = names[i],
                           .state_path = sb_instance_path(s->arena, s->config->data, names[i]),
                           .argv = child_argv(s, names[i]),
                           /* serving starts models' code, which inherits what it has */
                           .env = sb_config_secrets(s->config, strcmp(names[i], "platform") == 0),
                           .timer = {.fn = on_child_timer}};
    }
}

static sb_err start(struct supervisor *s, struct sb_errctx *ctx) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    SB_TRY(settle_ports(s->config, ctx));
    SB_TRY(sb_loop_new(&s->loop, "supervisor"));
    for (size_t i = 0; i < SB_COUNT(signals); i++) {
        struct sigaction before;
        bool keep = sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN;
        if (signals[i] == SIGHUP && keep) continue; /* started by nohup */
        SB_TRY(sb_loop_on_signal(s->loop, signals[i], on_signal, s));
    }
    init_children(s);
    for (size_t i = 0; i < CHILDREN; i++) child_start(&s->children[i]);
    return SB_OK;
}

static enum sb_exit report(const struct sb_errctx *ctx, sb_err err) {
    sb_cli_error("%s", sb_errctx_text(ctx, err));
    return err == SB_E_LOCKED ? SB_EXIT_BUSY : SB_EXIT_FAILED;
}

enum sb_exit sb_supervisor_run(struct sb_cli *cli, const struct sb_supervisor_hooks *hooks) {
    struct sb_errctx ctx = {0};
    struct supervisor s = {.config = &cli->config,
                           .program = cli->program,
                           .arena = &cli->config.arena,
                           .hooks = hooks,
                           .began = sb_mono_ns()};
    sb_err err = sb_datadir_take(&s.lock, cli->config.data, &ctx);
    if (err) return report(&ctx, err);
    err = start(&s, &ctx);
    if (!err) sb_loop_run(s.loop);
    if (s.loop) sb_loop_free(s.loop);
    sb_lock_release(&s.lock);
    if (err) return report(&ctx, err);
    SB_LOG(SB_LOG_INFO, "supervisor", "stopped", SB_KI("exit", s.exit));
    return s.exit;
}
