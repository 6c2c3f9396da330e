import CCodecShims
import CVectorOps
import ImageCore

/// The rows of a PNG that is not interlaced, from its first IDAT on, through the inflater, and the chunks behind them: PNG
/// specification, 3rd edition, 5 and 9. Checksums of chunks and of the compressed stream are checked.
///
/// Eight rows, or four, of pixels of three or four bytes are unfiltered together, others one by one.
final class PNGRows {
    /// What a chunk behind the rows is given to; it has a right checksum.
    typealias TakeChunk = (FourCC, UnsafeRawBufferPointer) throws(ImageError) -> Void

    private let inflater: OpaquePointer
    private let limits: Limits
    private let pool: BufferPool
    private var source: ByteSource?
    private var rowBytes = 0
    private var pixelBytes = 0
    private var isWide = false
    /// Rows as they are compressed: a byte for the filter, and the bytes; the row above the next one.
    private var filtered: HeldBuffer?
    private var above: HeldBuffer?
    /// Bytes of the IDAT at hand that were not inflated yet, and its checksum so far.
    private var chunkLeft = 0
    private var checksum: UInt32 = 0
    /// The chunk behind the last IDAT, whose length and letters were read.
    private var next: (type: FourCC, length: Int)?
    private var hasStreamEnded = false
    /// What was odd, but harmed no pixel.
    private(set) var remark: String?
    /// Bytes of the group of rows at hand that came before a fault, which is thrown once the whole rows among them are out.
    private var cutBytes = 0
    private var cut: ImageError?
    /// Wrong checksums of IDATs and of the stream do not stop. The first one; and the row of which on what they hold may be wrong too.
    private let salvages: Bool
    private(set) var wrongChecksum: ImageError?
    private(set) var firstDoubtfulRow: Int?
    private var rowsDone = 0
    private var rowsAtChunk = 0
    /// The checksum of all rows is right.
    private var isRight = false

    /// Rows that are unfiltered together.
    static let groupRows = 8
    /// As many of `count` rows as are unfiltered at full speed.
    static func wholeGroups(_ count: Int) -> Int { count > groupRows ? count - count % groupRows : count > 4 ? count - count % 4 : count }
    private static let wideRowBytes = 4 << 20
    private var rowsAtOnce = 1
    /// The first two bytes of the compressed stream, as they come.
    private var streamHead: [UInt8] = []
    /// Bytes that kernels may read behind a row.
    private static let slackBytes = 8

    init(limits: Limits, salvages: Bool, pool: BufferPool) throws(ImageError) {
        guard let inflater = imgpipe_inflater_new() else { throw .outOfMemory }
        (self.inflater, self.limits, self.salvages, self.pool) = (inflater, limits, salvages, pool)
    }

    deinit { imgpipe_inflater_free(inflater) }

    /// `source` stands at the content of the first IDAT, of `chunkBytes` bytes. `info`: of the picture, its samples as in the file.
    func begin(_ source: ByteSource, chunkBytes: Int, info: ImageInfo) throws(ImageError) {
        self.source = source
        rowBytes = info.rowBytes
        pixelBytes = info.format.rowBytes(width: 1)
        isWide = info.format.sample == .uint16
        // Rows of many megabytes go one by one.
        rowsAtOnce = rowBytes > Self.wideRowBytes ? 1 : min(Self.groupRows, Int(info.height))
        streamHead = []
        filtered = HeldBuffer(try pool.lease(rowsAtOnce * (rowBytes + 1) + Self.slackBytes))
        let above = HeldBuffer(try pool.lease(rowBytes + Self.slackBytes))
        above.start.initializeMemory(as: UInt8.self, repeating: 0, count: rowBytes)
        self.above = above
        (chunkLeft, checksum, next, hasStreamEnded, remark) = (chunkBytes, Self.checksum(of: FourCC("IDAT")), nil, false, nil)
        (cutBytes, cut, wrongChecksum, firstDoubtfulRow, rowsDone, rowsAtChunk, isRight) = (0, nil, nil, nil, 0, 0, false)
        imgpipe_inflater_begin(inflater)
    }

    func close() { (source, filtered, above) = (nil, nil, nil) }

    private static func checksum(of type: FourCC) -> UInt32 { imgpipe_crc32(0, type.bytes, 4) }

    /// The next `count` rows at `target`, 16-bit samples little-endian; how many came, at least one.
    func read(_ count: Int, to target: UnsafeMutablePointer<UInt8>) throws(ImageError) -> Int {
        if let cut { throw cut }
        let filtered = filtered!.start.assumingMemoryBound(to: UInt8.self)
        let above = above!.start.assumingMemoryBound(to: UInt8.self)
        let stride = rowBytes + 1
        var previous = UnsafePointer(above)
        var done = 0
        while done < count && cut == nil {
            var group = min(rowsAtOnce, count - done)
            do throws(ImageError) {
                try inflate(to: filtered, byteCount: group * stride)
            } catch {
                cut = error
                group = cutBytes / stride
            }
            if let bad = (0..<group).first(where: { filtered[$0 * stride] > 4 }) {
                cut = .damaged("bad adaptive filter value", atByte: position)
                group = bad
            }
            if salvages && cut != nil { checkRest() }
            let output = target + done * rowBytes
            unfilter(filtered, above: previous, to: output, rows: group)
            done += group
            rowsDone += group
            if group > 0 { previous = UnsafePointer(target + (done - 1) * rowBytes) }
        }
        if done == 0, let cut { throw cut }
        above.update(from: previous, count: rowBytes)
        if isWide { Self.swapBytes(target, count: done * rowBytes) }
        return done
    }

