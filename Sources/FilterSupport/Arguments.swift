import ArgumentParser
import ImageCore

extension Color: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }

    public var defaultValueDescription: String { self == .white ? "white" : "black" }
}

extension Kernel: ExpressibleByArgument {}

extension Gravity: ExpressibleByArgument {}

extension Region: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
