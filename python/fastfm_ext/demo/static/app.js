"use strict";
// Page of the demo. All that is chosen stands in the address behind #, so that a reload or a new server loses nothing.

const SEARCH_RESULTS = 6;
const NEIGHBORS = 10;
const MILLISECONDS_TO_RETRY = 1500;
const LABELED = 10;
const RADIUS = 14;

const by = (id) => document.getElementById(id);
const state = { likes: new Map(), n: 10, popularity: 1 };
let about = null;
let recommended = [];
let map = null;
let cursor = -1;

/** Make an element; text is never read as HTML. */
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const plural = (n, noun) => `${n.toLocaleString("en")} ${n === 1 ? noun.replace(/s$/, "") : noun}`;
const described = (item) =>
  [item.description, `chosen by ${plural(item.users, "users")}`].filter(Boolean).join(" · ");

// --- questions to the server ---------------------------------------------------------------------------------------

const running = new Map();

/** Ask the server; a new question of a kind ends the one before. Null where there is no answer. */
async function ask(kind, words = {}) {
  running.get(kind)?.abort();
  const controller = new AbortController();
  running.set(kind, controller);
  const query = new URLSearchParams(about ? { model: about.model, ...words } : words);
  let response, content;
  try {
    response = await fetch(`api/${kind}?${query}`, { signal: controller.signal });
    content = await response.json();
  } catch (error) {
    if (error.name !== "AbortError") wait();
    return null;
  }
  by("offline").hidden = true;
  if (response.ok) return content;
  say_error(content.error, response.status === 409);
  return null;
}

let waiting = 0;

/** Tell that the server is gone, and look for it until it is back. */
function wait() {
  const banner = by("offline");
  if (banner.hidden) {
    banner.textContent = "The server does not answer. Start it again with fastfm-ext demo: what you like is kept here.";
    banner.hidden = false;
  }
  clearTimeout(waiting);
  waiting = setTimeout(begin, MILLISECONDS_TO_RETRY);
}

function say_error(message, is_other_model = false) {
  const banner = by("error");
  banner.textContent = message;
  banner.hidden = !message;
  if (is_other_model) {
    banner.append(" ", make("button", { type: "button", onclick: () => location.reload() }, "Load the page again"));
  }
}

// --- what is chosen ------------------------------------------------------------------------------------------------

function write_address() {
  const words = new URLSearchParams({ model: about.model, n: state.n, popularity: state.popularity });
  if (state.likes.size) words.set("likes", [...state.likes.keys()].join(","));
  history.replaceState(null, "", `#${words}`);
}

/** Take what is chosen from the address; likes of another model would be other items. */
async function read_address() {
  const words = new URLSearchParams(location.hash.slice(1));
  const number = (name, low, high, otherwise) => {
    const value = Number.parseFloat(words.get(name));
    return value >= low && value <= high ? value : otherwise;
  };
  state.n = Math.round(number("n", 1, about.most_items, 10));
  state.popularity = number("popularity", 0, about.highest_popularity, 1);
  state.likes.clear();
  const likes = words.get("likes");
  if (!likes) return;
  if (words.get("model") !== about.model) {
    say_error("What this address likes is of another model, and is left out.");
    return;
  }
  const found = await ask("items", { items: likes });
  for (const item of found?.items ?? []) state.likes.set(item.item, item);
}

function toggle(item) {
  say_error("");
  if (state.likes.has(item.item)) state.likes.delete(item.item);
  else if (state.likes.size < about.most_likes) state.likes.set(item.item, item);
  else say_error(`At most ${about.most_likes} likes. Take one away first.`);
  show_likes();
  recommend();
}

// --- lists ---------------------------------------------------------------------------------------------------------

/** A row of a list of items: a button that likes. */
function row(item, more = "") {
  const button = make(
    "button",
    { type: "button", class: "row", "data-item": item.item, "aria-pressed": state.likes.has(item.item), onclick: () => toggle(item) },
    make("strong", {}, item.title),
    make("small", {}, described(item) + more),
  );
  return make("li", {}, button);
}

function show_likes() {
  by("likes").replaceChildren(
    ...[...state.likes.values()].map((item) =>
      make("li", {}, make("button", { type: "button", "aria-label": `Like ${item.title} no more`, onclick: () => unlike(item) }, item.title)),
    ),
  );
  by("no-likes").hidden = state.likes.size > 0;
  by("clear").hidden = state.likes.size === 0;
  for (const button of document.querySelectorAll("[data-item]")) {
    button.setAttribute("aria-pressed", state.likes.has(Number(button.dataset.item)));
  }
}

