import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// HTTP/1.1 as Hummingbird has it, with a guard over each connection's times (`ConnectionGuard`).
struct GuardedChannel: ServerChildChannel {
    final class Value: ServerChildChannelValue {
        let http: HTTP1Channel.Value
        let connection: Connection
        private let isHandled = Atomic<Bool>(false)

        init(_ http: HTTP1Channel.Value, _ connection: Connection) { (self.http, self.connection) = (http, connection) }

        var channel: any Channel { http.channel }

        func takeOver() { isHandled.store(true, ordering: .relaxed) }

        /// A connection that came while the server stopped has nobody who handles it, and SwiftNIO ends the program over one that is dropped.
        deinit {
            if isHandled.load(ordering: .relaxed) { return }
            let http = http
            Task { try? await http.executeThenClose { _, _ in } }
        }
    }

    let http: HTTP1Channel
    let settings: ConnectionSettings
    let events: any ConnectionEvents

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let connection = Connection(permit: { [weak channel] in channel?.triggerUserOutboundEvent(BodyIsWanted(), promise: nil) })
        return http.setup(channel: channel, logger: logger).flatMapThrowing { [settings, events] http in
            let value = Value(http, connection)
            let pipeline = channel.pipeline.syncOperations
            let keeper = ConnectionGuard(connection, settings, events)
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(keeper, position: .after(decoder))
            try pipeline.addHandler(ByteWatch(keeper), position: .first)
            return value
        }
    }

    func handle(value: Value, logger: Logger) async {
        value.takeOver()
        await Connection.$current.withValue(value.connection) { await http.handle(value: value.http, logger: logger) }
    }
}

/// Sent down the pipeline by who answers.
struct BodyIsWanted: Sendable {}

/// The times of a connection.
struct ConnectionSettings: Sendable {
    /// For a whole request, from its first byte to its last.
    var read: TimeAmount
    /// For a whole answer, from its first byte to the last that the system has taken.
    var write: TimeAmount
    /// Between requests.
    var idle: TimeAmount = .seconds(30)
    /// For what comes behind an answer that was given before the request had ended.
    var drain: TimeAmount = .seconds(1)
    /// Behind an answer that turns a client away.
    var hold: TimeAmount = .milliseconds(500)
    var mostDrainedBytes = 1 << 20
    /// For a request that was on its way when the service was told to stop.
    var lastCall: TimeAmount = .seconds(1)
}

/// Who is told of what happens to connections. By event loops: it must not wait.
protocol ConnectionEvents: Sendable {
    /// Whether answers close their connections.
    var isDraining: Bool { get }
    func connectionOpened()
    func connectionClosed()
    /// A request did not come whole in its time; `head`: whether it came so far that somebody answers it.
    func readTimedOut(head: Bool)
    func writeTimedOut()
}
