/// Reads a pixel stream, imgpipe(5), and holds every rule of it: what it gives was said to be complete by who wrote it.
///
/// `next` moves from picture to picture; the reader itself is the `RowSource` of the picture it stands at. A picture that was
/// not read to its end is passed over.
public final class StreamReader: RowSource {
    /// What comes next in a stream.
    public enum Item: Equatable {
        /// A picture begins: read it from the reader.
        case picture
        /// An earlier filter failed a picture as a whole, or the whole run.
        case failure(StreamFailure)
    }

    private enum State {
        /// Before the header of the stream.
        case start
        /// Between pictures.
        case between
        /// After IMAG and metadata: FRAM is next.
        case atFrame(Frame)
        /// Inside a frame whose rows are not all read.
        case inRows
        /// All rows of the frame are read: FRAM, ENDI, FAIL or metadata is next.
        case afterRows
        /// ENDI was read.
        case ended
        case done
        /// The stream breaks a rule: every later call says the same.
        case broken(ImageError)
    }

    private let records: RecordReader
    private let limits: Limits
    private var state = State.start
    public private(set) var info = ImageInfo(width: 1, height: 1, format: .gray)
    public private(set) var metadata: [MetadataRecord] = []
    public private(set) var trailingMetadata: [MetadataRecord] = []
    /// Rows of the frame not read yet, and bytes of the open ROWS record.
    private var frameRowsLeft = 0
    private var recordBytesLeft = 0
    private var recordPadding = 0
    private var framesSeen: UInt32 = 0
    private var metadataBytes: UInt64 = 0
    private var metadataSeen: Set<FourCC> = []
    /// The picture has more metadata than is allowed: what is over it was passed over, and the picture fails.
    private var metadataFault: ImageError?
    private var pictureCounts = RecordCounts()
    private var streamCounts = RecordCounts()

    /// `source`: at the start of a stream, whose header is read with the first record. `limits`: what each picture is held against.
    public init(_ source: ByteSource, limits: Limits) {
        (records, self.limits) = (RecordReader(source: source), limits)
    }

    /// The stream itself is cut or malformed: nothing more can come.
    public var isBroken: Bool {
        if case .broken = state { true } else { false }
    }

    // MARK: From picture to picture

    /// The next picture or failure; nil when the stream ended as it must. Throws when it is cut or malformed, or when the
    /// picture is over a limit (then it can be passed over by the next call).
    public func next() throws(ImageError) -> Item? {
        try guarded { () throws(ImageError) in
            if case .start = state {
                #if DEBUG
                    Intruder.act()
                #endif
                try readHeader()
            }
            try passOver()
            // What follows has a name of its own, or none.
            metadata.removeAll()
            trailingMetadata.removeAll()
            let header = try records.header()
            switch header.type {
            case .done:
                try readDone(header)
                return nil
            case .failure: return .failure(try failure(header))
            case .picture: return try beginPicture(header)
            default: throw records.fault("\(header.type.text) outside a picture")
            }
        }
    }

    private func readHeader() throws(ImageError) {
        let source = records.source
        try source.prefetch(StreamHeader.bytes.count)
        if let neighbour = Self.neighbour(source.waiting) { throw neighbour }
        var header = InlineArray<16, UInt8>(repeating: 0)
        var bytes = header.mutableSpan
        var raw = bytes.mutableBytes
        if source.waitingCount == 0 { throw .damaged("empty; a pixel stream was expected") }
        try source.read(into: &raw)
        for i in 0..<16 where raw.bytes.uint8(at: i) != StreamHeader.bytes[i] {
            throw .damaged("not a pixel stream")
        }
        state = .between
    }

    /// What else may stand where a stream is expected, and what to do about it.
    private static func neighbour(_ head: RawSpan) -> ImageError? {
        guard let format = FileSignature(head), format != .pixelStream else { return nil }
        return format.isDecoded
            ? .damaged("is \(format.withArticle); put imgdecode before it")
            : .unsupported("is \(format.withArticle), which imgpipe does not read")
    }

