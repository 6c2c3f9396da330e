import ImageCore

/// Rows of a picture in fewer bytes.
protocol RowPacking {
    /// Bytes of a packed row.
    var packedBytes: Int { get }

    /// False when this packing does not hold the row; then `place` is undefined.
    mutating func pack(_ row: UnsafeRawPointer, to place: UnsafeMutableRawPointer) -> Bool

    /// A row as it was, or as it is to be written when the whole picture is packed.
    func unpack(_ place: UnsafeRawPointer, to row: UnsafeMutableRawPointer)
}

/// A picture of which the first frame is held, packed, as long as the packing holds its rows, and half of the memory allowed. What does
/// not fit flows on behind what was held until then.
final class HeldPicture<Packing: RowPacking>: RowSource {
    private let source: any RowSource
    private let pool: BufferPool
    var packing: Packing
    /// Blocks of whole packed rows.
    private var blocks: [HeldBuffer] = []
    private let blockRows: Int
    private var rowsHeld = 0
    /// Rows as the source gave them, the first of which is not packed.
    private let band: HeldBuffer
    private var unpacked = 0..<0
    /// Rows given, held or not.
    private var rowsDone = 0
    private let first: Frame?
    private var isFirstGiven = false

    /// That of the rows that come: the caller may change it when `isWhole`.
    var info: ImageInfo
    var metadata: [MetadataRecord] { source.metadata }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// Whether all rows were packed.
    var isWhole: Bool { rowsHeld == Int(source.info.height) }

    private static var blockBytes: Int { 256 << 10 }

    /// Reads the first frame of `source`, packed rows, to the first one that `packing` does not hold.
    init(_ source: any RowSource, _ packing: Packing, pool: BufferPool) throws(ImageError) {
        (self.source, self.packing, self.pool, info) = (source, packing, pool, source.info)
        blockRows = max(1, Self.blockBytes / packing.packedBytes)
        band = HeldBuffer(try pool.lease(info.bandBufferBytes))
        first = try source.nextFrame()
        while !isWhole && unpacked.isEmpty {
            unpacked = 0..<(try source.readRows(to: band.start, byteCount: band.count))
            while !unpacked.isEmpty, pack(band.start + unpacked.lowerBound * info.rowBytes) {
                unpacked = unpacked.lowerBound + 1..<unpacked.upperBound
            }
        }
    }

    private func pack(_ row: UnsafeRawPointer) -> Bool {
        if rowsHeld == blocks.count * blockRows {
            let byteCount = min(blockRows, Int(info.height) - rowsHeld) * packing.packedBytes
            // The other half is for the stages behind.
            guard byteCount <= pool.limitBytes / 2 - pool.leasedBytes, let block = try? pool.lease(byteCount) else { return false }
            blocks.append(HeldBuffer(block))
        }
        guard packing.pack(row, to: place(rowsHeld)) else { return false }
        rowsHeld += 1
        return true
    }

    private func place(_ row: Int) -> UnsafeMutableRawPointer {
        blocks[row / blockRows].start + row % blockRows * packing.packedBytes
    }

    func nextFrame() throws(ImageError) -> Frame? {
        if isFirstGiven { return try source.nextFrame() }
        isFirstGiven = true
        return first
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        // The source may need more room than a row takes that was packed: it is not asked once all were given.
        if rowsDone == Int(info.height) { return 0 }
        let isHeld = rowsDone < rowsHeld
        if !isHeld && unpacked.isEmpty {
            let count = try source.read(into: &bands)
            rowsDone += count
            return count
        }
        let count = min(bands.byteCount / info.rowBytes, isHeld ? rowsHeld - rowsDone : unpacked.count)
        bands.withUnsafeMutableBytes { target in
            let start = target.baseAddress!
            if isHeld {
                for i in 0..<count { packing.unpack(place(rowsDone + i), to: start + i * info.rowBytes) }
            } else {
                start.copyMemory(from: band.start + unpacked.lowerBound * info.rowBytes, byteCount: count * info.rowBytes)
            }
        }
        if !isHeld { unpacked = unpacked.lowerBound + count..<unpacked.upperBound }
        rowsDone += count
        if rowsDone == rowsHeld && !isWhole { blocks = [] }
        return count
    }

    /// Gives the rows to `sink` ahead, all of them, without metadata; needs `isWhole`.
    func rehearse(to sink: any RowSink) throws(ImageError) {
        precondition(isWhole)
        try sink.begin(info, metadata: [])
        try sink.beginFrame(Frame())
        var buffer = try pool.lease(info.bandBufferBytes)
        while rowsDone < rowsHeld {
            var bands = buffer.mutableBytes
            let rows = try read(into: &bands)
            try sink.write(buffer.bytes.extracting(first: rows * info.rowBytes), rows: rows)
        }
        try sink.end(trailingMetadata: [])
        rowsDone = 0
    }
}
