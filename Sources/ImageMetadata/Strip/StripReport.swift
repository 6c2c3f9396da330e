/// What stripping one picture has found.
public struct StripReport: Sendable {
    /// What went, with the bytes that it took in the file, in the order in which it was met.
    public private(set) var removed: [(name: String, byteCount: UInt64)] = []
    /// What somebody wants to know before they are surprised.
    public private(set) var warnings: [String] = []
    /// Whether the new file differs from the old one.
    public private(set) var isChanged = false
    /// C2PA stays: a manifest is signed for the file as it was.
    var keepsManifest = false

    /// Nothing went.
    public init() {}

    private static let mostNames = 64

    mutating func remove(_ name: String, _ byteCount: some BinaryInteger) {
        guard byteCount > 0 else { return }
        isChanged = true
        // Names of unknown chunks may be as many as there are chunks.
        let name = removed.count < Self.mostNames ? name : "other chunks"
        if let i = removed.firstIndex(where: { $0.name == name }) {
            removed[i].byteCount += UInt64(byteCount)
        } else {
            removed.append((name, UInt64(byteCount)))
        }
    }

    mutating func replace(_ name: String, _ before: Int, by after: Int) {
        isChanged = true
        if before > after { remove(name, before - after) }
    }

    /// Called when all is done.
    mutating func end() {
        if keepsManifest && isChanged { warn("its C2PA manifest stays, but is of the file as it was, and will not be found valid") }
    }

    mutating func warn(_ text: String) {
        if !warnings.contains(text) { warnings.append(text) }
    }
}
