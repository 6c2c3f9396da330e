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
        /// This file, new or in place of the one that is there. Beneath its directory others could be made, replaced and removed too, and none be
        /// read or written that is there.
        case file(FilePath)
        /// Files beneath the directory that a template names before its first letter; directories where it has some made.
        case template(OutputTemplate)
    }

    public let isWanted: Bool
    private let isVerbose: Bool

    static let option = OptionDeclaration.flag("no-sandbox", "Keep the rights to open files and start programs while pictures are read.")

    public init(_ given: GivenOptions) {
        isWanted = !given.flag("no-sandbox") && (getenv("IMG_NO_SANDBOX").map { $0.pointee == 0 } ?? true)
        isVerbose = given.flag("verbose")
    }

    /// For a process that is given its files one by one.
    package init(isWanted: Bool) { (self.isWanted, isVerbose) = (isWanted, false) }

    /// There is no way back. `files`: what is read, where that has names. `replacing`: files are to get owner, mode and
    /// times of others. `threads`: how many may be started at most. `spools`: whether what is too large for memory may have to wait on the disk;
    /// `wholes`: how many pipes may have to be read into a file at a time. `receivesFiles`: descriptors come through a socket.
    public func enter(
        _ console: Console, reading files: InputFiles? = nil, making outputs: [Output] = [], replacing: Bool = false, threads: Int = 0, spools: Bool = true,
        wholes: Int = 0, receivesFiles: Bool = false
    ) {
        guard isWanted else {
            if isVerbose { console.say("sandbox: none") }
            return
        }
        // Where no path may be opened the scratch file still can be, when it is needed; else that is now.
        let scratch = spools && outputs.isEmpty && imgpipe_has_seccomp() != 0 ? ScratchFile.directoryForUnnamed : nil
        if spools && scratch == nil { ScratchFile.openNow(wholes: wholes) }
        let hasNoNewPrivileges = imgpipe_no_new_privileges() == 0
        // More than are open, where the caller has not left many open.
        let hasLimits = imgpipe_lower_limits(UInt32(1024 + 8 * threads + (files?.openCount ?? 0)), threads > 0 ? 1 : 0) == 0
        let (landlock, opensTarget) = Self.restrictPaths(outputs, scratch, mayWait: files == nil)
        var grants = 0
        if !outputs.isEmpty { grants |= IMGPIPE_PATHS }
        if opensTarget { grants |= IMGPIPE_OPEN_EXISTING }
        if replacing || !outputs.isEmpty { grants |= IMGPIPE_REPLACE }
        if threads > 0 { grants |= IMGPIPE_THREADS }
        if receivesFiles || files?.hasOpener ?? false { grants |= IMGPIPE_OPENER }
        let hasSeccomp = imgpipe_seccomp(UInt32(grants)) == 0
        guard isVerbose else { return }
        var layers = hasNoNewPrivileges ? ["no new privileges"] : []
        if hasLimits { layers.append("limits") }
        if landlock > 0 { layers.append("Landlock \(landlock)") }
        if hasSeccomp { layers.append("seccomp") }
        console.say("sandbox: " + (layers.isEmpty ? "none" : layers.joined(separator: ", ")))
    }

    /// The version of Landlock that holds, 0 for none; and whether an output is there that is to be opened. `mayWait`: for the first byte of
    /// standard input, where a directory is not there yet.
    private static func restrictPaths(_ outputs: [Output], _ scratch: FilePath?, mayWait: Bool) -> (version: Int32, opensTarget: Bool) {
        let version = imgpipe_landlock_version()
        let number = version > 0 ? imgpipe_landlock_begin(version) : -1
        let ruleset = Descriptor(number: number, owned: number >= 0)
        var opensTarget = false
        var last: (FilePath, UInt32)?
        for output in outputs {
            if mayWait && !output.hasDirectory { waitForInput() }
            guard let (path, grants) = place(of: output) else { continue }
            if grants == 0 { opensTarget = true }
            // Files of a list often have the same directory.
            guard number >= 0, last.map({ $0 != (path, grants) }) ?? true else { continue }
            last = (path, grants)
            // A directory that is not there is a fault that is found when the output is made.
            _ = path.withCString { imgpipe_landlock_allow(ruleset.number, version, $0, grants) }
        }
        guard number >= 0 else { return (0, opensTarget) }
        if let scratch { _ = scratch.withCString { imgpipe_landlock_allow(ruleset.number, version, $0, UInt32(IMGPIPE_UNNAMED_FILES)) } }
        return (imgpipe_landlock_enforce(ruleset.number) == 0 ? version : 0, opensTarget)
    }

    private static func waitForInput() {
        var request = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        _ = poll(&request, 1, -1)
    }

    /// What is granted there: nothing but writing, where it is no directory.
    private static func place(of output: Output) -> (FilePath, UInt32)? {
        // The directory may be opened, for fsync(2).
        var grants = IMGPIPE_MAKE_FILES | IMGPIPE_READ_DIRECTORY
        switch output {
        case .file(let path):
            guard let target = try? path.followingLinks() else { return nil }
            // A device or a pipe is written to, and nothing is made beside it; a directory is refused.
            if let there = FileIdentity(target), !there.isRegularFile { return there.isDirectory ? nil : (target, 0) }
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

extension Sandbox.Output {
    fileprivate var hasDirectory: Bool {
        switch self {
        case .file(let path): FileIdentity(path.directory) != nil
        case .template(let template): template.makesDirectories || FileIdentity(template.fixedDirectory) != nil
        }
    }
}
