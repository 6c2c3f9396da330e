import Storage

/// What `/` answers: a page to try the service with, whole in one answer.
///
/// Its parts are files beside this one, which the build puts into the program. The policy lets the page run what is in it, show pictures
/// that it has made itself, and ask nobody but this service.
struct Page: Sendable {
    let html: String
    let policy: String

    init() {
        let style = Self.text(PackageResources.Page_css)
        let script = Self.text(PackageResources.Page_js)
        var html = Self.text(PackageResources.Page_html)
        for (name, part) in [("Page.css", style), ("Page.js", script), ("Similarity.js", Self.text(PackageResources.Similarity_js))] {
            let pieces = html.split(separator: "{{\(name)}}", omittingEmptySubsequences: false)
            precondition(pieces.count == 2, "Page.html has no one place for \(name)")
            html = pieces.joined(separator: part)
        }
        self.html = html
        // The worker's program stands in the page as text, and runs from a blob.
        policy = """
            default-src 'none'; script-src '\(Self.hash(script))'; style-src '\(Self.hash(style))'; img-src blob: data:; connect-src 'self'; \
            worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
            """
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// As a Content-Security-Policy names what may run: its SHA-256 in base64 (RFC 4648), which for 32 bytes ends in one `=`.
    private static func hash(_ text: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        let digest = Digest.sha256(text) + [0]
        var letters: [UInt8] = []
        for i in stride(from: 0, to: digest.count, by: 3) {
            let bits = Int(digest[i]) << 16 | Int(digest[i + 1]) << 8 | Int(digest[i + 2])
            letters += [18, 12, 6, 0].map { alphabet[bits >> $0 & 63] }
        }
        return "sha256-" + String(decoding: letters.dropLast(), as: UTF8.self) + "="
    }
}
