import ImageCore

/// Pictures whose samples are made sRGB.
public enum SRGB {
    /// `rows` with samples in sRGB and without a profile; planes become RGB for it. A profile that cannot be used is dropped unapplied, and
    /// `profileIsUsable` is false. A picture without a profile stays as it is.
    public static func converted(_ rows: any RowSource, pool: BufferPool) throws(ImageError) -> (rows: any RowSource, profileIsUsable: Bool) {
        guard rows.metadata[.icc] != nil else { return (rows, true) }
        let packed: any RowSource =
            rows.info.format.layout == .planar ? try Converter(rows, to: rows.info.format.packedRGB, pool: pool) : rows
        if let converter = ColorConverter(packed) { return (converter, true) }
        return (WithoutProfile(packed), false)
    }
}

/// A picture without the profile that came with it.
private final class WithoutProfile: RowSource {
    private let source: any RowSource

    init(_ source: any RowSource) { self.source = source }

    var info: ImageInfo { source.info }
    var metadata: [MetadataRecord] { source.metadata.filter { $0.type != .icc } }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }
    func nextFrame() throws(ImageError) -> Frame? { try source.nextFrame() }
    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int { try source.read(into: &bands) }
}
