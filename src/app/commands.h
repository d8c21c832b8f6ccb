/* Commands for people that talk to a running platform or read its data folder. */
#ifndef SB_APP_COMMANDS_H
#define SB_APP_COMMANDS_H

#include "app/cli.h"

/* `sibyl up` and `sibyl demo`: the platform; the latter with sample models and sample traffic. */
enum sb_exit sb_up_run(struct sb_cli *cli);
enum sb_exit sb_demo_run(struct sb_cli *cli);
extern const struct sb_option sb_demo_options[];

/* `sibyl models`: what is live, where it runs and why; from serving's GET /models. */
enum sb_exit sb_models_run(struct sb_cli *cli);
extern const struct sb_option sb_models_options[];

/* `sibyl routes`: which version answers and which runs in the shadow, per route. */
enum sb_exit sb_routes_run(struct sb_cli *cli);
extern const struct sb_option sb_routes_options[];

/* `sibyl predict NAME [JSON]`: one request to serving. */
enum sb_exit sb_predict_run(struct sb_cli *cli);
extern const struct sb_option sb_predict_options[];

/* `sibyl version`: also what it was built with. */
enum sb_exit sb_version_run(struct sb_cli *cli);
extern const struct sb_option sb_version_options[];

/* `sibyl events tail|show`: reads the journal in the data folder; nothing needs to run. `sibyl
 * events search` asks the running platform. */
enum sb_exit sb_events_run(struct sb_cli *cli);
extern const struct sb_option sb_events_options[];

/* `sibyl reindex`: builds indexes anew, in the running platform or without it. */
enum sb_exit sb_reindex_run(struct sb_cli *cli);
extern const struct sb_option sb_reindex_options[];

/* `sibyl audit`: answered = journalled = indexed, and the hash chain. */
enum sb_exit sb_audit_run(struct sb_cli *cli);
extern const struct sb_option sb_audit_options[];

/* `sibyl backup PATH`, `sibyl restore PATH`: of the data folder; the former also while it is in
 * use.
 */
enum sb_exit sb_backup_run(struct sb_cli *cli);
extern const struct sb_option sb_backup_options[];
enum sb_exit sb_restore_run(struct sb_cli *cli);
extern const struct sb_option sb_restore_options[];

/* `sibyl gc`: removes for good what was deleted in the registry. */
enum sb_exit sb_gc_run(struct sb_cli *cli);
extern const struct sb_option sb_gc_options[];

/* `sibyl alerts`: rules with their state, silences, tests; of the running platform. */
enum sb_exit sb_alerts_run(struct sb_cli *cli);
extern const struct sb_option sb_alerts_options[];

/* `sibyl completion SHELL`, and the hidden `sibyl complete` that its scripts call. */
enum sb_exit sb_completion_run(struct sb_cli *cli);
enum sb_exit sb_complete_run(struct sb_cli *cli);

/* `sibyl doctor`: looks at what may be wrong and says what to do. */
enum sb_exit sb_doctor_run(struct sb_cli *cli);
extern const struct sb_option sb_doctor_options[];

#endif
