import ImageCore

/// EXIF with only the fields that stay.
///
/// libexif is not asked: it would move a MakerNote whose offsets count from the block's start, and it is C that reads what
/// strangers wrote. Here a block is taken apart in Swift, each length against what is there, and put together anew from the
/// fields that stay; one whose MakerNote stays keeps its places, and all else in it becomes 0.
struct ExifEditor {
    private let tiff: TIFFBlock
    private let choice: MetadataChoice
    private var directories: [Fields?] = Array(repeating: nil, count: ExifDirectory.allCases.count)
    /// Where directories and values lie.
    private var taken: [Range<Int>] = []

    /// The fields of a directory that stay, and where it stands.
    private struct Fields {
        let at: Int
        var entries: [TIFFBlock.Entry]
    }

    /// What became of a block.
    enum Result: Equatable {
        case kept([UInt8])
        /// Nothing in it stays.
        case nothing
        /// What is no EXIF, or breaks its rules so that a part of it cannot be told from another: all of it goes, but for an orientation
        /// that decoders find nevertheless.
        case malformed(rest: [UInt8]?)
    }

    /// `block`: from the TIFF header on.
    static func edited(_ block: [UInt8], _ choice: MetadataChoice) -> Result {
        if choice.keepsAll(of: .exif) { return .kept(block) }
        guard choice.keepsAny(of: .exif) else { return .nothing }
        guard var editor = ExifEditor(block, choice), editor.read() else {
            let orientation = choice.keeps(.orientation, in: .exif) ? Exif.orientation(of: block) ?? 1 : 1
            return .malformed(rest: orientation == 1 ? nil : Exif.block(orientation: orientation))
        }
        if editor.directories.allSatisfy({ $0?.entries.isEmpty ?? true }) { return .nothing }
        return .kept(editor.hasMakerNote ? editor.inPlace() : editor.anew())
    }

    private init?(_ block: [UInt8], _ choice: MetadataChoice) {
        guard let tiff = TIFFBlock(block) else { return nil }
        (self.tiff, self.choice) = (tiff, choice)
    }

    /// What fields of one value, as the resolutions of both axes are in some files, may have together beyond the block's own bytes.
    private static let sharedBytes = 1024

    // MARK: Reading

    /// False for a block whose directories are cut, or lie over one another.
    private mutating func read() -> Bool {
        guard let first = tiff.firstDirectory, let primary = entries(at: first) else { return false }
        taken = [Self.extent(primary, at: first)]
        keep(primary, .primary, at: first)
        func isFree(_ range: Range<Int>) -> Bool { !taken.contains { $0.overlaps(range) } }
        // A pointer to nowhere is a directory that is not there.
        var waiting: [(ExifDirectory, [TIFFBlock.Entry])] = [(.primary, primary)]
        var seen: [ExifDirectory] = []
        while let (directory, entries) = waiting.popLast() {
            for entry in entries {
                // The first of each kind: a block may claim thousands.
                guard let next = directory.next(tag: entry.tag), !seen.contains(next) else { continue }
                seen.append(next)
                guard let at = tiff.value(entry), let inner = self.entries(at: at) else { continue }
                guard isFree(Self.extent(inner, at: at)) else { return false }
                taken.append(Self.extent(inner, at: at))
                keep(inner, next, at: at)
                waiting.append((next, inner))
            }
        }
        if let link = tiff.nextDirectoryAt(first), let at = tiff.number(at: link, byteCount: 4), at != 0, let second = self.entries(at: at) {
            guard isFree(Self.extent(second, at: at)) else { return false }
            taken.append(Self.extent(second, at: at))
            keep(second, .thumbnail, at: at)
        }
        // Nor do values lie over directories.
        let values = directories.flatMap { $0?.entries ?? [] }.compactMap(tiff.outerBytes)
        // Nor over one another, but for a few bytes: a block would become many times as long.
        guard values.reduce(0, { $0 + $1.count }) <= Self.distinctBytes(values) + Self.sharedBytes else { return false }
        if values.contains(where: { value in value.lowerBound < 8 || taken.contains { $0.overlaps(value) } }) { return false }
        taken += values
        return true
    }

