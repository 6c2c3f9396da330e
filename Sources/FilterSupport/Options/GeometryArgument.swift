import ImageCore

extension Geometry {
    /// A geometry from the command line; throws `usage`. `name`: of the option that it is the value of.
    public init(argument: String, of name: String = "") throws(ImageError) {
        guard let geometry = Geometry(argument) else {
            throw .usage("\(name.isEmpty ? "" : "--\(name) ")\(GivenOptions.printable(argument)) is no geometry; see imgresize --help")
        }
        self = geometry
    }
}
