import CPlatformShims
import FilterSupport
import Glibc
import Hummingbird
import HummingbirdCore
import ImageCore
import ImageJobs
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The service: a server for HTTP, a scheduler, and worker processes for the pictures.
public final class Service: Sendable {
    private let settings: ServiceSettings
    private let signals: StopSignals
    private let logger: Logger
    private let queue: WorkQueue
    private let metrics = ServiceMetrics()
    private let responder: Responder

    /// Before any other thread is started: signals are held back from them all. Throws `usage`, `cannotOpen` for the storage, `noThread`.
    public init(_ settings: ServiceSettings) throws(ImageError) {
        signals = StopSignals()
        // Each thread would else come by an arena of its own, that keeps what it has had.
        imgpipe_use_arenas(Int32(settings.slots + 1))
        imgpipe_raise_open_files()
        self.settings = settings
        var logger = Logger(label: "imgserve") { _ in LineLog(level: settings.level) }
        logger.logLevel = settings.level
        self.logger = logger
        queue = try WorkQueue(limits: settings.limits, isSandboxed: settings.isSandboxed, slots: settings.slots, limit: settings.queue, metrics: metrics.pictures)
        let recipes = try RecipeReader(program: "imgserve", defaults: ["--keep=copyright"], limits: settings.limits)
        // What waits and what is worked on, and as many that are still coming in.
        let budget = BodyBudget(most: Self.product(settings.mostBodyBytes, 2 * (settings.queue + settings.slots)))
        let compress = CompressEndpoint(queue: queue, recipes: recipes, body: BodyReader(mostBytes: settings.mostBodyBytes, budget: budget))
        let image = try settings.storage.map { [queue] (text) throws(ImageError) in
            ImageEndpoint(
                queue: queue, recipes: recipes, store: try PictureStore(
                    text, limits: settings.limits, mostBytes: Self.product(settings.mostBodyBytes, settings.queue + settings.slots), fetchLimit: settings.queue),
                cache: Cache2Q(capacityBytes: settings.cacheBytes),
                maxAge: settings.maxAge)
        }
        responder = Responder(compress, image, settings.signature, metrics, logger, logsAccess: settings.logsAccess)
    }

    /// Until it is told to stop and has ended what it had begun. Throws `refusedOutput` where the address cannot be listened at.
    public func run(_ console: Console) throws(ImageError) {
        // One thread: what takes a processor is done elsewhere.
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let application = self.application(loops, console)
        let group = ServiceGroup(configuration: .init(services: [application], logger: logger))
        let ended = loops.next().makePromise(of: Void.self)
        ended.completeWithTask { try await group.run() }
        _ = try Thread { [self] in
            let number = signals.wait()
            metrics.startDraining()
            logger.info("draining", metadata: ["signal": .stringConvertible(Int(number)), "under_way": .stringConvertible(metrics.requestsUnderWay)])
            Task { await group.triggerGracefulShutdown() }
            let end = Deadline.now + settings.graceNanoseconds
            _ = try? Thread { [self] in
                _ = signals.wait()
                cutOff()
            }
            while Deadline.now < end { usleep(20_000) }
            cutOff()
        }
        do {
            try ended.futureResult.wait()
        } catch {
            throw .refusedOutput("--listen \(settings.address.host):\(settings.port): \(Self.reason(error))")
        }
        queue.close()
        logger.info("stopped")
    }

    /// Asked twice, or out of time.
    private func cutOff() -> Never {
        logger.warning("cut off", metadata: ["under_way": .stringConvertible(metrics.requestsUnderWay)])
        queue.workers.kill()
        exit(0)
    }

    /// The largest number where there is no such one.
    private static func product(_ a: Int, _ b: Int) -> Int {
        let (value, isOverflow) = a.multipliedReportingOverflow(by: b)
        return isOverflow ? .max : value
    }

    private func application(_ loops: MultiThreadedEventLoopGroup, _ console: Console) -> Application<Responder> {
        let times = ConnectionSettings(read: .nanoseconds(Int64(settings.readNanoseconds)), write: .nanoseconds(Int64(settings.writeNanoseconds)))
        var http = HTTP1Channel.Configuration()
        http.httpDecoder = .init(maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 16 << 10, maxHeaderFieldCount: 100)
        var quiet = logger
        // Its words on connections are not ours to say at every start.
        quiet.logLevel = max(.warning, settings.level)
        return Application(
            responder: responder,
            server: HTTPServerBuilder { [http, metrics] responder in
                GuardedChannel(http: HTTP1Channel(responder: responder, configuration: http), settings: times, events: metrics)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(settings.address.host, port: settings.port), serverName: "imgserve", backlog: 1024, reuseAddress: true,
                availableConnectionsDelegate: MaximumAvailableConnections(mostConnections())),
            onServerRunning: { [settings] channel in
                let host = settings.address.host.contains(":") ? "[\(settings.address.host)]" : settings.address.host
                console.say("listening at http://\(host):\(channel.localAddress?.port ?? settings.port)/")
            },
            eventLoopGroupProvider: .shared(loops), logger: quiet)
    }

    /// As far as files may be open: SwiftNIO takes a connection that there is no file for as the server's end, and libdispatch, which looks at its
    /// threads in /proc each second, ends the program where it cannot. The others wait in the kernel's queue.
    private func mostConnections() -> Int {
        // A slot has its process and what it makes.
        let others = 32 + 8 * settings.slots + (responder.hasRemotePictures ? PictureStore.mostFiles : 0)
        // A connection has itself, and its body in a file that is opened once more for the worker, or the picture that it asks for.
        return max(1, min((Descriptor.most - others) / 3, 1 << 16))
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? IOError { return String(cString: strerror(error.errnoCode)).lowercased() }
        return "\(error)"
    }
}
