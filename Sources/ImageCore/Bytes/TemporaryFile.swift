import CPlatformShims
import Glibc

/// Files without a name, in TMPDIR or /tmp, gone when they are closed.
enum TemporaryFile {
    /// An open descriptor, for reading and writing.
    static func open() throws(ImageError) -> Int32 {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        let path = directory.isEmpty ? "/tmp" : directory
        var number = imgpipe_open_unnamed(path, 0o600)
        if number < 0 {
            var name = Array((path + "/imgpipe-XXXXXX").utf8CString)
            number = mkstemp(&name)
            if number >= 0 { unlink(name) }
        }
        guard number >= 0 else { throw .temporaryFile(errno: errno) }
        return number
    }
}
