#if DEBUG
    import CPlatformShims
    import Glibc

    /// What a picture would have done that has got hold of its decoder: for the tests of the sandbox, in debug builds alone.
    package enum Intruder {
        /// Does what IMG_INTRUDER says, and tells on standard error how that went: `read:FILE`, `write:FILE`, `socket`, `process` or
        /// `program`. A worker process plays its parent false: `hangup` closes its socket and lives, `silent` says nothing, `babble` says what is
        /// no message, `answer` says that it has failed, over and over.
        package static func act() {
            guard let text = getenv("IMG_INTRUDER") else { return }
            let parts = String(cString: text).split(separator: ":", maxSplits: 1).map(String.init)
            let path = parts.count > 1 ? parts[1] : ""
            let number: Int32
            switch parts[0] {
            case "read": number = imgpipe_open(path, O_RDONLY, 0)
            case "write": number = imgpipe_open(path, O_WRONLY | O_CREAT, 0o600)
            case "socket": number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            case "process":
                number = imgpipe_fork()
                if number == 0 { _exit(0) }
            case "program":
                var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
                number = execv("/bin/true", &arguments)
            case "hangup": stay { close(3) }
            case "silent": stay {}
            case "babble": stay { while imgpipe_send(3, [3, 255, 255, 255, 127] as [UInt8], 5, [0], 1, -1) == 0 {} }
            case "answer": stay { while imgpipe_send(3, [5, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0] as [UInt8], 11, [0, 0], 2, -1) == 0 {} }
            default: number = -1
            }
            let outcome = number >= 0 ? "done" : String(cString: strerror(errno))
            let line = Array("intruder: \(outcome)\n".utf8)
            _ = Glibc.write(2, line, line.count)
        }

        private static func stay(after deed: () -> Void) -> Never {
            deed()
            while true { poll(nil, 0, -1) }
        }
    }
#endif
