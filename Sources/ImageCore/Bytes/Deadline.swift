import Glibc
import Synchronization

/// When the picture at hand has to be done. Looked at between bands of rows and while bytes are waited for; without a time it never comes.
public final class Deadline: Sendable {
    /// Seconds for each picture.
    private let seconds: Double?
    /// Of the clock that never goes back, in nanoseconds; the largest number while no picture is at hand.
    private let end = Atomic<UInt64>(.max)

    /// `seconds`: for each picture, at least 0; nil: no end.
    public init(seconds: Double? = nil) { self.seconds = seconds }

    /// With `Limits.timeoutSeconds`.
    public convenience init(limits: Limits) { self.init(seconds: limits.timeoutSeconds) }

    /// A picture begins. `latest`: nanoseconds of CLOCK_MONOTONIC, where nobody wants the picture after that.
    public func begin(latest: UInt64? = nil) {
        let mine = seconds.map { Self.now + UInt64(min($0, 1e9) * 1e9) }
        guard let first = [mine, latest].compactMap({ $0 }).min() else { return }
        end.store(first, ordering: .relaxed)
    }

    /// Between pictures.
    public func clear() { end.store(.max, ordering: .relaxed) }

    /// For a C library that looks itself: CLOCK_MONOTONIC's nanoseconds; the largest number where there is no end.
    package var nanoseconds: UInt64 { end.load(ordering: .relaxed) }

    /// A picture is at hand, and has an end.
    var isSet: Bool { nanoseconds != .max }

    /// CLOCK_MONOTONIC in nanoseconds.
    public static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Whether it has come.
    package var isOver: Bool { isSet && Self.now >= nanoseconds }

    /// Throws `outOfTime` where it has come.
    public func check() throws(ImageError) {
        if isOver { throw error }
    }

    package var error: ImageError { .outOfTime(seconds: seconds ?? 0) }

    /// Waits until `descriptor` has something to read, or its end; throws `outOfTime` where the deadline comes first.
    func wait(toRead descriptor: Int32) throws(ImageError) {
        while true {
            let (now, end) = (Self.now, nanoseconds)
            let milliseconds = end > now ? (end - now + 999_999) / 1_000_000 : 0
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&request, 1, Int32(clamping: milliseconds))
            if ready > 0 || (ready < 0 && errno != EINTR) { return }
            if ready == 0 && Self.now >= end { throw error }
        }
    }
}
