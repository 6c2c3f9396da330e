import CPlatformShims
import FilterSupport
import Glibc
import ImageCore

/// Answers GET /metrics, one request a connection. One thread for all: who is slow keeps nobody else waiting, and is let go of soon.
final class MetricsListener: Sendable {
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
        number = socket(found.ai_family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard number >= 0, bind(number, found.ai_addr, found.ai_addrlen) == 0, listen(number, 64) == 0 else {
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

    // MARK: Connections

    private struct Connection {
        let number: Int32
        /// When it is let go of.
        let end: UInt64
        var head: [UInt8] = []
        /// What has still to be sent; nil while the request is read.
        var answer: ArraySlice<UInt8>?

        var request: pollfd { pollfd(fd: number, events: Int16(answer == nil ? POLLIN : POLLOUT), revents: 0) }
    }

    private static let mostConnections = 32
    private static let mostHeadBytes = 8192
    private static let patience: UInt64 = 2_000_000_000

    func serve() -> Never {
        var connections: [Connection] = []
        while true {
            var requests = connections.map(\.request) + [pollfd(fd: number, events: Int16(POLLIN), revents: 0)]
            let now = Deadline.now
            let next = connections.map(\.end).min().map { Int32(clamping: ($0 - min($0, now)) / 1_000_000 + 1) } ?? -1
            _ = poll(&requests, nfds_t(requests.count), next)
            var open: [Connection] = []
            for (var connection, request) in zip(connections, requests) {
                if (request.revents == 0 || goesOn(&connection)) && Deadline.now < connection.end { open.append(connection) } else { close(connection.number) }
            }
            connections = open
            guard requests.last!.revents != 0 else { continue }
            // Who has had the longest time makes room.
            if connections.count == Self.mostConnections { close(connections.removeFirst().number) }
            let new = imgpipe_accept(number)
            if new >= 0 {
                _ = fcntl(new, F_SETFL, O_NONBLOCK)
                connections.append(Connection(number: new, end: Deadline.now + Self.patience))
            } else if ![EAGAIN, EINTR, ECONNABORTED].contains(errno) {
                // Out of descriptors, as a rule.
                usleep(100_000)
            }
        }
    }

    /// Reads or writes what can be; false when it is done, or the other side is.
    private func goesOn(_ connection: inout Connection) -> Bool {
        if connection.answer == nil {
            var part = [UInt8](repeating: 0, count: 1024)
            let n = recv(connection.number, &part, part.count, 0)
            if n < 0 { return errno == EAGAIN || errno == EINTR }
            if n == 0 || connection.head.count + n > Self.mostHeadBytes { return false }
            connection.head += part.prefix(n)
            guard connection.head.suffix(4).elementsEqual("\r\n\r\n".utf8) else { return true }
            connection.answer = answer(to: connection.head)[...]
        }
        let rest = connection.answer!
        let n = rest.withUnsafeBytes { send(connection.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if n < 0 { return errno == EAGAIN || errno == EINTR }
        connection.answer = rest.dropFirst(n)
        return n < rest.count
    }

    private func answer(to head: [UInt8]) -> [UInt8] {
        let words = String(decoding: head.prefix { $0 != 0x0d }, as: UTF8.self).split(separator: " ")
        let isKnown = words.count == 3 && ["GET", "HEAD"].contains(words[0]) && words[1].prefix(while: { $0 != "?" }) == "/metrics"
        let body = isKnown ? exposition() : Array("see /metrics\n".utf8)
        let type = isKnown ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain"
        let answer = "HTTP/1.1 \(isKnown ? "200 OK" : "404 Not Found")\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        return Array(answer.utf8) + (words.first == "HEAD" ? [] : body)
    }
}