    /// Behind a fault: whether the chunk that it is in is as it was. Where not, rows that came of it before the fault need not be right.
    private func checkRest() {
        guard case .damaged = cut, next == nil else { return }
        do throws(ImageError) {
            try skipChunk()
            if try readChecksum() != checksum {
                try noteChecksum("IDAT: CRC error")
                firstDoubtfulRow = firstDoubtfulRow ?? rowsAtChunk
            }
        } catch {
            // It is cut too: nobody can tell.
        }
    }

    /// By eights and fours as far as there are so many.
    private func unfilter(
        _ filtered: UnsafePointer<UInt8>, above: UnsafePointer<UInt8>, to output: UnsafeMutablePointer<UInt8>, rows: Int
    ) {
        let (stride, bytes, ops) = (rowBytes + 1, Int32(pixelBytes), VectorOps.best)
        let isVector = !isWide && pixelBytes >= 3
        var (done, above) = (0, above)
        while done < rows {
            let (from, target) = (filtered + done * stride, output + done * rowBytes)
            let count: Int
            if isVector && rows - done >= 8 {
                count = 8
                ops.unfilter8(from, stride, above, target, rowBytes, bytes)
            } else if isVector && rows - done >= 4 {
                count = 4
                ops.unfilter4(from, stride, above, target, rowBytes, bytes)
            } else {
                count = 1
                imgpipe_unfilter(Int32(from[0]), from + 1, above, target, rowBytes, bytes)
            }
            done += count
            above = UnsafePointer(output + (done - 1) * rowBytes)
        }
    }

    private static func swapBytes(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        let samples = UnsafeMutableRawPointer(bytes)
        for at in stride(from: 0, to: count, by: 2) {
            samples.storeBytes(of: samples.loadUnaligned(fromByteOffset: at, as: UInt16.self).byteSwapped, toByteOffset: at, as: UInt16.self)
        }
    }

    private var position: UInt64 { source!.positionBytes }

    // MARK: IDAT

    /// Exactly `byteCount` bytes of the stream.
    private func inflate(to target: UnsafeMutablePointer<UInt8>, byteCount: Int) throws(ImageError) {
        cutBytes = 0
        while cutBytes < byteCount {
            cutBytes += try inflateSome(to: target + cutBytes, byteCount: byteCount - cutBytes)
            if cutBytes < byteCount && hasStreamEnded { throw .damaged("not enough image data", atByte: position) }
        }
    }

    /// As many bytes as the input at hand gives, at least none; moves on to the next IDAT.
    private func inflateSome(to target: UnsafeMutablePointer<UInt8>, byteCount: Int) throws(ImageError) -> Int {
        // Behind a wrong checksum the inflater would go on with what is no stream.
        if hasStreamEnded { return 0 }
        let source = source!
        if chunkLeft > 0 { try fetch() }
        let input = source.waitingStart.assumingMemoryBound(to: UInt8.self)
        let available = min(source.waitingCount, chunkLeft)
        var (taken, given): (UInt32, UInt32) = (0, 0)
        let result = imgpipe_inflate(inflater, input, UInt32(available), &taken, target, UInt32(clamping: byteCount), &given)
        if streamHead.count < 2 { try checkHead(UnsafeBufferPointer(start: input, count: Int(taken))) }
        try take(Int(taken))
        switch result {
        case IMGPIPE_INFLATE_END:
            hasStreamEnded = true
            // All is as it was packed, whatever the chunks' checksums say.
            (firstDoubtfulRow, isRight) = (nil, true)
        case IMGPIPE_INFLATE_CHECKSUM:
            try noteChecksum("IDAT: incorrect data check")
            hasStreamEnded = true
            firstDoubtfulRow = firstDoubtfulRow ?? 0
        case IMGPIPE_INFLATE_DAMAGED: throw .damaged("IDAT: invalid compressed data", atByte: position)
        default:
            // The inflater may have taken all of a chunk and hold some of what it becomes; when it gives nothing more, the next one is due.
            if available == 0 && given == 0 {
                guard try nextIDAT() else { throw .damaged("not enough image data", atByte: position) }
            }
        }
        return Int(given)
    }

    /// What ISA-L lets pass in zlib's header, RFC 1950 2.2: a window of more than 32 KiB, and a preset dictionary, which no PNG has.
    private func checkHead(_ taken: UnsafeBufferPointer<UInt8>) throws(ImageError) {
        streamHead += taken.prefix(2 - streamHead.count)
        guard streamHead.count == 2 else { return }
        if streamHead[0] >> 4 > 7 { throw .damaged("IDAT: invalid window size", atByte: position) }
        if streamHead[1] & 0x20 != 0 { throw .damaged("IDAT: missing LZ dictionary", atByte: position) }
    }

