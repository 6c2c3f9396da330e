/* Swift's Mutex as ThreadSanitizer has to see it. What a thread does where the lock is free is inlined, and so seen; where it has to wait, or has
   a waiter, it goes into libswiftSynchronization, which is built without the sanitizer: what one thread did before the other then looks like a
   race. These stand before the library's functions in what scripts/check-sanitized links, call them, and say what they have done. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sanitizer/tsan_interface.h>

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *

typedef SWIFT void lock_function(uint32_t thread, SELF mutex);
typedef SWIFT _Bool try_lock_function(SELF mutex);
typedef SWIFT void unlock_function(SELF mutex);

lock_function lock __asm__(LOCK);
try_lock_function try_lock __asm__(TRY_LOCK);
unlock_function unlock __asm__(UNLOCK);

static lock_function *library_lock;
static try_lock_function *library_try_lock;
static unlock_function *library_unlock;

/* At once, not where the first thread waits: under other names these here would never be called, and races be found where there are none. */
__attribute__((constructor)) static void find(void) {
    library_lock = (lock_function *)dlsym(RTLD_NEXT, LOCK);
    library_try_lock = (try_lock_function *)dlsym(RTLD_NEXT, TRY_LOCK);
    library_unlock = (unlock_function *)dlsym(RTLD_NEXT, UNLOCK);
    if (library_lock && library_try_lock && library_unlock) return;
    fputs("Tests/Sanitizers/mutex.c: this Swift has other names for Mutex's functions\n", stderr);
    abort();
}

SWIFT void lock(uint32_t thread, SELF mutex) {
    library_lock(thread, mutex);
    __tsan_acquire(mutex);
}

SWIFT _Bool try_lock(SELF mutex) {
    _Bool locked = library_try_lock(mutex);
    if (locked) __tsan_acquire(mutex);
    return locked;
}

SWIFT void unlock(SELF mutex) {
    __tsan_release(mutex);
    library_unlock(mutex);
}
