#define _GNU_SOURCE
#include "CCurlShims.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* What is called of libcurl, typed by its own header. */
#define CALLS(call) \
    call(global_init) call(easy_init) call(easy_cleanup) call(easy_reset) call(easy_setopt) call(easy_getinfo) call(slist_append) \
    call(slist_free_all) call(multi_init) call(multi_cleanup) call(multi_add_handle) call(multi_remove_handle) call(multi_perform) \
    call(multi_poll) call(multi_wakeup) call(multi_info_read) call(getdate)

#define MEMBER(name) __typeof__(&curl_##name) name;
static struct { CALLS(MEMBER) } lib;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *load_failure;

static void load(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        load_failure = "libcurl (libcurl.so.4) is not installed";
        return;
    }
#define FIND(name) \
    *(void **)&lib.name = dlsym(library, "curl_" #name); \
    if (!lib.name) load_failure = "libcurl (libcurl.so.4) is too old";
    CALLS(FIND)
    if (!load_failure && lib.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) load_failure = "libcurl cannot be set up";
}

const char *imgpipe_curl_load(void)
{
    pthread_once(&once, load);
    return load_failure;
}

struct imgpipe_connection {
    CURL *easy;
    /* Has the connections, and a way to be woken. */
    CURLM *multi;
    atomic_int is_stopped;
};

imgpipe_connection *imgpipe_connection_new(void)
{
    imgpipe_connection *connection = calloc(1, sizeof *connection);
    if (!connection) return NULL;
    connection->easy = lib.easy_init();
    connection->multi = lib.multi_init();
    if (connection->easy && connection->multi) return connection;
    imgpipe_connection_free(connection);
    return NULL;
}

void imgpipe_connection_free(imgpipe_connection *connection)
{
    if (connection->easy) lib.easy_cleanup(connection->easy);
    if (connection->multi) lib.multi_cleanup(connection->multi);
    free(connection);
}

void imgpipe_connection_stop(imgpipe_connection *connection)
{
    atomic_store(&connection->is_stopped, 1);
    lib.multi_wakeup(connection->multi);
}

/* So that no program that is started later has our connections. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)context, (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* A request under way. libcurl's own limit on slowness takes the mean of some seconds, and finds a stall that much later. */
typedef struct {
    const imgpipe_request *request;
    /* When something came or went. */
    uint64_t last;
    curl_off_t sent;
} transfer;

static size_t take_head(char *line, size_t size, size_t count, void *context)
{
    transfer *transfer = context;
    const imgpipe_request *request = transfer->request;
    transfer->last = now();
    size_t length = size * count;
    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == '\n')) length--;
    return request->head(request->context, line, length) ? 0 : size * count;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    transfer *transfer = context;
    int is_refused = transfer->request->body_bytes(transfer->request->context, bytes, size * count);
    transfer->last = now();
    return is_refused ? 0 : size * count;
}

/* Whether all options are taken: one that is not would be missed, a check of certificates among them. */
static int set_options(CURL *easy, transfer *transfer, struct curl_slist *headers)
{
    const imgpipe_request *request = transfer->request;
    int is_right = 1;
#define SET(option, value) is_right &= lib.easy_setopt(easy, CURLOPT_##option, value) == CURLE_OK
    SET(URL, request->url);
    SET(NOSIGNAL, 1L);
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(PATH_AS_IS, 1L);
    SET(PROTOCOLS_STR, "http,https");
    SET(REDIR_PROTOCOLS_STR, strncasecmp(request->url, "https:", 6) == 0 ? "https" : "http,https");
    SET(FOLLOWLOCATION, request->most_redirects > 0 ? 1L : 0L);
    SET(MAXREDIRS, (long)request->most_redirects);
    SET(HTTPHEADER, headers);
    SET(CUSTOMREQUEST, request->method);
    if (request->is_head) {
        SET(NOBODY, 1L);
    } else if (request->body) {
        SET(POSTFIELDS, request->body);
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)request->body_count);
    }
    SET(CONNECTTIMEOUT_MS, request->connect_milliseconds);
    SET(TCP_KEEPALIVE, 1L);
    SET(BUFFERSIZE, 256L << 10);
    SET(UPLOAD_BUFFERSIZE, 256L << 10);
    SET(OPENSOCKETFUNCTION, open_socket);
    SET(SSL_VERIFYPEER, 1L);
    SET(SSL_VERIFYHOST, 2L);
    if (request->certificates) SET(CAINFO, request->certificates);
    SET(HEADERFUNCTION, take_head);
    SET(HEADERDATA, transfer);
    SET(WRITEFUNCTION, take_bytes);
    SET(WRITEDATA, transfer);
    return is_right;
}

