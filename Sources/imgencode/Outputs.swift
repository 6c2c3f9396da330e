import CodecArguments
import FilterSupport
import ImageCodecs
import ImageCore

/// Where encoded pictures go, and when: to standard output or a plain name when the whole stream is known to hold exactly one
/// picture, to the names of a template each when it is complete.
final class Outputs {
    private let path: FilePath?
    private let template: OutputTemplate?
    private let chosenFormat: EncodedFormat?
    private let mayReplace: Bool
    private let pool: BufferPool
    private var opened = 0
    private var taken: Set<FilePath> = []
    /// The picture that waits for the end of the stream.
    private var waiting: (any ByteSink)?
    private var hasFailed = false

    /// `path`: nil is standard output.
    init(_ path: FilePath?, format: EncodedFormat?, mayReplace: Bool, pool: BufferPool) throws(ImageError) {
        (self.path, chosenFormat, self.mayReplace, self.pool) = (path, format, mayReplace, pool)
        template = if let path { try OutputTemplate(path) } else { nil }
        // A wrong ending is the command line's fault, not the first picture's.
        if template?.isTemplate == false { _ = try self.format(of: path) }
    }

    private var isTemplate: Bool { template?.isTemplate ?? false }

    /// The name of the output for a picture; nil is standard output.
    func target(name: [UInt8], number: Int, info: ImageInfo) throws(ImageError) -> FilePath? {
        defer { opened += 1 }
        if !isTemplate && opened > 0 {
            throw .usage("more than one picture for one output; give a template, as in -o 'out/%n.jpg'")
        }
        return template?.path(name: name, number: number, info: info)
    }

    /// The format that the option or the output's name says.
    func format(of target: FilePath?) throws(ImageError) -> EncodedFormat {
        if let chosenFormat { return chosenFormat }
        return try target.map { (target) throws(ImageError) in try EncodedFormat(ofName: target) } ?? .jpeg
    }

    /// The format of every picture, where the command line says it.
    var onlyFormat: EncodedFormat? {
        if let chosenFormat { return chosenFormat }
        // An ending that a template leaves to the picture is none of a format.
        let saysEnding = path?.lastComponent.contains(UInt8(ascii: ".")) ?? true
        return isTemplate && !saysEnding ? nil : try? format(of: path)
    }

    /// Where files are made, for the sandbox.
    var places: [Sandbox.Output] {
        template.map { [$0.place] } ?? []
    }

    /// A place for a picture.
    func open(_ target: FilePath?, _ format: EncodedFormat) throws(ImageError) -> any ByteSink {
        if target == nil && format.isRaw { return DirectSink(.standardOutput) }
        guard let target else { return SpooledSink(.standardOutput, pool: pool) }
        if taken.contains(target) {
            throw .refusedOutput("a picture before it was written to \(Console.printable(target.bytes))")
        }
        do throws(ImageError) {
            if template!.makesDirectories { try target.directory.makeDirectories() }
            return try AtomicFile(target, mayReplace: mayReplace, pool: pool)
        } catch {
            throw error.naming(target)
        }
    }

    /// `sink`, opened for `target`, holds a complete picture.
    func finish(_ sink: any ByteSink, _ target: FilePath?) throws(ImageError) {
        guard isTemplate, let target else {
            waiting = sink
            return
        }
        do throws(ImageError) {
            try sink.commit()
        } catch {
            throw error.naming(target)
        }
        taken.insert(target)
    }

    func pictureFailed() {
        hasFailed = true
    }

    /// The stream is at its end, as it must be.
    func end() throws(ImageError) {
        if isTemplate || hasFailed { return }
        guard let waiting else { throw .damaged("no picture came") }
        try waiting.commit()
    }
}
