/* Pages on the registry's port: MLflow's own, when the workers' Python environment has `mlflow`,
 * else the way to the dashboard's page Models; and /graphql, which MLflow's pages ask besides the
 * REST API.
 *
 * MLflow's wheel brings its pages as a built folder (mlflow/server/js/build). Its Flask server
 * sends index.html at / and the rest below /static-files (mlflow/server/__init__.py), and so does
 * this. The environment is asked once, in the background; a request that comes earlier waits.
 *
 * Threads: handlers run on the loops; files are read on the pool "ui", GraphQL is answered on the
 * registry's pool for reads. */
#ifndef SB_API_MLFLOW_UI_MLFLOW_UI_H
#define SB_API_MLFLOW_UI_MLFLOW_UI_H

#include "base/err.h"
#include "engine/http/http.h"

struct sb_mlflow_ui;

/* python: the interpreter to ask, a path or a name in PATH. models_url: where a browser is sent
 * when it has no pages. Both borrowed. */
SB_MUST_CHECK sb_err sb_mlflow_ui_new(struct sb_mlflow_ui **out, const char *python,
                                      const char *models_url);
/* After the loops have stopped. Waits for the question to the environment, at most some seconds. */
void sb_mlflow_ui_free(struct sb_mlflow_ui *u);

/* Table for the server of api/mlflow, whose sb_mlflow_api_opts.user is the struct sb_mlflow_ui. */
extern const struct sb_http_route sb_mlflow_ui_routes[];

#endif
