import FilterSupport
import Glibc
import Logging

/// Log lines as objects of JSON on standard error, one write each.
public struct LineLog: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var logLevel: Logger.Level

    public init(level: Logger.Level) { logLevel = level }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var members: [(String, JSONValue)] = [
            ("time", .text(Self.now)), ("level", .text(event.level.rawValue)), ("message", .text(event.message.description)),
        ]
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { members.append((key, Self.json(value))) }
        if let error = event.error { members.append(("error", .text("\(error)"))) }
        var bytes: [UInt8] = []
        JSONValue.object(members).write(to: &bytes)
        bytes.append(0x0a)
        // A failing standard error has nobody to tell.
        _ = bytes.withUnsafeBytes { Glibc.write(2, $0.baseAddress!, $0.count) }
    }

    private static func json(_ value: Logger.MetadataValue) -> JSONValue {
        switch value {
        case .string(let text): .text(text)
        case .stringConvertible(let number as Int): .signed(Int64(number))
        case .stringConvertible(let number as Double): .number(number)
        case .stringConvertible(let other): .text(other.description)
        case .array(let values): .list(values.map { json($0) })
        case .dictionary(let values): .object(values.sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) })
        }
    }

    /// RFC 3339 in UTC, to the millisecond.
    private static var now: String {
        var (time, parts) = (timespec(), tm())
        clock_gettime(CLOCK_REALTIME, &time)
        gmtime_r(&time.tv_sec, &parts)
        func two(_ number: some BinaryInteger) -> String { (number < 10 ? "0" : "") + String(number) }
        let milliseconds = time.tv_nsec / 1_000_000
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))."
            + (milliseconds < 100 ? "0" : "") + two(milliseconds) + "Z"
    }
}
