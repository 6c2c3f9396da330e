import NIOCore
import NIOHTTP1
import ServiceRequests

/// Keeps a connection to its times, and ends it so that the client gets its answer.
///
/// A request has `read` from its first byte to its last, however it comes; an answer `write`. Where an answer goes out before its request has
/// come whole, what still comes is read and dropped for a while (`drain`): a socket that is closed with bytes unread resets the
/// connection, and the client may never see the answer. Of requests in a row (pipelining) the time of each runs from when those
/// before it are answered.
///
/// On its event loop. Between the HTTP decoder and Hummingbird's handlers; `ByteWatch` sees the bytes before they are decoded.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Timer { case idle, read, write, drain, hold }

    private let connection: Connection
    private let settings: ConnectionSettings
    private let events: any ConnectionEvents
    private var context: ChannelHandlerContext?
    private var timer: (kind: Timer, task: Scheduled<Void>)?

    /// Bytes of a request have come, and not its end.
    private var isReading = false
    /// A head has come, and not the end of its request.
    private var isBodyComing = false
    /// Requests whose heads have come and whose answers have not gone out.
    private var unanswered = 0
    private var answerHasBegun = false
    /// Answers that are written, and that the system has not taken whole.
    private var flushing = 0
    /// What is read belongs to a request that is answered already.
    private var readsRest = false
    /// The answer at hand, or the last one, is the connection's last.
    private var closesAfterAnswer = false
    /// What the latest head said: that it is the last, and how long its body is; nil where that is not said.
    private var requestCloses = false
    private var bodyBytes: Int? = 0
    private var expectsWord = false
    /// The connection's last request has come whole; what comes behind it is dropped.
    private(set) var isDeaf = false
    private var isQuiescing = false
    private var hasServed = false
    /// Nothing goes out any more.
    private var isOver = false
    /// Bytes are dropped before they are decoded.
    private(set) var isLingering = false
    private var drainedBytes = 0
    /// Since bytes were last asked for.
    private var isDropping = false
    /// The answer at hand turns its client away, who may come again at once.
    private var turnsAway = false
    /// Nothing is read for a while.
    private var isHeld = false

    init(_ connection: Connection, _ settings: ConnectionSettings, _ events: any ConnectionEvents) {
        (self.connection, self.settings, self.events) = (connection, settings, events)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        events.connectionOpened()
        // A client that connects and says nothing is not waited for longer than for a request.
        start(.idle, settings.read)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        stopTimer()
        self.context = nil
        events.connectionClosed()
    }

    // MARK: Requests

    /// By `ByteWatch`, before they are decoded.
    func bytesCame(_ count: Int) {
        if isLingering || isDeaf {
            drain(count)
        } else if !isReading {
            isReading = true
            // Where answers are still to be given, or to be taken, the time runs from the last of them.
            if unanswered == 0 && flushing == 0 { beginRequest() }
        }
    }

    private func beginRequest() {
        drainedBytes = 0
        connection.begin()
        start(.read, settings.read)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Behind a connection's last request nothing is one, though the decoder may have read it.
        if isDeaf { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            (isReading, isBodyComing) = (true, true)
            unanswered += 1
            // Its first bytes may have come together with the end of the one before.
            if unanswered == 1 && flushing == 0 && timer?.kind != .read { beginRequest() }
            // There is no other protocol here: the decoder decodes nothing behind it, and would keep all that comes.
            let isUpgrade = head.method == .CONNECT || head.headers.contains(name: "upgrade")
            let fault = Self.fault(of: head)
            connection.headCame(fault)
            requestCloses = !head.isKeepAlive || isUpgrade || fault != nil
            bodyBytes = head.headers.contains(name: "transfer-encoding") ? nil : head.headers.first(name: "content-length").map { Int($0) ?? .max } ?? 0
            expectsWord = head.headers["expect"].contains { $0.lowercased() == "100-continue" }
        case .body(let bytes):
            expectsWord = false
            // Answered, and the connection is to be used again: nobody needs to be woken for these.
            if unanswered == 0 {
                isDropping = true
                return drain(bytes.readableBytes)
            }
        case .end:
            (isReading, isBodyComing, readsRest, expectsWord, isDeaf) = (false, false, false, false, requestCloses)
            if timer?.kind == .read || timer?.kind == .drain { stopTimer() }
            if unanswered == 0 && flushing == 0 && !isHeld { rest() }
        }
        context.fireChannelRead(data)
    }

    /// What the decoder lets pass, and a proxy in front might read otherwise (RFC 9112, sections 3.2 and 6.1; RFC 3986, section 3.2.2).
    private static func fault(of head: HTTPRequestHead) -> ServiceFault? {
        let hosts = head.headers["host"].count
        if hosts > 1 || (hosts == 0 && head.version != .http1_0) { return .request(hosts == 0 ? "no Host" : "more than one Host") }
        let isHost = head.headers["host"].allSatisfy { $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"/?#@\\\"<>".utf8.contains($0) } }
        if !isHost { return .request("a Host that is none") }
        let codings = head.headers["transfer-encoding"]
        if codings.isEmpty || codings.count == 1 && codings[0].lowercased() == "chunked" { return nil }
        return ServiceFault(.notImplemented, "encoding", "a Transfer-Encoding other than chunked")
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Who has seen nothing does not ask for more.
        if isDropping { read(context: context) }
        isDropping = false
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if !isHeld { context.read() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        stopTimer()
        connection.leave()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            // Hummingbird's handler would close a connection whose request has been sent and not been read.
            isQuiescing = true
            if unanswered == 0 && flushing == 0 && !isReading && !isLingering { start(.idle, hasServed ? settings.lastCall : settings.read) }
        case let event as ChannelEvent where event == .inputClosed:
            // As nginx has it: who closes his side while he waits for an answer has gone.
            connection.leave()
            if isLingering { context.close(promise: nil) } else { context.fireUserInboundEventTriggered(event) }
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is BodyIsWanted else { return context.triggerUserOutboundEvent(event, promise: promise) }
        if expectsWord && !answerHasBegun && !isOver {
            expectsWord = false
            watch?.send("HTTP/1.1 100 Continue\r\n\r\n")
        }
        promise?.succeed()
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isOver else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var head):
            answerHasBegun = true
            // Those behind it in a row are to be answered too.
            if unanswered <= 1 && (requestCloses || events.isDraining || isQuiescing) { closesAfterAnswer = true }
            // A client that waits for the word may send its body, or not.
            let isRestLong = isBodyComing && (bodyBytes ?? .max) > settings.mostDrainedBytes
            if unanswered <= 1 && (isRestLong || expectsWord) || head.headers["connection"].contains("close") { closesAfterAnswer = true }
            if closesAfterAnswer { head.headers.replaceOrAdd(name: "connection", value: "close") }
            turnsAway = head.status == .serviceUnavailable
            start(.write, settings.write)
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            answerHasBegun = false
            hasServed = true
            unanswered = max(0, unanswered - 1)
            flushing += 1
            readsRest = unanswered == 0 && isBodyComing
            let done = promise ?? context.eventLoop.makePromise()
            done.futureResult.assumeIsolated().whenComplete { [self] _ in answered() }
            context.write(data, promise: done)
        }
    }

    /// The system has taken the last byte of an answer.
    private func answered() {
        flushing -= 1
        guard context != nil, !isOver else { return }
        // The next one's answer may be on its way.
        if flushing > 0 || answerHasBegun { return }
        if timer?.kind == .write { stopTimer() }
        if turnsAway && (isReading || !closesAfterAnswer) && unanswered == 0 { return hold() }
        goOn()
    }

    /// Who was turned away and comes again at once would take the processors from those that were not: his connection is not read from for a
    /// while, which costs nothing, and is shorter than Retry-After has told him.
    private func hold() {
        turnsAway = false
        if closesAfterAnswer {
            (isOver, isLingering) = (true, true)
            context?.close(mode: .output, promise: nil)
        }
        start(.hold, settings.hold)
        isHeld = true
        // The read that is under way is called off too.
        try? context?.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    private func goOn() {
        if closesAfterAnswer {
            if isReading { linger() } else { context?.close(promise: nil) }
        } else if unanswered == 0 {
            if readsRest { start(.drain, settings.drain) } else if isReading { beginRequest() } else { rest() }
        } else if unanswered == 1 && isBodyComing {
            beginRequest()
        }
    }

    /// Between requests.
    private func rest() {
        if closesAfterAnswer || isQuiescing { context?.close(promise: nil) } else { start(.idle, settings.idle) }
    }

    // MARK: The end

    var watch: ByteWatch?

    private func drain(_ count: Int) {
        drainedBytes += count
        if drainedBytes > settings.mostDrainedBytes { context?.close(promise: nil) }
    }

    /// Nothing is said any more, and what comes is dropped, until the client closes or has had its time.
    private func linger() {
        if !isLingering { context?.close(mode: .output, promise: nil) }
        (isOver, isLingering) = (true, true)
        start(.drain, settings.drain)
        watch?.read()
    }

    /// By `ByteWatch`, to drop more.
    func readOn(_ context: ChannelHandlerContext) { if !isHeld { context.read() } }

    private func start(_ kind: Timer, _ time: TimeAmount) {
        stopTimer()
        guard let context else { return }
        timer = (kind, context.eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in self?.timeIsOver(kind) })
    }

    private func stopTimer() {
        timer?.task.cancel()
        timer = nil
        letGo()
    }

    /// Reading goes on.
    private func letGo() {
        guard isHeld else { return }
        isHeld = false
        try? context?.channel.syncOptions?.setOption(.autoRead, value: true)
    }

    private func timeIsOver(_ kind: Timer) {
        timer = nil
        guard let context else { return }
        switch kind {
        case .idle, .drain: context.close(promise: nil)
        case .hold:
            goOn()
            letGo()
        case .write:
            events.writeTimedOut()
            context.close(promise: nil)
        case .read:
            events.readTimedOut(head: unanswered > 0)
            connection.timeOut()
            isOver = true
            watch?.send(Self.timeoutAnswer)
            // Whoever waits for the rest of the body hears that there is none.
            context.fireErrorCaught(ReadTimeout())
            linger()
        }
    }

    private static let timeoutAnswer: String = {
        let body = #"{"error":"read_timeout","detail":"the request did not come whole in its time (--read-timeout)"}"# + "\n"
        return "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n" + body
    }()
}

/// What reading a request's body ends with when its time is over.
struct ReadTimeout: Error {}

/// The bytes of a connection, before the HTTP decoder and behind its encoder.
final class ByteWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let keeper: ConnectionGuard
    private var context: ChannelHandlerContext?

    init(_ keeper: ConnectionGuard) { self.keeper = keeper }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        keeper.watch = self
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        // They refer to each other.
        keeper.watch = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        keeper.bytesCame(unwrapInboundIn(data).readableBytes)
        if !keeper.isLingering && !keeper.isDeaf { context.fireChannelRead(data) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if keeper.isLingering { keeper.readOn(context) } else { context.fireChannelReadComplete() }
    }

    func read() { context?.read() }

    func send(_ text: String) {
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(string: text)), promise: nil)
    }
}
