import Glibc
import ImageCore

/// Times Lanczos3 alone, in one thread: the picture of the pixel stream on standard input, held in memory, is resized to 800 x 533 again
/// and again. Prints medians in milliseconds: of that, and of the copying in it.
///
/// usage: resample ROUNDS < STREAM
@main
struct Resample {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 2, let rounds = Int(arguments[1]), rounds > 0 else {
            print("usage: resample ROUNDS < STREAM")
            exit(64)
        }
        let pool = BufferPool(limits: Limits())
        let reader = StreamReader(try ByteSource(.standardInput, pool: pool), limits: Limits())
        guard case .picture = try reader.next(), try reader.nextFrame() != nil else { exit(65) }
        let picture = HeldPicture(reader.info)
        try read(reader, to: picture.bytes)
        let cache = WeightsCache(pool: pool)
        let result = UnsafeMutableRawPointer.allocate(byteCount: 800 * 533 * 4, alignment: 64)
        let times = try (0..<rounds).map { _ in
            let begin = now()
            let resizer = try Resizer(picture, width: 800, height: 533, kernel: .lanczos3, cache: cache, pool: pool)
            _ = try resizer.nextFrame()
            try read(resizer, to: result)
            return now() - begin
        }
        // The picture goes through bands of 128 KiB, which other libraries need not: that is timed too.
        let band = try pool.lease(picture.info.bandBufferBytes)
        let copies = try (0..<rounds).map { _ in
            let begin = now()
            _ = picture.nextFrame()
            var rows = 0
            while rows < Int(picture.info.height) { rows += try picture.readRows(to: band.start, byteCount: band.count) }
            return now() - begin
        }
        print(times.sorted()[rounds / 2], copies.sorted()[rounds / 2])
    }

    /// All rows.
    static func read(_ source: any RowSource, to start: UnsafeMutableRawPointer) throws(ImageError) {
        let byteCount = source.info.byteCount(rows: Int(source.info.height))
        var done = 0
        while done < byteCount { done += try source.readRows(to: start + done, byteCount: byteCount - done) * source.info.rowBytes }
    }

    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1e6
    }
}

/// Rows from memory, which lasts as long as the process.
final class HeldPicture: RowSource {
    let info: ImageInfo
    let bytes: UnsafeMutableRawPointer
    var metadata: [MetadataRecord] { [] }
    var trailingMetadata: [MetadataRecord] { [] }
    private var rowsDone = 0

    init(_ info: ImageInfo) {
        self.info = info
        bytes = .allocate(byteCount: info.byteCount(rows: Int(info.height)), alignment: 64)
    }

    func nextFrame() -> Frame? {
        rowsDone = 0
        return Frame()
    }

    func read(into bands: inout MutableRawSpan) -> Int {
        let rows = min(bands.byteCount / info.rowBytes, Int(info.height) - rowsDone)
        bands.withUnsafeMutableBytes {
            $0.baseAddress!.copyMemory(from: bytes + rowsDone * info.rowBytes, byteCount: rows * info.rowBytes)
        }
        rowsDone += rows
        return rows
    }
}
