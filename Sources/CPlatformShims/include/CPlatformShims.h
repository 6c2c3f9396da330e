/* The calls that Swift cannot make: variadic ones, and those whose macros the importer drops. */
#ifndef CPLATFORMSHIMS_H
#define CPLATFORMSHIMS_H

#include <stddef.h>
#include <sys/types.h>

/* Opens a file beneath a directory for reading, never one outside of it, whatever the path and its links say: openat2(2), or where the kernel
   has none, without following links. -1 and errno: EXDEV for a path that leads out. */
int imgpipe_open_beneath(int directory, const char *path);

/* As many files as this process may open: each connection is one. */
void imgpipe_raise_open_files(void);

/* open(2) */
int imgpipe_open(const char *path, int flags, unsigned mode);

/* fcntl(F_GETFD): not 0 where nothing is open under this number. */
int imgpipe_is_closed(int descriptor);

/* The same file from its start, to be read alone; where there is no /proc, a duplicate. -1 on failure. */
int imgpipe_reopen_for_reading(int descriptor);

/* pipe2(2) with O_CLOEXEC: the end to read from, and that to write to. */
int imgpipe_pipe(int ends[2]);

/* Gives a pipe room for so many bytes, where it has less and the system allows it; nothing for what is no pipe. */
void imgpipe_grow_pipe(int descriptor, int bytes);

/* open(2) with O_TMPFILE and `flags`: a file without a name in `directory`; -1 where the file system has none. */
int imgpipe_open_unnamed(const char *directory, int flags, unsigned mode);

/* linkat(2): gives the file behind `descriptor` the name `path`, which must be free. */
int imgpipe_link_descriptor(int descriptor, const char *path);

/* A temporary name that the signals which end a process from outside remove before they do; gives its place, for
   imgpipe_keep_on_signal, or -1 when all of 320 are taken or `path`, which is copied, is longer than PATH_MAX.
   The handlers are set at the first call. Threads may call both. */
int imgpipe_remove_on_signal(const char *path);

/* Forgets the name of a place; nothing for -1. */
void imgpipe_keep_on_signal(int place);

/* memfd_create(2): a file in memory; -1 on failure. */
int imgpipe_memory_file(void);

/* From now on the process ends when the other side of `socket` closes it, whatever it does then. */
void imgpipe_exit_on_hangup(int socket);

/* mallopt(3): so many arenas at most for all threads; each keeps what it has had. */
void imgpipe_use_arenas(int count);

/* How many processors this process may run on: sched_getaffinity(2). */
int imgpipe_processors(void);

/* accept4(2) of a connection, whose descriptor no program that is started gets. */
int imgpipe_accept(int socket);

/* syncfs(2): all that the file system of `descriptor` has to write is on the disk. */
int imgpipe_sync_file_system(int descriptor);

/* posix_spawn(3) of this program again, with `arguments` and `environment` and `socket` as descriptor 3, standard input and output, and where
   `is_silent` standard error, from and to nothing, and the signals at their defaults: its process, or -1 and errno. */
int imgpipe_spawn_self(char *const arguments[], char *const environment[], int socket, int is_silent);

/* snprintf(3) with "%.*g": a number with so many digits that mean something; its length. */
int imgpipe_format_number(char *text, size_t size, int digits, double number);

/* The layers of a sandbox; each gives 0, or -1 and errno where the system has none of it. What they take cannot be had back. */

/* prctl(PR_SET_NO_NEW_PRIVS): no program that is run gives more rights. Landlock and seccomp need it. */
int imgpipe_no_new_privileges(void);

/* setrlimit(2): no core files, at most so many descriptors, and no further processes or threads where none are to be started. */
int imgpipe_lower_limits(unsigned descriptors, int may_start_threads);

enum {
    /* Of a Landlock rule: files may be made, replaced and removed in a directory, and directories made; its names may be read. */
    IMGPIPE_MAKE_FILES = 1,
    IMGPIPE_MAKE_DIRECTORIES = 2,
    IMGPIPE_READ_DIRECTORY = 4,
    /* Reading too: for files without names, where seccomp lets no others be opened. */
    IMGPIPE_UNNAMED_FILES = 64,
    /* Of seccomp: calls with paths, starting threads, messages from and to the process that opens files. */
    IMGPIPE_PATHS = 8,
    IMGPIPE_THREADS = 16,
    IMGPIPE_OPENER = 32,
    /* A file that is there may be opened for writing: one that is no regular file. */
    IMGPIPE_OPEN_EXISTING = 128,
    /* Owner, mode and times of a file that replaces one. */
    IMGPIPE_REPLACE = 256,
};

/* What the kernel has of Landlock: from 1, less than that for none. */
int imgpipe_landlock_version(void);

/* A ruleset that allows nothing: its descriptor. */
int imgpipe_landlock_begin(int version);

/* Writing to the file, or to those beneath the directory, that `path` leads to, and what `grants` says. */
int imgpipe_landlock_allow(int ruleset, int version, const char *path, unsigned grants);
int imgpipe_landlock_enforce(int ruleset);

/* Whether the directory's file system is one that is known to make files without names (O_TMPFILE). */
int imgpipe_has_unnamed_files(const char *directory);

/* Whether there is seccomp. */
int imgpipe_has_seccomp(void);

/* An allow-list of system calls, for all threads and those to come. */
int imgpipe_seccomp(unsigned grants);

/* fork(2), which Swift does not let be called: only where there is one thread. */
int imgpipe_fork(void);

/* A pair of sockets for messages (SOCK_SEQPACKET). */
int imgpipe_socket_pair(int sockets[2]);

/* One message with up to two descriptors; sendmsg(2), SCM_RIGHTS. Waits for room: about so many milliseconds, without end where that is
   negative. -1 on failure. */
int imgpipe_send(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count, int milliseconds);

/* The next one: its length, 0 at the end, -1 on failure; `descriptors` has room for two. Their count is -1 where the process may not have as many
   open. */
ssize_t imgpipe_receive(int socket, void *bytes, size_t size, int *descriptors, int *descriptor_count);

#endif
