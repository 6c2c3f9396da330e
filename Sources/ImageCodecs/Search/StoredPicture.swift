import ImageCore

/// The first frame of a picture, held as packed rows of as many bits as it came with, to be read as often as it is wanted.
final class StoredPicture {
    private let frame: FrameStore
    let info: ImageInfo
    private let metadata: [MetadataRecord]
    private let trailingMetadata: [MetadataRecord]
    /// Frames behind the first, which were read and dropped.
    let framesLeft: Int
    /// Whether its pixels are those of its file.
    let isAltered: Bool

    /// Reads all of `picture` as `encoder` takes it.
    init(_ picture: any RowSource, _ encoder: Encoder, pool: BufferPool) throws(ImageError) {
        let first = FirstFrame(picture, pool: pool)
        let prepared = try encoder.prepared(first, keepsDepth: true)
        isAltered = prepared is AlteredPicture
        // As a viewer sees it, which is what will be compared.
        let rows: any RowSource = prepared.info.format.model == .ycbcr ? try Converter(prepared, to: .rgb, pool: pool) : prepared
        info = rows.info
        frame = try FrameStore(byteCount: info.byteCount(rows: Int(info.height)), pool: pool)
        guard try rows.nextFrame() != nil else { throw .damaged("a picture without a frame") }
        try frame.fill(from: rows)
        while try rows.nextFrame() != nil {}
        (metadata, trailingMetadata, framesLeft) = (rows.metadata, rows.trailingMetadata, first.framesLeft)
    }

    /// Whether it was drawn rather than photographed: in most places samples go on in a line, without noise. Scores of such pictures have
    /// ripples over quality, where a step of the quantiser meets a colour by chance.
    private(set) lazy var isSmooth: Bool = {
        let rows = stride(from: 0, to: Int(info.height), by: 4)
        var (straight, places) = (0, 0)
        for row in rows {
            let start = frame.start + row * info.rowBytes
            straight += info.format.sample == .uint8
                ? straightPlaces(start.assumingMemoryBound(to: UInt8.self), unit: 1) : straightPlaces(start.assumingMemoryBound(to: UInt16.self), unit: 257)
            places += max(0, Int(info.width) - 2)
        }
        return 2 * straight > places
    }()

    /// Pixels of a row whose samples are all within 1 of 255 of the line through their neighbours.
    private func straightPlaces<Sample: BinaryInteger>(_ samples: UnsafePointer<Sample>, unit: Int) -> Int {
        let channels = info.format.channels
        var count = 0
        var at = channels
        for _ in 0..<max(0, Int(info.width) - 2) {
            var isStraight = true
            for i in at..<at + channels {
                let bend = Int(samples[i - channels]) + Int(samples[i + channels]) - 2 * Int(samples[i])
                if abs(bend) > unit { isStraight = false }
            }
            if isStraight { count += 1 }
            at += channels
        }
        return count
    }

    /// The picture anew. Its metadata come before its rows, wherever they were.
    func rows() -> any RowSource { Rows(self) }

    private final class Rows: RowSource {
        private let picture: StoredPicture
        private var next: Int?

        init(_ picture: StoredPicture) { self.picture = picture }

        var info: ImageInfo { picture.info }
        var metadata: [MetadataRecord] { picture.metadata }
        var trailingMetadata: [MetadataRecord] { picture.trailingMetadata }

        func nextFrame() throws(ImageError) -> Frame? {
            if next != nil { return nil }
            next = 0
            return Frame()
        }

        func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
            let done = next ?? 0
            let rows = min(Int(info.height) - done, bands.byteCount / info.rowBytes)
            let start = picture.frame.start + done * info.rowBytes
            bands.withUnsafeMutableBytes { $0.baseAddress!.copyMemory(from: start, byteCount: rows * info.rowBytes) }
            next = done + rows
            return rows
        }
    }
}
