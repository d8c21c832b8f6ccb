/* Parts of URIs, for the registry. */
#ifndef SB_DOMAIN_REGISTRY_SOURCE_INT_H
#define SB_DOMAIN_REGISTRY_SOURCE_INT_H

#include "base/str.h"

struct sb_uri_parts {
    struct sb_str scheme, authority, path; /* views; no decoding */
};
struct sb_uri_parts sb_uri_parts_of(struct sb_str s);

/* Files that this server holds: mlflow-artifacts:, or http(s) with its artifact route. */
bool sb_source_is_proxied(struct sb_str uri);

#endif
