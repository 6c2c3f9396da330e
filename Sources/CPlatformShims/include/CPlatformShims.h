/* The calls that Swift cannot make: variadic ones, and those whose macros the importer drops. */
#ifndef CPLATFORMSHIMS_H
#define CPLATFORMSHIMS_H

#include <stddef.h>

/* open(2) */
int imgpipe_open(const char *path, int flags, unsigned mode);

/* fcntl(F_GETFD): not 0 where nothing is open under this number. */
int imgpipe_is_closed(int descriptor);

/* Gives a pipe room for so many bytes, where it has less and the system allows it; nothing for what is no pipe. */
void imgpipe_grow_pipe(int descriptor, int bytes);

/* open(2) with O_TMPFILE: a file without a name in `directory`; -1 where the file system has none. */
int imgpipe_open_unnamed(const char *directory, unsigned mode);

/* linkat(2): gives the file behind `descriptor` the name `path`, which must be free. */
int imgpipe_link_descriptor(int descriptor, const char *path);

/* A temporary name that the signals which end a process from outside remove before they do; gives its place, for
   imgpipe_keep_on_signal, or -1 when all of 64 are taken or `path`, which is copied, is longer than PATH_MAX.
   The handlers are set at the first call. Threads may call both. */
int imgpipe_remove_on_signal(const char *path);

/* Forgets the name of a place; nothing for -1. */
void imgpipe_keep_on_signal(int place);

/* memfd_create(2): a file in memory; -1 on failure. */
int imgpipe_memory_file(void);

/* snprintf(3) with "%.*g": a number with so many digits that mean something; its length. */
int imgpipe_format_number(char *text, size_t size, int digits, double number);

#endif
