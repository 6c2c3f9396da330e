import Glibc

/// Whom a change of a monitor's state wakes.
package enum Wake {
    case none
    case all
}

/// State behind a lock, and a way to wait until the state is as wanted: Synchronization's Mutex has no condition variable. Hoare 1974, with
/// Mesa's rule that a woken waiter looks again. Both sides of a bounded queue:
///
///     let job = queue.wait(waking: .all) { $0.jobs.popFirst() }
///     queue.wait(waking: .all) { $0.jobs.count < limit ? $0.jobs.append(job) : nil }
///
/// No body may call back into the monitor it runs under, but for `wake`: that traps. Waiters are woken in no order.
///
/// Unchecked, because the compiler cannot see that the lock guards `state`: it is touched in this file alone, and only between lock and
/// unlock. The pointers never change.
package final class Monitor<State: ~Copyable>: @unchecked Sendable {
    // Allocated: the C calls need an address that stays, and a stored property has one only for the length of a call.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state: State

    package init(_ state: consuming sending State) {
        self.state = state
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)

        // This kind finds a thread that locks twice, which would else stand still for ever.
        var mutexKind = pthread_mutexattr_t()
        demand(pthread_mutexattr_init(&mutexKind))
        demand(pthread_mutexattr_settype(&mutexKind, Int32(PTHREAD_MUTEX_ERRORCHECK)))
        demand(pthread_mutex_init(mutex, &mutexKind))
        pthread_mutexattr_destroy(&mutexKind)

        // The default clock jumps when somebody sets the time.
        var conditionKind = pthread_condattr_t()
        demand(pthread_condattr_init(&conditionKind))
        demand(pthread_condattr_setclock(&conditionKind, CLOCK_MONOTONIC))
        demand(pthread_cond_init(condition, &conditionKind))
        pthread_condattr_destroy(&conditionKind)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` under the lock; wakes nobody.
    package func withLock<R, E: Error>(_ body: (inout sending State) throws(E) -> sending R) throws(E) -> sending R {
        demand(pthread_mutex_lock(mutex))
        defer { demand(pthread_mutex_unlock(mutex)) }
        return try body(&state)
    }

    /// Runs `body` under the lock, then wakes, also when it throws: it may have changed the state before.
    package func update<R, E: Error>(
        waking wake: Wake = .all, _ body: (inout sending State) throws(E) -> sending R
    ) throws(E) -> sending R {
        // After the unlock, or the woken would run into the lock.
        defer { self.wake(wake) }
        return try withLock(body)
    }

    /// Runs `body` under the lock, at once and after each wake, until it gives something.
    ///
    /// - Parameter wake: whom to wake then, for a body that changes the state.
    package func wait<R, E: Error>(
        waking wake: Wake = .none, _ body: (inout sending State) throws(E) -> sending R?
    ) throws(E) -> sending R {
        while true {
            // Without a deadline one turn does.
            if let found = try wait(deadline: nil, waking: wake, body) { return found }
        }
    }

    /// The same, but gives nil where `deadline` has come and `body`, asked once more, still gives nil. `body` is asked even where the
    /// deadline is long past.
    ///
    /// - Parameter deadline: nanoseconds of CLOCK_MONOTONIC; nil is never.
    package func wait<R, E: Error>(
        deadline: UInt64?, waking wake: Wake = .none, _ body: (inout sending State) throws(E) -> sending R?
    ) throws(E) -> sending R? {
        let end = deadline.map { timespec(tv_sec: Int($0 / 1_000_000_000), tv_nsec: Int($0 % 1_000_000_000)) }
        defer { self.wake(wake) }
        demand(pthread_mutex_lock(mutex))
        defer { demand(pthread_mutex_unlock(mutex)) }
        var isOver = false
        while true {
            if let found = try body(&state) { return found }
            if isOver { return nil }
            isOver = sleep(until: end)
        }
    }

    /// Lets go of the lock until woken, or by chance earlier; tells whether `end` has come.
    private func sleep(until end: timespec?) -> Bool {
        guard var end else {
            demand(pthread_cond_wait(condition, mutex))
            return false
        }
        let code = pthread_cond_timedwait(condition, mutex, &end)
        if code == ETIMEDOUT { return true }
        demand(code)
        return false
    }

    /// Wakes waiters, to look at the state again. May be called with or without the lock.
    package func wake(_ wake: Wake = .all) {
        switch wake {
        case .none: break
        case .all: demand(pthread_cond_broadcast(condition))
        }
    }
}

/// These calls fail only by a bug of ours (EINVAL, EDEADLK, EPERM), or without the memory for a lock.
private func demand(_ code: Int32) {
    precondition(code == 0, "pthread: error \(code)")
}
