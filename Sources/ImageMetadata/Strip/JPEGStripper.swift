import Glibc
import ImageCore

/// A JPEG without the segments that go: ITU-T T.81, annex B. Tables, frame and scans go through as they are.
final class JPEGStripper {
    private let source: ByteSource
    private let sink: any ByteSink
    private let editor: MetadataEditor
    /// What goes is replaced by as many fill bytes (B.1.1.2), for MPF states where pictures begin.
    private var keepsLength = false

    init(_ source: ByteSource, _ sink: any ByteSink, _ editor: MetadataEditor) {
        (self.source, self.sink, self.editor) = (source, sink, editor)
    }

    func strip() throws(ImageError) {
        try stripPicture()
        try stripTrailing()
    }

    /// From SOI to EOI.
    private func stripPicture() throws(ImageError) {
        guard try marker() == Marker(code: 0xd8, bytesBefore: 0) else { throw damaged("no start of an image") }
        try write([0xff, 0xd8])
        var head: JPEGHead? = JPEGHead()
        var order = JPEGRenderingSegment.Order()
        while true {
            let marker = try marker()
            editor.report.remove("bytes between segments", marker.bytesBefore)
            switch marker.code {
            case 0xd9:
                guard head == nil else { throw damaged("the image ends without a scan") }
                try fill(marker.bytesBefore)
                return try write([0xff, 0xd9])
            case 0xd8: throw damaged("an image starts inside of the image")
            case 0x02...0xbf, 0xc8, 0xde, 0xdf, 0xf0...0xfd: throw damaged("marker 0xff\(String(marker.code, radix: 16)), which no decoder knows,")
            case 0x01, 0xd0...0xd7:
                editor.report.remove("bytes between segments", 2)
                try fill(marker.bytesBefore + 2)
                continue
            default: break
            }
            let piece = try segment(marker)
            if piece.kind == nil, let fault = order.fault(piece.code, piece.payload) { throw damaged(fault) }
            if marker.code == 0xda {
                if let whole = head { try write(whole) }
                head = nil
                try write(piece, JPEGSegment.bytes(piece.code, piece.payload))
                try copyScan()
            } else if head != nil {
                try head?.add(piece, editor.limits)
            } else {
                try write(piece, piece.kind.map { JPEGHead.editedBehindScan($0, piece, editor.choice) } ?? JPEGSegment.bytes(piece.code, piece.payload))
            }
        }
    }

    // MARK: Reading

    private struct Marker: Equatable {
        let code: UInt8
        /// Those before it that are no part of anything: fill bytes, and what decoders pass over.
        let bytesBefore: Int
    }

    /// Finds the next marker.
    private func marker() throws(ImageError) -> Marker {
        var before = 0
        while true {
            try source.prefetch(2)
            guard source.waitingCount >= 2 else { throw .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }
            let window = source.window
            let second = window[1]
            if window[0] == 0xff && second != 0xff && second != 0 {
                source.skip(2)
                return Marker(code: second, bytesBefore: before)
            }
            // All but the last byte, which may begin a marker.
            let last = window.count - 1
            let passed = window[0] == 0xff ? 1 : window[..<last].firstIndex(of: 0xff) ?? last
            source.skip(passed)
            before += passed
        }
    }

    private func segment(_ marker: Marker) throws(ImageError) -> JPEGHead.Piece {
        try source.prefetch(2)
        guard source.waitingCount >= 2 else { throw .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }
        let length = Int(source.window[0]) << 8 | Int(source.window[1])
        guard length >= 2 else { throw damaged("a segment of length \(length)") }
        try source.prefetch(length)
        guard source.waitingCount >= length else { throw .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }
        let payload = Array(source.window[2..<length])
        source.skip(length)
        return JPEGHead.Piece(
            code: marker.code, kind: JPEGSegmentKind(marker.code, payload), payload: payload, fileBytes: marker.bytesBefore + 2 + length)
    }

    private func damaged(_ fault: String) -> ImageError { .damaged(fault, atByte: source.positionBytes) }

    // MARK: Writing

    private func write(_ bytes: [UInt8]) throws(ImageError) {
        if !bytes.isEmpty { try sink.write(bytes.span.bytes) }
    }

