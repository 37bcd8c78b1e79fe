// The web page of `mtkit serve`: translates while the user types. Without this script, the form
// still works.
"use strict";

const $ = (id) => document.getElementById(id);
const form = $("form");
const texts = JSON.parse($("texts").textContent);
const limit = Number(form.dataset.limit);
const nAlternatives = Number(form.dataset.alternatives);
const TYPING_PAUSE_MS = 600;

let running = null; // AbortController of the request in progress
let timer = 0;
let words = []; // of the translation: {begin, end, text, element, links: [[begin, end], ...]}
let active = -1; // index in words

document.documentElement.classList.remove("without-script");
$("swap").type = "button";

// ---- requests

class RequestError extends Error {}

async function call(path, body, signal) {
  const isForm = body instanceof FormData;
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      signal,
      body: isForm ? body : JSON.stringify(body),
      headers: isForm ? {} : { "Content-Type": "application/json" },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError(texts.unreachable);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const wait = response.headers.get("Retry-After");
  if (response.status === 429 && wait) throw new RequestError(texts.busy.replace("{seconds}", wait));
  throw new RequestError(answer.error || `HTTP ${response.status}`);
}

function withKey(body) {
  if (form.dataset.needsKey) body.api_key = $("key").value;
  return body;
}

function show(message, isError = false) {
  $("status").textContent = message;
  $("status").classList.toggle("error", isError);
}

// ---- languages

const names = new Intl.DisplayNames([document.documentElement.lang], { type: "language", fallback: "none" });
for (const option of [...$("source").options, ...$("target").options]) {
  if (option.value !== "auto") option.text = nameOf(option.value) ?? option.text;
}

function nameOf(code) {
  try {
    return names.of(code);
  } catch {
    return undefined; // such as "multilingual"
  }
}

function updateTargets() {
  const option = $("source").selectedOptions[0];
  const targets = option.dataset.targets?.split(" ");
  for (const one of $("target").options) one.disabled = Boolean(targets && !targets.includes(one.value));
  if ($("target").selectedOptions[0]?.disabled) {
    $("target").value = [...$("target").options].find((one) => !one.disabled)?.value ?? "";
  }
  $("text").lang = $("source").value === "auto" ? "" : $("source").value;
  $("translation").lang = $("target").value;
  updateSwap();
}

function updateSwap() {
  const source = $("source").value === "auto" ? $("detected").dataset.code : $("source").value;
  const back = [...$("source").options].find((one) => one.value === $("target").value);
  $("swap").disabled = !source || !back || !back.dataset.targets?.split(" ").includes(source);
}

function swap() {
  const source = $("source").value === "auto" ? $("detected").dataset.code : $("source").value;
  const translation = $("translation").textContent;
  $("source").value = $("target").value;
  updateTargets();
  $("target").value = source;
  if (translation) $("text").value = translation;
  updateTargets();
  changed(0);
}

// ---- the translation

function changed(wait) {
  clearTimeout(timer);
  running?.abort();
  clearWords();
  const n = Array.from($("text").value).length;
  $("count").textContent = `${n.toLocaleString()} / ${limit.toLocaleString()}`;
  $("count").classList.toggle("error", n > limit);
  if (!$("text").value.trim()) {
    render("", []);
    showAlternatives([]);
    showDetected(null);
    $("translation").classList.remove("waiting");
    show("");
  } else if (n <= limit) {
    timer = setTimeout(translate, wait);
  }
}

async function translate() {
  clearTimeout(timer);
  running?.abort();
  const text = $("text").value;
  if (!text.trim()) return;
  const controller = (running = new AbortController());
  $("translation").classList.add("waiting");
  show(texts.translating);
  const terms = readTerms();
  try {
    const answer = await call(
      "translate",
      withKey({
        q: text,
        source: $("source").value,
        target: $("target").value,
        format: "text",
        // Translations with terms have no alternatives.
        alternatives: Object.keys(terms).length ? 0 : nAlternatives,
        alignments: true,
        terms,
      }),
      controller.signal,
    );
    render(answer.translatedText, answer.alignments ?? []);
    showAlternatives(answer.alternatives ?? []);
    showDetected(answer.detectedLanguage ?? null);
    show("");
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof RequestError)) throw error;
    show(error.message, true);
  }
  $("translation").classList.remove("waiting");
}

function showDetected(detected) {
  const option = detected && [...$("source").options].find((one) => one.value === detected.language);
  $("detected").dataset.code = option ? option.value : "";
  $("detected").textContent = option ? texts.detected.replace("{language}", option.text) : "";
  updateSwap();
}

function readTerms() {
  const terms = {};
  for (const line of $("terms").value.split("\n")) {
    const at = line.includes("\t") ? line.indexOf("\t") : line.indexOf("=");
    const source = line.slice(0, at).trim();
    const target = line.slice(at + 1).trim();
    if (at > 0 && source && target) terms[source] = target;
  }
  return terms;
}

// Alignments are pairs of spans in characters, which are code points: [src begin, src end, tgt
// begin, tgt end].
function render(translation, alignments) {
  clearWords();
  const box = $("translation");
  const chars = Array.from(translation);
  const spans = new Map();
  for (const [srcBegin, srcEnd, begin, end] of alignments) {
    const key = `${begin} ${end}`;
    if (!spans.has(key)) spans.set(key, { begin, end, links: [] });
    spans.get(key).links.push([srcBegin, srcEnd]);
  }
  words = [...spans.values()].sort((a, b) => a.begin - b.begin);
  box.replaceChildren();
  let at = 0;
  words.forEach((word, index) => {
    box.append(chars.slice(at, word.begin).join(""));
    word.element = document.createElement("span");
    word.text = chars.slice(word.begin, word.end).join("");
    word.element.textContent = word.text;
    word.element.dataset.index = index;
    box.append(word.element);
    at = word.end;
  });
  box.append(chars.slice(at).join(""));
  active = -1;
}

