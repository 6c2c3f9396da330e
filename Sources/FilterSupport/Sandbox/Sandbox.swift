import CPlatformShims
import Glibc
import ImageCore

/// What a filter gives up before it reads a byte of a picture, so that a picture that has found a fault in a decoder finds nothing else:
/// new privileges, core files and processes, and by Landlock and a seccomp allow-list all files but those that are open, or that are to be made.
///
/// A layer that the system does not have is left out.
public struct Sandbox: Sendable {
    /// Where the filter makes files.
    public enum Output: Sendable {
        /// This file, new or in place of the one that is there; in its directory others could be made too.
        case file(FilePath)
        /// Files beneath the directory that a template names before its first letter; directories where it has some made.
        case template(OutputTemplate)
    }

    let isWanted: Bool
    private let isVerbose: Bool

    static let option = OptionDeclaration.flag("no-sandbox", "Keep the rights to open files and start programs while pictures are read.")

    public init(_ given: GivenOptions) {
        isWanted = !given.flag("no-sandbox") && (getenv("IMG_NO_SANDBOX").map { $0.pointee == 0 } ?? true)
        isVerbose = given.flag("verbose")
    }

    /// There is no way back. `files`: what is read, where that has names. `threads`: how many may be started at most. `spools`: whether what is
    /// too large for memory may have to wait on the disk.
    public func enter(_ console: Console, reading files: InputFiles? = nil, making outputs: [Output] = [], threads: Int = 0, spools: Bool = true) {
        guard isWanted else {
            if isVerbose { console.say("sandbox: none") }
            return
        }
        // Where no path may be opened the scratch file still can be, when it is needed; else that is now.
        let scratch = spools && outputs.isEmpty ? ScratchFile.directoryForUnnamed : nil
        if spools && scratch == nil { ScratchFile.openNow() }
        let hasNoNewPrivileges = imgpipe_no_new_privileges() == 0
        // Inputs and outputs at a time, and some of the codecs'.
        let hasLimits = imgpipe_lower_limits(UInt32(64 + 8 * threads + (files?.openCount ?? 0)), threads > 0 ? 1 : 0) == 0
        let landlock = Self.restrictPaths(outputs, scratch)
        var grants = 0
        if !outputs.isEmpty { grants |= IMGPIPE_PATHS }
        if threads > 0 { grants |= IMGPIPE_THREADS }
        if files?.hasOpener ?? false { grants |= IMGPIPE_OPENER }
        let hasSeccomp = imgpipe_seccomp(UInt32(grants)) == 0
        guard isVerbose else { return }
        var layers = hasNoNewPrivileges ? ["no new privileges"] : []
        if hasLimits { layers.append("limits") }
        if landlock > 0 { layers.append("Landlock \(landlock)") }
        if hasSeccomp { layers.append("seccomp") }
        console.say("sandbox: " + (layers.isEmpty ? "none" : layers.joined(separator: ", ")))
    }

    /// The version of Landlock that holds; 0 for none.
    private static func restrictPaths(_ outputs: [Output], _ scratch: FilePath?) -> Int32 {
        let version = imgpipe_landlock_version()
        guard version > 0 else { return 0 }
        let number = imgpipe_landlock_begin(version)
        guard number >= 0 else { return 0 }
        let ruleset = Descriptor(number: number)
        var last: (FilePath, UInt32)?
        for output in outputs {
            // Files of a list often have the same directory.
            guard let (path, grants) = place(of: output), last.map({ $0 != (path, grants) }) ?? true else { continue }
            last = (path, grants)
            // A directory that is not there is a fault that is found when the output is made.
            _ = path.withCString { imgpipe_landlock_allow(ruleset.number, version, $0, grants) }
        }
        if let scratch { _ = scratch.withCString { imgpipe_landlock_allow(ruleset.number, version, $0, UInt32(IMGPIPE_UNNAMED_FILES)) } }
        return imgpipe_landlock_enforce(ruleset.number) == 0 ? version : 0
    }

    private static func place(of output: Output) -> (FilePath, UInt32)? {
        // The directory may be opened, for fsync(2).
        var grants = IMGPIPE_MAKE_FILES | IMGPIPE_READ_DIRECTORY
        switch output {
        case .file(let path):
            guard let target = try? path.followingLinks() else { return nil }
            // A device or a pipe is written to, and nothing is made beside it.
            if let there = FileIdentity(target), !there.isRegularFile { return (target, 0) }
            return (target.directory, UInt32(grants))
        case .template(let template):
            let directory = template.fixedDirectory
            if template.makesDirectories {
                grants |= IMGPIPE_MAKE_DIRECTORIES
                try? directory.makeDirectories()
            }
            return (directory, UInt32(grants))
        }
    }
}
