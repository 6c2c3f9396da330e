/// The fields of EXIF that say what a picture looks like: CIPA DC-008 (EXIF 2.32), 4.6. A block begins with its TIFF header.
public enum Exif {
    /// The orientation that a block says, 1...8; nil when it says none that is legal.
    public static func orientation(of block: [UInt8]) -> UInt8? {
        guard let tiff = TIFFBlock(block), let directory = tiff.firstDirectory,
            let entry = tiff.entries(at: directory).first(where: { $0.tag == ExifTag.orientation }), entry.type == TIFFBlock.short,
            let value = tiff.number(at: entry.valueAt, byteCount: 2)
        else { return nil }
        return (1...8).contains(value) ? UInt8(value) : nil
    }

    /// A block that says an orientation, 1...8, and nothing else.
    package static func block(orientation: UInt8) -> [UInt8] {
        // Little-endian; a directory at 8, of one field: a SHORT.
        [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
    }

    /// The block of a picture that stands upright and is `width` x `height`. Fields that are not there are not added.
    public static func upright(_ block: [UInt8], width: UInt32, height: UInt32) -> [UInt8] {
        guard var tiff = TIFFBlock(block), let directory = tiff.firstDirectory else { return block }
        var hasSeenExif = false
        for entry in tiff.entries(at: directory) {
            switch entry.tag {
            case ExifTag.orientation where entry.type == TIFFBlock.short: tiff.setNumber(1, at: entry.valueAt, byteCount: 2)
            case ExifTag.imageWidth where tiff.value(entry) != nil: tiff.setValue(Int(width), entry)
            case ExifTag.imageLength where tiff.value(entry) != nil: tiff.setValue(Int(height), entry)
            case ExifTag.exifDirectory:
                // The first: a block may claim thousands.
                guard !hasSeenExif, let inner = tiff.value(entry) else { continue }
                hasSeenExif = true
                for entry in tiff.entries(at: inner) where tiff.value(entry) != nil {
                    if entry.tag == ExifTag.pixelXDimension { tiff.setValue(Int(width), entry) }
                    if entry.tag == ExifTag.pixelYDimension { tiff.setValue(Int(height), entry) }
                }
            default: continue
            }
        }
        return tiff.bytes
    }

    /// The block without its thumbnail: the second directory and all bytes that only it refers to are gone, or 0 where others come
    /// behind them, whose places offsets fix.
    public static func withoutThumbnail(_ block: [UInt8]) -> [UInt8] {
        guard var tiff = TIFFBlock(block), let first = tiff.firstDirectory, let link = tiff.nextDirectoryAt(first),
            let second = tiff.number(at: link, byteCount: 4), second != 0
        else { return block }
        var isDropped = [Bool](repeating: false, count: block.count)
        for range in merged(thumbnailBytes(tiff, at: second)) {
            for i in range { isDropped[i] = true }
        }
        for range in merged(keptBytes(tiff, at: first)) {
            for i in range { isDropped[i] = false }
        }
        tiff.setNumber(0, at: link, byteCount: 4)
        for i in isDropped.indices where isDropped[i] { tiff.bytes[i] = 0 }
        let end = isDropped.lastIndex(of: false).map { $0 + 1 } ?? 0
        tiff.bytes.removeLast(block.count - end)
        return tiff.bytes
    }

    /// The JPEG of a block's thumbnail, as far as it is inside; nil where it has none.
    package static func thumbnail(of block: [UInt8]) -> [UInt8]? {
        guard let tiff = TIFFBlock(block), let first = tiff.firstDirectory, let link = tiff.nextDirectoryAt(first),
            let second = tiff.number(at: link, byteCount: 4), second != 0
        else { return nil }
        let entries = tiff.entries(at: second)
        func value(_ tag: Int) -> Int? { entries.first { $0.tag == tag }.flatMap { tiff.values($0).first } }
        guard let offset = value(ExifTag.thumbnailOffset), let count = value(ExifTag.thumbnailByteCount) else { return nil }
        let range = tiff.range(from: offset, atMost: count)
        return tiff.bytes[range].starts(with: [0xff, 0xd8]) ? Array(tiff.bytes[range]) : nil
    }

    /// The directory of the thumbnail, its values, and the picture itself: a JPEG, or strips of samples.
    private static func thumbnailBytes(_ tiff: TIFFBlock, at directory: Int) -> [Range<Int>] {
        let entries = tiff.entries(at: directory)
        func values(_ tag: Int) -> [Int] { entries.first { $0.tag == tag }.map(tiff.values) ?? [] }
        var ranges = entries.compactMap(tiff.outerBytes)
        ranges.append(tiff.range(from: directory, atMost: 2 + 12 * entries.count + 4))
        for (offset, count) in [(ExifTag.thumbnailOffset, ExifTag.thumbnailByteCount), (ExifTag.stripOffsets, ExifTag.stripByteCounts)] {
            for (offset, count) in zip(values(offset), values(count)) { ranges.append(tiff.range(from: offset, atMost: count)) }
        }
        return ranges
    }

    /// The header, the directory at `first` and those it leads to, and their values; a MakerNote is one of these, whatever is in it.
    private static func keptBytes(_ tiff: TIFFBlock, at first: Int) -> [Range<Int>] {
        let deeper: Set = [ExifTag.exifDirectory, ExifTag.gpsDirectory, ExifTag.interoperabilityDirectory, ExifTag.subDirectories]
        var ranges = [tiff.range(from: 0, atMost: 8)]
        var (waiting, seen) = ([first], Set([first]))
        while let directory = waiting.popLast() {
            let entries = tiff.entries(at: directory)
            ranges.append(tiff.range(from: directory, atMost: 2 + 12 * entries.count + 4))
            ranges += entries.compactMap(tiff.outerBytes)
            for next in entries.filter({ deeper.contains($0.tag) }).flatMap(tiff.values) where seen.count < mostDirectories {
                if seen.insert(next).inserted { waiting.append(next) }
            }
        }
        return ranges
    }

    /// Of one block. Cameras write five or so.
    private static let mostDirectories = 32

    /// The same bytes as ranges in order that do not overlap: of many that do, each byte is looked at once.
    private static func merged(_ ranges: [Range<Int>]) -> [Range<Int>] {
        var merged: [Range<Int>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }
}

extension TIFFBlock {
    /// `count` bytes from `offset` on, as far as they lie inside.
    fileprivate func range(from offset: Int, atMost count: Int) -> Range<Int> {
        let start = min(offset, bytes.count)
        return start..<start + min(count, bytes.count - start)
    }
}

extension ImageInfo {
    /// The orientation that EXIF says, 1 where it says none.
    public mutating func setOrientation(from metadata: [MetadataRecord]) {
        orientation = metadata[.exif].flatMap(Exif.orientation) ?? 1
    }
}

/// Tags of EXIF and TIFF.
package enum ExifTag {
    package static let imageWidth = 0x0100
    package static let imageLength = 0x0101
    package static let stripOffsets = 0x0111
    package static let orientation = 0x0112
    package static let stripByteCounts = 0x0117
    package static let artist = 0x013b
    package static let subDirectories = 0x014a
    package static let thumbnailOffset = 0x0201
    package static let thumbnailByteCount = 0x0202
    package static let xmp = 0x02bc
    package static let copyright = 0x8298
    package static let exifDirectory = 0x8769
    package static let gpsDirectory = 0x8825
    package static let makerNote = 0x927c
    package static let pixelXDimension = 0xa002
    package static let pixelYDimension = 0xa003
    package static let interoperabilityDirectory = 0xa005
}