    private static func distinctBytes(_ ranges: [Range<Int>]) -> Int {
        var (count, end) = (0, 0)
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            count += max(0, range.upperBound - max(end, range.lowerBound))
            end = max(end, range.upperBound)
        }
        return count
    }

    /// All fields of a directory; nil where it is cut.
    private func entries(at: Int) -> [TIFFBlock.Entry]? {
        guard at >= 8, let count = tiff.number(at: at, byteCount: 2), at + 2 + 12 * count <= tiff.bytes.count else { return nil }
        let entries = tiff.entries(at: at)
        return entries.count == count ? entries : nil
    }

    private static func extent(_ entries: [TIFFBlock.Entry], at: Int) -> Range<Int> { at..<at + 2 + 12 * entries.count }

    private mutating func keep(_ entries: [TIFFBlock.Entry], _ directory: ExifDirectory, at: Int) {
        var kept: [TIFFBlock.Entry] = []
        for entry in entries where directory.next(tag: entry.tag) == nil && choice.keepsField(tag: entry.tag, in: directory) && tiff.bytesOfValue(entry) != nil {
            // Sorted by their tags in sound blocks, which makes this short.
            if saysNothing(entry, directory) || (kept.last.map { $0.tag >= entry.tag } ?? false && kept.contains { $0.tag == entry.tag }) { continue }
            kept.append(entry)
        }
        directories[directory.index] = Fields(at: at, entries: kept)
    }

    /// An orientation alone is worth a block when it is one, and not 1.
    private func saysNothing(_ entry: TIFFBlock.Entry, _ directory: ExifDirectory) -> Bool {
        guard directory == .primary, entry.tag == ExifTag.orientation else { return false }
        // What is no orientation is a place to hide in.
        guard entry.type == TIFFBlock.short, entry.count == 1, let value = tiff.value(entry), (1...8).contains(value) else { return true }
        return value == 1 && !choice.keeps(.exif)
    }

    private var hasMakerNote: Bool { directories[ExifDirectory.exif.index]?.entries.contains { $0.tag == ExifTag.makerNote } ?? false }

    // MARK: Writing

    /// Where the picture of the thumbnail lies, whole.
    private var thumbnail: Range<Int>? {
        let entries = directories[ExifDirectory.thumbnail.index]?.entries ?? []
        func value(_ tag: Int) -> Int? { entries.first { $0.tag == tag }.flatMap(tiff.value) }
        guard let at = value(ExifTag.thumbnailOffset), let count = value(ExifTag.thumbnailByteCount), at >= 8, count > 0,
            at <= tiff.bytes.count - count, !taken.contains(where: { $0.overlaps(at..<at + count) })
        else { return nil }
        return at..<at + count
    }

    /// The thumbnail without metadata of its own; nil for one that is no JPEG that can be read.
    private var cleanThumbnail: [UInt8]? { thumbnail.flatMap { JPEGThumbnail.stripped(tiff.bytes[$0]) } }

    /// A new block: header, directories one after another, each followed by its values.
    private func anew() -> [UInt8] {
        let picture = cleanThumbnail
        var block = Array(tiff.bytes[..<4])
        func append(_ value: Int, byteCount: Int) { block += tiff.encoded(value, byteCount: byteCount) }
        func patch(_ value: Int, at: Int) { block.replaceSubrange(at..<at + 4, with: tiff.encoded(value, byteCount: 4)) }
        /// Writes a directory; where the number of the one behind it stands, and those of the directories that it leads to.
        func write(_ directory: ExifDirectory, pointers: [Int] = []) -> (link: Int, pointers: [Int: Int]) {
            var entries = directories[directory.index]?.entries ?? []
            if directory == .thumbnail { entries.removeAll { [ExifTag.thumbnailOffset, ExifTag.thumbnailByteCount].contains($0.tag) || !Self.isOfJPEG($0.tag) } }
            var added = pointers.map { (tag: $0, value: 0) }
            if directory == .thumbnail, let picture { added += [(ExifTag.thumbnailOffset, 0), (ExifTag.thumbnailByteCount, picture.count)] }
            let fields = entries.map { (tag: $0.tag, entry: TIFFBlock.Entry?.some($0), value: 0) } + added.map { (tag: $0.tag, entry: nil, value: $0.value) }
            append(fields.count, byteCount: 2)
            var places: [Int: Int] = [:]
            var outer: [(at: Int, bytes: [UInt8])] = []
            for field in fields.sorted(by: { $0.tag < $1.tag }) {
                guard let entry = field.entry else {
                    append(field.tag, byteCount: 2)
                    append(TIFFBlock.long, byteCount: 2)
                    append(1, byteCount: 4)
                    places[field.tag] = block.count
                    append(field.value, byteCount: 4)
                    continue
                }
                block += tiff.bytes[entry.at..<entry.at + 8]
                let value = tiff.bytes[tiff.bytesOfValue(entry)!]
                if value.count > 4 {
                    outer.append((block.count, Array(value)))
                    append(0, byteCount: 4)
                } else {
                    // What a value of fewer bytes leaves of its four is nobody's.
                    block += Array(value) + Array(repeating: 0, count: 4 - value.count)
                }
            }
            let link = block.count
            append(0, byteCount: 4)
            for (at, bytes) in outer {
                patch(block.count, at: at)
                block += bytes
                if bytes.count % 2 == 1 { block.append(0) }
            }
            return (link, places)
        }
        func has(_ directory: ExifDirectory) -> Bool { directories[directory.index]?.entries.isEmpty == false }
        let hasExif = has(.exif) || has(.interoperability)
        append(8, byteCount: 4)
        let primary = write(.primary, pointers: (hasExif ? [ExifTag.exifDirectory] : []) + (has(.gps) ? [ExifTag.gpsDirectory] : []))
        if hasExif {
            patch(block.count, at: primary.pointers[ExifTag.exifDirectory]!)
            let exif = write(.exif, pointers: has(.interoperability) ? [ExifTag.interoperabilityDirectory] : [])
            if let at = exif.pointers[ExifTag.interoperabilityDirectory] {
                patch(block.count, at: at)
                _ = write(.interoperability)
            }
        }
        if let at = primary.pointers[ExifTag.gpsDirectory] {
            patch(block.count, at: at)
            _ = write(.gps)
        }
        if let picture {
            patch(block.count, at: primary.link)
            let second = write(.thumbnail)
            patch(block.count, at: second.pointers[ExifTag.thumbnailOffset]!)
            block += picture
        }
        return block
    }

    /// Fields of the second directory that say something of a JPEG: strips of samples have none of it.
    private static func isOfJPEG(_ tag: Int) -> Bool { [0x0103, 0x0112, 0x011a, 0x011b, 0x0128, 0x0213].contains(tag) }

    /// The same block with what stays at its place, and 0 elsewhere; it ends where the last of it does.
    private func inPlace() -> [UInt8] {
        var edited = tiff
        edited.bytes = Array(repeating: 0, count: tiff.bytes.count)
        var end = 8
        func copy(_ range: Range<Int>, to place: Int) {
            edited.bytes.replaceSubrange(place..<place + range.count, with: tiff.bytes[range])
            end = max(end, place + range.count)
        }
        copy(0..<8, to: 0)
        let picture = cleanThumbnail
        for directory in ExifDirectory.allCases where directory != .thumbnail || picture != nil {
            guard let fields = directories[directory.index] else { continue }
            var entries = fields.entries
            if directory == .thumbnail { entries.removeAll { !Self.isOfJPEG($0.tag) && ![ExifTag.thumbnailOffset, ExifTag.thumbnailByteCount].contains($0.tag) } }
            // The fields that lead on stay, for the directories that have something.
            entries += tiff.entries(at: fields.at).filter { entry in
                directory.next(tag: entry.tag).flatMap { directories[$0.index] }.map { $0.at == tiff.value(entry) && hasFields(behind: $0) } ?? false
            }
            edited.setNumber(entries.count, at: fields.at, byteCount: 2)
            for (i, entry) in entries.sorted(by: { $0.tag < $1.tag }).enumerated() {
                let place = fields.at + 2 + 12 * i
                let value = tiff.bytesOfValue(entry)!
                copy(entry.at..<entry.at + 8, to: place)
                if value.count > 4 {
                    copy(entry.valueAt..<entry.valueAt + 4, to: place + 8)
                    copy(value, to: value.lowerBound)
                } else {
                    copy(value, to: place + 8)
                }
                if directory == .thumbnail && entry.tag == ExifTag.thumbnailByteCount, let picture {
                    edited.setValue(picture.count, TIFFBlock.Entry(tag: entry.tag, type: entry.type, count: entry.count, at: place))
                }
            }
            let link = fields.at + 2 + 12 * entries.count
            if directory == .primary, picture != nil, let second = directories[ExifDirectory.thumbnail.index] { edited.setNumber(second.at, at: link, byteCount: 4) }
            end = max(end, min(link + 4, tiff.bytes.count))
        }
        if let picture, let place = thumbnail?.lowerBound {
            edited.bytes.replaceSubrange(place..<place + picture.count, with: picture)
            end = max(end, place + picture.count)
        }
        return Array(edited.bytes[..<end])
    }

    /// Whether something stays in a directory, or in the one that it leads to.
    private func hasFields(behind fields: Fields) -> Bool {
        !fields.entries.isEmpty || (fields.at == directories[ExifDirectory.exif.index]?.at && directories[ExifDirectory.interoperability.index]?.entries.isEmpty == false)
    }
}

extension TIFFBlock {
    /// Where the bytes of a field's value are; nil where they are not all there, or of no known type.
    package func bytesOfValue(_ entry: Entry) -> Range<Int>? {
        guard (1..<Self.typeBytes.count).contains(entry.type) else { return nil }
        let count = Self.typeBytes[entry.type] * entry.count
        return count <= 4 ? entry.valueAt..<entry.valueAt + count : outerBytes(entry)
    }

    /// A number as the block writes it.
    func encoded(_ value: Int, byteCount: Int) -> [UInt8] {
        (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * (isBigEndian ? byteCount - 1 - $0 : $0))) }
    }
}
