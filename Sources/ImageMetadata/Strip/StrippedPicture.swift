import ImageCore

/// A picture of the stream without the records that go.
public final class StrippedPicture: RowSource {
    private let source: any RowSource
    private let editor: MetadataEditor
    public let info: ImageInfo
    public let metadata: [MetadataRecord]

    public init(_ source: any RowSource, _ choice: MetadataChoice, limits: Limits) {
        self.source = source
        editor = MetadataEditor(choice, limits: limits, isStream: true)
        var info = source.info
        if info.orientation != 1 && !choice.keeps(.orientation, in: .exif) {
            editor.report.warn("its orientation (\(info.orientation)) is dropped; it will be shown as it lies in the file")
            info.orientation = 1
        }
        if !choice.keepsDensity { info.density = (0, 0) }
        self.info = info
        metadata = Self.stripped(source.metadata, editor)
    }

    /// What there is to say; complete when the rows are read.
    public var report: StripReport { editor.report }

    public private(set) lazy var trailingMetadata: [MetadataRecord] = Self.stripped(source.trailingMetadata, editor)
    public func nextFrame() throws(ImageError) -> Frame? {
        if let failure = editor.failure { throw failure }
        return try source.nextFrame()
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int { try source.read(into: &bands) }

    private static func stripped(_ records: [MetadataRecord], _ editor: MetadataEditor) -> [MetadataRecord] {
        let choice = editor.choice
        return records.compactMap { (record: MetadataRecord) -> MetadataRecord? in
            let payload: [UInt8]?
            switch record.type {
            case .exif: payload = editor.exif(record.payload)
            case .xmp: payload = editor.xmp(record.payload)
            case .iptc: payload = editor.iptc(record.payload)
            case .icc: payload = editor.keepsICC(record.payload) ? record.payload : nil
            case .text:
                let isKept = PNGText.keyword(record.payload).map { choice.keepsTextRecord($0.text) } ?? choice.keeps(.comment)
                payload = isKept ? record.payload : nil
            // Where the picture is, and what is broken of it, is about the stream; it goes into no file.
            case .name, .damage: payload = record.payload
            // The file itself, with all that was in it.
            case .file: payload = choice.keepsEverything ? record.payload : nil
            default: payload = choice.keepsUnknown ? record.payload : nil
            }
            if payload != record.payload { editor.report.remove(record.type.text, record.payload.count - (payload?.count ?? 0)) }
            return payload.map { MetadataRecord(record.type, $0) }
        }
    }
}
