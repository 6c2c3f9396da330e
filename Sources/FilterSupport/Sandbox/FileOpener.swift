import CPlatformShims
import Glibc
import ImageCore
import Synchronization

/// A process that reads names, opens what they are of, and where files are to be replaced makes and names the new ones. It never reads a byte of
/// a picture, and does only what the names ask for: nothing that its parent, who reads pictures, could say leads anywhere else.
final class FileOpener: Sendable {
    /// Each message is asked for with a byte, some ahead, so that the next file is open when it is wanted.
    private let files: Int32
    private let orders: Int32
    private let process: pid_t
    /// Held while a file is waited for, and while an order is answered.
    private let isAtEnd = Mutex(false)
    private let ordering = Mutex(())

    /// Before any thread is started.
    init(_ names: NameSequence, areSlow: Bool, replacing: Bool, synchronizes: Bool) throws(ImageError) {
        var (files, orders): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        guard imgpipe_socket_pair(&files) == 0, imgpipe_socket_pair(&orders) == 0 else { throw .readFailed(errno: errno) }
        let process = imgpipe_fork()
        guard process >= 0 else { throw .readFailed(errno: errno) }
        if process == 0 {
            close(files[0])
            close(orders[0])
            OpenerProcess(names, replacing: replacing, synchronizes: synchronizes, files: files[1], orders: orders[1]).run(listIsSlow: areSlow)
        }
        close(files[1])
        close(orders[1])
        (self.files, self.orders, self.process) = (files[0], orders[0], process)
        for _ in 0..<2 { ask() }
    }

    private func ask() {
        var packet = Packet()
        packet.put(byte: 0)
        _ = packet.send(to: files)
    }

    private static let hasEnded = ImageError.internalError("the process that opens files has ended")

    func next() throws(ImageError) -> InputFile? {
        try isAtEnd.withLock { (isAtEnd) throws(ImageError) in
            if isAtEnd { return nil }
            switch OpenerMessage.receive(from: files) {
            case .file(let file):
                ask()
                return file
            case .fault(let error):
                ask()
                throw error
            case .end:
                isAtEnd = true
                return nil
            case nil:
                isAtEnd = true
                throw Self.hasEnded
            }
        }
    }

    /// For the replacement of this number.
    func naming(_ id: UInt32) -> any FileNaming { RemoteNaming(id, self) }

    fileprivate func order(_ order: Order, _ id: UInt32) throws(ImageError) {
        var packet = Packet()
        packet.put(byte: order.rawValue)
        packet.put(number: Int32(bitPattern: id))
        try ordering.withLock { [packet] (_) throws(ImageError) in
            guard packet.send(to: orders) else { throw Self.hasEnded }
            if order == .drop { return }
            guard case (var answer, _)? = Packet.receive(from: orders) else { throw Self.hasEnded }
            if answer.byte() != 0 { throw answer.error() }
        }
    }

    enum Order: UInt8 { case publish = 1, drop }

    deinit {
        close(files)
        close(orders)
        // It ends when it sees that; nobody else would bury it where there is no init.
        waitpid(process, nil, 0)
    }
}

/// The name of a file that the opener has made.
private final class RemoteNaming: FileNaming {
    private let id: UInt32
    private let opener: FileOpener
    private var isPublished = false

    init(_ id: UInt32, _ opener: FileOpener) { (self.id, self.opener) = (id, opener) }

    func publish(_ number: Int32, close: () throws(ImageError) -> Void) throws(ImageError) {
        try close()
        isPublished = true
        try opener.order(.publish, id)
    }

    deinit { if !isPublished { try? opener.order(.drop, id) } }
}

/// The child's side.
final class OpenerProcess: Sendable {
    private let names: Mutex<NameSequence>
    private let replaces: Bool
    private let synchronizes: Bool
    private let files: Int32
    private let orders: Int32
    private let placements = Mutex(Placements())

    /// Unchecked: only in the Mutex.
    private struct Placements: @unchecked Sendable {
        var waiting: [UInt32: FilePlacement] = [:]
        var last: UInt32 = 0
        var areClosed = false
    }

    init(_ names: NameSequence, replacing: Bool, synchronizes: Bool, files: Int32, orders: Int32) {
        self.names = Mutex(names)
        (replaces, self.synchronizes, self.files, self.orders) = (replacing, synchronizes, files, orders)
    }

    func run(listIsSlow: Bool) -> Never {
        // Nobody is to wait for us to let go of it.
        close(1)
        // The first is waited for, and to start a thread takes longer than to open it; but a list that is slow to come may outlast the parent.
        if !listIsSlow { guard sendFile() else { _exit(0) } }
        guard (try? Thread { self.takeOrders() }) != nil else { _exit(1) }
        while sendFile() {}
        if !replaces { _exit(0) }
        // The parent sees that there are no more.
        close(files)
        while true { pause() }
    }

    /// The next file, when it is asked for; false after the last.
    private func sendFile() -> Bool {
        guard Packet.receive(from: files) != nil else { return false }
        do throws(ImageError) {
            guard let file = try names.withLock({ (names) throws(ImageError) in try names.next() }) else {
                _ = OpenerMessage.end.send(to: files)
                return false
            }
            defer { file.close() }
            return OpenerMessage.file(replaces ? withReplacement(file) : file).send(to: files)
        } catch {
            return OpenerMessage.fault(error).send(to: files)
        }
    }

    private func withReplacement(_ file: InputFile) -> InputFile {
        guard case .descriptor(let number, _) = file.opened, Descriptor(number: number, owned: false).kind == S_IFREG else { return file }
        do throws(ImageError) {
            // None is made that would not be removed.
            let (placement, id) = try placements.withLock { (placements) throws(ImageError) in
                if placements.areClosed { throw .cannotCreate(errno: ECANCELED) }
                let placement = try FilePlacement(file.path, replacing: FileIdentity(descriptor: number), synchronizes: synchronizes)
                placements.last += 1
                placements.waiting[placements.last] = placement
                return (placement, placements.last)
            }
            return InputFile(file.path, file.opened, .descriptor(placement.number, existingMode: placement.existingMode, id: id))
        } catch {
            return InputFile(file.path, file.opened, .failed(error))
        }
    }

    /// Until the parent is gone, or done: what has no name by then gets none.
    private func takeOrders() {
        answerOrders()
        placements.withLock {
            $0.areClosed = true
            $0.waiting.removeAll()
        }
        _exit(0)
    }

    private func answerOrders() {
        while case (var packet, _)? = Packet.receive(from: orders) {
            let (order, id) = (FileOpener.Order(rawValue: packet.byte()), UInt32(bitPattern: packet.number()))
            let placement = placements.withLock { $0.waiting.removeValue(forKey: id) }
            defer { if let placement { close(placement.number) } }
            guard order == .publish else { continue }
            var answer = Packet()
            do throws(ImageError) {
                guard let placement else { throw .internalError("no such file") }
                try placement.publish(placement.number) { () throws(ImageError) in }
                answer.put(byte: 0)
            } catch {
                answer.put(byte: 1)
                answer.put(error)
            }
            guard answer.send(to: orders) else { return }
        }
    }
}
