import Glibc
import ImageCore

/// What goes between a filter and the process that opens its files, each in one packet.
enum OpenerMessage {
    /// From the opener: the next file, what is wrong with a name or the list, or the end.
    case file(InputFile)
    case fault(ImageError)
    case end

    /// Hands over the descriptors too, which the sender keeps. False where nobody listens.
    func send(to socket: Int32) -> Bool {
        var packet = Packet()
        var descriptors: [Int32] = []
        switch self {
        case .end: packet.put(byte: 0)
        case .fault(let error):
            packet.put(byte: 1)
            packet.put(error)
        case .file(let file):
            packet.put(byte: 2)
            packet.put(file.path.bytes)
            switch file.opened {
            case .standardInput: packet.put(byte: 0)
            case .failed(let error), .fault(let error):
                packet.put(byte: 1)
                packet.put(error)
            case .descriptor(let number, let isNamedPipe):
                packet.put(byte: isNamedPipe ? 3 : 2)
                descriptors.append(number)
            }
            switch file.replacement {
            case nil: packet.put(byte: 0)
            case .failed(let error):
                packet.put(byte: 1)
                packet.put(error)
            case .descriptor(let number, let mode, let id):
                packet.put(byte: 2)
                packet.put(number: mode.map { Int32($0) } ?? -1)
                packet.put(number: Int32(bitPattern: id))
                descriptors.append(number)
            }
        }
        return packet.send(to: socket, descriptors)
    }

    /// Waits for one; nil where the sender has gone.
    static func receive(from socket: Int32) -> OpenerMessage? {
        guard case (var packet, var numbers)? = Packet.receive(from: socket) else { return nil }
        switch packet.byte() {
        case 0: return .end
        case 1: return .fault(packet.error())
        default: break
        }
        let path = FilePath(packet.text())
        let opened: InputFile.Opened
        switch packet.byte() {
        case 0: opened = .standardInput
        case 1: opened = .failed(packet.error())
        case let kind: opened = numbers.popFirst().map { .descriptor($0, isNamedPipe: kind == 3) } ?? .failed(.cannotOpen(errno: EMFILE))
        }
        let replacement: InputFile.Replacement?
        switch packet.byte() {
        case 0: replacement = nil
        case 1: replacement = .failed(packet.error())
        default:
            let mode = packet.number()
            let id = UInt32(bitPattern: packet.number())
            replacement = numbers.popFirst().map { .descriptor($0, existingMode: mode < 0 ? nil : mode_t(mode), id: id) } ?? .failed(.cannotCreate(errno: EMFILE))
        }
        return .file(InputFile(path, opened, replacement))
    }
}

/// The errors of opening and naming; another goes over as its text.
extension Packet {
    mutating func put(_ error: ImageError) {
        let (kind, code, text): (UInt8, Int32, String) = switch error {
        case .cannotOpen(let code): (1, code, "")
        case .cannotCreate(let code): (2, code, "")
        case .readFailed(let code): (3, code, "")
        case .writeFailed(let code): (4, code, "")
        case .usage(let text): (5, 0, text)
        case .refusedOutput(let text, _): (6, 0, text)
        case .unsupported(let text): (7, 0, text)
        default: (0, 0, error.description)
        }
        put(byte: kind)
        put(number: code)
        put(Array(text.utf8.prefix(Int(PATH_MAX))))
    }

    mutating func error() -> ImageError {
        let (kind, code, text) = (byte(), number(), String(decoding: text(), as: UTF8.self))
        return switch kind {
        case 1: .cannotOpen(errno: code)
        case 2: .cannotCreate(errno: code)
        case 3: .readFailed(errno: code)
        case 4: .writeFailed(errno: code)
        case 5: .usage(text)
        case 6: .refusedOutput(text)
        case 7: .unsupported(text)
        default: .internalError(text)
        }
    }
}