/** Take a like away by its chip, and let the keyboard go on at the next one. */
function unlike(item) {
  const at = [...state.likes.keys()].indexOf(item.item);
  toggle(item);
  const chips = by("likes").querySelectorAll("button");
  (chips[Math.min(at, chips.length - 1)] ?? by("likes-heading")).focus();
}

async function search() {
  const words = by("search").value.trim();
  const found = await ask("search", { q: words, n: SEARCH_RESULTS });
  if (!found) return;
  by("results").replaceChildren(...found.items.map((item) => row(item)));
  if (!words) by("found").textContent = "";
  else by("found").textContent = found.items.length ? `${plural(found.items.length, about.noun)} found` : "Nothing found";
  if (!found.items.length) by("results").append(make("li", { class: "hint" }, "Nothing has all these words in its title."));
}

/** Go through the results by arrow keys. */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const buttons = [...by("results").querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement) + (step ?? 0);
  if (!step || !buttons.length || at >= buttons.length) return;
  event.preventDefault();
  (at < 0 ? by("search") : buttons[at]).focus();
}

async function recommend() {
  write_address();
  by("n-value").textContent = state.n;
  const times = `× ${state.popularity.toFixed(1)}`;
  by("popularity-value").textContent = state.popularity === 1 ? `${times}, as learned` : times;
  by("popularity").setAttribute("aria-valuetext", by("popularity-value").textContent);
  const words = { n: state.n, popularity: state.popularity };
  if (state.likes.size) words.likes = [...state.likes.keys()].join(",");
  const began = performance.now();
  const found = await ask("recommend", words);
  if (!found) return;
  const milliseconds = Math.max(1, Math.round(performance.now() - began));
  const focused = document.activeElement?.closest("#items > li");
  const at = focused ? [...by("items").children].indexOf(focused) : -1;
  const open = new Set([...by("items").querySelectorAll("details[open]")].map((details) => details.dataset.of));
  recommended = found.items;
  by("items").replaceChildren(...found.items.map((item) => recommendation(item, open)));
  // What had the focus may be gone: the keyboard goes on at the same place.
  if (at >= 0) (by("items").children[Math.min(at, found.items.length - 1)]?.querySelector("button") ?? by("recommended-heading")).focus();
  const what = `${plural(found.items.length, about.noun)}`;
  by("status").textContent = state.likes.size
    ? `${what} for your ${plural(state.likes.size, "likes")}, in ${milliseconds} ms`
    : `${what} that most users chose, until you like something`;
  draw();
}

function recommendation(item, open) {
  const pressed = state.likes.has(item.item);
  const like = make(
    "button",
    { type: "button", "aria-label": `Like ${item.title}`, "aria-pressed": pressed, "data-item": item.item, onclick: () => toggle(item) },
    pressed ? "♥ Liked" : "♡ Like",
  );
  const similar = make("button", { type: "button", "aria-label": `Similar to ${item.title}`, onclick: () => show_similar(item) }, "Similar");
  const details = make("details", { "data-of": item.item }, make("summary", { "aria-label": `Why ${item.title}, in numbers` }, "In numbers"), parts(item));
  details.open = open.has(String(item.item));
  return make(
    "li",
    {},
    make("h3", {}, item.title),
    make("div", { class: "buttons" }, like, similar),
    make("p", { class: "what" }, described(item)),
    make("p", { class: "reason" }, ...reason(item)),
    details,
  );
}

/** Say in a sentence why an item is recommended: the likes that add most to its score. */
function reason(item) {
  const best = item.because.filter((part) => part.value > 0 && part.value >= 0.4 * item.because[0].value).slice(0, 2);
  if (!best.length) return ["Because many users chose it"];
  const names = best.flatMap((part, at) => [...(at ? [" and "] : []), make("strong", {}, part.title)]);
  return ["Because you like ", ...names, ...(item.alone > item.choices ? [", and many users chose it"] : [])];
}

