/* YAML by libyaml, as PyYAML's safe_load reads it, into the tree of codec/json.h: for MLmodel and
 * configuration files.
 *
 * Plain scalars resolve by YAML 1.1's core types: null (empty, ~, null), booleans (yes/no/on/off
 * too), integers (decimal, 0x, 0b, 0o, leading 0 = octal, underscores), floats (with a point, so
 * 1e3 is a string; .inf, .nan). Quoted ones, timestamps and base 60 are strings. A number has its
 * text in .s only when that is a JSON number; .inf and .nan are numbers whose .d is not finite.
 * A value's pos and key_pos are lines (from 1) of the document.
 * Refused: tags but the core ones, duplicate keys, merge keys, keys that are not scalars (a scalar
 * key is its own text), more than one document. */
#ifndef SB_CODEC_YAML_H
#define SB_CODEC_YAML_H

#include "codec/json.h"

enum {
    SB_YAML_NODES = 100000, /* aliases expanded included */
    SB_YAML_ALIASES = 1000,
    SB_YAML_DEPTH = 64,
    SB_YAML_BYTES = 4 << 20,
};

/* text need not outlive the tree. An empty document is null. Errors name line and column (from
 * 1) in their message; pos is the line. */
SB_MUST_CHECK sb_err sb_yaml_parse(struct sb_json **out, struct sb_str text, struct sb_arena *arena,
                                   struct sb_errctx *ctx);

#endif
