import ImageCore

/// Lines of a file or pipe, each ended by a line feed.
public struct LineReader {
    private let source: ByteSource

    public static var mostBytes: Int { 1 << 20 }

    public init(_ source: ByteSource) { self.source = source }

    /// The next line, without its end, which the last may lack; nil after that. Of one longer than `mostBytes` so many, and one more.
    public mutating func next() throws(ImageError) -> (bytes: [UInt8], isEnded: Bool)? {
        var line: [UInt8] = []
        while true {
            if source.waitingCount == 0, try source.refill() == 0 { return line.isEmpty ? nil : (line, false) }
            let window = source.window
            let end = window.firstIndex(of: 0x0a)
            line += window.prefix(upTo: end ?? window.count).prefix(Self.mostBytes + 1 - line.count)
            source.skip(end.map { $0 + 1 } ?? window.count)
            if end != nil { return (line, true) }
        }
    }
}
