import ImageCore

/// One row of MCUs, gathered from bands of planes for libjpeg: whole blocks, the last column and the last row repeated.
final class JPEGBlocks {
    private let info: ImageInfo
    private let subsampling: Subsampling
    private let chromaWidth: Int
    private let lumaStride: Int
    private let chromaStride: Int
    private let lumaRows: Int
    private let buffer: BufferLease
    /// Addresses of the rows in `buffer`: a table for each component, and a table of these.
    private let rows: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>
    private let tables: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?>
    /// Luma rows gathered.
    private var filled = 0

    private static let blockSide = 8

    /// `info`: planes of 8 bits.
    init(_ info: ImageInfo, pool: BufferPool) throws(ImageError) {
        self.info = info
        subsampling = info.format.subsampling
        let width = Int(info.width)
        chromaWidth = info.format.chromaWidth(width: width)
        let mcuColumns = Self.blockSide * subsampling.horizontal
        lumaStride = (width + mcuColumns - 1) / mcuColumns * mcuColumns
        chromaStride = lumaStride / subsampling.horizontal
        lumaRows = Self.blockSide * subsampling.vertical
        buffer = try pool.lease(lumaRows * lumaStride + 2 * Self.blockSide * chromaStride)
        let start = buffer.start.assumingMemoryBound(to: UInt8.self)
        let chroma = start + lumaRows * lumaStride
        rows = .allocate(capacity: lumaRows + 2 * Self.blockSide)
        for i in 0..<lumaRows { rows[i] = start + i * lumaStride }
        for i in 0..<2 * Self.blockSide { rows[lumaRows + i] = chroma + i * chromaStride }
        tables = .allocate(capacity: 3)
        for c in 0..<3 { tables[c] = c == 0 ? rows : rows + lumaRows + (c - 1) * Self.blockSide }
    }

    deinit {
        tables.deallocate()
        rows.deallocate()
    }

    /// Takes `count` rows, whole bands, from `bands`; `encode` is given the tables for each row of MCUs that is full.
    func take(
        _ bands: UnsafePointer<UInt8>, rows count: Int,
        encode: (UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?>) throws(ImageError) -> Void
    ) throws(ImageError) {
        var from = bands
        var left = count
        while left > 0 {
            let band = min(subsampling.vertical, left)
            for _ in 0..<band {
                copy(from, Int(info.width), to: tables[0]![filled]!, stride: lumaStride)
                from += Int(info.width)
                filled += 1
            }
            let chromaRow = (filled - 1) / subsampling.vertical
            for c in 1...2 {
                copy(from, chromaWidth, to: tables[c]![chromaRow]!, stride: chromaStride)
                from += chromaWidth
            }
            left -= band
            if filled == lumaRows {
                try encode(tables)
                filled = 0
            }
        }
    }

    /// What is left at the bottom of the picture.
    func finish(
        encode: (UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?>) throws(ImageError) -> Void
    ) throws(ImageError) {
        guard filled > 0 else { return }
        for row in filled..<lumaRows { tables[0]![row]!.update(from: tables[0]![filled - 1]!, count: lumaStride) }
        let last = (filled - 1) / subsampling.vertical
        for c in 1...2 {
            for row in last + 1..<Self.blockSide { tables[c]![row]!.update(from: tables[c]![last]!, count: chromaStride) }
        }
        filled = 0
        try encode(tables)
    }

    private func copy(_ from: UnsafePointer<UInt8>, _ count: Int, to target: UnsafeMutablePointer<UInt8>, stride: Int) {
        target.update(from: from, count: count)
        (target + count).update(repeating: from[count - 1], count: stride - count)
    }
}