static int meaning(CURLcode code)
{
    switch (code) {
    case CURLE_OK: return IMGPIPE_DONE;
    case CURLE_WRITE_ERROR: return IMGPIPE_REFUSED;
    case CURLE_COULDNT_RESOLVE_HOST: return IMGPIPE_NO_HOST;
    case CURLE_COULDNT_RESOLVE_PROXY: return IMGPIPE_NO_PROXY;
    case CURLE_COULDNT_CONNECT: return IMGPIPE_NO_CONNECTION;
    case CURLE_OPERATION_TIMEDOUT: return IMGPIPE_TIMED_OUT;
    case CURLE_PARTIAL_FILE: case CURLE_GOT_NOTHING: case CURLE_SEND_ERROR: case CURLE_RECV_ERROR: return IMGPIPE_BROKEN;
    case CURLE_SSL_CONNECT_ERROR: return IMGPIPE_NO_TLS;
    case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_ISSUER_ERROR: case CURLE_SSL_INVALIDCERTSTATUS: return IMGPIPE_UNTRUSTED;
    case CURLE_SSL_CACERT_BADFILE: case CURLE_SSL_CRL_BADFILE: return IMGPIPE_NO_CERTIFICATES;
    case CURLE_TOO_MANY_REDIRECTS: return IMGPIPE_TOO_MANY_REDIRECTS;
    case CURLE_UNSUPPORTED_PROTOCOL: return IMGPIPE_FORBIDDEN_PROTOCOL;
    case CURLE_URL_MALFORMAT: return IMGPIPE_BAD_URL;
    case CURLE_WEIRD_SERVER_REPLY: case CURLE_BAD_CONTENT_ENCODING: return IMGPIPE_STRANGE_ANSWER;
    case CURLE_OUT_OF_MEMORY: return IMGPIPE_NO_MEMORY;
    default: return IMGPIPE_OTHER;
    }
}

/* When it has waited for long enough. */
static uint64_t stall_end(CURL *easy, transfer *transfer)
{
    curl_off_t sent = 0;
    lib.easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (sent != transfer->sent) transfer->last = now();
    transfer->sent = sent;
    return transfer->last + (uint64_t)transfer->request->stall_milliseconds * 1000000;
}

static int perform(imgpipe_connection *connection, transfer *transfer, CURLcode *code)
{
    uint64_t deadline = transfer->request->deadline_nanoseconds;
    transfer->last = now();
    if (lib.multi_add_handle(connection->multi, connection->easy) != CURLM_OK) return IMGPIPE_NO_MEMORY;
    int result = -1, running = 1;
    while (result < 0) {
        CURLMcode failure = lib.multi_perform(connection->multi, &running);
        if (atomic_load(&connection->is_stopped)) {
            result = IMGPIPE_STOPPED;
        } else if (failure != CURLM_OK) {
            result = IMGPIPE_OTHER;
        } else if (!running) {
            int left;
            CURLMsg *message = lib.multi_info_read(connection->multi, &left);
            *code = message ? message->data.result : CURLE_FAILED_INIT;
            result = meaning(*code);
        } else {
            uint64_t time = now(), stalled = stall_end(connection->easy, transfer), end = deadline < stalled ? deadline : stalled;
            if (time >= end) {
                result = end == deadline ? IMGPIPE_OUT_OF_TIME : IMGPIPE_TIMED_OUT;
            } else {
                uint64_t left = (end - time) / 1000000 + 1;
                if (lib.multi_poll(connection->multi, NULL, 0, left < 1000 ? (int)left : 1000, NULL) != CURLM_OK) result = IMGPIPE_OTHER;
            }
        }
    }
    lib.multi_remove_handle(connection->multi, connection->easy);
    return result;
}

int imgpipe_connection_perform(imgpipe_connection *connection, const imgpipe_request *request, int *code, long *system_error)
{
    CURLcode result_code = CURLE_OK;
    *code = 0;
    *system_error = 0;
    struct curl_slist *headers = NULL;
    for (const char *const *header = request->headers; *header; header++) {
        struct curl_slist *longer = lib.slist_append(headers, *header);
        if (!longer) {
            lib.slist_free_all(headers);
            return IMGPIPE_NO_MEMORY;
        }
        headers = longer;
    }
    lib.easy_reset(connection->easy);

    /* OpenSSL writes without MSG_NOSIGNAL: what it raises here is taken back. */
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    transfer transfer = {request, 0, 0};
    int result = set_options(connection->easy, &transfer, headers) ? perform(connection, &transfer, &result_code) : IMGPIPE_OTHER;
    if (!sigismember(&pending, SIGPIPE)) {
        static const struct timespec none;
        while (sigtimedwait(&pipe, NULL, &none) == SIGPIPE) {}
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    *code = (int)result_code;
    lib.easy_getinfo(connection->easy, CURLINFO_OS_ERRNO, system_error);
    lib.slist_free_all(headers);
    return result;
}

int64_t imgpipe_http_date(const char *text) { return imgpipe_curl_load() ? -1 : (int64_t)lib.getdate(text, NULL); }
