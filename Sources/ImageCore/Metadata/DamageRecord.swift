/// Rows of a salvaged picture that are not as they were: the content of `dmge`, imgpipe(5).
public struct DamageRecord: Equatable, Sendable {
    /// What is wrong with rows.
    public enum Kind: UInt32, Sendable {
        /// Nothing of them came; they are filled from above.
        case absent = 1
        /// Some of their scans are missing.
        case coarse
        /// The decoder has guessed.
        case concealed

        /// As messages write it: the case's own name.
        public var name: String {
            switch self {
            case .absent: "absent"
            case .coarse: "coarse"
            case .concealed: "concealed"
            }
        }
    }

    /// From 0.
    public var frame: UInt32
    /// Of the decoder's rows, from 0.
    public var firstRow: UInt32
    /// Rows from `firstRow` on.
    public var rowCount: UInt32
    /// What is wrong with them.
    public var kind: Kind
    /// Why, in a line.
    public var text: String

    /// `rowCount` rows from `firstRow` on. The text says why, in a line without control characters.
    public init(frame: UInt32 = 0, firstRow: UInt32, rowCount: UInt32, _ kind: Kind, _ text: String) {
        (self.frame, self.firstRow, self.rowCount, self.kind, self.text) = (frame, firstRow, rowCount, kind, text)
    }

    /// Nil for a payload that is none.
    public init?(_ record: MetadataRecord) {
        let bytes = record.payload.span.bytes
        guard record.type == .damage, bytes.byteCount >= 16, let kind = Kind(rawValue: bytes.uint32(at: 12)) else { return nil }
        (frame, firstRow, rowCount, self.kind) = (bytes.uint32(at: 0), bytes.uint32(at: 4), bytes.uint32(at: 8), kind)
        text = String(decoding: record.payload[16...], as: UTF8.self)
    }

    /// As it stands in the stream.
    public var record: MetadataRecord {
        var payload: [UInt8] = []
        for number in [frame, firstRow, rowCount, kind.rawValue] { payload.append(uint32: number) }
        return MetadataRecord(.damage, payload + Array(text.utf8))
    }
}
