import Glibc
import Synchronization

/// Page-aligned buffers that are used again: first touch of fresh memory costs about 0.26 ms a MB, a lease
/// from the pool tens of nanoseconds.
///
/// All buffers together, leased and waiting, never exceed `limitBytes`: what does not fit is refused, not
/// allocated. A pool may be shared between threads.
public final class BufferPool: Sendable {
    /// The most bytes of all buffers together, those that wait among them.
    public let limitBytes: Int
    /// Of the picture that a run has at hand, for all that the pool is lent to.
    public let deadline: Deadline
    private let state = Mutex(State())

    private struct State {
        /// Waiting buffers, the least recently used first.
        var waiting: [(capacity: Int, address: UInt)] = []
        var waitingBytes = 0
        var leasedBytes = 0
        var counts = Counts()

        /// The place of the smallest buffer whose capacity is one of these.
        func smallest(in capacities: ClosedRange<Int>) -> Int? {
            var best: Int?
            for i in waiting.indices where capacities.contains(waiting[i].capacity) {
                if best.map({ waiting[i].capacity < waiting[$0].capacity }) ?? true { best = i }
            }
            return best
        }

        mutating func dropOldest() {
            let oldest = waiting.removeFirst()
            waitingBytes -= oldest.capacity
            free(UnsafeMutableRawPointer(bitPattern: oldest.address))
        }
    }

    /// As much waits for the next lease at most.
    private static let mostWaitingBytes = 64 << 20

    /// `limitBytes`: at least 0. `deadline`: for each picture; none unless given.
    public init(limitBytes: Int, deadline: Deadline = Deadline()) {
        (self.limitBytes, self.deadline) = (limitBytes, deadline)
    }

    /// With the memory and the time for a picture that `limits` allow.
    public convenience init(limits: Limits) {
        self.init(limitBytes: Int(clamping: limits.memory), deadline: Deadline(limits: limits))
    }

    deinit {
        state.withLock { state in
            while !state.waiting.isEmpty { state.dropOldest() }
        }
    }

    /// What was lent, and how often fresh memory had to be had for it.
    public struct Counts: Sendable, Equatable {
        /// Calls of `lease`, also those that were refused.
        public var leases: UInt64 = 0
        /// Those of them for which memory was allocated, as no buffer that waited would do.
        public var allocations: UInt64 = 0

        /// Counts that were taken elsewhere.
        public init(leases: UInt64 = 0, allocations: UInt64 = 0) { (self.leases, self.allocations) = (leases, allocations) }
    }

    /// Since the pool was made.
    public var counts: Counts { state.withLock { $0.counts } }

    /// Bytes out on lease now.
    public var leasedBytes: Int { state.withLock { $0.leasedBytes } }

    /// Throws `overLimit(.memory)` where a library would hold more than the pool has left.
    package func check(bytes: UInt64) throws(ImageError) {
        let sum = UInt64(leasedBytes) + bytes
        if sum > UInt64(limitBytes) { throw .overLimit(.memory, value: sum, maximum: UInt64(limitBytes)) }
    }

    /// A buffer of at least `byteCount` bytes, contents undefined; it goes back when the lease ends.
    /// Throws `overLimit(.memory)` when the pool may not grow that far.
    public func lease(_ byteCount: Int) throws(ImageError) -> BufferLease {
        let needed = Self.capacity(for: byteCount)
        // The smallest that is large enough, and not so large that it would be missed elsewhere.
        let taken: (capacity: Int, address: UInt)? = state.withLock { state in
            state.counts.leases += 1
            if let best = state.smallest(in: needed...2 * needed), state.waiting[best].capacity <= limitBytes - state.leasedBytes {
                let buffer = state.waiting.remove(at: best)
                state.waitingBytes -= buffer.capacity
                state.leasedBytes += buffer.capacity
                return buffer
            }
            guard needed <= limitBytes - state.leasedBytes else { return nil }
            while needed > limitBytes - state.leasedBytes - state.waitingBytes { state.dropOldest() }
            state.leasedBytes += needed
            state.counts.allocations += 1
            return (needed, 0)
        }
        guard let taken else {
            throw .overLimit(.memory, value: UInt64(leasedBytes) + UInt64(needed), maximum: UInt64(limitBytes))
        }
        if let pointer = UnsafeMutableRawPointer(bitPattern: taken.address) {
            return BufferLease(pool: self, base: pointer, capacity: taken.capacity, count: byteCount)
        }
        var pointer: UnsafeMutableRawPointer?
        let isLarge = needed >= Self.largeBytes
        guard posix_memalign(&pointer, isLarge ? Self.hugePageBytes : Self.pageBytes, needed) == 0, let pointer else {
            state.withLock { $0.leasedBytes -= needed }
            throw .outOfMemory
        }
        // A whole picture touches every page once: a fault for 2 MiB instead of 512 of them. Where it cannot be, nothing is lost.
        if isLarge { _ = madvise(pointer, needed, MADV_HUGEPAGE) }
        return BufferLease(pool: self, base: pointer, capacity: needed, count: byteCount)
    }

    fileprivate func giveBack(_ base: UnsafeMutableRawPointer, capacity: Int) {
        let address = UInt(bitPattern: base)
        state.withLock { state in
            state.leasedBytes -= capacity
            state.waitingBytes += capacity
            state.waiting.append((capacity, address))
            while state.waitingBytes > Self.mostWaitingBytes { state.dropOldest() }
        }
    }

    static let pageBytes = 4096
    private static let hugePageBytes = 2 << 20
    /// Buffers of bands stay below; whole pictures do not.
    private static let largeBytes = 4 << 20

    /// Whole pages. What is beyond any limit stays so without overflow.
    static func capacity(for byteCount: Int) -> Int {
        max(1, (min(byteCount, .max / 4) + pageBytes - 1) / pageBytes) * pageBytes
    }
}

/// A buffer on loan from a `BufferPool`, given back when this value ends.
public struct BufferLease: ~Copyable {
    private let pool: BufferPool
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    /// The bytes asked for.
    public let count: Int

    fileprivate init(pool: BufferPool, base: UnsafeMutableRawPointer, capacity: Int, count: Int) {
        (self.pool, self.base, self.capacity, self.count) = (pool, base, capacity, count)
    }

    deinit { pool.giveBack(base, capacity: capacity) }

    /// All `count` bytes; undefined before they are written.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            unsafe _overrideLifetime(RawSpan(_unsafeStart: base, byteCount: count), borrowing: self)
        }
    }

    /// All `count` bytes, to be written.
    public var mutableBytes: MutableRawSpan {
        @_lifetime(&self)
        mutating get {
            unsafe _overrideLifetime(MutableRawSpan(_unsafeStart: base, byteCount: count), mutating: &self)
        }
    }

    /// For the innermost loops and C calls of this package; valid while the lease lives.
    package var start: UnsafeMutableRawPointer { base }
}

/// A lease for a property that is nil at times: Swift 6.3 cannot borrow through an optional of a `~Copyable` type in a class.
package final class HeldBuffer {
    private let lease: BufferLease
    package init(_ lease: consuming BufferLease) { self.lease = lease }
    package var start: UnsafeMutableRawPointer { lease.start }
    package var count: Int { lease.count }
}
