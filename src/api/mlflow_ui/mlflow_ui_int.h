#ifndef SB_API_MLFLOW_UI_INT_H
#define SB_API_MLFLOW_UI_INT_H

#include "api/mlflow_ui/mlflow_ui.h"
#include "loop/pool.h"
#include "sys/file.h"

struct sb_mlflow_ui {
    const char *python, *models_url;
    struct sb_pool *pool; /* one thread: what is submitted first is done first */
    struct sb_job probe;
    struct sb_file dir; /* MLflow's build; not open: the dashboard's. Set and read on the pool */
};

/* probe.c */
/* Opens u->dir, if there is something to open, and logs which pages are shown and why. */
void probe_work(struct sb_job *j);

/* Handlers. */
sb_http_handler handle_index, handle_static, handle_graphql;

#endif
