/* Preloaded: lets calls fail as a machine at its limits does. FAULT says which:
     codec:N pool:N all:N   the N-th allocation by a codec's library, of the buffer pool (posix_memalign), of anybody fails, once (N 0: none)
     full:N                 after N bytes written to files and pipes there is no room (ENOSPC)
     slow:SEED              reads and writes are short, and interrupted (EINTR), at random
   At its end a process writes how many calls it has counted to descriptor FAULT_FD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

static enum { NONE, CODEC, POOL, ALL, FULL, SLOW } kind;
static long wanted;
static atomic_long counted;
static atomic_uint random_state;
static int report = -1;

__attribute__((constructor)) static void begin(void) {
    static const char *const names[] = {"", "codec:", "pool:", "all:", "full:", "slow:"};
    const char *text = getenv("FAULT"), *descriptor = getenv("FAULT_FD");
    if (!text) return;
    if (descriptor) report = atoi(descriptor);
    for (int i = CODEC; i <= SLOW; i++) {
        if (strncmp(text, names[i], strlen(names[i])) != 0) continue;
        wanted = atol(text + strlen(names[i]));
        random_state = (unsigned)wanted * 2654435761u + 1;
        kind = i;
    }
}

__attribute__((destructor)) static void end(void) {
    char line[32];
    if (report < 0) return;
    int n = snprintf(line, sizeof line, "%ld\n", (long)counted);
    syscall(SYS_write, report, line, n);
}

static int is_codec(const void *caller) {
    static const char *const names[] = {"libjpeg", "libpng", "libwebp", "libisal", "liblcms", "libz", "libexif", "libexpat"};
    static _Thread_local struct { const void *base; int answer; } last[2];
    Dl_info info;
    if (!dladdr(caller, &info) || !info.dli_fname) return 0;
    for (int i = 0; i < 2; i++)
        if (last[i].base == info.dli_fbase) return last[i].answer;
    const char *slash = strrchr(info.dli_fname, '/'), *name = slash ? slash + 1 : info.dli_fname;
    int answer = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) answer |= strncmp(name, names[i], strlen(names[i])) == 0;
    last[1] = last[0];
    last[0].base = info.dli_fbase;
    last[0].answer = answer;
    return answer;
}

static int fails(int of_pool, const void *caller) {
    if (kind != ALL && !(kind == POOL && of_pool) && !(kind == CODEC && !of_pool && is_codec(caller))) return 0;
    if (atomic_fetch_add(&counted, 1) + 1 != wanted) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return fails(0, __builtin_return_address(0)) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails(0, __builtin_return_address(0)) ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails(0, __builtin_return_address(0)) ? NULL : __libc_realloc(old, size); }

int posix_memalign(void **place, size_t alignment, size_t size) {
    /* Swift asks for 16: what is of whole pages is the pool's. */
    if (fails(alignment >= 4096, NULL)) return ENOMEM;
    void *start = __libc_memalign(alignment, size);
    if (!start) return ENOMEM;
    *place = start;
    return 0;
}

static unsigned next_random(unsigned limit) {
    unsigned state = atomic_load(&random_state);
    state = state * 1664525u + 1013904223u;
    atomic_store(&random_state, state);
    return (state >> 16) % limit;
}

/* How many of `count` bytes a call may move; -1 with errno for none. */
static ssize_t allowed(size_t count, int descriptor, int writes) {
    if (kind == FULL && writes && descriptor != 2) {
        long before = atomic_fetch_add(&counted, (long)count);
        if (before >= wanted) {
            errno = ENOSPC;
            return -1;
        }
        return before + (long)count > wanted ? wanted - before : (ssize_t)count;
    }
    if (kind != SLOW) return (ssize_t)count;
    if (next_random(4) == 0) {
        errno = EINTR;
        return -1;
    }
    return count > 1 ? 1 + (ssize_t)next_random(count < 5000 ? (unsigned)count : 5000) : (ssize_t)count;
}

#define MOVE(writes, call) \
    ssize_t most = allowed(count, descriptor, writes); \
    return most < 0 ? -1 : call

ssize_t read(int descriptor, void *bytes, size_t count) { MOVE(0, syscall(SYS_read, descriptor, bytes, most)); }
ssize_t pread(int descriptor, void *bytes, size_t count, off_t at) { MOVE(0, syscall(SYS_pread64, descriptor, bytes, most, at)); }
ssize_t pread64(int descriptor, void *bytes, size_t count, off_t at) { MOVE(0, syscall(SYS_pread64, descriptor, bytes, most, at)); }
ssize_t write(int descriptor, const void *bytes, size_t count) { MOVE(1, syscall(SYS_write, descriptor, bytes, most)); }
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t at) { MOVE(1, syscall(SYS_pwrite64, descriptor, bytes, most, at)); }
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off_t at) { MOVE(1, syscall(SYS_pwrite64, descriptor, bytes, most, at)); }

/* Of several places one. */
ssize_t readv(int descriptor, const struct iovec *parts, int part_count) {
    size_t count = 0;
    for (int i = 0; i < part_count; i++) count += parts[i].iov_len;
    if (kind != SLOW || !part_count) return syscall(SYS_readv, descriptor, parts, part_count);
    return read(descriptor, parts[0].iov_base, parts[0].iov_len ? parts[0].iov_len : count);
}

ssize_t writev(int descriptor, const struct iovec *parts, int part_count) {
    if ((kind != SLOW && kind != FULL) || !part_count) return syscall(SYS_writev, descriptor, parts, part_count);
    for (int i = 0; i < part_count; i++)
        if (parts[i].iov_len) return write(descriptor, parts[i].iov_base, parts[i].iov_len);
    return 0;
}
