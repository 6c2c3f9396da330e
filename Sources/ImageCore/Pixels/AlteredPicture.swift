/// A picture whose pixels are no longer those of its file: the thumbnail in its EXIF, which shows the old ones, is left behind, and
/// of the file itself, where the stream carries that, only the mark that it was there.
public final class AlteredPicture: RowSource {
    private let source: any RowSource

    /// `source`: the new rows, with the metadata of the old ones.
    public init(_ source: any RowSource) {
        self.source = source
        metadata = Self.altered(source.metadata)
    }

    public var info: ImageInfo { source.info }
    public let metadata: [MetadataRecord]
    public var trailingMetadata: [MetadataRecord] { Self.altered(source.trailingMetadata) }
    public func nextFrame() throws(ImageError) -> Frame? { try source.nextFrame() }
    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int { try source.read(into: &bands) }

    private static func altered(_ records: [MetadataRecord]) -> [MetadataRecord] {
        records.map { record in
            switch record.type {
            case .exif: MetadataRecord(.exif, Exif.withoutThumbnail(record.payload))
            case .file: MetadataRecord(.file, [])
            default: record
            }
        }
    }
}
