#define _GNU_SOURCE
#include "CPlatformShims.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int imgpipe_open(const char *path, int flags, unsigned mode) {
    return open(path, flags, mode);
}

int imgpipe_is_closed(int descriptor) {
    return fcntl(descriptor, F_GETFD) == -1;
}

void imgpipe_grow_pipe(int descriptor, int bytes) {
    int now = fcntl(descriptor, F_GETPIPE_SZ);
    if (now >= 0 && now < bytes) fcntl(descriptor, F_SETPIPE_SZ, bytes);
}

int imgpipe_open_unnamed(const char *directory, unsigned mode) {
    /* Without /proc it could never get a name. */
    if (access("/proc/self/fd", F_OK) != 0) return -1;
    return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}

int imgpipe_link_descriptor(int descriptor, const char *path) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    return linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

static char temporary[PATH_MAX];
static volatile sig_atomic_t has_temporary;

static void remove_and_end(int number) {
    if (has_temporary) unlink(temporary);
    raise(number); /* SA_RESETHAND: the default action now */
}

int imgpipe_remove_on_signal(const char *path) {
    static int installed;
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU};

    has_temporary = 0;
    if (!path) return 0;
    if (strlen(path) >= sizeof temporary) return -1;
    atomic_signal_fence(memory_order_seq_cst);
    strcpy(temporary, path);
    atomic_signal_fence(memory_order_seq_cst);
    if (!installed) {
        struct sigaction action = {.sa_handler = remove_and_end, .sa_flags = SA_RESETHAND | SA_NODEFER};
        struct sigaction before;
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            /* What the parent has ignored (nohup) stays ignored. */
            if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
                sigaction(numbers[i], &action, NULL);
        }
        installed = 1;
    }
    has_temporary = 1;
    return 0;
}
