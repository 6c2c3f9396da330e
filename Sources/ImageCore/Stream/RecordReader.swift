/// Reads a pixel stream record by record: lengths, reserved bytes and padding. What may follow what is `StreamReader`'s.
struct RecordReader {
    let source: ByteSource

    /// The next record's type and length.
    func header() throws(ImageError) -> RecordHeader {
        let at = source.positionBytes
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try source.read(into: &raw)
        do throws(StreamFault) {
            return try RecordHeader(raw.bytes)
        } catch {
            throw .damaged(error.text, atByte: at)
        }
    }

    /// The payload of a record of fixed size, and the padding behind it.
    func fixed<Record: FixedRecord>(_: Record.Type, _ header: RecordHeader) throws(ImageError) -> Record {
        guard header.payloadBytes == UInt64(Record.recordBytes) else {
            throw fault("\(header.type.text) of \(header.payloadBytes) bytes, not \(Record.recordBytes)")
        }
        let bytes = try payload(header)
        do throws(StreamFault) {
            return try Record(record: bytes.span.bytes)
        } catch {
            throw fault(error.text)
        }
    }

    /// The bytes of a record. Grows with what really comes: a stated length is never allocated at once.
    func payload(_ header: RecordHeader) throws(ImageError) -> [UInt8] {
        let step = 64 << 10
        var bytes: [UInt8] = []
        while UInt64(bytes.count) < header.payloadBytes {
            let begin = bytes.count
            let count = Int(min(UInt64(step), header.payloadBytes - UInt64(begin)))
            bytes.append(contentsOf: repeatElement(0, count: count))
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            var target = raw._mutatingExtracting(begin..<begin + count)
            try source.read(into: &target)
        }
        try readPadding(header.paddingBytes)
        return bytes
    }

    /// The zero bytes behind a payload.
    func readPadding(_ count: Int) throws(ImageError) {
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        var target = raw._mutatingExtracting(first: count)
        try source.read(into: &target)
        for i in 0..<count where target.bytes.uint8(at: i) != 0 { throw fault("padding is not zero") }
    }

    /// Passes over `count` bytes of a payload.
    func skip(_ count: UInt64) throws(ImageError) {
        var left = count
        while left > 0 {
            if source.waitingCount == 0 {
                guard try source.refill() > 0 else { throw .truncated(atByte: source.positionBytes) }
            }
            let n = Int(min(left, UInt64(source.waitingCount)))
            source.skip(n)
            left -= UInt64(n)
        }
    }

    /// An error at about this place of the stream.
    func fault(_ text: String) -> ImageError {
        .damaged(text, atByte: source.positionBytes)
    }
}
