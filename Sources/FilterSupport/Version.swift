/// The version of the suite, said by --version: the one place.
public enum Version {
    public static let text = "0.1.0"
}
