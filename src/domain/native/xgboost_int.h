/* XGBoost's document, whatever it is written in. */
#ifndef SB_DOMAIN_NATIVE_XGBOOST_INT_H
#define SB_DOMAIN_NATIVE_XGBOOST_INT_H

#include "codec/ubjson.h"

/* UBJSON ("{" and a type letter) or JSON text. JSON becomes the same tree: arrays of numbers are
 * packed doubles, numbers with a fraction or exponent have been rounded once, to float, as
 * XGBoost's own reader does. SB_E_UNSUPPORTED for the binary format of before 1.0. */
SB_MUST_CHECK sb_err xgboost_document(const struct sb_ubj **out, struct sb_str file,
                                      struct sb_arena *arena, struct sb_errctx *ctx);

#endif