    /// Has some bytes wait.
    private func fetch() throws(ImageError) {
        guard source!.waitingCount == 0 else { return }
        guard try source!.refill() > 0 else { throw .truncated(atByte: position) }
    }

    /// Steps over `count` waiting bytes of the chunk at hand, which count in its checksum.
    private func take(_ count: Int) throws(ImageError) {
        let source = source!
        checksum = imgpipe_crc32(checksum, source.waitingStart.assumingMemoryBound(to: UInt8.self), count)
        source.skip(count)
        chunkLeft -= count
    }

    private func noteChecksum(_ text: String) throws(ImageError) {
        let error = ImageError.damaged(text, atByte: position)
        guard salvages else { throw error }
        wrongChecksum = wrongChecksum ?? error
    }

    /// Ends the IDAT at hand, and reads on to what comes behind it; false when that is no IDAT.
    private func nextIDAT() throws(ImageError) -> Bool {
        guard next == nil else { return false }
        if try readChecksum() != checksum {
            try noteChecksum("IDAT: CRC error")
            if !isRight { firstDoubtfulRow = firstDoubtfulRow ?? rowsAtChunk }
        }
        rowsAtChunk = rowsDone
        let head = try readHead()
        guard head.type == FourCC("IDAT") else {
            next = head
            return false
        }
        (chunkLeft, checksum) = (head.length, Self.checksum(of: head.type))
        return true
    }

    // MARK: Behind the rows

    /// Reads to IEND. What the compressed stream has behind the last row is odd; that it ends is not.
    func finish(take: TakeChunk) throws(ImageError) {
        let scratch = filtered!.start.assumingMemoryBound(to: UInt8.self)
        while !hasStreamEnded {
            if try inflateSome(to: scratch, byteCount: filtered!.count) > 0 { remark = "IDAT: too much image data" }
        }
        repeat {
            if chunkLeft > 0 { remark = "IDAT: extra compressed data" }
            try skipChunk()
        } while try nextIDAT()
        while let (type, length) = next {
            guard try !readChunk(type, length, take) else { return }
            next = try readHead()
        }
    }

    private func skipChunk() throws(ImageError) {
        while chunkLeft > 0 {
            try fetch()
            try take(min(source!.waitingCount, chunkLeft))
        }
    }

    /// A chunk that is no part of the rows; true when it is IEND.
    private func readChunk(_ type: FourCC, _ length: Int, _ take: TakeChunk) throws(ImageError) -> Bool {
        let isTaken = [FourCC("eXIf"), FourCC("tEXt"), FourCC("zTXt"), FourCC("iTXt")].contains(type)
        if UInt64(length) > limits.metadata && type != FourCC("IDAT") {
            throw .damaged("a chunk states more than the \(limits.metadata) bytes of --max-metadata", atByte: position)
        }
        (chunkLeft, checksum) = (length, Self.checksum(of: type))
        var payload: [UInt8] = []
        while chunkLeft > 0 {
            try fetch()
            let count = min(source!.waitingCount, chunkLeft)
            if isTaken { payload += UnsafeRawBufferPointer(start: source!.waitingStart, count: count) }
            try self.take(count)
        }
        let isRight = try readChecksum() == checksum
        let isCritical = type.bytes[0] & 0x20 == 0
        if !isRight {
            guard !isCritical else { throw .damaged("\(type.text): CRC error", atByte: position) }
            remark = "\(type.text): CRC error"
        } else if isTaken {
            try payload.withUnsafeBufferPointer { (payload) throws(ImageError) in try take(type, UnsafeRawBufferPointer(payload)) }
        } else if isCritical && ![FourCC("IEND"), FourCC("IDAT"), FourCC("PLTE")].contains(type) {
            throw .damaged("\(type.text): unhandled critical chunk", atByte: position)
        }
        return type == FourCC("IEND")
    }

    private func readChecksum() throws(ImageError) -> UInt32 { try readNumber() }

    private func readHead() throws(ImageError) -> (type: FourCC, length: Int) {
        let length = try readNumber()
        guard length < 1 << 31 else { throw .damaged("PNG unsigned integer out of range", atByte: position) }
        let type = FourCC(code: try readNumber().byteSwapped)
        guard type.bytes.allSatisfy({ (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) }) else {
            throw .damaged("invalid chunk type", atByte: position)
        }
        return (type, Int(length))
    }

    /// Four bytes, the high one first.
    private func readNumber() throws(ImageError) -> UInt32 {
        let source = source!
        try source.prefetch(4)
        guard source.waitingCount >= 4 else {
            source.skip(source.waitingCount)
            throw .truncated(atByte: position)
        }
        let number = UInt32(bigEndian: source.waitingStart.loadUnaligned(as: UInt32.self))
        source.skip(4)
        return number
    }
}
