import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// HTTP/1.1 as Hummingbird has it, with a guard over each connection's times (`ConnectionGuard`).
struct GuardedChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let http: HTTP1Channel.Value
        let connection: Connection

        var channel: any Channel { http.channel }
    }

    let http: HTTP1Channel
    let settings: ConnectionSettings
    let events: any ConnectionEvents

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let connection = Connection(permit: { [weak channel] in channel?.triggerUserOutboundEvent(BodyIsWanted(), promise: nil) })
        return http.setup(channel: channel, logger: logger).flatMapThrowing { [settings, events] value in
            let pipeline = channel.pipeline.syncOperations
            let keeper = ConnectionGuard(connection, settings, events)
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(keeper, position: .after(decoder))
            try pipeline.addHandler(ByteWatch(keeper), position: .first)
            return Value(http: value, connection: connection)
        }
    }

    func handle(value: Value, logger: Logger) async {
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
    var lastCall: TimeAmount = .milliseconds(250)
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