    private func beginPicture(_ header: RecordHeader) throws(ImageError) -> Item {
        let info = try records.fixed(ImageInfo.self, header)
        self.info = info
        (framesSeen, metadataBytes, pictureCounts) = (0, 0, RecordCounts())
        metadataSeen.removeAll(keepingCapacity: true)
        metadataFault = nil
        // A picture over a limit is still passed over record by record, so its state is set before it is judged.
        while true {
            let header = try records.header()
            if header.type == .frame {
                state = .atFrame(try records.fixed(Frame.self, header))
                break
            }
            if header.type == .failure { return .failure(try failure(header)) }
            guard header.type.isMetadata else { throw records.fault("\(header.type.text) before the first frame") }
            if let record = try metadataRecord(header) { metadata.append(record) }
        }
        if let metadataFault { throw metadataFault }
        try limits.check(width: info.width, height: info.height, frames: max(info.frames, 1))
        return .picture
    }

    private func readDone(_ header: RecordHeader) throws(ImageError) {
        let counts = try records.fixed(RecordCounts.self, header)
        guard counts == streamCounts else {
            throw records.fault("DONE says \(counts.first) pictures and \(counts.second) failures, the stream held "
                + "\(streamCounts.first) and \(streamCounts.second)")
        }
        let source = records.source
        let end = source.positionBytes
        try source.prefetch(StreamHeader.bytes.count)
        if source.waitingCount > 0 {
            let isStream = FileSignature(source.waiting) == .pixelStream
            throw .damaged(
                isStream
                    ? "a second stream begins at byte \(end); give all files to one imgdecode"
                    : "bytes after the end of the stream, at byte \(end)")
        }
        state = .done
    }

    /// Reads what is left of a picture that its caller gave up.
    private func passOver() throws(ImageError) {
        do throws(ImageError) {
            while true {
                switch state {
                case .start, .between, .done, .broken: return
                case .ended: state = .between
                case .atFrame, .afterRows: _ = try advance()
                case .inRows:
                    let rows = try openRows()
                    let bytes = recordBytesLeft
                    try records.skip(UInt64(bytes))
                    try rowsTaken(rows, bytes: bytes)
                }
            }
        } catch .upstream {
            // The picture has failed twice; once was said.
        }
    }

    // MARK: RowSource

    public func nextFrame() throws(ImageError) -> Frame? {
        try guarded { () throws(ImageError) in
            let frame = try advance()
            if frame != nil { try limits.check(width: info.width, height: info.height, frames: framesSeen) }
            if let metadataFault { throw metadataFault }
            return frame
        }
    }

    /// `nextFrame`, unjudged: a picture that is only passed over may be as large as it likes.
    private func advance() throws(ImageError) -> Frame? {
        if case .inRows = state { preconditionFailure("nextFrame before the rows were read") }
        if case .atFrame(let frame) = state { return try begin(frame) }
        guard case .afterRows = state else { return nil }
        while true {
            let header = try records.header()
            switch header.type {
            case .frame:
                if !trailingMetadata.isEmpty { throw records.fault("metadata between frames") }
                return try begin(records.fixed(Frame.self, header))
            case .pictureEnd:
                try endPicture(header)
                return nil
            case .failure:
                throw .upstream(try failure(header))
            case let type where type.isMetadata:
                if let record = try metadataRecord(header) { trailingMetadata.append(record) }
            default:
                throw records.fault("\(header.type.text) after the rows of a frame")
            }
        }
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        guard case .inRows = state else {
            if case .broken(let error) = state { throw error }
            return 0
        }
        do throws(ImageError) {
            let inRecord = try openRows()
            let width = Int(info.width)
            let rows = info.format.rows(width: width, fitting: bands.byteCount, remaining: inRecord)
            precondition(rows > 0, "a buffer smaller than a band")
            let bytes = rows == inRecord ? recordBytesLeft : info.byteCount(rows: rows)
            var target = bands._mutatingExtracting(first: bytes)
            try records.source.read(into: &target)
            try rowsTaken(rows, bytes: bytes)
            return rows
        } catch {
            throw broken(by: error)
        }
    }

    private func begin(_ frame: Frame) throws(ImageError) -> Frame {
        framesSeen += 1
        if info.frames != 0 && framesSeen > info.frames { throw records.fault("more frames than the picture's \(info.frames)") }
        frameRowsLeft = Int(info.height)
        recordBytesLeft = 0
        state = .inRows
        return frame
    }

