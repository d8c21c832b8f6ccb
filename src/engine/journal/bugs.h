/* Planted bugs, all off. The crash suite builds the program once with each of them (make
 * BUG=SB_BUG_...) and requires that it then fails: so it is shown that the suite would notice. */
#ifndef SB_ENGINE_JOURNAL_BUGS_H
#define SB_ENGINE_JOURNAL_BUGS_H

#ifndef SB_BUG_NO_FDATASYNC /* groups are acknowledged without a sync */
#define SB_BUG_NO_FDATASYNC 0
#endif
#ifndef SB_BUG_ACK_BEFORE_SYNC /* done() before the sync */
#define SB_BUG_ACK_BEFORE_SYNC 0
#endif
#ifndef SB_BUG_NO_DIRSYNC /* a new segment's name is not synced */
#define SB_BUG_NO_DIRSYNC 0
#endif
#ifndef SB_BUG_TRUNCATE_MIDLOG /* recovery cuts the log at the first damage */
#define SB_BUG_TRUNCATE_MIDLOG 0
#endif

#endif