    private func fill(_ count: Int) throws(ImageError) {
        if keepsLength && count > 0 { try write(Array(repeating: 0xff, count: count)) }
    }

    private func write(_ head: JPEGHead) throws(ImageError) {
        keepsLength = keepsLength || (head.hasMPF && editor.choice.keeps(.mpf))
        for (piece, bytes) in zip(head.pieces, head.edited(editor)) { try write(piece, bytes) }
    }

    /// Writes what is left of a segment.
    private func write(_ piece: JPEGHead.Piece, _ bytes: [UInt8]) throws(ImageError) {
        let segmentBytes = piece.payload.count + 4
        let bytesBefore = piece.fileBytes - segmentBytes
        var bytes = bytes
        if piece.kind == .c2pa && !bytes.isEmpty { editor.report.keepsManifest = true }
        if keepsLength && bytes.count > piece.fileBytes {
            editor.report.warn("its \(piece.kind?.name ?? "segment") would take more room than it had, where lengths must stay, and is dropped")
            bytes = []
        }
        if bytes.count < segmentBytes {
            editor.report.remove(piece.kind?.name ?? "segment", segmentBytes - bytes.count)
        } else if bytes.count > segmentBytes || piece.payload[...] != bytes.dropFirst(4) {
            editor.report.replace(piece.kind?.name ?? "segment", segmentBytes, by: bytes.count)
        }
        try fill(keepsLength ? piece.fileBytes - bytes.count : bytesBefore)
        try write(bytes)
    }

    /// Entropy-coded bytes with their restart markers, up to the marker that ends them.
    private func copyScan() throws(ImageError) {
        while true {
            try source.prefetch(2)
            guard source.waitingCount >= 2 else { throw .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }
            let (count, isEnd) = JPEGScan.end(source.window)
            try sink.write(UnsafeRawBufferPointer(rebasing: source.window.prefix(count)))
            source.skip(count)
            if isEnd { return }
        }
    }

    // MARK: Behind the picture

    /// Further pictures lose the same and keep their length; a video, or anything else, is one piece that stays or goes.
    private func stripTrailing() throws(ImageError) {
        guard editor.choice.keeps(.mpf) else { return editor.report.remove("data behind the picture", try source.countRest()) }
        keepsLength = true
        while true {
            try source.prefetch(3)
            if source.waitingCount == 0 { return }
            if source.waitingCount >= 3, source.window.prefix(3).elementsEqual([0xff, 0xd8, 0xff]) {
                try stripPicture()
                continue
            }
            // Pictures may begin at even places.
            let zeros = source.window.prefix { $0 == 0 }.count
            if zeros > 0 {
                try sink.write(UnsafeRawBufferPointer(rebasing: source.window.prefix(zeros)))
                source.skip(zeros)
                continue
            }
            guard editor.choice.keepsTrailingData else {
                editor.report.warn("what stands behind the picture is dropped: it is no JPEG, and may hold a position")
                return editor.report.remove("data behind the picture", try source.countRest())
            }
            if !editor.choice.keepsEverything { editor.report.warn("what stands behind the picture is no JPEG; it is kept, with metadata of its own if it has any") }
            return try copyRest()
        }
    }

    private func copyRest() throws(ImageError) {
        repeat {
            try sink.write(source.window)
            source.skip(source.waitingCount)
        } while try source.refill() > 0
    }
}

/// Entropy-coded segments of a JPEG: T.81, B.1.1.5.
enum JPEGScan {
    /// How many bytes from the first on belong to the scan, and whether a marker that ends it follows. Of a 0xff at the very end that is
    /// not known, and it is not counted.
    static func end(_ bytes: UnsafeRawBufferPointer) -> (count: Int, isEnd: Bool) {
        guard let start = bytes.baseAddress else { return (0, false) }
        var at = 0
        while at < bytes.count, let found = memchr(start + at, 0xff, bytes.count - at) {
            at = found - UnsafeMutableRawPointer(mutating: start)
            guard at + 1 < bytes.count else { return (at, false) }
            let next = bytes[at + 1]
            if next == 0 || (0xd0...0xd7).contains(next) {
                at += 2
            } else if next == 0xff {
                at += 1
            } else {
                return (at, true)
            }
        }
        return (bytes.count, false)
    }
}
