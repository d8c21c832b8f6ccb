/* Every limit on what input may make the program do, in one list. A limit that an operator may
 * change is a row of app's config table with the default from here. */
#ifndef SB_BASE_LIMITS_H
#define SB_BASE_LIMITS_H

enum {
    /* HTTP/1.1 requests */
    SB_LIMIT_HTTP_LINE = 8 << 10,     /* request line, bytes */
    SB_LIMIT_HTTP_HEADERS = 32 << 10, /* all header lines, bytes */
    SB_LIMIT_HTTP_HEADER_COUNT = 100,
    SB_LIMIT_HTTP_BODY = 16 << 20, /* buffered body, also after gunzip */
    SB_LIMIT_HTTP_GZIP_RATIO = 100,
    SB_LIMIT_HTTP_CHUNK_EXT = 1 << 10,
    SB_LIMIT_HTTP_PIPELINE = 16,     /* requests taken from one connection before it waits */
    SB_LIMIT_HTTP_HEADER_MS = 10000, /* first byte to end of headers */
    SB_LIMIT_HTTP_IDLE_MS = 60000,   /* keep-alive without a request; a reader that takes nothing */
    SB_LIMIT_HTTP_BODY_GRACE_MS = 5000, /* after that a body must come with */
    SB_LIMIT_HTTP_BODY_RATE = 1 << 10,  /* bytes a second */
    SB_LIMIT_HTTP_CONNS_PER_LOOP = 20000,
    SB_LIMIT_HTTP_PARAMS = 4, /* {name} parts of a route pattern */

    /* JSON */
    SB_LIMIT_JSON_DEPTH = 64,
    SB_LIMIT_JSON_STRING = 1 << 20,
    SB_LIMIT_JSON_NUMBER = 64, /* characters; API documents. Model files have their own */

    /* requests for predictions */
    SB_LIMIT_PREDICT_ROWS = 100000, /* rows in one request */
    SB_LIMIT_PREDICT_FEATURES = 4096,

    /* events */
    SB_LIMIT_EVENT_BYTES = 1 << 20, /* one event document */
    SB_LIMIT_ID_BYTES = 128,        /* X-Request-ID and the like */
};

#endif
