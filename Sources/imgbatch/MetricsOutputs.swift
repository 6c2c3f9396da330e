import CPlatformShims
import FilterSupport
import Glibc
import ImageCore
import Synchronization

/// Where metrics go while a run lasts: a file for node_exporter's textfile collector, a listener that Prometheus scrapes.
final class MetricsOutputs: Sendable {
    private let path: FilePath?
    private let pool: BufferPool
    private let console: Console
    private let exposition: @Sendable () -> [UInt8]
    private let failure = Mutex<ImageError?>(nil)
    private static let seconds: UInt32 = 5

    /// Throws where the address cannot be listened at, or the file not be written.
    init(_ settings: BatchSettings, _ console: Console, _ pool: BufferPool, exposition: @escaping @Sendable () -> [UInt8]) throws(ImageError) {
        (path, self.pool, self.console, self.exposition) = (settings.metricsFile, pool, console, exposition)
        if let address = settings.metricsAddress {
            let listener = try MetricsListener(address, exposition)
            console.say("metrics at http://\(listener.address)/metrics")
            _ = try Thread { listener.serve() }
        }
        guard let path else { return }
        do throws(ImageError) {
            try writeFile()
        } catch {
            throw .refusedOutput("\(Console.printable(path.bytes)): \(error)")
        }
        _ = try Thread { [weak self] in
            while true {
                sleep(Self.seconds)
                guard let self else { return }
                // What is wrong is said at the end, which tries once more.
                try? writeFile()
            }
        }
    }

    /// The last state; gives the status of what could not be written.
    func end() -> ExitStatus? {
        do throws(ImageError) {
            try writeFile()
            return nil
        } catch {
            console.report(error, subject: path!.bytes)
            return error.status
        }
    }

    private func writeFile() throws(ImageError) {
        guard let path else { return }
        let file = try AtomicFile(path, pool: pool)
        let bytes = exposition()
        try file.write(bytes.span.bytes)
        try file.commit()
    }
}

/// Answers GET /metrics, one request a connection, one connection at a time: a scraper comes every few seconds.
private final class MetricsListener: Sendable {
    private let number: Int32
    private let exposition: @Sendable () -> [UInt8]
    /// With the port that it has got where 0 was asked for.
    let address: String

    init(_ address: SocketAddress, _ exposition: @escaping @Sendable () -> [UInt8]) throws(ImageError) {
        self.exposition = exposition
        var (hints, list): (addrinfo, UnsafeMutablePointer<addrinfo>?) = (addrinfo(), nil)
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        let code = getaddrinfo(address.host, address.port, &hints, &list)
        guard code == 0, let first = list else { throw .usage("--metrics-listen \(address.host): \(String(cString: gai_strerror(code)))") }
        defer { freeaddrinfo(list) }
        let found = first.pointee
        number = socket(found.ai_family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard number >= 0, bind(number, found.ai_addr, found.ai_addrlen) == 0, listen(number, 16) == 0 else {
            let code = errno
            close(number)
            throw .refusedOutput("--metrics-listen \(address.host):\(address.port): \(String(cString: strerror(code)).lowercased())")
        }
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let bound = number
        let port = withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(bound, $0, &size) }
            return storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
        }
        self.address = (address.host.contains(":") ? "[\(address.host)]" : address.host) + ":\(port)"
    }

    func serve() -> Never {
        while true {
            let connection = imgpipe_accept(number)
            if connection < 0 {
                // Out of descriptors, as a rule.
                usleep(100_000)
                continue
            }
            answer(connection)
            close(connection)
        }
    }

    private static let mostHeadBytes = 8192
    private static let seconds = 2

    private func answer(_ connection: Int32) {
        var time = timeval(tv_sec: Self.seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] { setsockopt(connection, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size)) }
        let end = Deadline.now + UInt64(Self.seconds) * 1_000_000_000
        var head: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1024)
        while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            let n = recv(connection, &part, part.count, 0)
            if n <= 0 || head.count + n > Self.mostHeadBytes || Deadline.now > end { return }
            head += part.prefix(n)
        }
        let words = String(decoding: head.prefix { $0 != 0x0d }, as: UTF8.self).split(separator: " ")
        let isKnown = words.count == 3 && ["GET", "HEAD"].contains(words[0]) && words[1].prefix(while: { $0 != "?" }) == "/metrics"
        let body = isKnown ? exposition() : Array("see /metrics\n".utf8)
        let type = isKnown ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain"
        let answer = "HTTP/1.1 \(isKnown ? "200 OK" : "404 Not Found")\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        let bytes = Array(answer.utf8) + (words.first == "HEAD" ? [] : body)
        try? Descriptor(number: connection, owned: false).write(bytes.span.bytes)
    }
}
