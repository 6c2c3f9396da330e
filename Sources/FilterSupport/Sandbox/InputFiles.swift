import Glibc
import ImageCore
import Synchronization

/// A file of a run: its name, and what opening it has given.
public struct InputFile: Sendable {
    enum Opened: Sendable {
        case standardInput
        case descriptor(Int32, isNamedPipe: Bool)
        case failed(ImageError)
        /// No file, but what is wrong with a name of a list, or with the list.
        case fault(ImageError)
    }

    /// As it was given; `-` for standard input.
    public let path: FilePath
    let opened: Opened
    /// The file that is to replace it, where the opener has made one.
    let replacement: Replacement?

    enum Replacement: Sendable {
        case descriptor(Int32, existingMode: mode_t?, id: UInt32)
        case failed(ImageError)
    }

    /// The open file; once.
    public func open() throws(ImageError) -> Descriptor {
        switch opened {
        case .standardInput: .standardInput
        case .descriptor(let number, let isNamedPipe): Descriptor(number: number, isNamedPipe: isNamedPipe)
        case .failed(let error), .fault(let error): throw error
        }
    }

    /// Opened here and now.
    public init(opening path: FilePath) {
        (self.path, replacement) = (path, nil)
        if path.isStandardStream {
            opened = .standardInput
            return
        }
        do throws(ImageError) {
            let descriptor = try Descriptor.open(reading: path)
            let isNamedPipe = descriptor.isNamedPipe
            opened = .descriptor(descriptor.release(), isNamedPipe: isNamedPipe)
        } catch {
            opened = .failed(error)
        }
    }

    /// Of what nobody takes.
    func close() {
        if case .descriptor(let number, _) = opened { Glibc.close(number) }
    }

    init(_ path: FilePath, _ opened: Opened, _ replacement: Replacement?) { (self.path, self.opened, self.replacement) = (path, opened, replacement) }
}

/// The names of a run's inputs.
public enum InputNames: Sendable {
    case operands([FilePath])
    /// `--files0-from`
    case list(FilePath)
}

extension GivenOptions {
    /// The operands, or `--files0-from`, or where there is neither, standard input.
    public func inputNames() throws(ImageError) -> InputNames {
        guard let list = text("files0-from") else { return .operands((operands.isEmpty ? ["-"] : operands).map { FilePath(argument: $0) }) }
        if !operands.isEmpty { throw .usage("FILE and --files0-from exclude each other") }
        return .list(FilePath(argument: list))
    }
}

/// The files of a run, one after the other; threads may ask for them.
///
/// In a sandbox who reads pictures has no way to a name. Up to `mostOpen` files are opened before it is entered; where there are more, or where
/// a list may be slow to come, all are by a process of their own, which reads names and no picture, and hands over descriptors.
public final class InputFiles: Sendable {
    private let names: Mutex<NameSequence>
    private let opener: FileOpener?
    /// How many are open from the start: in a sandbox, all, where there is no opener.
    public let openCount: Int

    /// `replacing`: each file is to be replaced by another (`replacement`), whose bytes are to be on the disk before where `synchronizes`.
    public init(
        _ names: InputNames, _ sandbox: Sandbox, replacing: Bool = false, synchronizes: Bool = false, pool: BufferPool
    ) throws(ImageError) {
        var sequence = NameSequence(names, pool: pool)
        let areSlow = sandbox.isWanted && names.areSlow
        if sandbox.isWanted, areSlow || !sequence.open(atMost: Self.mostOpen) {
            openCount = 0
            self.names = Mutex(NameSequence())
            opener = try FileOpener(sequence, areSlow: areSlow, replacing: replacing, synchronizes: synchronizes)
            sequence.close()
        } else {
            (openCount, opener) = (sequence.openCount, nil)
            self.names = Mutex(sequence)
        }
    }

    /// Half of what the process may have open, at most.
    private static var mostOpen: Int { min(256, Descriptor.most / 2) }

    public var hasOpener: Bool { opener != nil }

    /// Those that are open and not taken yet.
    public var openPaths: [FilePath] { names.withLock { $0.openPaths } }

