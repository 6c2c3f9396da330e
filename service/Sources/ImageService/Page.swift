/// What `/` answers: a form for a picture and a width.
enum Page {
    static let html = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <title>imgserve</title>
        <h1>imgserve</h1>
        <form id="form">
        <p><label>Picture <input type="file" name="file" accept="image/*" required></label>
        <p><label>Width <input type="number" name="resize" value="800" min="1"></label>
        <p><label>Quality <input type="number" name="quality" value="80" min="1" max="100"></label>
        <p><button>Compress</button>
        </form>
        <p id="sizes"></p>
        <img id="result" alt="">
        <script src="/page.js"></script>
        </html>

        """

    static let script = """
        document.getElementById("form").addEventListener("submit", async (event) => {
          event.preventDefault();
          const form = new FormData(event.target);
          const query = new URLSearchParams({resize: form.get("resize"), quality: form.get("quality")});
          const answer = await fetch("/compress?" + query, {method: "POST", body: form.get("file")});
          const sizes = document.getElementById("sizes");
          if (!answer.ok) { sizes.textContent = (await answer.json()).detail; return; }
          const picture = await answer.blob();
          sizes.textContent = form.get("file").size + " bytes before, " + picture.size + " after";
          document.getElementById("result").src = URL.createObjectURL(picture);
        });

        """

    /// Nothing but what comes from here.
    static let policy = "default-src 'self'; img-src 'self' blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
}
