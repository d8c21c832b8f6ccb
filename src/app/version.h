/* The program's version: semantic versioning of the command line, the HTTP APIs and the formats on
 * disk. */
#ifndef SB_APP_VERSION_H
#define SB_APP_VERSION_H

#define SB_VERSION "0.1.0"

#endif
