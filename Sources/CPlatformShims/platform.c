#define _GNU_SOURCE
#include "CPlatformShims.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int imgpipe_open(const char *path, int flags, unsigned mode) {
    return open(path, flags, mode);
}

/* Each name by itself, and no link followed: for kernels without openat2. */
static int open_step_by_step(int directory, const char *path) {
    char names[PATH_MAX], *rest = names, *name;
    int at = directory;

    if (snprintf(names, sizeof names, "%s", path) >= (int)sizeof names) {
        errno = ENAMETOOLONG;
        return -1;
    }
    while ((name = strsep(&rest, "/")) != NULL) {
        int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | (rest != NULL ? O_DIRECTORY : 0);
        int next = *name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? (errno = EXDEV, -1) : openat(at, name, flags);
        int code = errno;
        if (at != directory) close(at);
        errno = code;
        if (next < 0) return -1;
        at = next;
    }
    return at;
}

int imgpipe_open_beneath(int directory, const char *path) {
#ifdef SYS_openat2
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int number;

    do number = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    while (number < 0 && errno == EAGAIN);
    /* A container's seccomp filter may answer EPERM for a call that it does not know. */
    if (number >= 0 || (errno != ENOSYS && errno != EPERM)) return number;
#endif
    return open_step_by_step(directory, path);
}

int imgpipe_is_closed(int descriptor) {
    return fcntl(descriptor, F_GETFD) == -1;
}

int imgpipe_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int imgpipe_reopen_for_reading(int descriptor) {
    char path[32];
    int number;

    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    number = open(path, O_RDONLY | O_CLOEXEC);
    if (number >= 0) return number;
    number = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    if (number >= 0) lseek(number, 0, SEEK_SET);
    return number;
}

void imgpipe_grow_pipe(int descriptor, int bytes) {
    int now = fcntl(descriptor, F_GETPIPE_SZ);
    if (now >= 0 && now < bytes) fcntl(descriptor, F_SETPIPE_SZ, bytes);
}

int imgpipe_open_unnamed(const char *directory, int flags, unsigned mode) {
    return open(directory, O_TMPFILE | flags | O_CLOEXEC, mode);
}

int imgpipe_link_descriptor(int descriptor, const char *path) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    return linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

int imgpipe_memory_file(void) {
    return memfd_create("imgpipe", MFD_CLOEXEC);
}

int imgpipe_format_number(char *text, size_t size, int digits, double number) {
    return snprintf(text, size, "%.*g", digits, number);
}

/* More than there are pictures worked on at once (imgbatch -j); pages never written to take no memory. */
#define PLACES 320
static char temporaries[PLACES][PATH_MAX];
/* 0 free, 1 being written, 2 to be removed */
static atomic_int states[PLACES];

static void remove_and_end(int number) {
    for (int i = 0; i < PLACES; i++)
        if (atomic_load(&states[i]) == 2) unlink(temporaries[i]);
    raise(number); /* SA_RESETHAND: the default action now */
}

static void install_handlers(void) {
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU};
    struct sigaction action = {.sa_handler = remove_and_end, .sa_flags = SA_RESETHAND | SA_NODEFER};
    struct sigaction before;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        /* What the parent has ignored (nohup) stays ignored. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
    }
}

int imgpipe_remove_on_signal(const char *path) {
    static atomic_flag installed = ATOMIC_FLAG_INIT;

    if (strlen(path) >= PATH_MAX) return -1;
    if (!atomic_flag_test_and_set(&installed)) install_handlers();
    for (int i = 0; i < PLACES; i++) {
        int free = 0;
        if (!atomic_compare_exchange_strong(&states[i], &free, 1)) continue;
        strcpy(temporaries[i], path);
        atomic_store(&states[i], 2);
        return i;
    }
    return -1;
}

void imgpipe_keep_on_signal(int place) {
    if (place >= 0) atomic_store(&states[place], 0);
}