/** A table of what makes the score. */
function parts(item) {
  const is_sum = about.reasons === "sum";
  const shown = item.because.reduce((sum, part) => sum + part.value, 0);
  const rows = item.because.map((part) => [part.title, part.value, "like"]);
  const rest = item.choices - (is_sum ? shown : 0);
  if (!is_sum && item.because.length) rows.push(["All likes together", rest, ""]);
  else if (Math.abs(rest) > 0.0005) rows.push(["Other likes, and all else", rest, ""]);
  rows.push(["By itself, whoever asks", item.alone, ""]);
  const longest = Math.max(...rows.map(([, value]) => Math.abs(value)), 1e-9);
  const caption = is_sum ? "Parts of the score" : "Of a like: what the score would lose without it";
  return make(
    "table",
    {},
    make("caption", {}, caption),
    make("tbody", {}, ...rows.map(([name, value, kind]) => {
      const bar = make("span");
      bar.style.width = `${Math.max(0, value / longest) * 100}%`;
      return make("tr", { class: kind }, make("th", { scope: "row" }, name), make("td", {}, value.toFixed(2)), make("td", { class: "bar", "aria-hidden": "true" }, bar));
    })),
    make("tfoot", {}, make("tr", {}, make("th", { scope: "row" }, "Score"), make("td", {}, item.score.toFixed(2)), make("td", { "aria-hidden": "true" }))),
  );
}

async function show_similar(item) {
  const found = await ask("similar", { item: item.item, n: NEIGHBORS });
  if (!found) return;
  by("similar-heading").textContent = `Similar to ${found.of.title}`;
  by("neighbors").replaceChildren(...found.items.map((other) => row(other, ` · cosine ${other.cosine.toFixed(2)}`)));
  by("similar").showModal();
}

// --- map -----------------------------------------------------------------------------------------------------------

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

async function load_map() {
  map = await ask("map");
  if (!map) return;
  map.row = new Map(map.items.map((item, at) => [item, at]));
  map.height = Math.max(...map.y, 1);
  map.width = Math.max(...map.x, 1);
  const shares = map.variance.map((share) => Math.round(100 * share));
  by("map-hint").textContent =
    `What the model finds alike lies close together. Click, or go by the arrow keys and like by Enter. ` +
    `Two principal components of the factors, ${shares[0]} % and ${shares[1]} % of their variance.`;
  const entries = [...map.groups.map((name, at) => [`group-${at}`, name]), ["like", "you like"], ["accent", "recommended"]];
  by("legend").replaceChildren(
    ...entries.map(([name, text]) => {
      const dot = make("span", { "aria-hidden": "true" });
      dot.style.background = `var(--${name})`;
      if (name === "accent") Object.assign(dot.style, { background: "none", border: "2px solid var(--text)" });
      return make("li", {}, dot, text);
    }),
  );
  draw();
}

/** Where a row of the map is drawn, in pixels of the page. */
function position(at) {
  const { clientWidth: width, clientHeight: height } = by("map");
  const edge = 16;
  const x = edge + (map.x[at] / map.width) * (width - 2 * edge);
  return [x, height - edge - (map.y[at] / map.height) * (height - 2 * edge)];
}

function draw() {
  if (!map) return;
  const canvas = by("map");
  const scale = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * scale;
  canvas.height = canvas.clientHeight * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const colors = map.groups.map((_, at) => color(`group-${at}`));
  const dot = (at, radius) => {
    pen.beginPath();
    pen.arc(...position(at), radius, 0, 2 * Math.PI);
  };
  const size = map.items.length > 2000 ? 1.6 : 2.2;
  pen.globalAlpha = 0.6;
  map.items.forEach((_, at) => {
    pen.fillStyle = colors[map.group[at]] ?? color_of_others;
    dot(at, size);
    pen.fill();
  });
  pen.globalAlpha = 1;
  const labels = [];
  for (const item of recommended) {
    const at = map.row.get(item.item);
    if (at === undefined) continue;
    pen.strokeStyle = color("text");
    pen.lineWidth = 2;
    dot(at, 5);
    pen.stroke();
    labels.push([at, color("text")]);
  }
  for (const item of state.likes.keys()) {
    const at = map.row.get(item);
    if (at === undefined) continue;
    pen.fillStyle = color("like");
    dot(at, 6);
    pen.fill();
    labels.unshift([at, color("like")]);
  }
  if (cursor >= 0) {
    pen.strokeStyle = color("accent");
    pen.lineWidth = 3;
    dot(cursor, 9);
    pen.stroke();
  }
  write_labels(pen, labels.slice(0, LABELED), canvas.clientWidth);
}

let color_of_others = color("point");

