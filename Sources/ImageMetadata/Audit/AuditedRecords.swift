import ImageCore

/// A sink for rows whose records the judge has seen before they reach it.
public final class AuditedRecords: RowSink {
    private let sink: any RowSink
    private let choice: MetadataChoice
    private let judge: PayloadJudge

    public init(_ sink: any RowSink, _ choice: MetadataChoice) {
        (self.sink, self.choice) = (sink, choice)
        judge = PayloadJudge(choice)
    }

    public func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        try check(metadata)
        try sink.begin(info, metadata: metadata)
    }

    public func beginFrame(_ frame: Frame) throws(ImageError) { try sink.beginFrame(frame) }
    public func write(_ bands: RawSpan, rows: Int) throws(ImageError) { try sink.write(bands, rows: rows) }

    public func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {
        try check(trailingMetadata)
        try sink.end(trailingMetadata: trailingMetadata)
    }

    private func check(_ records: [MetadataRecord]) throws(ImageError) {
        for record in records {
            let mayStay: Bool
            switch record.type {
            case .exif:
                try judge.exif(record.payload)
                mayStay = true
            case .xmp:
                try judge.xmp(record.payload[...])
                mayStay = true
            case .iptc:
                try judge.iptc(record.payload[...])
                mayStay = true
            case .icc:
                try judge.profile(record.payload)
                mayStay = true
            case .text: mayStay = judge.allowsText(String(decoding: record.payload.prefix { $0 != 0 }, as: UTF8.self))
            case .name, .damage: mayStay = true
            case .file: mayStay = choice.keepsEverything
            default: mayStay = choice.keepsUnknown
            }
            if !mayStay { throw .internalError("the record \(record.type.text) is still there") }
        }
    }
}
