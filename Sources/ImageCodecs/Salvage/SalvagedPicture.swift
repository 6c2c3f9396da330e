import ImageCore

extension ImageError {
    /// A fault of the picture's bytes, behind which there may be rows worth having.
    var isDamage: Bool {
        switch self {
        case .truncated, .damaged: true
        default: false
        }
    }
}

/// A decoder's picture that is complete whatever is wrong with its file: rows that do not come are filled from above, and each row that is not
/// as it was is said to be so.
final class SalvagedPicture: RowSource {
    private let decoder: any StatefulDecoder
    private let leastRecovered: Int
    /// All that is given is not the picture itself, but this.
    private let standIn: String?
    private var frame: UInt32 = 0
    private var hasBegun = false
    private var rowsDone = 0
    /// What ended the rows, and where.
    private var end: (fault: ImageError, row: Int)?
    /// The last band.
    private var above: [UInt8] = []
    /// The first bands, read ahead.
    private var held: (bytes: [UInt8], rows: Int, taken: Int)?
    private var hasHeldFrame = false
    private var records: [DamageRecord] = []
    private var known = KnownDamage()
    /// What was wrong first; nil where nothing was, so far.
    private(set) var fault: ImageError?

    /// `standIn`: what is decoded in the place of a picture that `fault` has made unreadable.
    init(_ decoder: any StatefulDecoder, leastRecovered: Int, standIn: String? = nil, fault: ImageError? = nil) {
        (self.decoder, self.leastRecovered, self.standIn, self.fault) = (decoder, leastRecovered, standIn, fault)
    }

    var info: ImageInfo { decoder.info }
    var metadata: [MetadataRecord] { decoder.metadata }
    var trailingMetadata: [MetadataRecord] { decoder.trailingMetadata + records.map(\.record) }

    /// Reads the first bands, as far as they come.
    func readAhead() throws(ImageError) {
        _ = try nextFrame()
        let byteCount = info.bandBufferBytes
        var rows = 0
        let bytes = try [UInt8](unsafeUninitializedCapacity: byteCount) { (buffer, filled) throws(ImageError) in
            var target = MutableRawSpan(_unsafeStart: buffer.baseAddress!, byteCount: byteCount)
            rows = try read(into: &target)
            filled = info.byteCount(rows: rows)
        }
        (held, hasHeldFrame) = ((bytes, rows, 0), true)
    }

