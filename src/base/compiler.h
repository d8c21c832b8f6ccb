/* Compiler features under one name each; the only place outside sys/ and kernels with #ifdef. */
#ifndef SB_BASE_COMPILER_H
#define SB_BASE_COMPILER_H

#define SB_MUST_CHECK      __attribute__((warn_unused_result))
#define SB_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define SB_LIKELY(x)       __builtin_expect(!!(x), 1)
#define SB_UNLIKELY(x)     __builtin_expect(!!(x), 0)
#define SB_UNUSED(x)       ((void)(x))
#define SB_NORETURN        __attribute__((noreturn))
/* For kernels whose constant arguments must be seen: static SB_INLINE void f(...). */
#define SB_INLINE inline __attribute__((always_inline))

#define SB_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that embeds `member` at `ptr`. */
#define SB_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
