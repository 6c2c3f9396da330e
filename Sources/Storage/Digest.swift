import CMD

/// SHA-256, HMAC and MD5, by libmd.
public enum Digest {
    public static func sha256(_ bytes: RawSpan) -> [UInt8] {
        var context = SHA2_CTX()
        SHA256Init(&context)
        bytes.withUnsafeBytes { SHA256Update(&context, $0.baseAddress, $0.count) }
        var digest = [UInt8](repeating: 0, count: 32)
        SHA256Final(&digest, &context)
        return digest
    }

    public static func sha256(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return sha256(bytes.span.bytes)
    }

    /// RFC 2104, with SHA-256.
    public static func hmac(key: [UInt8], _ text: String) -> [UInt8] {
        var block = key.count > 64 ? sha256(key.span.bytes) : key
        block += [UInt8](repeating: 0, count: 64 - block.count)
        let inner = block.map { $0 ^ 0x36 } + Array(text.utf8)
        let outer = block.map { $0 ^ 0x5c } + sha256(inner.span.bytes)
        return sha256(outer.span.bytes)
    }

    public static func md5(_ bytes: RawSpan) -> [UInt8] {
        var context = MD5_CTX()
        MD5Init(&context)
        bytes.withUnsafeBytes { MD5Update(&context, $0.baseAddress, $0.count) }
        var digest = [UInt8](repeating: 0, count: 16)
        MD5Final(&digest, &context)
        return digest
    }

    public static func hex(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
