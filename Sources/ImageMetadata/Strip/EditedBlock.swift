/// What became of a block of metadata of which only some may stay.
enum EditedBlock: Equatable {
    case kept([UInt8])
    /// Nothing in it stays.
    case nothing
    /// It is not what it claims to be, or breaks its rules so that a part of it cannot be told from another.
    case malformed
}