function activate(index) {
  if (index === active) return;
  clearWords();
  const word = words[index];
  if (!word) return;
  active = index;
  const mark = document.createElement("mark");
  word.element.replaceChildren(mark);
  const chars = Array.from($("text").value);
  mark.textContent = word.text;
  const backdrop = $("backdrop");
  const sources = [];
  let at = 0;
  for (const [begin, end] of word.links.slice().sort((a, b) => a[0] - b[0])) {
    if (begin < at) continue;
    backdrop.append(chars.slice(at, begin).join(""));
    const source = document.createElement("mark");
    source.textContent = chars.slice(begin, end).join("");
    sources.push(source.textContent);
    backdrop.append(source);
    at = end;
  }
  backdrop.append(`${chars.slice(at).join("")}\n`);
  backdrop.scrollTop = $("text").scrollTop;
  backdrop.style.right = `${$("text").offsetWidth - $("text").clientWidth}px`; // the scroll bar
  $("words").textContent = `${mark.textContent} ← ${sources.join(" ")}`;
}

function clearWords() {
  if (words[active]) words[active].element.textContent = words[active].text;
  active = -1;
  $("backdrop").replaceChildren();
  $("words").textContent = "";
}

function showAlternatives(alternatives) {
  const list = $("alternatives").querySelector("ol");
  list.replaceChildren();
  for (const text of alternatives) {
    const button = document.createElement("button");
    button.type = "button";
    button.dir = "auto";
    button.lang = $("target").value;
    button.textContent = text;
    button.addEventListener("click", () => {
      const before = $("translation").textContent;
      render(text, []);
      button.textContent = before;
      show(texts.chosen);
    });
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  $("alternatives").hidden = alternatives.length === 0;
}

// ---- documents

let upload = null;

function translateDocument(file) {
  upload?.abort();
  const request = (upload = new XMLHttpRequest());
  const body = new FormData();
  for (const [name, value] of Object.entries(
    withKey({ source: $("source").value, target: $("target").value }),
  )) {
    body.append(name, value);
  }
  body.append("file", file);
  $("report").replaceChildren();
  $("document-status").classList.remove("error");
  $("document-status").textContent = texts.uploading.replace("{file}", file.name);
  $("document-progress").hidden = false;
  $("progress").removeAttribute("value");
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) $("progress").value = event.loaded / event.total;
  });
  request.upload.addEventListener("load", () => {
    $("progress").removeAttribute("value");
    $("document-status").textContent = texts.translating_document.replace("{file}", file.name);
  });
  request.addEventListener("load", () => documentDone(file, request));
  request.addEventListener("error", () => documentFailed(texts.unreachable));
  request.addEventListener("abort", () => documentFailed(texts.cancelled));
  request.responseType = "json";
  request.open("POST", "translate_file");
  request.send(body);
}

function documentFailed(message) {
  $("document-progress").hidden = true;
  $("document-status").textContent = message;
  $("document-status").classList.add("error");
}

function documentDone(file, request) {
  const answer = request.response ?? {};
  if (request.status !== 200) {
    documentFailed(answer.error || `HTTP ${request.status}`);
    return;
  }
  $("document-progress").hidden = true;
  const link = document.createElement("a");
  link.href = answer.translatedFileUrl;
  link.download = "";
  link.textContent = texts.download.replace("{file}", file.name);
  $("document-status").replaceChildren(link);
  const report = answer.report;
  if (!report) return;
  const lines = [
    texts.segments.replace("{n}", report.segments).replace("{changed}", report.changed),
    ...Object.entries({ ...report.fallbacks, ...report.flags }).map(([name, n]) => `${name}: ${n}`),
  ];
  for (const line of lines) {
    const item = document.createElement("li");
    item.textContent = line;
    $("report").append(item);
  }
  link.focus();
}

// ---- events

form.addEventListener("submit", (event) => {
  event.preventDefault();
  translate();
});
$("text").addEventListener("input", () => changed(TYPING_PAUSE_MS));
$("text").addEventListener("scroll", () => ($("backdrop").scrollTop = $("text").scrollTop));
$("terms").addEventListener("input", () => changed(TYPING_PAUSE_MS));
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    translate();
  }
});
for (const id of ["source", "target"]) {
  $(id).addEventListener("change", () => {
    showDetected(null);
    updateTargets();
    changed(0);
  });
}
$("swap").addEventListener("click", swap);
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("translation").textContent);
    show(texts.copied);
  } catch {
    getSelection().selectAllChildren($("translation"));
    show(texts.selected);
  }
});
$("translation").addEventListener("mouseover", (event) => {
  const index = event.target.closest("[data-index]")?.dataset.index;
  if (index === undefined) clearWords();
  else activate(Number(index));
});
$("translation").addEventListener("mouseleave", clearWords);
$("translation").addEventListener("blur", clearWords);
$("translation").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || words.length === 0) return;
  event.preventDefault();
  activate(Math.min(Math.max(active + step, 0), words.length - 1));
});
if ($("file")) {
  const drop = $("drop");
  $("file").addEventListener("change", () => {
    if ($("file").files[0]) translateDocument($("file").files[0]);
    $("file").value = "";
  });
  $("cancel").addEventListener("click", () => upload?.abort());
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files[0]) translateDocument(event.dataTransfer.files[0]);
    });
  }
}

updateTargets();
if (!$("translation").textContent) changed(0); // a link may give a text
