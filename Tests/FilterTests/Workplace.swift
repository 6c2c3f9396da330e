import Foundation
import Testing

/// The built tools: those of `make`, in bin/, or where IMG_BIN says.
let toolDirectory: URL = {
    if let path = ProcessInfo.processInfo.environment["IMG_BIN"] { return URL(fileURLWithPath: path) }
    return projectDirectory.appendingPathComponent("bin")
}()

/// Tools with a sanitizer have no sandbox and no limit on addresses (scripts/check-sanitized).
let isSanitized = ProcessInfo.processInfo.environment["IMG_SANITIZER"] != nil

let projectDirectory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// What a command line has left.
struct Outcome {
    var status: Int32
    var output: Data
    /// Standard error without what -v says of the sandbox, which is the machine's affair.
    var errors: String
    /// The layers of the sandbox of each filter, as -v says.
    var sandboxes: [String]

    init(status: Int32, output: Data, errors: String) {
        (self.status, self.output) = (status, output)
        let lines = errors.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        sandboxes = lines.compactMap { line in line.range(of: ": sandbox: ").map { String(line[$0.upperBound...]) } }
        self.errors = lines.filter { !$0.contains(": sandbox: ") }.joined(separator: "\n")
    }

    var text: String { String(decoding: output, as: UTF8.self) }
    /// Messages, one a line.
    var messages: [String] { errors.split(separator: "\n").map(String.init) }
}

/// A directory for one test, with pictures in it, where plain sh runs pipelines of the built tools.
final class Workplace {
    let directory: URL

    /// photo.jpg, photo.png, photo.webp, progressive.jpg, gray.jpg, alpha.png, deep.png, interlaced.png: 320 x 200.
    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("imgpipe-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.pictures.path) {
            try FileManager.default.copyItem(at: Self.pictures.appendingPathComponent(name), to: url(name))
        }
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    func url(_ name: String) -> URL { directory.appendingPathComponent(name) }

    func bytes(_ name: String) -> Data? { try? Data(contentsOf: url(name)) }

    func put(_ bytes: Data, _ name: String) throws { try bytes.write(to: url(name)) }

    func names(in subdirectory: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: url(subdirectory).path).sorted()
    }

    /// Runs a script in /bin/sh with the tools on PATH. Arguments are $1 and so on.
    @discardableResult
    func sh(_ script: String, _ arguments: String..., input: Data? = nil) throws -> Outcome {
        try Self.sh(script, arguments, in: directory, input: input)
    }

    private static func sh(_ script: String, _ arguments: [String], in directory: URL, input: Data? = nil) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script, "sh"] + arguments
        process.currentDirectoryURL = directory
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = toolDirectory.path + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
        environment["LC_ALL"] = "C.UTF-8"
        process.environment = environment
        // Through files: no pipe can fill up while somebody waits.
        let scratch = FileManager.default.temporaryDirectory
        let (output, errors) = (scratch.appendingPathComponent(UUID().uuidString), scratch.appendingPathComponent(UUID().uuidString))
        for url in [output, errors] { _ = FileManager.default.createFile(atPath: url.path, contents: nil) }
        defer { for url in [output, errors] { try? FileManager.default.removeItem(at: url) } }
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        if let input {
            let file = scratch.appendingPathComponent(UUID().uuidString)
            try input.write(to: file)
            process.standardInput = try FileHandle(forReadingFrom: file)
            try FileManager.default.removeItem(at: file)
        } else {
            process.standardInput = FileHandle.nullDevice
        }
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: try Data(contentsOf: output),
            errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
    }

    /// Made once, by the reference tools.
    private static let pictures: URL = {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("imgpipe-pictures-\(UUID().uuidString)")
        try! FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(at: Workplace.pictures) }
        try! ppm(320, 200).write(to: directory.appendingPathComponent("photo.ppm"))
        try! ppm(320, 200, maximum: 65535).write(to: directory.appendingPathComponent("deep.ppm"))
        let outcome = try! sh(
            """
            set -e
            cjpeg -quality 90 photo.ppm > photo.jpg
            cjpeg -quality 90 -progressive photo.ppm > progressive.jpg
            cjpeg -quality 90 -grayscale photo.ppm > gray.jpg
            pnmtopng photo.ppm > photo.png
            pnmtopng -interlace photo.ppm > interlaced.png
            pnmtopng deep.ppm > deep.png
            ppmtopgm photo.ppm > mask.pgm
            pnmtopng -alpha=mask.pgm photo.ppm > alpha.png
            cwebp -quiet photo.png -o photo.webp
            rm photo.ppm deep.ppm mask.pgm
            """, [], in: directory)
        precondition(outcome.status == 0, "the test pictures could not be made: \(outcome.errors)")
        return directory
    }()

    /// Noise alone, which nothing makes small.
    static func noise(_ width: Int, _ height: Int) -> Data {
        var random: UInt64 = 1
        var data = Data("P6\n\(width) \(height)\n255\n".utf8)
        for _ in 0..<width * height * 3 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            data.append(UInt8(random >> 56))
        }
        return data
    }

    /// A smooth picture with some noise.
    static func ppm(_ width: Int, _ height: Int, maximum: Int = 255) -> Data {
        var data = Data("P6\n\(width) \(height)\n\(maximum)\n".utf8)
        var random: UInt32 = 1
        for y in 0..<height {
            for x in 0..<width {
                for c in 0..<3 {
                    random = random &* 1_664_525 &+ 1_013_904_223
                    let value = 120 + 90 * sin(Double(x) / 31 + Double(c)) * cos(Double(y) / (17 + Double(c))) + Double(random >> 28)
                    if maximum > 255 {
                        data.append(contentsOf: [UInt8(value), UInt8(truncatingIfNeeded: random >> 20)])
                    } else {
                        data.append(UInt8(value))
                    }
                }
            }
        }
        return data
    }
}
