/* What the files of `sibyl events` share. */
#ifndef SB_APP_CMD_EVENTS_INT_H
#define SB_APP_CMD_EVENTS_INT_H

#include "app/cli.h"

/* One event on standard output: a line for people, or the whole document. */
void sb_event_print(struct sb_str json, bool whole);

/* `events search QUERY` */
enum sb_exit sb_events_search(struct sb_cli *cli);

#endif
