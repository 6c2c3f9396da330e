/* Counts what a process asks of malloc, for allocations.py: preloaded, it says at the end how many calls there were, and how many of 64 KiB
   and more, on standard error. glibc's own functions do the work. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static atomic_long calls, large;

static void count(size_t size) {
    atomic_fetch_add(&calls, 1);
    if (size >= 65536) atomic_fetch_add(&large, 1);
}

void *malloc(size_t size) {
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count(size);
    return __libc_realloc(old, size);
}

int posix_memalign(void **place, size_t alignment, size_t size) {
    count(size);
    *place = __libc_memalign(alignment, size);
    return *place ? 0 : ENOMEM;
}

__attribute__((destructor)) static void say(void) {
    dprintf(2, "%ld calls of malloc, %ld of them large\n", calls, large);
}
