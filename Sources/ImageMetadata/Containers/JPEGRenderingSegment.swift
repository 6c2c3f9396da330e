/// Segments of a JPEG that draw it: ITU-T T.81, B.2.2 to B.2.5.
enum JPEGRenderingSegment {
    /// Whether a segment is as long as its own fields say, so that nothing stands in it that no decoder reads. Those whose tables are
    /// longer are refused by decoders too.
    private static func isExact(_ code: UInt8, _ payload: some RandomAccessCollection<UInt8>) -> Bool {
        func byte(_ i: Int) -> Int { Int(payload[payload.index(payload.startIndex, offsetBy: i)]) }
        /// Whether tables, each of as many bytes as `length` says for the place where it begins, fill the segment.
        func isFilled(_ length: (Int) -> Int?) -> Bool {
            var at = 0
            while at < payload.count {
                guard let count = length(at) else { return false }
                at += count
            }
            return at == payload.count && at > 0
        }
        switch code {
        // Frames: 6 bytes, 3 for each component, of which there is one.
        case 0xc0...0xc3, 0xc5...0xc7, 0xc9...0xcb, 0xcd...0xcf: return payload.count >= 9 && payload.count == 6 + 3 * byte(5)
        // Huffman tables: class and place, how many codes there are of each of 16 lengths, their values.
        case 0xc4:
            return isFilled { at in
                at + 17 <= payload.count && byte(at) & 0xec == 0 ? 17 + (1...16).reduce(0) { $0 + byte(at + $1) } : nil
            }
        // Conditioning of arithmetic coding: class and place, and a value.
        case 0xcc: return isFilled { at in byte(at) & 0xec == 0 ? 2 : nil } && payload.count <= 16
        // Scans: how many components, 2 bytes for each, 3 more.
        case 0xda: return (6...12).contains(payload.count) && payload.count == 4 + 2 * byte(0)
        // Quantisation tables: precision and place, 64 values.
        case 0xdb: return isFilled { at in byte(at) & 0xec == 0 ? 1 + 64 * (1 + byte(at) >> 4) : nil }
        // Lines, and the restart interval.
        case 0xdc, 0xdd: return payload.count == 2
        default: return false
        }
    }

    private static func isFrame(_ code: UInt8) -> Bool { (0xc0...0xcf).contains(code) && ![0xc4, 0xc8, 0xcc].contains(code) }

    /// The names of the components, of segments that are exact.
    private static func components(ofFrame payload: [UInt8]) -> [UInt8] { stride(from: 6, to: payload.count, by: 3).map { payload[$0] } }
    private static func components(ofScan payload: [UInt8]) -> [UInt8] { stride(from: 1, to: payload.count - 3, by: 2).map { payload[$0] } }

    /// Reads along from segment to segment.
    struct Order {
        /// Of the frame, once it was there.
        private var components: [UInt8] = []

        /// What is wrong with a segment that draws; nil where nothing is.
        mutating func fault(_ code: UInt8, _ payload: [UInt8]) -> String? {
            guard isExact(code, payload) else { return "\(name(code)) of a wrong length" }
            if isFrame(code) {
                if !components.isEmpty { return "a second frame" }
                components = JPEGRenderingSegment.components(ofFrame: payload)
            } else if code == 0xda, !JPEGRenderingSegment.components(ofScan: payload).allSatisfy(components.contains) {
                return "a scan of what is in no frame"
            }
            return nil
        }
    }

    /// For messages.
    private static func name(_ code: UInt8) -> String {
        switch code {
        case 0xc4: "DHT"
        case 0xcc: "DAC"
        case 0xda: "SOS"
        case 0xdb: "DQT"
        case 0xdc: "DNL"
        case 0xdd: "DRI"
        default: "SOF\(code & 15)"
        }
    }
}
