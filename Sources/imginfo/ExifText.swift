import FilterSupport
import CExif
import Glibc
import ImageCore
import ImageMetadata
import Synchronization

/// Values of EXIF in words, as libexif puts them: "1/60 sec.", "Flash did not fire".
///
/// libexif never sees the block: it is given one field after another, each as long as it says, and never a MakerNote.
final class ExifText {
    private let data: UnsafeMutablePointer<ExifData>

    /// Throws `outOfMemory`, as all do here.
    init(isBigEndian: Bool) throws(ImageError) {
        guard let memory = Self.memory, let data = exif_data_new_mem(memory), !Self.hasFailed.load(ordering: .relaxed) else { throw .outOfMemory }
        self.data = data
        exif_data_set_byte_order(data, isBigEndian ? EXIF_BYTE_ORDER_MOTOROLA : EXIF_BYTE_ORDER_INTEL)
    }

    /// libexif does without what it finds no memory for, and says nothing.
    private static let hasFailed = Atomic(false)
    /// libexif counts who uses it, and not for threads: all of imginfo is on one.
    nonisolated(unsafe) private static let memory: OpaquePointer? = exif_mem_new(
        { count in kept(calloc(1, Int(count))) }, { old, count in kept(realloc(old, Int(count))) }, { free($0) })

    private static func kept(_ start: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        if start == nil { hasFailed.store(true, ordering: .relaxed) }
        return start
    }

    deinit { exif_data_unref(data) }

    private static let textBytes = 1024

    func value(of field: ExifListing.Field) throws(ImageError) -> String {
        // Names of enumerations and units; positions and texts we have read already.
        if field.directory != .gps, case .numbers(let numbers) = field.value, numbers.count == 1, let text = try worded(field) { return text }
        return switch field.value {
        case .text(let text): text
        case .numbers(let numbers): numbers.map({ NumberText.general($0) }).joined(separator: " ")
        }
    }

    private func worded(_ field: ExifListing.Field) throws(ImageError) -> String? {
        guard let entry = exif_entry_new_mem(Self.memory) else { throw .outOfMemory }
        defer { exif_entry_unref(entry) }
        entry.pointee.tag = ExifTag(UInt32(field.tag))
        entry.pointee.format = ExifFormat(UInt32(field.type))
        entry.pointee.components = UInt(field.count)
        // Freed with the entry, by free(3).
        guard let bytes = malloc(max(1, field.bytes.count)) else { throw .outOfMemory }
        memcpy(bytes, field.bytes, field.bytes.count)
        entry.pointee.data = bytes.assumingMemoryBound(to: UInt8.self)
        entry.pointee.size = UInt32(field.bytes.count)
        let directories = withUnsafePointer(to: &data.pointee.ifd) { UnsafeRawPointer($0).assumingMemoryBound(to: UnsafeMutablePointer<ExifContent>?.self) }
        let place = field.directory == .primary ? EXIF_IFD_0 : field.directory == .exif ? EXIF_IFD_EXIF : EXIF_IFD_INTEROPERABILITY
        guard let directory = directories[Int(place.rawValue)] else { throw .outOfMemory }
        exif_content_add_entry(directory, entry)
        if Self.hasFailed.load(ordering: .relaxed) { throw .outOfMemory }
        defer { exif_content_remove_entry(directory, entry) }
        var text = [CChar](repeating: 0, count: Self.textBytes)
        guard exif_entry_get_value(entry, &text, UInt32(text.count)) != nil else { return nil }
        let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // What it has no words for.
        return words.isEmpty || words.hasPrefix("Internal error") || words.hasSuffix("undefined data") ? nil : words
    }
}
