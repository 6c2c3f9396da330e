/* What every call that may jump begins with: a failure is sticky, and a jump from the library comes back here.

   A macro, because a function that has called setjmp must not have returned when the jump comes. */
#ifndef IMGPIPE_GUARD_H
#define IMGPIPE_GUARD_H

#include <setjmp.h>

#define GUARD(self) \
    do { \
        if ((self)->failure) return (self)->failure; \
        if (setjmp((self)->jump)) return (self)->failure; \
    } while (0)

#endif