    /// Stands inside a ROWS record that has bytes left; gives the rows in it.
    private func openRows() throws(ImageError) -> Int {
        if recordBytesLeft == 0 {
            let header = try records.header()
            if header.type == .failure { throw .upstream(try failure(header)) }
            guard header.type == .rows else {
                throw records.fault("\(header.type.text) after \(Int(info.height) - frameRowsLeft) rows of \(info.height)")
            }
            let most = info.byteCount(rows: frameRowsLeft)
            guard header.payloadBytes > 0, header.payloadBytes <= UInt64(most) else {
                throw records.fault(
                    header.payloadBytes == 0 ? "empty ROWS" : "more rows than the picture's \(info.height)")
            }
            recordBytesLeft = Int(header.payloadBytes)
            recordPadding = header.paddingBytes
        }
        let rows = info.format.rows(width: Int(info.width), fitting: recordBytesLeft, remaining: frameRowsLeft)
        guard info.byteCount(rows: rows) == recordBytesLeft else {
            throw records.fault("ROWS of \(recordBytesLeft) bytes is no whole number of rows")
        }
        return rows
    }

    private func rowsTaken(_ rows: Int, bytes: Int) throws(ImageError) {
        pictureCounts.first += UInt64(rows)
        pictureCounts.second += UInt64(bytes)
        recordBytesLeft -= bytes
        frameRowsLeft -= rows
        if recordBytesLeft == 0 { try records.readPadding(recordPadding) }
        if frameRowsLeft == 0 {
            if recordBytesLeft != 0 { throw records.fault("more rows than the picture's \(info.height)") }
            state = .afterRows
        }
    }

    private func endPicture(_ header: RecordHeader) throws(ImageError) {
        let counts = try records.fixed(RecordCounts.self, header)
        guard counts == pictureCounts else {
            throw records.fault("ENDI says \(counts.first) rows and \(counts.second) bytes, the picture held "
                + "\(pictureCounts.first) and \(pictureCounts.second)")
        }
        guard info.frames == 0 || info.frames == framesSeen else {
            throw records.fault("\(framesSeen) frames, IMAG said \(info.frames)")
        }
        streamCounts.first += 1
        state = .ended
    }

    // MARK: Records

    /// A FAIL: it ends the picture that is open, if one is.
    private func failure(_ header: RecordHeader) throws(ImageError) -> StreamFailure {
        guard header.payloadBytes <= StreamFailure.recordLimitBytes else {
            throw records.fault("FAIL of \(header.payloadBytes) bytes")
        }
        let bytes = try records.payload(header)
        streamCounts.second += 1
        state = .between
        do throws(StreamFault) {
            return try StreamFailure(record: bytes.span.bytes)
        } catch {
            throw records.fault(error.text)
        }
    }

    /// The next metadata record; nil when it is over the limit, and was passed over.
    private func metadataRecord(_ header: RecordHeader) throws(ImageError) -> MetadataRecord? {
        if !header.type.isRepeatable && !metadataSeen.insert(header.type).inserted {
            throw records.fault("a second \(header.type.text)")
        }
        let before = min(metadataBytes, .max - Limits.metadataRecordBytes) + Limits.metadataRecordBytes
        let (sum, overflow) = before.addingReportingOverflow(header.payloadBytes)
        metadataBytes = overflow ? .max : sum
        do throws(ImageError) {
            try limits.check(.metadata, metadataBytes)
        } catch {
            metadataFault = metadataFault ?? error
            try records.skip(header.payloadBytes)
            try records.readPadding(header.paddingBytes)
            return nil
        }
        let record = MetadataRecord(header.type, try records.payload(header))
        if record.type == .name && record.payload.contains(0) { throw records.fault("a name with a NUL") }
        if record.type == .damage && DamageRecord(record) == nil { throw records.fault("dmge") }
        return record
    }

    // MARK: What breaks the stream

    /// Runs `body`; an error of the stream itself is kept, and every later call gives it again. A failure from upstream and a
    /// limit concern one picture only.
    private func guarded<T>(_ body: () throws(ImageError) -> T) throws(ImageError) -> T {
        if case .broken(let error) = state { throw error }
        do throws(ImageError) {
            return try body()
        } catch {
            throw broken(by: error)
        }
    }

    private func broken(by error: ImageError) -> ImageError {
        switch error {
        case .upstream: break
        case .overLimit: break
        default: state = .broken(error)
        }
        return error
    }
}
