import ImageCore

/// What a walker of a file asks for next.
enum WalkerNeed {
    /// So many bytes together, which do not go out before it has judged them.
    case hold(Int)
    /// So many bytes that it need not see: pixels.
    case pass(UInt64)
    /// Bytes in which it looks for an end itself.
    case scan
    /// None: the file is at its end.
    case end
}

/// Reads a file that is on its way out, a second time and by code of its own, and throws `internalError` at what had to go and is there.
protocol Walker {
    var need: WalkerNeed { get }
    /// Judges the bytes that were held; how many of them, at least one, are done with, or none where it needs more now.
    mutating func judge(_ held: [UInt8]) throws(ImageError) -> Int
    mutating func passed(_ count: UInt64)
    /// Looks through bytes; how many of them belong to what is scanned.
    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Int
    /// Whether the file may end here, with so many bytes held.
    func mayEnd(holding count: Int) -> Bool
}

/// A sink whose bytes a walker has seen before they reach it.
final class AuditedSink: ByteSink {
    private let sink: any ByteSink
    private var walker: any Walker
    private var held: [UInt8] = []

    init(_ sink: any ByteSink, _ walker: any Walker) {
        (self.sink, self.walker) = (sink, walker)
    }

    func write(_ bytes: RawSpan) throws(ImageError) {
        try bytes.withUnsafeBytes { (bytes) throws(ImageError) in try take(bytes) }
    }

    private func take(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        var rest = bytes[...]
        while !rest.isEmpty || !held.isEmpty {
            switch walker.need {
            case .hold(let count):
                let missing = max(0, count - held.count)
                held += rest.prefix(missing)
                rest = rest.dropFirst(missing)
                if held.count < count { return }
                let done = try walker.judge(held)
                try passHeld(done)
            case .pass(let count):
                // What was held longer than needed goes first.
                if !held.isEmpty {
                    let part = min(held.count, Int(clamping: count))
                    try passHeld(part)
                    walker.passed(UInt64(part))
                    continue
                }
                let passing = rest.prefix(Int(clamping: count))
                try pass(passing)
                rest = rest.dropFirst(passing.count)
                walker.passed(UInt64(passing.count))
            case .scan:
                if !held.isEmpty {
                    // At most a byte: the end of what was written before.
                    held += rest.prefix(64)
                    rest = rest.dropFirst(64)
                    let count = held.withUnsafeBytes { walker.scan($0) }
                    try passHeld(count)
                    if count == 0 && rest.isEmpty, case .scan = walker.need { return }
                    continue
                }
                let count = walker.scan(UnsafeRawBufferPointer(rebasing: rest))
                if count > 0 { try pass(rest.prefix(count)) }
                rest = rest.dropFirst(count)
                if case .scan = walker.need {
                    held += rest
                    return
                }
            case .end: throw .internalError("bytes behind the end of the picture")
            }
        }
    }

    private func passHeld(_ count: Int) throws(ImageError) {
        if count == 0 { return }
        if count == held.count {
            let whole = held
            held = []
            return try sink.write(whole.span.bytes)
        }
        let part = Array(held.prefix(count))
        held.removeFirst(count)
        try sink.write(part.span.bytes)
    }

    private func pass(_ bytes: Slice<UnsafeRawBufferPointer>) throws(ImageError) {
        let bytes = UnsafeRawBufferPointer(rebasing: bytes)
        try sink.write(bytes.bytes)
    }

    /// The file is whole. Throws `internalError` where its walker has not seen its end.
    func end() throws(ImageError) {
        guard walker.mayEnd(holding: held.count) else { throw .internalError("the stripped file is not whole") }
        try passHeld(held.count)
    }

    /// For whoever owns the sink behind this.
    func commit() throws(ImageError) { try end() }

    func reset() throws(ImageError) { throw .internalError("bytes that are on their way cannot be taken back") }
}
