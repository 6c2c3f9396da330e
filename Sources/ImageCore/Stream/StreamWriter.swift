import CPlatformShims
import Glibc

/// Writes a pixel stream, imgpipe(5), to a descriptor: pictures as a `RowSink`, failures, and the end.
///
/// Small records wait for the rows behind them, so that the head of a picture and its first rows are one write; the end of a
/// picture is written at once, so that the next filter can finish it.
public final class StreamWriter: RowSink {
    private let descriptor: Descriptor
    private var pending: [UInt8]
    private var isPictureOpen = false
    private var info: ImageInfo?
    private var pictureCounts = RecordCounts()
    private var streamCounts = RecordCounts()

    /// The header is written with the first record.
    public init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
        // Two bands' worth: reader and writer are woken half as often as with the usual 64 KiB (docs/measurements.md).
        imgpipe_grow_pipe(self.descriptor.number, 256 << 10)
        pending = StreamHeader.bytes
        pending.reserveCapacity(4096)
    }

    public func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        precondition(!isPictureOpen, "a picture in a picture")
        self.info = info
        isPictureOpen = true
        pictureCounts = RecordCounts()
        append(.picture, info.record)
        for record in metadata { append(record.type, record.payload) }
    }

    public func beginFrame(_ frame: Frame) throws(ImageError) {
        append(.frame, frame.record)
    }

    public func write(_ bands: RawSpan, rows: Int) throws(ImageError) {
        guard let info, isPictureOpen else { preconditionFailure("rows outside a picture") }
        precondition(rows > 0 && bands.byteCount == info.byteCount(rows: rows), "rows that are no whole bands")
        let header = RecordHeader(.rows, payloadBytes: UInt64(bands.byteCount))
        header.append(to: &pending)
        try flush(with: bands, padding: header.paddingBytes)
        pictureCounts.first += UInt64(rows)
        pictureCounts.second += UInt64(bands.byteCount)
    }

    public func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {
        precondition(isPictureOpen, "the end of no picture")
        for record in trailingMetadata { append(record.type, record.payload) }
        append(.pictureEnd, pictureCounts.record)
        isPictureOpen = false
        streamCounts.first += 1
        try flush()
    }

    /// Says that the open picture, or else a whole one, could not be done. Throws `writeFailed`.
    public func fail(_ failure: StreamFailure) throws(ImageError) {
        append(.failure, failure.record)
        isPictureOpen = false
        streamCounts.second += 1
        try flush()
    }

    /// Ends the stream: without this its reader holds it for cut. Throws `writeFailed`.
    public func done() throws(ImageError) {
        precondition(!isPictureOpen, "the end inside a picture")
        append(.done, streamCounts.record)
        try flush()
    }

    private func append(_ type: FourCC, _ payload: [UInt8]) {
        let header = RecordHeader(type, payloadBytes: UInt64(payload.count))
        header.append(to: &pending)
        pending += payload
        pending.append(contentsOf: repeatElement(0, count: header.paddingBytes))
    }

    private func flush() throws(ImageError) {
        var head: [UInt8] = []
        swap(&head, &pending)
        try descriptor.write(head.span.bytes)
        head.removeAll(keepingCapacity: true)
        swap(&head, &pending)
    }

    /// What is pending, `bands` and `padding` zero bytes, in one system call where the pipe takes it.
    private func flush(with bands: RawSpan, padding: Int) throws(ImageError) {
        var head: [UInt8] = []
        swap(&head, &pending)
        let zeros = InlineArray<16, UInt8>(repeating: 0)
        try head.span.bytes.withUnsafeBytes { (head) throws(ImageError) in
            try bands.withUnsafeBytes { (rows) throws(ImageError) in
                try zeros.span.bytes.withUnsafeBytes { (zeros) throws(ImageError) in
                    try descriptor.writeAll([head, rows, UnsafeRawBufferPointer(rebasing: zeros[..<padding])])
                }
            }
        }
        head.removeAll(keepingCapacity: true)
        swap(&head, &pending)
    }
}

extension Descriptor {
    /// writev(2) until all of `parts` is out.
    fileprivate func writeAll(_ parts: InlineArray<3, UnsafeRawBufferPointer>) throws(ImageError) {
        var places = InlineArray<3, iovec> {
            iovec(iov_base: UnsafeMutableRawPointer(mutating: parts[$0].baseAddress), iov_len: parts[$0].count)
        }
        var first = 0
        while true {
            while first < 3 && places[first].iov_len == 0 { first += 1 }
            if first == 3 { return }
            let from = first
            let n = places.span.withUnsafeBufferPointer { writev(number, $0.baseAddress! + from, Int32(3 - from)) }
            if n < 0 {
                if canRetry(POLLOUT) { continue }
                throw .writeFailed(errno: errno)
            }
            var left = n
            while first < 3 && left >= places[first].iov_len {
                left -= places[first].iov_len
                first += 1
            }
            if first < 3 {
                places[first].iov_base += left
                places[first].iov_len -= left
            }
        }
    }
}
