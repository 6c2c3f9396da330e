import FilterSupport
import ImageCore
import ImageJobs
import Synchronization

/// What the service counts, beside what `ImageJobs.Metrics` counts of pictures.
final class ServiceMetrics: ConnectionEvents {
    /// What requests are for; anything else is `other`.
    enum Endpoint: String, CaseIterable, Sendable { case compress, image, page, metrics, health, other }

    private struct Key: Hashable {
        let endpoint: Endpoint
        let status: Int
    }

    private struct State {
        var requests: [Key: UInt64] = [:]
        var durations: [Endpoint: Histogram] = [:]
        var connections = 0
        var readTimeouts: UInt64 = 0
        var writeTimeouts: UInt64 = 0
        var underWay = 0
    }

    private let state = Mutex(State())
    private let draining = Atomic<Bool>(false)
    let pictures = Metrics()

    init() {}

    var isDraining: Bool { draining.load(ordering: .relaxed) }
    func startDraining() { draining.store(true, ordering: .relaxed) }

    var requestsUnderWay: Int { state.withLock { $0.underWay } }
    func begin() { state.withLock { $0.underWay += 1 } }

    func end(_ endpoint: Endpoint, status: Int, nanoseconds: UInt64) {
        state.withLock { state in
            state.underWay -= 1
            state.requests[Key(endpoint: endpoint, status: status), default: 0] += 1
            state.durations[endpoint, default: Histogram()].add(nanoseconds: nanoseconds)
        }
    }

    func connectionOpened() { state.withLock { $0.connections += 1 } }
    func connectionClosed() { state.withLock { $0.connections -= 1 } }
    func writeTimedOut() { state.withLock { $0.writeTimeouts += 1 } }

    func readTimedOut(head: Bool) {
        state.withLock { state in
            state.readTimeouts += 1
            // Nobody else has heard of it.
            if !head { state.requests[Key(endpoint: .other, status: 408), default: 0] += 1 }
        }
    }

    /// In the text format of Prometheus.
    func exposition(_ queue: WorkQueue, cache: ResultCache.Statistics?, bodyBytes: Int, isReady: Bool) -> [UInt8] {
        let (requests, durations, connections, reads, writes, underWay) = state.withLock {
            ($0.requests, $0.durations, $0.connections, $0.readTimeouts, $0.writeTimeouts, $0.underWay)
        }
        var text = Exposition()
        text.family("imgserve_http_requests_total", "counter", "Requests that were answered.")
        for (key, count) in requests.sorted(by: { ($0.key.endpoint.rawValue, $0.key.status) < ($1.key.endpoint.rawValue, $1.key.status) }) {
            text.sample("imgserve_http_requests_total", [("endpoint", key.endpoint.rawValue), ("code", "\(key.status)")], count)
        }
        text.family("imgserve_http_request_duration_seconds", "histogram", "From a request's first byte until its answer was there.")
        for endpoint in Endpoint.allCases {
            if let histogram = durations[endpoint] { text.histogram("imgserve_http_request_duration_seconds", [("endpoint", endpoint.rawValue)], histogram) }
        }
        text.single("imgserve_http_requests_under_way", "gauge", "Requests that are not answered yet.", UInt64(max(0, underWay)))
        text.single("imgserve_connections", "gauge", "Connections that are open.", UInt64(max(0, connections)))
        text.single("imgserve_body_bytes", "gauge", "Bytes of pictures that were posted or fetched, and are held.", UInt64(max(0, bodyBytes)))
        text.single("imgserve_read_timeouts_total", "counter", "Requests that did not come whole in their time.", reads)
        text.single("imgserve_write_timeouts_total", "counter", "Answers that were not taken in their time.", writes)
        text.single("imgserve_ready", "gauge", "Whether new pictures are taken.", isReady ? 1 : 0)
        return Array(text.text.utf8) + pictures.exposition(queue.load, queued: queue.queuedByPriority, cache: cache)
    }
}
