import ImageCore

/// A store that is asked by HTTP: reading is the same for all.
protocol RemoteStore: ObjectStore {
    var transport: Transport { get }
    /// Whether requests have a signature; nil where none is to be had.
    var isSigned: Bool? { get }

    /// `query`: names and values, neither sorted nor encoded. `date`: seconds since 1970.
    func request(_ method: String, _ location: Location, headers: [HTTPHeader], query: [(String, String)], body: [UInt8]?, date: Int64) -> HTTPRequest
}

extension RemoteStore {
    /// The answer to a request that reads nothing.
    func ask(
        _ method: String, _ location: Location, headers: [HTTPHeader] = [], query: [(String, String)] = [], body: [UInt8]? = nil,
        to receiver: any AnswerReceiver = CollectedAnswer(), _ terms: Transport.Terms = Transport.Terms(), accepted: Set<Int> = []
    ) throws(TransferFault) -> HTTPHead {
        try transport.exchange(to: receiver, terms, accepted: accepted, isSigned: isSigned) { date in
            request(method, location, headers: headers, query: query, body: body, date: date)
        }
    }

    public func status(of location: Location) throws(ImageError) -> StoredFile? { try status(of: location, Transport.Terms()) }

    func status(of location: Location, _ terms: Transport.Terms) throws(ImageError) -> StoredFile? {
        do throws(TransferFault) {
            let head = try ask("HEAD", location, terms)
            return StoredFile(head, byteCount: head.contentLength)
        } catch {
            switch error.kind {
            case .missing: return nil
            case .refused:
                // Its answer says no more than a number; that to GET says why, and some servers do not know HEAD.
                do throws(TransferFault) {
                    let download = Download(self, location, 0..<1, of: nil, to: MemoryWindow())
                    try download.run(terms)
                    return download.file
                } catch {
                    if case .missing = error.kind { return nil }
                    throw error.ofOpening
                }
            default: throw error.ofOpening
            }
        }
    }

    public func read(_ location: Location, at offset: UInt64, count: Int, of version: StoredFile?) throws(ImageError) -> [UInt8] {
        let window = MemoryWindow()
        let (end, overflow) = offset.addingReportingOverflow(UInt64(count))
        let download = Download(self, location, offset..<(overflow ? .max : end), of: version, to: window)
        do throws(TransferFault) {
            try download.run(Transport.Terms())
        } catch {
            throw version == nil && download.receivedBytes == 0 ? error.ofOpening : error.ofReading
        }
        return window.take()
    }
}
