"use strict";
// What the page does. One picture, one result that is shown, at most one request and one comparison under way.

const element = (id) => document.getElementById(id);
const [fileInput, quality, width, format, status, result, stage] = ["file", "quality", "width", "format", "status", "result", "stage"].map(element);
const DEBOUNCE_MS = 200;
const endings = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"};

let picture = null;  // file, kind, width (0 where the browser cannot show it), url
let shown = null;    // the URL of the result
let turn = 0;        // of what was asked for last: an answer of another turn is dropped
let controller = null, comparison = null, timer = 0;

function say(text, isFault = false) {
  status.textContent = text;
  status.classList.toggle("fault", isFault);
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(2)} MB`;
}

function fact(id, text, title = "") {
  element(id).textContent = text;
  element(id).title = title;
}

/// Whole numbers of bytes are for who looks closer, and for tests.
function factOfBytes(id, count) {
  fact(id, bytes(count), `${count} bytes`);
  element(id).dataset.bytes = count;
}

/// By content, as the service does; what is neither of these becomes a JPEG.
async function kindOf(file) {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const text = String.fromCharCode(...head);
  if (text.startsWith("\x89PNG")) return "png";
  return text.startsWith("RIFF") && text.endsWith("WEBP") ? "webp" : "jpeg";
}

/// Loads a URL into a picture of its own, so that what is shown changes only when the whole is there; null where it cannot be shown.
async function load(url) {
  const image = new Image();
  image.src = url;
  try { await image.decode(); } catch { return null; }
  return image;
}

function stop() {
  clearTimeout(timer);
  controller?.abort();
  comparison?.terminate();
  controller = comparison = null;
  return ++turn;
}

async function take(file) {
  if (!file) return;
  const mine = stop();
  result.hidden = true;
  say(`Reading ${file.name || "the picture"} …`);
  const url = URL.createObjectURL(file);
  let found;
  try {
    found = await Promise.all([kindOf(file), load(url)]);
  } catch {
    found = null;
  }
  if (mine !== turn) return URL.revokeObjectURL(url);
  if (!found) return say("The file cannot be read.", true);
  if (picture) URL.revokeObjectURL(picture.url);
  const [kind, image] = found;
  picture = {file, kind, url, width: image?.naturalWidth ?? 0, height: image?.naturalHeight ?? 0};
  if (image) element("before").src = url;
  // All the way to the right is the picture as it is.
  width.disabled = picture.width < 2;
  width.max = Math.max(picture.width, 1);
  width.min = Math.min(16, width.max);
  width.value = width.max;
  showOptions();
  compress();
}

const targetFormat = () => format.value === "same" ? picture?.kind ?? "jpeg" : format.value;
const isResized = () => !width.disabled && width.value !== width.max;

function showOptions() {
  element("quality-value").value = quality.value;
  element("width-value").value = width.disabled ? "its own" : `${width.value} px${isResized() ? "" : ", its own"}`;
  quality.disabled = targetFormat() === "png";
}

function change() {
  showOptions();
  if (!picture) return;
  stop();
  result.setAttribute("aria-busy", "true");
  timer = setTimeout(compress, DEBOUNCE_MS);
}

/// What the service answers: its picture, or a fault in its words.
async function request(signal) {
  const query = new URLSearchParams({format: targetFormat()});
  if (!quality.disabled) query.set("quality", quality.value);
  if (isResized()) query.set("resize", width.value);
  const began = performance.now();
  const answer = await fetch(`/compress?${query}`, {method: "POST", body: picture.file, signal});
  if (!answer.ok) {
    const text = await answer.text();
    let detail;
    try { detail = JSON.parse(text).detail; } catch { /* not from the service: a proxy's page, say */ }
    return {fault: detail ?? `The answer is ${answer.status} ${answer.statusText}`};
  }
  const blob = await answer.blob();
  return {blob, milliseconds: performance.now() - began, timing: answer.headers.get("Server-Timing"), warning: answer.headers.get("Warning")};
}

async function compress() {
  const mine = stop();
  controller = new AbortController();
  result.setAttribute("aria-busy", "true");
  say("Compressing …");
  let answer;
  try {
    answer = await request(controller.signal);
  } catch (error) {
    answer = {fault: `The service does not answer (${error.message}).`};
  }
  if (mine !== turn) return;
  if (answer.fault) return fail(answer.fault);
  const url = URL.createObjectURL(answer.blob);
  const image = await load(url);
  if (mine !== turn) return URL.revokeObjectURL(url);
  show(answer, url, image);
  compare(mine, answer);
}

function fail(fault) {
  result.hidden = true;
  result.setAttribute("aria-busy", "false");
  say(fault, true);
}

function percent(answer) {
  return (1 - answer.blob.size / picture.file.size) * 100;
}

function told(answer) {
  const saved = percent(answer);
  return `${bytes(picture.file.size)} before, ${bytes(answer.blob.size)} after: ${Math.abs(saved).toFixed(1)} % ${saved < 0 ? "larger" : "smaller"}.`
    + (answer.warning ? ` ${answer.warning}` : "");
}

function show(answer, url, image) {
  if (shown) URL.revokeObjectURL(shown);
  shown = url;
  element("after").src = url;
  stage.classList.toggle("single", !picture.width);
  if (image) {
    stage.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
    stage.style.setProperty("--wide", picture.width || image.naturalWidth);
  }
  factOfBytes("bytes-before", picture.file.size);
  factOfBytes("bytes-after", answer.blob.size);
  fact("size-before", picture.width ? `${picture.width} × ${picture.height}` : "not shown by this browser");
  fact("size-after", image ? `${image.naturalWidth} × ${image.naturalHeight}, ${answer.blob.type.slice(6).toUpperCase()}` : "");
  fact("saving", `${percent(answer).toFixed(1)} %`.replace("-", "−"));
  fact("ssim", "…");
  const stages = (answer.timing ?? "").split(",").map((part) => part.trim().split(";dur=")).filter((part) => part.length === 2);
  const inside = stages.reduce((total, [, milliseconds]) => total + Number(milliseconds), 0);
  fact("time", `${Math.round(answer.milliseconds)} ms`);
  fact("timing", stages.length ? `${Math.round(inside)} ms in the service` : "", stages.map(([name, value]) => `${name} ${value} ms`).join(", "));
  const link = element("download");
  link.href = url;
  link.download = `${(picture.file.name || "picture").replace(/\.[^.]*$/, "")}-small.${endings[answer.blob.type] ?? "bin"}`;
  result.hidden = false;
  result.setAttribute("aria-busy", "false");
}

/// In a worker, which is ended when something else is asked for; its program is the page's own, so that there is nothing else to fetch.
function compare(mine, answer) {
  if (!picture.width) {
    fact("ssim", "–");
    fact("ssim-note", "needs both to be shown");
    return say(told(answer));
  }
  // What is said is read out: the sentence comes once, when it is whole.
  say("Comparing …");
  const program = URL.createObjectURL(new Blob([element("similarity").textContent], {type: "text/javascript"}));
  const worker = comparison = new Worker(program);
  const finish = (value, note) => {
    worker.terminate();
    URL.revokeObjectURL(program);
    if (mine !== turn) return;
    comparison = null;
    fact("ssim", value);
    fact("ssim-note", note);
    say(`${told(answer)} SSIM ${value}.`);
  };
  worker.onmessage = ({data}) => {
    if (data.fault) finish("–", data.fault);
    else finish(data.ssim.toFixed(4), data.isScaled ? "with yours, scaled" : "1 is equal");
  };
  worker.onerror = (event) => finish("–", event.message ?? "it cannot be reckoned");
  worker.postMessage({before: picture.file, after: answer.blob});
}

/// What is dropped or pasted; the button then has its name too.
function receive(transfer) {
  if (!transfer.files.length) return;
  const one = new DataTransfer();
  one.items.add(transfer.files[0]);
  fileInput.files = one.files;
  take(fileInput.files[0]);
}

fileInput.addEventListener("change", () => take(fileInput.files[0]));
for (const option of [quality, width, format]) option.addEventListener("input", change);
element("options").addEventListener("submit", (event) => event.preventDefault());
element("wipe").addEventListener("input", ({target}) => stage.style.setProperty("--wipe", `${target.value}%`));
// Over the whole page: beside the target a browser would leave the page and show the file.
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  receive(event.dataTransfer);
});
document.addEventListener("paste", (event) => receive(event.clipboardData));
showOptions();
