import Glibc

/// Something has changed: pthread_cond_t with a count, so that no change between a look and a wait is missed.
///
/// Unchecked: the count is touched under the lock alone, and the two of pthread live where they do not move.
final class Condition: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var count: UInt64 = 0

    init() {
        lock.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(lock, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(lock)
        condition.deallocate()
        lock.deallocate()
    }

    /// Taken before the look.
    var mark: UInt64 {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return count
    }

    func signal() {
        pthread_mutex_lock(lock)
        count += 1
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(lock)
    }

    /// Until there was a change after `mark`.
    func wait(since mark: UInt64) {
        pthread_mutex_lock(lock)
        while count == mark { pthread_cond_wait(condition, lock) }
        pthread_mutex_unlock(lock)
    }
}
