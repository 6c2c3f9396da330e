/* libcurl behind one call for a request: its options are variadic, which Swift cannot call, and it is loaded when it is first needed, for it
   brings thirty libraries that cost a start more than a small picture's work. */
#ifndef CCURLSHIMS_H
#define CCURLSHIMS_H

#include <stddef.h>
#include <stdint.h>

/* dlopen(3) of libcurl, once, from any thread. NULL where it is there; else why not, for the user. */
const char *imgpipe_curl_load(void);

/* A connection that is kept from request to request. One thread at a time, but for imgpipe_connection_stop. */
typedef struct imgpipe_connection imgpipe_connection;

/* NULL without memory. After imgpipe_curl_load. */
imgpipe_connection *imgpipe_connection_new(void);
void imgpipe_connection_free(imgpipe_connection *connection);

/* From another thread: ends the request under way, or the next one, with IMGPIPE_STOPPED. */
void imgpipe_connection_stop(imgpipe_connection *connection);

typedef struct {
    const char *method;
    const char *url;
    /* "Name: value"; ends with NULL. */
    const char *const *headers;
    /* Not copied; NULL for none. */
    const void *body;
    size_t body_count;
    /* HEAD: the answer has no body. */
    int is_head;
    /* Redirects that are followed, to http and https, and from https to nothing else. */
    int most_redirects;
    long connect_milliseconds;
    /* So long nothing may come and nothing go. */
    long stall_milliseconds;
    /* PEM; NULL for the system's. */
    const char *certificates;
    /* CLOCK_MONOTONIC; UINT64_MAX for no end. */
    uint64_t deadline_nanoseconds;
    void *context;
    /* A line of the head of each answer, redirects included, without its end. Not 0 refuses the answer. */
    int (*head)(void *context, const char *line, size_t count);
    /* Bytes of the body. Not 0 ends the request with IMGPIPE_REFUSED. */
    int (*body_bytes)(void *context, const void *bytes, size_t count);
} imgpipe_request;

enum {
    IMGPIPE_DONE,
    /* By `head` or `body_bytes`. */
    IMGPIPE_REFUSED,
    IMGPIPE_STOPPED,
    IMGPIPE_OUT_OF_TIME,
    IMGPIPE_NO_HOST,
    IMGPIPE_NO_PROXY,
    IMGPIPE_NO_CONNECTION,
    IMGPIPE_TIMED_OUT,
    /* The connection broke, or the body was shorter than was said. */
    IMGPIPE_BROKEN,
    IMGPIPE_NO_TLS,
    IMGPIPE_UNTRUSTED,
    IMGPIPE_NO_CERTIFICATES,
    IMGPIPE_TOO_MANY_REDIRECTS,
    IMGPIPE_FORBIDDEN_PROTOCOL,
    IMGPIPE_BAD_URL,
    /* No HTTP. */
    IMGPIPE_STRANGE_ANSWER,
    IMGPIPE_NO_MEMORY,
    IMGPIPE_OTHER,
};

/* One of the above. `code`: libcurl's own, and its errno of the system, 0 for none. */
int imgpipe_connection_perform(imgpipe_connection *connection, const imgpipe_request *request, int *code, long *system_error);

/* A time as HTTP writes it, in seconds since 1970; -1 for none. */
int64_t imgpipe_http_date(const char *text);

#endif
