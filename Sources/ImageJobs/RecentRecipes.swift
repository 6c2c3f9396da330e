import ImageCore

/// The recipes of late: batches and services have few, and a pipeline keeps what it has made for one.
struct RecentRecipes: Sendable {
    /// The newest first.
    private var recipes: [(words: [String], recipe: Recipe)] = []
    private let most: Int
    /// What a worker process is told of a picture fits into one packet.
    private static let mostWordBytes = 16 << 10

    init(most: Int) { self.most = most }

    /// The one that was made of these words; nil where there is none. Throws `usage` for more words than a recipe may have.
    func recipe(_ words: [String]) throws(ImageError) -> Recipe? {
        guard words.reduce(0, { $0 + $1.utf8.count + 1 }) <= Self.mostWordBytes else { throw .usage("options of more than \(Self.mostWordBytes) bytes") }
        return recipes.first { $0.words == words }?.recipe
    }

    /// `words`: those that it was made of; its own may leave out some that mean nothing.
    mutating func add(_ recipe: Recipe, of words: [String]) {
        recipes.insert((words, recipe), at: 0)
        if recipes.count > most { recipes.removeLast() }
    }
}
