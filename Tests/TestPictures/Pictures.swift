import Glibc
import ImageCore

/// A picture in memory, as a source and a sink.
package struct Picture: Equatable {
    package var info: ImageInfo
    package var metadata: [MetadataRecord] = []
    package var trailing: [MetadataRecord] = []
    package var frames: [[UInt8]] = []
    package var durations: [UInt32] = []

    /// Every sample differs from its neighbours; the bytes depend on `seed` only.
    package init(_ width: UInt32, _ height: UInt32, _ format: PixelFormat, frames count: Int = 1, seed: UInt64 = 1) {
        info = ImageInfo(width: width, height: height, format: format)
        info.frames = UInt32(count)
        var random = seed
        for frame in 0..<count {
            frames.append(
                (0..<info.byteCount(rows: Int(height))).map { _ in
                    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return UInt8(truncatingIfNeeded: random >> 33)
                })
            durations.append(UInt32(frame) * 40)
        }
    }

    /// What lossy codecs are made for: slow waves, another in each channel.
    package init(smooth width: UInt32, _ height: UInt32, _ format: PixelFormat, frames count: Int = 1) {
        self.init(width, height, format, frames: count)
        var rows: [UInt8] = []
        for y in 0..<Int(height) {
            for x in 0..<Int(width) {
                for c in 0..<format.channels {
                    let phase = Double(c) + Double(x) / 9 + Double(y) / (7 + Double(c))
                    let value = 0.5 + 0.4 * sin(phase)
                    if format.sample == .uint8 {
                        rows.append(UInt8(value * 255))
                    } else {
                        let sample = UInt16(value * 65535)
                        rows += [UInt8(sample & 255), UInt8(sample >> 8)]
                    }
                }
            }
        }
        frames = [[UInt8]](repeating: rows, count: count)
    }

    package init(info: ImageInfo, metadata: [MetadataRecord]) {
        (self.info, self.metadata) = (info, metadata)
    }
}

/// Gives a picture's rows, at most `rowsPerRead` at a time.
package final class PictureSource: RowSource {
    private let picture: Picture
    private let rowsPerRead: Int
    private var frame = -1
    private var rowsDone = 0

    package init(_ picture: Picture, rowsPerRead: Int = .max) {
        (self.picture, self.rowsPerRead) = (picture, rowsPerRead)
    }

    package var info: ImageInfo { picture.info }
    package var metadata: [MetadataRecord] { picture.metadata }
    package var trailingMetadata: [MetadataRecord] { picture.trailing }

    package func nextFrame() throws(ImageError) -> Frame? {
        frame += 1
        rowsDone = 0
        return frame < picture.frames.count ? Frame(durationMilliseconds: picture.durations[frame]) : nil
    }

    package func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let left = Int(info.height) - rowsDone
        let fitting = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: left)
        let band = info.format.bandRows
        let rows = min(fitting, rowsPerRead == .max ? fitting : max(band, rowsPerRead / band * band), left)
        let from = info.byteCount(rows: rowsDone)
        for i in 0..<info.byteCount(rows: rows) {
            bands.storeBytes(of: picture.frames[frame][from + i], toByteOffset: i, as: UInt8.self)
        }
        rowsDone += rows
        return rows
    }
}

/// Keeps what it is given.
package final class PictureSink: RowSink {
    package private(set) var picture = Picture(1, 1, .gray)

    package init() {}

    package func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        picture = Picture(info: info, metadata: metadata)
    }

    package func beginFrame(_ frame: Frame) throws(ImageError) {
        picture.frames.append([])
        picture.durations.append(frame.durationMilliseconds)
    }

    package func write(_ bands: RawSpan, rows: Int) throws(ImageError) {
        bands.withUnsafeBytes { picture.frames[picture.frames.count - 1] += $0 }
    }

    package func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {
        picture.trailing = trailingMetadata
    }
}

/// All of a source, as a picture.
package func collect(_ source: any RowSource, _ pool: BufferPool = BufferPool(limits: Limits())) throws(ImageError) -> Picture {
    let sink = PictureSink()
    try transfer(from: source, to: sink, pool: pool)
    return sink.picture
}

/// A file without a name.
package func temporaryFile(_ bytes: [UInt8] = []) -> Int32 {
    var name = Array("/tmp/imgpipe-test-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    precondition(file >= 0 && unlink(name) == 0)
    precondition(write(file, bytes, bytes.count) == bytes.count)
    lseek(file, 0, SEEK_SET)
    return file
}

/// The bytes that `body` writes to a descriptor.
package func written(_ body: (Int32) throws -> Void) rethrows -> [UInt8] {
    let file = temporaryFile()
    defer { close(file) }
    try body(dup(file))
    let count = Int(lseek(file, 0, SEEK_END))
    lseek(file, 0, SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: count)
    precondition(read(file, &bytes, count) == count)
    return bytes
}

package func source(_ bytes: [UInt8], pool: BufferPool = BufferPool(limits: Limits())) throws(ImageError) -> ByteSource {
    try ByteSource(Descriptor(number: temporaryFile(bytes)), pool: pool)
}