    func nextFrame() throws(ImageError) -> Frame? {
        if hasHeldFrame {
            hasHeldFrame = false
            return Frame()
        }
        if end == nil {
            do throws(ImageError) {
                if let next = try decoder.nextFrame() {
                    if hasBegun { frame += 1 }
                    (hasBegun, rowsDone, above) = (true, 0, [])
                    return next
                }
            } catch {
                // All rows came; what is behind them does not matter to them.
                guard error.isDamage, hasBegun, frame + 1 == info.frames else { throw error }
                fault = fault ?? error
            }
        }
        try settle()
        return nil
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        if let (bytes, rows, taken) = held {
            let count = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: rows - taken)
            let (from, to) = (info.byteCount(rows: taken), info.byteCount(rows: taken + count))
            bands.withUnsafeMutableBytes { $0.copyBytes(from: bytes[from..<to]) }
            held = taken + count == rows ? nil : (bytes, rows, taken + count)
            return count
        }
        if end == nil {
            do throws(ImageError) {
                let rows = try decoder.read(into: &bands)
                rowsDone += rows
                keepLast(&bands, min(rows, decoder.uncutRows - (rowsDone - rows)))
                if rowsDone > decoder.uncutRows { patch(&bands, rows) }
                return rows
            } catch {
                // Of nothing no picture is made.
                guard error.isDamage, info.frames == 1, rowsDone > 0, !decoder.damage.isEmpty else { throw error }
                fault = fault ?? decoder.damage.fault ?? error
                end = (fault!, rowsDone)
            }
        }
        return fill(&bands)
    }

    // MARK: Filling

    private var bandRows: Int { info.format.bandRows }

    private func keepLast(_ bands: inout MutableRawSpan, _ rows: Int) {
        guard rows > 0 else { return }
        let last = (rows - 1) / bandRows * bandRows
        let (from, to) = (info.byteCount(rows: last), info.byteCount(rows: rows))
        above = bands.withUnsafeMutableBytes { Array($0[from..<to]) }
    }

    /// Of a row of blocks that is cut, what did not come, which the decoder leaves grey at the right, is filled from above too.
    private func patch(_ bands: inout MutableRawSpan, _ rows: Int) {
        guard !above.isEmpty, info.format.sample == .uint8, rows > 0 else { return }
        let isPlanar = info.format.layout == .planar
        let (side, lumaBytes) = (bandRows, isPlanar ? Int(info.width) : info.rowBytes)
        let luma = lastLuma(lumaBytes), chroma = isPlanar ? Array(above.suffix(info.byteCount(rows: side) - side * lumaBytes)) : []
        func fill(_ row: Slice<UnsafeMutableRawBufferPointer>, from above: ArraySlice<UInt8>) {
            var at = row.count - 1
            while at >= 0, row[row.startIndex + at] == 128 {
                row.base[row.startIndex + at] = above[above.startIndex + at]
                at -= 1
            }
        }
        bands.withUnsafeMutableBytes { target in
            var at = 0
            for first in stride(from: 0, to: rows, by: side) {
                for row in first..<min(first + side, rows) {
                    if rowsDone - rows + row >= decoder.uncutRows { fill(target[at..<at + lumaBytes], from: luma[...]) }
                    at += lumaBytes
                }
                for half in [0, chroma.count / 2] where isPlanar {
                    if rowsDone - rows + first >= decoder.uncutRows {
                        fill(target[at + half..<at + half + chroma.count / 2], from: chroma[half..<half + chroma.count / 2])
                    }
                }
                at += chroma.count
            }
        }
    }

    /// Bands like the last one, its last luma row in each row.
    private func fill(_ bands: inout MutableRawSpan) -> Int {
        let rows = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: Int(info.height) - rowsDone)
        let (side, width, sampleBytes) = (bandRows, Int(info.width), info.format.sample.byteCount)
        let isPlanar = info.format.layout == .planar
        let lumaBytes = isPlanar ? width * sampleBytes : info.rowBytes
        let luma = lastLuma(lumaBytes)
        let chromaBytes = isPlanar ? info.byteCount(rows: side) - side * lumaBytes : 0
        let chroma = Array(above.suffix(chromaBytes))
        bands.withUnsafeMutableBytes { target in
            var at = 0
            for first in stride(from: 0, to: rows, by: side) {
                for _ in 0..<min(side, rows - first) {
                    target[at..<at + lumaBytes].copyBytes(from: luma)
                    at += lumaBytes
                }
                target[at..<at + chromaBytes].copyBytes(from: chroma)
                at += chromaBytes
            }
        }
        rowsDone += rows
        return rows
    }

    private func lastLuma(_ lumaBytes: Int) -> [UInt8] {
        guard info.format.layout == .planar else { return above }
        let chromaBytes = info.byteCount(rows: bandRows) - bandRows * lumaBytes
        return Array(above.dropLast(chromaBytes).suffix(lumaBytes))
    }

    // MARK: The account

    /// All rows are out. Throws where too little of them came.
    private func settle() throws(ImageError) {
        known = decoder.damage
        fault = fault ?? known.fault
        guard let fault else { return }
        if known.isEmpty { throw fault }
        let height = Int(info.height)
        if let standIn {
            records = [DamageRecord(firstRow: 0, rowCount: UInt32(height), .coarse, standIn)]
            return
        }
        let cut = end?.row ?? height
        var (next, frame) = (0, UInt32(0))
        for record in known.rows.sorted(by: { ($0.frame, $0.firstRow) < ($1.frame, $1.firstRow) }) {
            if record.frame != frame { (next, frame) = (0, record.frame) }
            let (first, end) = (max(next, Int(record.firstRow)), min(cut, Int(record.firstRow) + Int(record.rowCount)))
            guard first < end else { continue }
            next = end
            if let last = records.last, last.kind == record.kind, last.frame == frame, Int(last.firstRow + last.rowCount) == first {
                records[records.count - 1].rowCount += UInt32(end - first)
            } else {
                records.append(DamageRecord(frame: frame, firstRow: UInt32(first), rowCount: UInt32(end - first), record.kind, record.text))
            }
        }
        if cut < height { records.append(DamageRecord(firstRow: UInt32(cut), rowCount: UInt32(height - cut), .absent, "\(end!.fault)")) }
        let lost = records.filter { $0.kind != .coarse }.reduce(0) { $0 + Int($1.rowCount) }
        let all = height * (Int(info.frames) + known.lostFrames)
        let percent = 100 * (height * Int(info.frames) - lost) / all
        if percent < leastRecovered { throw .damaged("\(fault); only \(percent) % of its rows can be had, and --min-recovered is \(leastRecovered)") }
    }

    /// "truncated at byte 5120; of 512 rows 0-255 are whole, 256-271 concealed, 272-511 absent"; nil where nothing was wrong.
    var account: String? {
        guard let fault else { return nil }
        if let standIn { return "\(fault); \(standIn)" }
        if known.lostFrames > 0 || info.frames > 1 {
            let doubtful = Set(records.map(\.frame)).count
            return "\(fault); \(Int(info.frames) - doubtful) of \(Int(info.frames) + known.lostFrames) frames are whole" + (doubtful > 0 ? ", \(doubtful) behind lost ones concealed" : "")
        }
        if records.isEmpty { return "\(fault); all rows are whole" }
        var parts: [String] = []
        var next: UInt32 = 0
        func say(_ first: UInt32, _ count: UInt32, _ what: String) {
            if count > 0 { parts.append((count == 1 ? "\(first)" : "\(first)-\(first + count - 1)") + " \(what)") }
        }
        for record in records {
            say(next, record.firstRow - next, "whole")
            say(record.firstRow, record.rowCount, record.kind.name)
            next = record.firstRow + record.rowCount
        }
        say(next, info.height - next, "whole")
        // A line is for reading.
        let most = 6
        let rest = parts.count > most ? ", and so on" : ""
        return "\(fault); of \(info.height) rows \(parts.prefix(most).joined(separator: ", "))\(rest)"
    }
}
