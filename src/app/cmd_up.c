/* sibyl up, sibyl demo */
#include "app/commands.h"
#include "app/demo.h"
#include "app/home.h"
#include "app/supervisor.h"
#include "base/log.h"

enum { RATE_DEFAULT = 20, RATE_MAX = 1000 };

enum sb_exit sb_up_run(struct sb_cli *cli) {
    return sb_supervisor_run(cli, NULL);
}

const struct sb_option sb_demo_options[] = {
    {"rate", 0, "N", "Sample predictions a second, 1 to 1000 (default 20)."},
    {NULL, 0, NULL, NULL},
};

struct demo {
    const char *samples;
    int64_t rate;
    struct sb_demo *running;
};

static void demo_ready(void *arg, const struct sb_config *c,
                       const struct sb_supervisor_urls *urls) {
    struct demo *d = arg;
    struct sb_errctx ctx = {0};
    SB_UNUSED(c);
    struct sb_demo_opts o = {.registry_url = urls->registry,
                             .serving_url = urls->serving,
                             .samples_dir = d->samples,
                             .per_second = (int)d->rate};
    sb_err err = sb_demo_start(&d->running, &o, &ctx);
    if (err) SB_LOG(SB_LOG_ERROR, "demo", "no sample traffic", SB_KE(&ctx, err));
}

static void demo_stopping(void *arg) {
    struct demo *d = arg;
    sb_demo_stop(d->running);
    d->running = NULL;
}

enum sb_exit sb_demo_run(struct sb_cli *cli) {
    struct demo d = {.rate = RATE_DEFAULT};
    const char *rate = sb_cli_option(cli, "rate");
    if (rate && (!sb_str_to_i64(sb_str_of(rate), &d.rate) || d.rate < 1 || d.rate > RATE_MAX)) {
        sb_cli_error("--rate \"%s\": allowed is a whole number, 1 to %d", rate, RATE_MAX);
        return SB_EXIT_USAGE;
    }
    d.samples = sb_home_path(&cli->config.arena, &cli->config, "share/samples");
    struct sb_supervisor_hooks hooks = {
        .ready = demo_ready,
        .stopping = demo_stopping,
        .arg = &d,
        .model = "iris",
        .example = "/models/iris/predict -d '{\"sepal_length\": 5.1, \"sepal_width\": 3.5, "
                   "\"petal_length\": 1.4, \"petal_width\": 0.2}'"};
    return sb_supervisor_run(cli, &hooks);
}
