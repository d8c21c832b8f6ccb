/* What the checks of `sibyl doctor` share. A check looks at one thing and writes one finding; it
 * changes nothing but a file of its own that it removes. */
#ifndef SB_APP_DOCTOR_INT_H
#define SB_APP_DOCTOR_INT_H

#include "app/cli.h"
#include "codec/json.h"

enum sb_finding_state {
    SB_FINDING_OK,
    SB_FINDING_WARNING, /* it works, and will hurt */
    SB_FINDING_BROKEN,  /* something does not work */
};

struct sb_finding {
    enum sb_finding_state state;
    struct sb_buf text; /* what was found, one sentence without its full stop */
};

/* One doctor's visit. */
struct sb_doctor {
    struct sb_cli *cli;
    const struct sb_config *config;
    struct sb_arena *arena;
    bool running;  /* the data folder's lock is held */
    bool has_data; /* it is there, and a data folder of ours */

    bool asked_python;
    const struct sb_json *python; /* answer of sibyl_doctor.py; NULL: python_error says why not */
    const char *python_error;
};

struct sb_check {
    const char *name;    /* "free space" */
    const char *meaning; /* why it matters, one sentence */
    const char *next;    /* what to do when it is not fine */
    void (*run)(struct sb_doctor *d, struct sb_finding *f);
};

/* Sets the state and appends the text. */
void sb_finding_set(struct sb_finding *f, enum sb_finding_state state, const char *fmt, ...)
    SB_PRINTF(3, 4);

/* doctor_data.c */
void sb_check_settings(struct sb_doctor *d, struct sb_finding *f);
void sb_check_data_folder(struct sb_doctor *d, struct sb_finding *f);
void sb_check_permissions(struct sb_doctor *d, struct sb_finding *f);
void sb_check_lock(struct sb_doctor *d, struct sb_finding *f);
void sb_check_file_system(struct sb_doctor *d, struct sb_finding *f);
void sb_check_free_space(struct sb_doctor *d, struct sb_finding *f);
void sb_check_disk_speed(struct sb_doctor *d, struct sb_finding *f);
void sb_check_journal(struct sb_doctor *d, struct sb_finding *f);
void sb_check_registry(struct sb_doctor *d, struct sb_finding *f);
void sb_check_clock(struct sb_doctor *d, struct sb_finding *f);

/* doctor_host.c */
void sb_check_port_serving(struct sb_doctor *d, struct sb_finding *f);
void sb_check_port_registry(struct sb_doctor *d, struct sb_finding *f);
void sb_check_port_search(struct sb_doctor *d, struct sb_finding *f);
void sb_check_indexes(struct sb_doctor *d, struct sb_finding *f);
void sb_check_port_dashboard(struct sb_doctor *d, struct sb_finding *f);
void sb_check_health_serving(struct sb_doctor *d, struct sb_finding *f);
void sb_check_health_registry(struct sb_doctor *d, struct sb_finding *f);
void sb_check_health_dashboard(struct sb_doctor *d, struct sb_finding *f);
void sb_check_program_files(struct sb_doctor *d, struct sb_finding *f);
void sb_check_python(struct sb_doctor *d, struct sb_finding *f);
void sb_check_packages(struct sb_doctor *d, struct sb_finding *f);
void sb_check_converter(struct sb_doctor *d, struct sb_finding *f);
void sb_check_open_files(struct sb_doctor *d, struct sb_finding *f);
void sb_check_memory(struct sb_doctor *d, struct sb_finding *f);

#endif
