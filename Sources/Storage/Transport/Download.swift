import CCurlShims
import ImageCore

/// Bytes of one file of a server, in as many requests as that takes: what is cut is continued where it ended, from the same version or not at all.
final class Download: AnswerReceiver {
    private let store: any RemoteStore
    private let location: Location
    private let target: any ByteSink
    /// What is wanted; the upper end is moved to the file's.
    private var wanted: Range<UInt64>
    /// Known from the first answer on; nil before.
    private(set) var file: StoredFile?
    private(set) var receivedBytes: UInt64 = 0
    private let mostBytes: UInt64

    /// Of the answer at hand: what is passed over before it begins, and what may come.
    private var skippedBytes: UInt64 = 0
    private var expectedBytes: UInt64?
    /// The server knows nothing of ranges.
    private(set) var isWhole = false
    private var isDone = false
    private var fault: TransferFault?

    /// `range`: its end may lie behind the file's. `version`: what alone is read. `mostBytes`: more throws `overLimit(.memory)`.
    init(_ store: any RemoteStore, _ location: Location, _ range: Range<UInt64>, of version: StoredFile?, mostBytes: UInt64 = .max, to target: any ByteSink) {
        (self.store, self.location, wanted, file, self.mostBytes, self.target) = (store, location, range, version, mostBytes, target)
    }

    func run(_ terms: Transport.Terms) throws(TransferFault) {
        while !isDone && !wanted.isEmpty {
            let before = receivedBytes
            let head = try store.transport.exchange(to: self, terms, accepted: [412, 416], isSigned: store.isSigned, progress: { receivedBytes }) { date in
                let (first, last) = (wanted.lowerBound + receivedBytes, wanted.upperBound - 1)
                var headers: [HTTPHeader] = []
                if first > 0 || wanted.upperBound != .max { headers.append(HTTPHeader("Range", "bytes=\(first)-\(last == .max - 1 ? "" : "\(last)")")) }
                if let etag = file?.etag, !etag.hasPrefix("W/") { headers.append(HTTPHeader("If-Match", etag)) }
                return store.request("GET", location, headers: headers, query: [], body: nil, date: date)
            }
            if let fault { throw fault }
            switch head.status {
            case 412: throw .changed
            case 416: try endBehind(head)
            default:
                if isWhole { isDone = true }
                if let end = file?.byteCount, wanted.lowerBound + receivedBytes >= min(end, wanted.upperBound) { isDone = true }
                // A server may give less than was asked for, but not nothing.
                if !isDone && receivedBytes == before { throw TransferFault(.broken, "an answer without a byte of what was asked for") }
            }
        }
    }

    /// There is nothing from there on.
    private func endBehind(_ head: HTTPHead) throws(TransferFault) {
        let total = head.contentRange?.total ?? 0
        guard receivedBytes == 0, total <= wanted.lowerBound, file.map({ $0.byteCount == nil || $0.byteCount == total }) ?? true else {
            throw receivedBytes > 0 || file != nil ? .changed : TransferFault(.refused, "416 Range Not Satisfiable")
        }
        if file == nil { file = StoredFile(head, byteCount: total) }
        isDone = true
    }

    // MARK: One answer

    func begin(_ head: HTTPHead) -> Bool {
        let next = wanted.lowerBound + receivedBytes
        var total: UInt64?
        switch head.status {
        case 206:
            guard let range = head.contentRange, range.first == next, range.last < wanted.upperBound else {
                return refuse(TransferFault(.broken, "an answer with other bytes than were asked for"))
            }
            (skippedBytes, expectedBytes, total, isWhole) = (0, range.last - range.first + 1, range.total, false)
            if let length = head.contentLength, length != expectedBytes { return refuse(TransferFault(.broken, "an answer that contradicts itself about its length")) }
        case 200:
            // It knows nothing of ranges.
            (skippedBytes, expectedBytes, total, isWhole) = (next, nil, head.contentLength, true)
        default: return refuse(TransferFault(.broken, "an answer of status \(head.status)"))
        }
        let answered = StoredFile(head, byteCount: total)
        if let file {
            guard file.byteCount == nil || total == nil || file.byteCount == total, file.etag == nil || answered.etag == nil || file.etag == answered.etag,
                file.etag != nil || file.modified == nil || answered.modified == nil || file.modified == answered.modified
            else { return refuse(.changed) }
        } else {
            file = answered
        }
        if let total, min(total, wanted.upperBound) - min(total, wanted.lowerBound) > mostBytes { return refuse(overLimit(total)) }
        return true
    }

    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var bytes = bytes[...]
        if skippedBytes > 0 {
            let skipped = Int(min(skippedBytes, UInt64(bytes.count)))
            skippedBytes -= UInt64(skipped)
            bytes = bytes.dropFirst(skipped)
        }
        if let expected = expectedBytes {
            guard bytes.count <= expected else { return refuse(TransferFault(.broken, "an answer that is longer than it says")) }
            expectedBytes = expected - UInt64(bytes.count)
        }
        let left = wanted.upperBound - wanted.lowerBound - receivedBytes
        let part = bytes.prefix(Int(clamping: left))
        if UInt64(part.count) > mostBytes - receivedBytes { return refuse(overLimit(receivedBytes + UInt64(part.count))) }
        do throws(ImageError) {
            try target.write(UnsafeRawBufferPointer(rebasing: part))
        } catch {
            return refuse(TransferFault(error))
        }
        receivedBytes += UInt64(part.count)
        return !(isWhole && receivedBytes == wanted.upperBound - wanted.lowerBound)
    }

    private func overLimit(_ count: UInt64) -> TransferFault { TransferFault(.overLimit(.memory, value: count, maximum: mostBytes)) }

    private func refuse(_ fault: TransferFault) -> Bool {
        self.fault = fault
        return false
    }
}

extension StoredFile {
    init(_ head: HTTPHead, byteCount: UInt64?) {
        self.init(byteCount: byteCount, etag: head["etag"].flatMap(Self.sendable))
        let date = head["last-modified"].map { $0.withCString { imgpipe_http_date($0) } } ?? -1
        if date >= 0 { modified = .seconds(date) }
    }

    /// It goes back in a header.
    private static func sendable(_ etag: String) -> String? {
        (1...1024).contains(etag.utf8.count) && etag.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) ? etag : nil
    }
}

/// A part of a file in memory, whose room is used again.
final class MemoryWindow: ByteSink {
    private(set) var bytes: [UInt8] = []

    /// `room`: an array that was taken, and is of no use any more.
    init(_ room: [UInt8] = [], capacity: Int = 0) {
        bytes = room
        bytes.removeAll(keepingCapacity: true)
        bytes.reserveCapacity(capacity)
    }

    func write(_ more: RawSpan) { more.withUnsafeBytes { bytes.append(contentsOf: $0) } }
    func commit() {}
    func reset() { bytes.removeAll(keepingCapacity: true) }

    func take() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }
}
