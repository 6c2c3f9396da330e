import HTTPTypes
import ImageCore
import ImageJobs
import ServiceRequests

/// How soon an answer is wanted, by X-Priority and X-TTL-Ms.
struct Urgency: Sendable {
    var priority = Job.lastPriority
    /// Nanoseconds of CLOCK_MONOTONIC.
    var expiry: UInt64?

    /// Throws `usage`.
    init(_ headers: HTTPFields) throws(ServiceFault) {
        priority = try Self.number(headers, .priority, in: Job.priorities) ?? Job.lastPriority
        // A day: longer than anybody waits.
        expiry = try Self.number(headers, .lifetime, in: 1...86_400_000).map { Deadline.now + UInt64($0) * 1_000_000 }
    }

    private static func number(_ headers: HTTPFields, _ name: HTTPField.Name, in range: ClosedRange<Int>) throws(ServiceFault) -> Int? {
        guard let text = headers[name] else { return nil }
        guard let number = Int(text.trimmed), range.contains(number) else {
            throw .usage("\(name) is no whole number in \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }
}