/** Write titles beside their points where they meet no other title, and no other point that has one. */
function write_labels(pen, labels, width) {
  pen.font = "600 12px system-ui, 'Liberation Sans', 'DejaVu Sans', sans-serif";
  pen.textBaseline = "middle";
  pen.lineWidth = 4;
  pen.strokeStyle = color("ground");
  const taken = labels.map(([at]) => [position(at)[0] - 5, position(at)[1], 10]);
  for (const [at, fill] of labels) {
    const title = map.titles[at].length > 34 ? `${map.titles[at].slice(0, 33)}…` : map.titles[at];
    const length = pen.measureText(title).width;
    const [x, y] = position(at);
    const places = [[x + 10, y], [x - 10 - length, y], [x - length / 2, y - 15], [x - length / 2, y + 15]];
    const free = places.find(([left, middle]) =>
      left > 2 && left + length < width - 2 && taken.every(([l, m, w]) => left > l + w + 4 || l > left + length + 4 || Math.abs(m - middle) > 14));
    if (!free) continue;
    taken.push([...free, length]);
    pen.strokeText(title, ...free);
    pen.fillStyle = fill;
    pen.fillText(title, ...free);
  }
}

/** The row of the map that is nearest to a pixel, -1 if none is near. */
function nearest(x, y) {
  let best = -1;
  let closest = RADIUS ** 2;
  map?.items.forEach((_, at) => {
    const [px, py] = position(at);
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < closest) [best, closest] = [at, distance];
  });
  return best;
}

/** The nearest row of the map in the direction of an arrow key. */
function next_in(direction) {
  const [dx, dy] = direction;
  const [x, y] = position(cursor);
  let best = cursor;
  let closest = Infinity;
  map.items.forEach((_, at) => {
    const [px, py] = position(at);
    const along = (px - x) * dx + (py - y) * dy;
    const across = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
    const distance = along + 2 * across;
    if (along > 1 && across <= 2 * along && distance < closest) [best, closest] = [at, distance];
  });
  return best;
}

function show_tip(at) {
  const tip = by("tip");
  cursor = at;
  tip.hidden = at < 0;
  draw();
  if (at < 0) return;
  const [x, y] = position(at);
  tip.textContent = map.titles[at];
  const width = by("map").clientWidth;
  tip.style.top = `${y + 14}px`;
  tip.style.left = `${Math.max(0, Math.min(x - tip.offsetWidth / 2, width - tip.offsetWidth))}px`;
}

async function like_on_map() {
  if (cursor < 0) return;
  const found = await ask("items", { items: map.items[cursor] });
  if (!found) return;
  toggle(found.items[0]);
  const liked = state.likes.has(found.items[0].item);
  by("here").textContent = `${found.items[0].title}: ${liked ? "liked" : "liked no more"}`;
}

function go_on_map(event) {
  const direction = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!map || !map.items.length) return;
  if (event.key === "Enter" || event.key === " ") like_on_map();
  else if (event.key === "Escape") show_tip(-1);
  else if (direction) {
    show_tip(cursor < 0 ? (map.row.get(recommended[0]?.item) ?? 0) : next_in(direction));
    by("here").textContent = map.titles[cursor];
  } else return;
  event.preventDefault();
}

// --- the page ------------------------------------------------------------------------------------------------------

async function begin() {
  const was_here = about !== null;
  const found = was_here ? await ask("about") : await ask("about", {});
  if (!found) return;
  about = found;
  if (!was_here) {
    const noun = about.noun[0].toUpperCase() + about.noun.slice(1);
    document.title = `${noun} that go with what you like`;
    document.querySelector("h1").textContent = document.title;
    by("map-heading").textContent = `Map of ${about.noun}`;
    by("about").textContent = `${plural(about.items, about.noun)}, by what ${plural(about.users, "users")} chose`;
    by("n").max = about.most_items;
    by("popularity").max = about.highest_popularity;
    await read_address();
  }
  by("n").value = state.n;
  by("popularity").value = state.popularity;
  show_likes();
  await Promise.all([search(), recommend()]);
  if (!map) await load_map();
}

by("search").addEventListener("input", search);
by("search").closest("section").addEventListener("keydown", walk);
by("n").addEventListener("input", (event) => { state.n = Number(event.target.value); recommend(); });
by("popularity").addEventListener("input", (event) => { state.popularity = Number(event.target.value); recommend(); });
by("clear").addEventListener("click", () => { state.likes.clear(); show_likes(); recommend(); by("search").focus(); });
by("close").addEventListener("click", () => by("similar").close());
by("map").addEventListener("keydown", go_on_map);
by("map").addEventListener("blur", () => show_tip(-1));
by("map").addEventListener("pointermove", (event) => show_tip(nearest(event.offsetX, event.offsetY)));
by("map").addEventListener("pointerleave", () => show_tip(-1));
by("map").addEventListener("click", (event) => { show_tip(nearest(event.offsetX, event.offsetY)); like_on_map(); });
new ResizeObserver(draw).observe(by("map"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { color_of_others = color("point"); draw(); });
window.addEventListener("hashchange", async () => { await read_address(); begin(); });
begin();
