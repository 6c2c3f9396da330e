import ImageCore

/// Where a decoder stands with a picture. imgdecode(1) has the same drawing.
///
///              open            frames begin        rows are read     the end is seen
///     idle ----------> header -------------> rows ------------> rows ------------> complete
///                        |                    ^
///                        | (JPEG of scans)    |
///                        '--> coefficients ---'
///
///     header, coefficients, rows ---- a fault ----> damaged
///     any of them ---- open ----> header
///
/// Another order is a bug of the caller, and traps.
enum DecodingState: Equatable {
    /// No picture yet.
    case idle
    /// Size, format and metadata are known.
    case header(frames: UInt32)
    /// All scans of a JPEG are read; its rows are still to be made.
    case coefficients
    /// In a frame, with so many rows to come, and so many frames behind it.
    case rows(left: Int, framesLeft: UInt32)
    /// All rows are out, and the format's end was seen.
    case complete
    /// What is wrong.
    case damaged(ImageError)

    /// A header was read, whatever was before.
    mutating func opened(frames: UInt32 = 1) { self = .header(frames: frames) }

    /// All scans were read.
    mutating func loaded() {
        guard case .header(frames: 1) = self else { preconditionFailure("coefficients in state \(self)") }
        self = .coefficients
    }

    /// Begins the next frame, of `rows` rows; false where there is none, and the end is to be looked for.
    mutating func beginsFrame(rows: Int) -> Bool {
        switch self {
        case .header(let frames) where frames > 0: self = .rows(left: rows, framesLeft: frames - 1)
        case .coefficients: self = .rows(left: rows, framesLeft: 0)
        case .rows(left: 0, let framesLeft) where framesLeft > 0: self = .rows(left: rows, framesLeft: framesLeft - 1)
        case .header, .rows(left: 0, framesLeft: 0): return false
        case .idle, .rows, .complete, .damaged: preconditionFailure("a frame in state \(self)")
        }
        return true
    }

    /// Rows of the frame that are still to be read; 0 outside of a frame.
    var rowsLeft: Int { if case .rows(let left, _) = self { left } else { 0 } }

    mutating func took(_ rows: Int) {
        guard case .rows(let left, let framesLeft) = self, rows <= left else { preconditionFailure("\(rows) rows in state \(self)") }
        self = .rows(left: left - rows, framesLeft: framesLeft)
    }

    /// The end was seen.
    mutating func completed() {
        switch self {
        case .rows(left: 0, framesLeft: 0), .header(frames: 0): self = .complete
        default: preconditionFailure("an end in state \(self)")
        }
    }

    mutating func failed(_ error: ImageError) {
        switch self {
        case .idle, .header, .coefficients, .rows: self = .damaged(error)
        case .complete, .damaged: preconditionFailure("a fault in state \(self)")
        }
    }
}

/// What a decoder knows of a picture whose rows it has given, or some of them.
struct KnownDamage {
    /// What was wrong, though rows came.
    var fault: ImageError?
    /// Which of those that were read are not whole.
    var rows: [DamageRecord] = []
    /// Frames that were left out.
    var lostFrames = 0
    /// Nothing of the picture came, though rows did.
    var isEmpty = false
}

/// A decoder that keeps its state, and of a damaged picture that is salvaged, what it knows of it.
protocol StatefulDecoder: RowSource {
    var state: DecodingState { get set }
    var damage: KnownDamage { get }
    /// Of the rows that were read, how many from the first on are not cut; a larger number while none is.
    var uncutRows: Int { get }
}

extension StatefulDecoder {
    var uncutRows: Int { .max }

    /// Leaves the decoder damaged where `body` throws.
    func watched<Result>(_ body: () throws(ImageError) -> Result) throws(ImageError) -> Result {
        do throws(ImageError) {
            return try body()
        } catch {
            state.failed(error)
            throw error
        }
    }
}
