import ImageCore

/// Photoshop's image resources, in which a JPEG carries IPTC: "Photoshop File Formats", Image Resource Blocks. Each is "8BIM", an
/// identifier, a padded name, a length, and padded bytes.
package struct PhotoshopResources {
    package struct Resource {
        package let id: Int
        /// Of its bytes, in the block.
        package let content: Range<Int>
    }

    package enum ID {
        package static let iptc = 0x0404
        static let resolution = 0x03ed
        static let copyrightFlag = 0x040a
    }

    package let bytes: [UInt8]
    /// Those that are whole, in order.
    package private(set) var resources: [Resource] = []
    /// Nothing but whole resources was there.
    package private(set) var isWhole = false

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        var at = 0
        while at + 12 <= bytes.count, bytes[at..<at + 4].elementsEqual("8BIM".utf8) {
            let nameBytes = (Int(bytes[at + 6]) + 2) & ~1
            let length = at + 6 + nameBytes
            guard length + 4 <= bytes.count else { return }
            let count = (0..<4).reduce(0) { $0 << 8 | Int(bytes[length + $1]) }
            let start = length + 4
            guard count <= bytes.count - start else { return }
            let end = min(start + (count + 1) & ~1, bytes.count)
            resources.append(Resource(id: Int(bytes[at + 4]) << 8 | Int(bytes[at + 5]), content: start..<start + count))
            at = end
        }
        isWhole = at == bytes.count
    }

    /// The IIM block; nil where there is none.
    package static func iptc(in bytes: [UInt8]) -> [UInt8]? {
        let block = PhotoshopResources(bytes)
        return block.resources.first { $0.id == ID.iptc }.map { Array(bytes[$0.content]) }
    }

    /// A resource without a name.
    package static func resource(id: Int, _ content: [UInt8]) -> [UInt8] {
        Array("8BIM".utf8) + [UInt8(id >> 8), UInt8(id & 255), 0, 0] + UInt32(content.count).bigEndianBytes + content
            + (content.count % 2 == 0 ? [] : [0])
    }
}

extension UInt32 {
    /// The high byte first.
    package var bigEndianBytes: [UInt8] {
        [UInt8(self >> 24), UInt8(truncatingIfNeeded: self >> 16), UInt8(truncatingIfNeeded: self >> 8), UInt8(truncatingIfNeeded: self)]
    }
}

extension PhotoshopResources {
    /// The resources that stay, IPTC with the datasets that do.
    static func edited(_ bytes: [UInt8], _ choice: MetadataChoice) -> EditedBlock {
        if choice.keepsUnknown { return .kept(bytes) }
        let block = PhotoshopResources(bytes)
        guard block.isWhole else { return .malformed }
        var kept: [UInt8] = []
        for resource in block.resources {
            let content = Array(bytes[resource.content])
            if resource.id == ID.iptc {
                switch IPTCBlock.edited(content, choice) {
                case .kept(let iptc): kept += Self.resource(id: ID.iptc, iptc)
                case .nothing: break
                case .malformed: return .malformed
                }
            } else if choice.keepsResource(resource.id, byteCount: content.count) {
                // Without its name.
                kept += Self.resource(id: resource.id, content)
            }
        }
        return kept.isEmpty ? .nothing : .kept(kept)
    }
}

extension MetadataChoice {
    /// Whether one of Photoshop's image resources stays that is not IPTC.
    func keepsResource(_ id: Int, byteCount: Int) -> Bool {
        switch id {
        case PhotoshopResources.ID.copyrightFlag: keepsNamed(.copyright) && byteCount == 1
        case PhotoshopResources.ID.resolution: keepsNamed(.resolution) && byteCount == 16
        // Other containers, pictures with metadata of their own, and what only Photoshop knows.
        default: keepsUnknown
        }
    }
}
