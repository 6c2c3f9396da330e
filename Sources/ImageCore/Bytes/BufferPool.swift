import Glibc
import Synchronization

/// Page-aligned buffers that are used again: first touch of fresh memory costs about 0.26 ms a MB, a lease
/// from the pool tens of nanoseconds.
///
/// All buffers together, leased and waiting, never exceed `limitBytes`: what does not fit is refused, not
/// allocated. A pool may be shared between threads.
public final class BufferPool: Sendable {
    public let limitBytes: Int
    private let state = Mutex(State())

    private struct State {
        /// Waiting buffers, by capacity.
        var waiting: [Int: [UInt]] = [:]
        var waitingBytes = 0
        var leasedBytes = 0
    }

    public init(limitBytes: Int) {
        self.limitBytes = limitBytes
    }

    public convenience init(limits: Limits) {
        self.init(limitBytes: Int(clamping: limits.memory))
    }

    deinit {
        state.withLock { state in
            for address in state.waiting.values.joined() { free(UnsafeMutableRawPointer(bitPattern: address)) }
        }
    }

    /// Bytes out on lease now.
    public var leasedBytes: Int { state.withLock { $0.leasedBytes } }

    /// A buffer of at least `byteCount` bytes, contents undefined; it goes back when the lease ends.
    /// Throws `overLimit(.memory)` when the pool may not grow that far.
    public func lease(_ byteCount: Int) throws(ImageError) -> BufferLease {
        let capacity = Self.capacity(for: byteCount)
        let address: UInt? = state.withLock { state in
            if let address = state.waiting[capacity]?.popLast() {
                state.waitingBytes -= capacity
                state.leasedBytes += capacity
                return address
            }
            guard capacity <= limitBytes - state.leasedBytes else { return nil }
            if capacity > limitBytes - state.leasedBytes - state.waitingBytes { Self.drop(&state) }
            state.leasedBytes += capacity
            return 0
        }
        guard let address else {
            throw .overLimit(.memory, value: UInt64(leasedBytes + capacity), maximum: UInt64(limitBytes))
        }
        if let pointer = UnsafeMutableRawPointer(bitPattern: address) {
            return BufferLease(pool: self, base: pointer, capacity: capacity, count: byteCount)
        }
        var pointer: UnsafeMutableRawPointer?
        guard posix_memalign(&pointer, Self.pageBytes, capacity) == 0, let pointer else {
            state.withLock { $0.leasedBytes -= capacity }
            throw .overLimit(.memory, value: UInt64(capacity), maximum: UInt64(limitBytes))
        }
        return BufferLease(pool: self, base: pointer, capacity: capacity, count: byteCount)
    }

    fileprivate func giveBack(_ base: UnsafeMutableRawPointer, capacity: Int) {
        let address = UInt(bitPattern: base)
        state.withLock { state in
            state.leasedBytes -= capacity
            state.waitingBytes += capacity
            state.waiting[capacity, default: []].append(address)
        }
    }

    private static func drop(_ state: inout State) {
        for address in state.waiting.values.joined() { free(UnsafeMutableRawPointer(bitPattern: address)) }
        state.waiting.removeAll(keepingCapacity: true)
        state.waitingBytes = 0
    }

    static let pageBytes = 4096

    /// Whole pages, and from 16 pages on four sizes an octave, so that pictures of nearly one size share buffers.
    static func capacity(for byteCount: Int) -> Int {
        let pages = max(1, (byteCount + pageBytes - 1) / pageBytes)
        guard pages > 16 else { return pages * pageBytes }
        let step = 1 << (Int.bitWidth - 1 - (pages - 1).leadingZeroBitCount - 2)
        return (pages + step - 1) / step * step * pageBytes
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

    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            unsafe _overrideLifetime(RawSpan(_unsafeStart: base, byteCount: count), borrowing: self)
        }
    }

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
