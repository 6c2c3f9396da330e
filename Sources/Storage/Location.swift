import ImageCore

/// Where bytes are, as "in" and "out" of a job and the operands of imgget and imgput name it.
public enum Location: Hashable, Sendable {
    /// A path, or `file://` with percent escapes.
    case file(FilePath)
    /// `s3://bucket/key`: the key byte for byte, no escapes. It may be empty, which names the bucket.
    case s3(bucket: String, key: [UInt8])
    /// `http://` or `https://`, as it was given, without a fragment.
    case http([UInt8])

    /// Throws `usage` for what can name nothing.
    public init(_ text: [UInt8]) throws(ImageError) {
        if let rest = Self.rest(of: text, behind: "s3://") {
            let slash = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            let bucket = rest[..<slash]
            // It becomes part of a host's name.
            guard (1...255).contains(bucket.count), bucket.allSatisfy(Self.mayBeInBucket), bucket.first != UInt8(ascii: "."),
                bucket.first != UInt8(ascii: "-")
            else { throw .usage("s3:// needs the name of a bucket: s3://bucket/key") }
            self = .s3(bucket: String(decoding: bucket, as: UTF8.self), key: Array(rest[slash...].dropFirst()))
        } else if Self.rest(of: text, behind: "http://") ?? Self.rest(of: text, behind: "https://") != nil {
            let url = text.prefix { $0 != UInt8(ascii: "#") }
            guard !Parts(url).host.isEmpty, !url.contains(0) else { throw .usage("a URL needs a host: https://host/path") }
            self = .http(Array(url))
        } else if let rest = Self.rest(of: text, behind: "file://") {
            let slash = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            guard slash < rest.endIndex, ["", "localhost"].contains(String(decoding: rest[..<slash], as: UTF8.self)) else {
                throw .usage("file:// needs a path of this machine: file:///path")
            }
            self = try .init(path: PercentEncoding.decode(rest[slash...]))
        } else {
            try Self.checkScheme(text)
            self = try .init(path: text)
        }
    }

    /// Throws `usage` for a URL that is none of ours: nobody who writes gs://bucket/key means a directory of that name.
    public static func checkScheme(_ text: [UInt8]) throws(ImageError) {
        let scheme = text.prefix { $0 != UInt8(ascii: ":") }
        guard let first = scheme.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first.lowered), text[scheme.endIndex...].starts(with: "://".utf8),
            scheme.allSatisfy({ PercentEncoding.isUnreserved($0) || $0 == UInt8(ascii: "+") })
        else { return }
        let name = String(decoding: scheme, as: UTF8.self)
        guard ["s3", "http", "https", "file"].contains(name.lowercased()) else { throw .usage("\(name):// is none of s3://, http://, https:// and file://") }
    }

    public init(_ text: String) throws(ImageError) { try self.init(Array(text.utf8)) }

    private init(path: [UInt8]) throws(ImageError) {
        guard !path.isEmpty else { throw .usage("an empty name") }
        guard path != [UInt8(ascii: "-")] else { throw .usage("- is no name of a file here") }
        guard !path.contains(0) else { throw .usage("a NUL in a name") }
        self = .file(FilePath(path))
    }

    private static func mayBeInBucket(_ byte: UInt8) -> Bool {
        PercentEncoding.isUnreserved(byte) && byte != UInt8(ascii: "~")
    }

    /// Schemes are of any case.
    private static func rest(of text: [UInt8], behind scheme: StaticString) -> ArraySlice<UInt8>? {
        let count = scheme.utf8CodeUnitCount
        guard text.count >= count, (0..<count).allSatisfy({ text[$0].lowered == scheme.utf8Start[$0] }) else { return nil }
        return text[count...]
    }

    public var isRemote: Bool { if case .file = self { false } else { true } }

    /// As it was given: what names it again.
    public var bytes: [UInt8] {
        switch self {
        case .file(let path): path.bytes
        case .s3(let bucket, let key): Array("s3://\(bucket)/".utf8) + key
        case .http(let url): url
        }
    }

    /// For messages: as it was given, but without what would let others in. User and password of a URL, and what its query has of signatures,
    /// tokens and keys, are `***`. Control bytes are still in it.
    public var shown: [UInt8] {
        guard case .http(let url) = self else { return bytes }
        return Parts(url[...]).masked
    }
}

extension Location {
    /// A URL, taken apart no further than is needed to hide parts of it.
    private struct Parts {
        let scheme: ArraySlice<UInt8>
        /// With a colon and a password; nil without.
        let user: ArraySlice<UInt8>?
        let host: ArraySlice<UInt8>
        let path: ArraySlice<UInt8>
        /// Behind the question mark; nil without.
        let query: ArraySlice<UInt8>?

        init(_ url: ArraySlice<UInt8>) {
            let authority = url.firstIndex(of: UInt8(ascii: ":"))! + 3
            scheme = url[..<authority]
            let end = url[authority...].firstIndex { [UInt8(ascii: "/"), UInt8(ascii: "?")].contains($0) } ?? url.endIndex
            let at = url[authority..<end].lastIndex(of: UInt8(ascii: "@"))
            user = at.map { url[authority..<$0] }
            host = url[(at.map { $0 + 1 } ?? authority)..<end]
            let mark = url[end...].firstIndex(of: UInt8(ascii: "?")) ?? url.endIndex
            path = url[end..<mark]
            query = mark < url.endIndex ? url[(mark + 1)...] : nil
        }

        var masked: [UInt8] {
            var text = Array(scheme)
            if user != nil { text += Array("***@".utf8) }
            text += host + path
            guard let query else { return text }
            let pairs = query.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).map { pair in
                guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { return Array(pair) }
                return Self.isSecret(pair[..<equals]) ? pair[...equals] + Array("***".utf8) : Array(pair)
            }
            return text + [UInt8(ascii: "?")] + pairs.joined(separator: [UInt8(ascii: "&")])
        }

        /// By the names that stores and services use; too many rather than too few.
        private static func isSecret(_ name: ArraySlice<UInt8>) -> Bool {
            let name = String(decoding: PercentEncoding.decode(name), as: UTF8.self).lowercased()
            return ["sig", "token", "key", "secret", "pass", "pwd", "auth", "cred", "session", "code", "jwt"].contains { name.contains($0) }
        }
    }
}

extension UInt8 {
    /// Of an ASCII letter.
    var lowered: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self + 32 : self }
}
