import FilterSupport
import ImageCodecs
import ImageCore

/// What is said about pictures that were written.
final class EncodeMessages {
    private let console: Console
    private let isVerbose: Bool
    private var saidThatNoFileCame = false

    init(_ console: Console, isVerbose: Bool) {
        (self.console, self.isVerbose) = (console, isVerbose)
    }

    /// The file that `picture`, read to its end, comes from, where one of `format` would show the same; nil where it would not, or did not
    /// come along, which is said once.
    func original(of picture: any RowSource, _ report: EncodeReport, _ format: EncodedFormat, _ name: [UInt8]) -> [UInt8]? {
        guard let file = picture.trailingMetadata[.file] else {
            if !saidThatNoFileCame { console.say("warning: --if-smaller without effect: no file came along; say imgdecode --carry-file", subject: name) }
            saidThatNoFileCame = true
            return nil
        }
        // A PNM may hold more than the picture that was read, and need not be a PAM.
        return !file.isEmpty && report.showsItsSource && !format.isRaw && picture.info.source == format.source ? file : nil
    }

    func found(_ tried: TriedQuality, _ name: [UInt8]) {
        if isVerbose { console.say("\(tried.text), of \(tried.encodeCount) encodings", subject: name) }
    }

    func tookOriginal(_ name: [UInt8]) {
        if isVerbose { console.say("its own file is smaller, and was taken", subject: name) }
    }

    func say(_ report: EncodeReport, of picture: any RowSource, _ format: EncodedFormat, _ name: [UInt8]) {
        if report.framesLeft > 0 {
            console.say("warning: an animation; \(report.framesLeft) of its frames are left out, the first is written", subject: name)
        }
        for what in report.leftOut { console.say("warning: left out: \(what)", subject: name) }
        guard isVerbose else { return }
        if picture.info.format.hasAlpha && (format == .jpeg || format == .y4m) { console.say("\(format.rawValue.uppercased()) has no alpha; blended with the background", subject: name) }
        let records = picture.metadata + picture.trailingMetadata
        var unplaced: [String] = []
        for name in records.compactMap(format.nameWithoutPlace) where !unplaced.contains(name) { unplaced.append(name) }
        if !unplaced.isEmpty { console.say("left out: \(unplaced.joined(separator: ", ")); the format has no place for it", subject: name) }
    }
}
