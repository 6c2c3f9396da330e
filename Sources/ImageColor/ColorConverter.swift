import CLCMS
import ImageCore

/// A picture whose samples are made sRGB; its profile is gone then.
package final class ColorConverter: RowSource {
    private let source: any RowSource
    private let transform: cmsHTRANSFORM

    package let info: ImageInfo
    package let metadata: [MetadataRecord]
    package var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// Of Little CMS, "2.14".
    package static var libraryVersion: String {
        let version = cmsGetEncodedCMMversion()
        return "\(version / 1000).\(version / 10 % 100)"
    }

    /// `source`: packed grey or RGB with a profile. Nil where the profile does not serve.
    package init?(_ source: any RowSource) {
        let format = source.info.format
        guard let icc = source.metadata[.icc], let profile = ColorProfile(icc), profile.space == (format.model == .gray ? .gray : .rgb) else { return nil }
        var type = switch (profile.space, format.sample) {
        case (.gray, .uint8): imgpipe_type_gray_8
        case (.gray, .uint16): imgpipe_type_gray_16
        case (_, .uint8): imgpipe_type_rgb_8
        case (_, .uint16): imgpipe_type_rgb_16
        }
        if format.hasAlpha { type |= imgpipe_type_extra }
        guard let transform = profile.transform(type, to: type) else { return nil }
        self.transform = transform
        self.source = source
        metadata = source.metadata.filter { $0.type != .icc }
        var info = source.info
        info.color = .sRGB(format.model)
        self.info = info
    }

    deinit { cmsDeleteTransform(transform) }

    package func nextFrame() throws(ImageError) -> Frame? { try source.nextFrame() }

    package func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let rows = try source.read(into: &bands)
        bands.withUnsafeMutableBytes {
            cmsDoTransform(transform, $0.baseAddress!, $0.baseAddress!, cmsUInt32Number(rows * Int(info.width)))
        }
        return rows
    }
}