    /// The next file; nil after the last. What is wrong with a name (`usage`) does not stop the list; another error does.
    public func next() throws(ImageError) -> InputFile? {
        if let opener { return try opener.next() }
        return try names.withLock { (names) throws(ImageError) in try names.next() }
    }

    /// What is to replace `file`, at its `commit`, if it is still `identity` then.
    public func replacement(of file: InputFile, _ identity: FileIdentity, synchronizes: Bool = false, pool: BufferPool) throws(ImageError) -> AtomicFile {
        switch file.replacement {
        case nil: try AtomicFile(file.path, replacing: identity, synchronizes: synchronizes, pool: pool)
        case .failed(let error): throw error
        case .descriptor(let number, let mode, let id):
            try AtomicFile(number: number, existingMode: mode, synchronizes: synchronizes, naming: opener!.naming(id), pool: pool)
        }
    }

    /// Calls `take` for each file. What is wrong with a name, or with the list, which then ends, goes to `failed` with what it is about; a
    /// failure to write ends the run.
    public func forEach(
        from names: InputNames, _ take: (InputFile) throws(ImageError) -> Void, failed: (ImageError, [UInt8]) throws(ImageError) -> Void
    ) throws(ImageError) {
        while true {
            let file: InputFile
            do throws(ImageError) {
                guard let next = try next() else { return }
                file = next
            } catch {
                try failed(error, names.subject)
                if case .usage = error { continue }
                return
            }
            try take(file)
        }
    }
}

extension InputNames {
    /// What a fault of the list is about.
    public var subject: [UInt8] {
        if case .list(let path) = self, !path.isStandardStream { path.bytes } else { Console.standardInput }
    }

    /// Whether somebody may still be writing them.
    var areSlow: Bool {
        guard case .list(let path) = self else { return false }
        return !((path.isStandardStream ? FileIdentity(descriptor: 0) : FileIdentity(path))?.isRegularFile ?? true)
    }
}

/// The names one after the other, opened as they come.
///
/// Unchecked, because NameList is no Sendable: the only reference to it is in here, and this only in a Mutex or with one owner.
struct NameSequence: @unchecked Sendable {
    private var operands: [FilePath] = []
    private var takenOperands = 0
    private var list: (path: FilePath, names: NameList?, pool: BufferPool)?
    /// Opened before they are asked for, from `taken` on; faults of names among them. Of one type, as each more of an array costs a short run
    /// a hundredth of its time.
    private var waiting: [InputFile] = []
    private var taken = 0

    init() {}

    init(_ names: InputNames, pool: BufferPool) {
        switch names {
        case .operands(let paths): operands = paths
        case .list(let path): list = (path, nil, pool)
        }
    }

    /// False where there are more.
    mutating func open(atMost most: Int) -> Bool {
        while waiting.count < most {
            do throws(ImageError) {
                guard let path = try nextPath() else { return true }
                waiting.append(InputFile(opening: path))
            } catch {
                waiting.append(InputFile(FilePath([]), .fault(error), nil))
            }
        }
        return false
    }

    var openPaths: [FilePath] { waiting[taken...].compactMap { if case .fault = $0.opened { nil } else { $0.path } } }
    var openCount: Int { waiting.count }

    /// Those that wait, in a process that does not need them.
    func close() {
        for file in waiting { file.close() }
    }

    mutating func next() throws(ImageError) -> InputFile? {
        if taken < waiting.count {
            taken += 1
            if case .fault(let error) = waiting[taken - 1].opened { throw error }
            return waiting[taken - 1]
        }
        return try nextPath().map { InputFile(opening: $0) }
    }

    private mutating func nextPath() throws(ImageError) -> FilePath? {
        guard let list else {
            guard takenOperands < operands.count else { return nil }
            takenOperands += 1
            return operands[takenOperands - 1]
        }
        do throws(ImageError) {
            let names = if let names = list.names { names } else { try NameList(list.path, pool: list.pool) }
            self.list!.names = names
            return try names.next()
        } catch {
            // A list that cannot be read has ended.
            if case .usage = error {} else { self.list = nil }
            throw error
        }
    }
}
