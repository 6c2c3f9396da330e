import CCodecShims
import ImageCore

/// One row of MCUs as libjpeg gives it, handed on as the bands of imgpipe(5).
final class JPEGPlanes {
    private let subsampling: Subsampling
    private let width: Int
    private let chromaWidth: Int
    /// Luma rows of one row of MCUs.
    private let mcuRows: Int
    private let buffer: BufferLease
    /// Addresses of the rows in `buffer`: a table for each component, and a table of these.
    private let rows: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>
    private let tables: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?>
    /// Luma rows of `buffer` that were handed on already.
    private var taken: Int

    /// The subsampling, when a stream can hold these factors: the two chroma components alike, luma 1, 2 or 4 times as fine.
    static func subsampling(_ header: imgpipe_jpeg_header) -> Subsampling? {
        let (h, v) = (header.horizontal, header.vertical)
        guard header.components == 3, h.1 == h.2, v.1 == v.2, h.0 % h.1 == 0, v.0 % v.1 == 0 else { return nil }
        return Subsampling(rawValue: UInt8(h.0 / h.1) << 4 | UInt8(v.0 / v.1))
    }

    /// `header`: one that `subsampling` takes.
    init(_ header: imgpipe_jpeg_header, pool: BufferPool) throws(ImageError) {
        subsampling = Self.subsampling(header)!
        width = Int(header.width)
        chromaWidth = (width + subsampling.horizontal - 1) / subsampling.horizontal
        mcuRows = Int(header.vertical.0)
        taken = mcuRows
        let chromaRows = Int(header.vertical.1)
        // libjpeg writes whole blocks, and whole MCUs of them.
        let mcuColumns = Int(header.horizontal.0)
        let lumaStride = (width + mcuColumns - 1) / mcuColumns * mcuColumns
        let chromaStride = lumaStride / subsampling.horizontal
        buffer = try pool.lease(mcuRows * lumaStride + 2 * chromaRows * chromaStride)
        let start = buffer.start.assumingMemoryBound(to: UInt8.self)
        let chroma = start + mcuRows * lumaStride
        rows = .allocate(capacity: mcuRows + 2 * chromaRows)
        for i in 0..<mcuRows { rows[i] = start + i * lumaStride }
        for i in 0..<2 * chromaRows { rows[mcuRows + i] = chroma + i * chromaStride }
        tables = .allocate(capacity: 3)
        for c in 0..<3 { tables[c] = c == 0 ? rows : rows + mcuRows + (c - 1) * chromaRows }
    }

    deinit {
        tables.deallocate()
        rows.deallocate()
    }

    /// Puts `rows` rows, whole bands, at `target`, fewer where `decode` must give the next row of MCUs first; `left` rows are left
    /// of the picture. `decode` is given the tables of addresses and says whether it could; 0 when not.
    func take(
        _ rows: Int, of left: Int, into target: UnsafeMutablePointer<UInt8>,
        decode: (UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?>) -> Bool
    ) -> Int {
        if taken == mcuRows {
            guard decode(tables) else { return 0 }
            taken = 0
        }
        let count = min(rows, mcuRows - taken, left)
        var to = target
        var done = 0
        while done < count {
            let band = min(subsampling.vertical, count - done)
            for _ in 0..<band {
                to.update(from: tables[0]![taken]!, count: width)
                to += width
                taken += 1
            }
            let chromaRow = (taken - 1) / subsampling.vertical
            for c in 1...2 {
                to.update(from: tables[c]![chromaRow]!, count: chromaWidth)
                to += chromaWidth
            }
            done += band
        }
        return count
    }
}
