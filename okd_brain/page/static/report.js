// The page: a table, two charts, a list, and an utterance to listen to; below
// them, curves of training. data.js calls OKD.show with everything but sound;
// audio/*.js, loaded when an utterance is chosen, calls OKD.hear; runs.js calls
// OKD.follow.
"use strict";

const COLOURS = ["#8a8f98", "#e07b1a", "#2f8fd8", "#1fa37a", "#c774ae", "#c9a200", "#7d6be0", "#d8554f"];
const AGAIN = 20_000; // ms until newer curves are asked for
const $ = id => document.getElementById(id);
const text = (value, digits = 3) => value == null ? "–" : value.toFixed(digits);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function options(select, values, chosen) {
  select.replaceChildren(...values.map(v => {
    const [value, label] = Array.isArray(v) ? v : [v, v];
    return element("option", { value, textContent: label, selected: value === chosen });
  }));
}

// P(at least so many right by guessing), one-sided.
function binomialTail(right, trials) {
  let term = 0.5 ** trials, sum = 0;
  for (let k = 0; k <= trials; k++) {
    if (k >= right) sum += term;
    term *= (trials - k) / (k + 1);
  }
  return Math.min(1, sum);
}

const OKD = {
  data: null, sounds: {}, waiting: {}, shown: new Set(), order: [], chosen: null,
  sort: { metric: null, down: true },

  show(data) {
    this.data = data;
    document.title = data.title;
    $("title").textContent = data.title;
    this.setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const untested = !data.systems.length;
    for (const id of ["systems", "charts", "utterances", "listen", "help-button"]) $(id).hidden = untested;
    if (untested) Object.assign($("skip"), { href: "#training", textContent: "Skip to training" });
    else this.showTest(data);
  },

  showTest(data) {
    this.colours = Object.fromEntries(data.systems.map((s, n) => [s.name, COLOURS[n % COLOURS.length]]));
    this.better = Object.fromEntries(data.metrics.map(m => [m.name, m.higher_is_better === false ? -1 : 1]));
    const sounding = data.utterances.filter(u => u.audio).length;
    $("subtitle").textContent =
      `${data.utterances.length} utterances (${data.split}), ${sounding} of them to hear; ${data.systems.length} systems`;
    this.shown = new Set(data.systems.map(s => s.name).filter(n => !n.includes("@")));
    this.player = new Player(t => this.onTime(t), on => this.onState(on));
    this.pictures = new Pictures($("wave"), share => this.player.seek(share * this.player.duration));
    this.drawSystems();
    this.setUpCharts();
    this.setUpList();
    this.setUpSound();
    this.setUpBlind();
    this.setUpKeys();
    const first = this.order.find(i => data.utterances[i].audio);
    if (first !== undefined) this.choose(first);
  },

  setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    $("theme").textContent = theme === "dark" ? "Light" : "Dark";
    $("theme").onclick = () => this.setTheme(theme === "dark" ? "light" : "dark");
    if (this.spread) this.drawCharts();
    this.drawPictures();
    this.training?.draw();
  },

  // Training ---------------------------------------------------------------------

  follow(told) {
    this.training ??= new Training(this);
    this.training.update(told);
    const waits = told.runs.some(run => !run.is_done);
    if (!this.data.systems.length) $("subtitle").textContent = `${told.runs.length} runs, not tested yet`;
    $("told").textContent = `Read at ${new Date().toLocaleTimeString()}.`
      + (waits ? " While a run is at work, okd-report --watch, or the same command again, brings newer curves; this page takes them." : "");
    clearTimeout(this.waits);
    if (waits) this.waits = setTimeout(() => this.ask(), AGAIN);
  },

  // A page from disk may load scripts, and nothing else.
  ask() {
    const script = element("script", { src: `runs.js?${Date.now()}`, onload: () => script.remove() });
    script.onerror = () => {
      script.remove();
      this.waits = setTimeout(() => this.ask(), AGAIN);
    };
    document.head.append(script);
  },

  colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); },

  score(system, metric, i) { return this.data.scores[system]?.[metric]?.[i] ?? null; },

  gain(system, metric, i) {
    const value = this.score(system, metric, i);
    const before = this.score(this.data.unprocessed, metric, i);
    return value == null || before == null ? null : (value - before) * this.better[metric];
  },

  // Systems --------------------------------------------------------------------

  drawSystems() {
    const { data, sort } = this, table = $("systems-table");
    const rows = [...data.systems];
    if (sort.metric) {
      const value = s => s.means[sort.metric][0] ?? -Infinity;
      rows.sort((a, b) => (sort.down ? 1 : -1) * (value(b) - value(a)));
    }
    const best = Object.fromEntries(data.metrics.map(m => [m.name, data.systems.reduce((a, s) => {
      const value = s.means[m.name][0];
      return value != null && (a == null || (value - a) * this.better[m.name] > 0) ? value : a;
    }, null)]));
    const head = element("tr", {}, element("th", { textContent: "system", scope: "col" }),
      element("th", { textContent: "epoch", scope: "col" }), ...data.metrics.map(m => {
        const th = element("th", { scope: "col" }, element("button", {
          type: "button", textContent: m.name + (sort.metric === m.name ? (sort.down ? " ▼" : " ▲") : ""),
          onclick: () => {
            sort.down = sort.metric === m.name ? !sort.down : m.higher_is_better !== false;
            sort.metric = m.name;
            this.drawSystems();
            table.querySelector(`[data-metric="${CSS.escape(m.name)}"]`).focus();
          },
        }));
        th.firstChild.dataset.metric = m.name;
        th.ariaSort = sort.metric === m.name ? (sort.down ? "descending" : "ascending") : "none";
        return th;
      }));
    const body = rows.map(s => element("tr", {}, this.named(s.name, "th", { scope: "row" }),
      element("td", { textContent: s.epoch ?? "" }), ...data.metrics.map(m => {
        const [mean, low, high] = s.means[m.name];
        const number = element(mean != null && m.higher_is_better != null && mean === best[m.name] ? "b" : "span", { textContent: text(mean) });
        const cell = element("td", {}, number);
        if (low != null) cell.append(element("small", { textContent: `${text(low)} to ${text(high)}` }));
        return cell;
      })));
    table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  },

  named(name, tag = "span", properties = {}) {
    const dot = element("span", { className: "dot" });
    dot.style.background = this.colours[name] ?? "transparent";
    return element(tag, properties, dot, name);
  },

  // Charts ---------------------------------------------------------------------

  setUpCharts() {
    const metrics = this.data.metrics.map(m => m.name);
    options($("spread-metric"), metrics);
    const axes = [...metrics.map(m => [m, m])];
    if (this.data.unprocessed) axes.push(...metrics.map(m => [`+${m}`, `gain in ${m}`]));
    if (this.data.utterances.some(u => u.snr_db != null)) axes.push(["=snr_db", "SNR in dB"]);
    options($("x-axis"), axes, metrics[0]);
    options($("y-axis"), axes, metrics[1] ?? metrics[0]);
    for (const id of ["spread-metric", "x-axis", "y-axis"]) $(id).onchange = () => this.drawCharts();
    $("shown").replaceChildren(...this.data.systems.map(s => {
      const box = element("input", { type: "checkbox", checked: this.shown.has(s.name) });
      box.onchange = () => {
        this.shown[box.checked ? "add" : "delete"](s.name);
        this.drawCharts();
      };
      return element("label", {}, box, this.named(s.name));
    }));
    this.spread = true;
    this.onWidth($("spread"), () => this.drawCharts());
  },

  // Call at once, and whenever a place has become wider or narrower.
  onWidth(place, draw) {
    let width = 0;
    new ResizeObserver(() => {
      if (place.clientWidth === width) return;
      width = place.clientWidth;
      draw();
    }).observe(place);
  },

  drawCharts() {
    this.drawSpread();
    this.drawScatter();
  },

  plot(place, config, data) {
    const ink = this.colour("--faint"), line = this.colour("--line");
    place.replaceChildren();
    const axis = label => ({ label, stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line } });
    const short = v => v && Math.abs(v) < 1e-3 ? v.toExponential() : String(v);
    const small = (u, values) => values.map(v => v == null ? "" : short(Number(v.toPrecision(6))));
    const [x, y] = config.labels;
    return new uPlot({
      width: Math.max(200, place.clientWidth), height: 320, legend: { show: false },
      axes: [axis(x), { ...axis(y), values: small, size: 60 }], ...config,
    }, data, place);
  },

  drawSpread() {
    const metric = $("spread-metric").value, systems = [...this.shown];
    const values = systems.map(s => this.data.scores[s][metric].filter(v => v != null));
    const all = values.flat();
    if (!all.length) return void $("spread").replaceChildren("Nothing to draw.");
    const low = all.reduce((a, v) => Math.min(a, v)), high = all.reduce((a, v) => Math.max(a, v));
    const bins = Math.max(6, Math.min(40, Math.round(Math.sqrt(values[0].length * 2))));
    const step = (high - low) / bins || 1;
    const edges = Array.from({ length: bins + 1 }, (_, n) => low + n * step);
    const shares = values.map(list => {
      const counts = new Array(bins + 1).fill(0);
      for (const v of list) counts[Math.min(bins - 1, Math.floor((v - low) / step))]++;
      counts[bins] = counts[bins - 1];
      return counts.map(c => 100 * c / (list.length || 1));
    });
    this.plot($("spread"), {
      labels: [metric, "%"], scales: { x: { time: false }, y: { range: (u, a, b) => [0, b * 1.05] } },
      cursor: { drag: { x: false, y: false } },
      series: [{}, ...systems.map(s => ({
        label: s, stroke: this.colours[s], width: 2, points: { show: false },
        paths: uPlot.paths.stepped({ align: 1 }),
      }))],
    }, [edges, ...shares]);
  },

  drawScatter() {
    const along = axis => {
      const metric = axis.slice(1);
      if (axis[0] === "=") return (s, i) => this.data.utterances[i].snr_db ?? null;
      return axis[0] === "+" ? (s, i) => this.gain(s, metric, i) : (s, i) => this.score(s, axis, i);
    };
    const axes = ["x-axis", "y-axis"].map(id => $(id)), [x, y] = axes.map(a => along(a.value));
    const points = [];
    for (const system of this.shown) {
      this.data.utterances.forEach((u, i) => {
        const at = [x(system, i), y(system, i)];
        if (at.every(v => v != null)) points.push({ system, i, at });
      });
    }
    this.points = points;
    if (!points.length) return void $("scatter").replaceChildren("Nothing to draw.");
    const range = k => {
      const values = points.map(p => p.at[k]);
      const low = values.reduce((a, v) => Math.min(a, v)), high = values.reduce((a, v) => Math.max(a, v));
      const margin = 0.05 * (high - low) || 1;
      return [low - margin, high + margin];
    };
    const draw = u => {
      const { ctx } = u, size = 3 * devicePixelRatio;
      ctx.save();
      ctx.globalAlpha = points.length > 400 ? 0.55 : 0.85;
      for (const p of points) {
        if (p.i === this.chosen) continue;
        ctx.fillStyle = this.colours[p.system];
        ctx.beginPath();
        ctx.arc(u.valToPos(p.at[0], "x", true), u.valToPos(p.at[1], "y", true), size, 0, 7);
        ctx.fill();
      }
      ctx.globalAlpha = 1;
      ctx.lineWidth = 2 * devicePixelRatio;
      for (const p of points.filter(p => p.i === this.chosen)) {
        ctx.fillStyle = this.colours[p.system];
        ctx.strokeStyle = this.colour("--ink");
        ctx.beginPath();
        ctx.arc(u.valToPos(p.at[0], "x", true), u.valToPos(p.at[1], "y", true), 2 * size, 0, 7);
        ctx.fill();
        ctx.stroke();
      }
      ctx.restore();
    };
    const [xs, ys] = [range(0), range(1)];
    this.scatter = this.plot($("scatter"), {
      labels: axes.map(a => a.selectedOptions[0].textContent),
      scales: { x: { time: false, range: xs }, y: { range: ys } },
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      series: [{}, { paths: () => null, points: { show: false } }],
      hooks: { draw: [draw] },
    }, [xs, ys]);
    this.hover(this.scatter, $("scatter"), points,
      p => `${this.data.utterances[p.i].id}, ${p.system}: ${text(p.at[0])}, ${text(p.at[1])}`,
      p => this.choose(p.i, p.system));
  },

  // Say which point is near the pointer; hand over the one that is clicked.
  hover(chart, place, points, say, choose = null) {
    const { over } = chart, tip = element("div", { className: "tip", hidden: true });
    place.append(tip);
    const nearest = event => {
      const box = over.getBoundingClientRect();
      const [px, py] = [event.clientX - box.left, event.clientY - box.top];
      let found = null, least = 15 ** 2; // px
      for (const p of points) {
        const d = (chart.valToPos(p.at[0], "x") - px) ** 2 + (chart.valToPos(p.at[1], "y") - py) ** 2;
        if (d < least) [found, least] = [p, d];
      }
      return found;
    };
    over.addEventListener("mousemove", event => {
      const p = nearest(event);
      tip.hidden = !p;
      over.style.cursor = p && choose ? "pointer" : "";
      if (!p) return;
      tip.textContent = say(p);
      tip.style.left = `${Math.min(event.offsetX + 50, place.clientWidth - tip.offsetWidth)}px`;
      tip.style.top = `${event.offsetY + 14}px`;
    });
    over.addEventListener("mouseleave", () => { tip.hidden = true; });
    over.addEventListener("click", event => {
      const p = nearest(event);
      if (p) choose?.(p);
    });
  },

  // The list -------------------------------------------------------------------

  setUpList() {
    const { utterances, systems, metrics, unprocessed } = this.data;
    for (const key of ["speaker", "noise", "snr_db"]) {
      const values = [...new Set(utterances.map(u => u[key]).filter(v => v != null))];
      values.sort(key === "snr_db" ? (a, b) => a - b : undefined);
      $(`f-${key}`).parentElement.hidden = values.length < 2;
      options($(`f-${key}`), [["", "all"], ...values.map(v => [String(v), key === "snr_db" ? `${v} dB` : v])]);
    }
    const names = systems.map(s => s.name);
    options($("f-system"), names, names.find(n => n !== unprocessed) ?? names[0]);
    options($("f-metric"), metrics.map(m => m.name));
    const sorts = [["name", "name"], ["score", "score"], ["gain", "gain, most first"], ["loss", "gain, least first"]];
    for (const [key, label] of [["speaker", "speaker"], ["noise", "noise"], ["snr_db", "SNR"]]) {
      if (utterances.some(u => u[key] != null)) sorts.push([key, label]);
    }
    options($("f-sort"), sorts, unprocessed ? "gain" : "name");
    $("f-sound").checked = utterances.some(u => u.audio);
    $("filters").addEventListener("input", () => this.drawList());
    $("filters").addEventListener("submit", event => event.preventDefault());
    this.drawList();
  },

  drawList() {
    const { utterances, unprocessed } = this.data;
    const system = $("f-system").value, metric = $("f-metric").value, sort = $("f-sort").value;
    const conditions = ["speaker", "noise", "snr_db"].filter(k => utterances.some(u => u[k] != null));
    const wanted = $("f-name").value.toLowerCase();
    const order = utterances.map((u, i) => i).filter(i => {
      const u = utterances[i];
      return u.id.toLowerCase().includes(wanted) && (u.audio || !$("f-sound").checked)
        && conditions.every(k => !$(`f-${k}`).value || String(u[k]) === $(`f-${k}`).value);
    });
    const key = {
      name: i => utterances[i].id, score: i => -(this.score(system, metric, i) ?? -Infinity) * this.better[metric],
      gain: i => -(this.gain(system, metric, i) ?? -Infinity), loss: i => this.gain(system, metric, i) ?? Infinity,
    }[sort] ?? (i => utterances[i][sort]);
    const keys = new Map(order.map(i => [i, key(i)]));
    order.sort((a, b) => keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : 0);
    this.order = order;
    const titles = { speaker: "speaker", noise: "noise", snr_db: "SNR" };
    const head = ["utterance", ...conditions.map(c => titles[c]), metric, ...(unprocessed ? ["gain"] : []), "sound"];
    const body = order.map(i => {
      const u = utterances[i];
      const row = element("tr", { onclick: () => this.choose(i) },
        element("td", {}, element("button", { type: "button", textContent: u.id })),
        ...conditions.map(c => element("td", { className: c === "snr_db" ? "" : "text", textContent: u[c] ?? "" })),
        element("td", { textContent: text(this.score(system, metric, i)) }));
      if (unprocessed) row.append(element("td", { textContent: text(this.gain(system, metric, i)) }));
      row.append(element("td", { textContent: u.audio ? `♪ ${u.kind ?? ""}` : "" }));
      row.dataset.index = i;
      return row;
    });
    $("list").replaceChildren(
      element("thead", {}, element("tr", {}, ...head.map((h, n) => element("th", {
        scope: "col", textContent: h, className: n > 0 && conditions[n - 1] && conditions[n - 1] !== "snr_db" ? "text" : "",
      })))),
      element("tbody", {}, ...body));
    $("count").textContent = `${order.length} of ${utterances.length} utterances`;
    this.markRow();
  },

  markRow() {
    for (const row of $("list").querySelectorAll("tr.chosen")) row.classList.remove("chosen");
    const row = $("list").querySelector(`tr[data-index="${this.chosen}"]`);
    if (!row) return;
    row.classList.add("chosen");
    const list = $("list").parentElement; // scrollIntoView would move the page, too
    if (row.offsetTop < list.scrollTop + 40) list.scrollTop = row.offsetTop - 40;
    const end = row.offsetTop + row.offsetHeight - list.clientHeight;
    if (end > list.scrollTop) list.scrollTop = end;
  },

  step(by) {
    const at = this.order.indexOf(this.chosen);
    const next = this.order[Math.min(Math.max(0, at + by), this.order.length - 1)];
    if (next !== undefined) this.choose(next);
  },

  // Listening ------------------------------------------------------------------

  fetchSound(i) {
    const { id, audio } = this.data.utterances[i];
    if (this.sounds[id]) return Promise.resolve(this.sounds[id]);
    return new Promise((resolve, reject) => {
      this.waiting[id] = resolve;
      const script = element("script", { src: audio, onerror: () => reject(new Error(`${audio} is missing`)) });
      document.head.append(script);
    });
  },

  hear(id, told) {
    const names = Object.keys(this.sounds);
    if (names.length > 20) delete this.sounds[names[0]]; // of 824, not all fit
    this.sounds[id] = told;
    this.waiting[id]?.(told);
  },

  async choose(i, system = null) {
    if (this.trial) return;
    this.chosen = i;
    const u = this.data.utterances[i];
    this.markRow();
    this.drawScores();
    if (this.scatter) this.scatter.redraw();
    const about = ["speaker", "noise"].filter(k => u[k] != null).map(k => u[k]);
    if (u.snr_db != null) about.push(`${u.snr_db} dB SNR`);
    $("chosen").textContent = [u.id, ...about].join(", ");
    $("sound").hidden = !u.audio;
    if (!u.audio) {
      this.player.stop(0);
      $("chosen").textContent += ": no sound of it in this page (samples: N makes it).";
      return;
    }
    const told = await this.fetchSound(i);
    if (this.chosen !== i) return; // another one was chosen meanwhile
    await this.player.load(told.sounds, told.sample_rate);
    if (told.turned_down_db > 0) $("chosen").textContent += ` (all turned down by ${told.turned_down_db} dB)`;
    const names = Object.keys(told.sounds);
    const wish = system ?? this.player.heard;
    this.drawSwitch(names);
    options($("against"), names, names.includes($("against").value) ? $("against").value
      : names.includes("clean") ? "clean" : names[0]);
    this.listenTo(names.includes(wish) ? wish : names.find(n => n !== "clean") ?? names[0]);
    this.onTime(0);
  },

  drawSwitch(names) {
    $("switch").replaceChildren(...names.map((name, n) => {
      const button = this.named(name, "button", { type: "button", onclick: () => this.listenTo(name) });
      button.setAttribute("role", "radio");
      button.title = `Key ${n + 1}`;
      button.dataset.system = name;
      return button;
    }));
  },

  listenTo(name) {
    this.player.hear(name);
    for (const button of $("switch").children) {
      const on = button.dataset.system === name;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
    }
    const id = this.data.utterances[this.chosen].id, sound = this.sounds[id]?.sounds[name];
    if (sound) {
      $("download").href = `data:audio/flac;base64,${sound}`;
      $("download").download = `${id}_${name}.flac`.replace(/[^\w.+-]+/g, "_");
    }
    this.drawPictures();
  },

  drawPictures() {
    const buffer = this.player?.buffers[this.player.heard];
    if (!buffer || this.trial) return;
    this.pictures.show(buffer, { wave: this.colour("--accent") });
    const other = this.player.buffers[$("against").value];
    if (other) drawDifference($("difference"), buffer.getChannelData(0), other.getChannelData(0));
  },

  drawScores() {
    const { metrics, systems } = this.data, i = this.chosen;
    const head = element("tr", {}, ...["system", ...metrics.map(m => m.name)].map(h => element("th", { scope: "col", textContent: h })));
    const body = systems.filter(s => metrics.some(m => this.score(s.name, m.name, i) != null)).map(s =>
      element("tr", {}, this.named(s.name, "th", { scope: "row" }),
        ...metrics.map(m => element("td", { textContent: text(this.score(s.name, m.name, i)) }))));
    $("scores").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  },

  setUpSound() {
    $("play").onclick = () => this.player.toggle();
    $("loop").onchange = () => {
      this.player.loop = $("loop").checked;
      this.player.seek(this.player.time);
    };
    $("against").onchange = () => this.drawPictures();
    $("difference").onclick = event => {
      const box = $("difference").getBoundingClientRect();
      this.player.seek((event.clientX - box.left) / box.width * this.player.duration);
    };
    $("switch").addEventListener("keydown", event => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const buttons = [...$("switch").children], at = buttons.findIndex(b => b.tabIndex === 0);
      const next = buttons[(at + by + buttons.length) % buttons.length];
      this.listenTo(next.dataset.system);
      next.focus();
      event.preventDefault();
      event.stopPropagation();
    });
  },

  onTime(time) {
    const duration = this.player.duration;
    $("clock").textContent = `${time.toFixed(2)} / ${duration.toFixed(2)} s`;
    for (const cursor of document.querySelectorAll(".cursor")) cursor.style.left = `${100 * (duration ? time / duration : 0)}%`;
  },

  onState(playing) {
    for (const id of ["play", "blind-play"]) $(id).textContent = playing ? "Pause" : "Play";
  },

  // The blind test -------------------------------------------------------------

  setUpBlind() {
    const sounding = this.data.utterances.some(u => u.audio);
    $("blind").hidden = !sounding;
    if (!sounding) return;
    const names = ["clean", ...this.data.systems.map(s => s.name).filter(n => !n.includes("@"))];
    options($("blind-a"), names, this.data.unprocessed ?? names[0]);
    options($("blind-b"), names, names.find(n => n !== "clean" && n !== this.data.unprocessed) ?? names[1]);
    $("blind-start").onclick = () => this.startBlind();
    $("blind-stop").onclick = () => this.stopBlind();
    $("blind-play").onclick = () => this.player.toggle();
    for (const which of ["a", "b", "x"]) $(`hear-${which}`).onclick = () => this.hearBlind(which);
    $("is-a").onclick = () => this.answer("a");
    $("is-b").onclick = () => this.answer("b");
  },

  async startBlind() {
    const [a, b] = [$("blind-a").value, $("blind-b").value];
    if (a === b) return void ($("tally").textContent = "A and B are the same system: choose two.");
    this.trial = { a, b, right: 0, done: 0 };
    this.setBlind(true);
    $("tally").textContent = "";
    await this.nextTrial();
  },

  setBlind(on) {
    $("trial").hidden = !on;
    $("sound").hidden = on;
    for (const id of ["blind-a", "blind-b", "blind-start"]) $(id).disabled = on;
    if (on) $("chosen").textContent = "A blind test is going on: names and pictures are hidden.";
  },

  async nextTrial() {
    const { trial } = this, { utterances } = this.data;
    let pool = this.order.filter(i => utterances[i].audio);
    if (!pool.length) pool = utterances.map((u, i) => i).filter(i => utterances[i].audio);
    const i = pool[Math.floor(Math.random() * pool.length)];
    const { sounds, sample_rate } = await this.fetchSound(i);
    if (this.trial !== trial) return;
    if (!sounds[trial.a] || !sounds[trial.b]) {
      this.stopBlind();
      $("tally").textContent = `${utterances[i].id} has no sound of one of them.`;
      return;
    }
    trial.x = Math.random() < 0.5 ? "a" : "b";
    trial.ready = true;
    await this.player.load({ a: sounds[trial.a], b: sounds[trial.b] }, sample_rate);
    this.hearBlind("x");
    await this.player.play();
  },

  hearBlind(which) {
    if (!this.trial) return;
    this.player.hear(which === "x" ? this.trial.x : which);
    for (const one of ["a", "b", "x"]) $(`hear-${one}`).setAttribute("aria-pressed", one === which);
  },

  async answer(which) {
    const { trial } = this;
    if (!trial?.ready) return;
    trial.ready = false;
    trial.done += 1;
    trial.right += which === trial.x;
    const p = binomialTail(trial.right, trial.done);
    $("tally").textContent = `${which === trial.x ? "Right" : "Wrong"}. ${trial.right} of ${trial.done} right, `
      + `p = ${p < 0.001 ? p.toExponential(1) : p.toFixed(3)} (as many by guessing)`;
    await this.nextTrial();
  },

  stopBlind() {
    this.trial = null;
    this.player.stop(0);
    this.player.heard = null;
    this.setBlind(false);
    if (this.chosen != null) this.choose(this.chosen);
  },

  // Keys -----------------------------------------------------------------------

  setUpKeys() {
    $("help-button").onclick = () => $("help").showModal();
    document.addEventListener("keydown", event => {
      const { target } = event, busy = target.closest("input, select, textarea, dialog");
      if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
      const key = event.key.toLowerCase();
      if (key === " " && target.closest("button, a, label")) return; // presses it
      const names = [...$("switch").children].map(b => b.dataset.system);
      const actions = {
        " ": () => this.player.toggle(),
        arrowleft: () => this.player.seek(this.player.time - 0.5),
        arrowright: () => this.player.seek(this.player.time + 0.5),
        k: () => this.step(-1),
        j: () => this.step(1),
        "?": () => $("help").showModal(),
      };
      if (this.trial) {
        for (const which of ["a", "b", "x"]) actions[which] = () => this.hearBlind(which);
        delete actions.j;
        delete actions.k;
      } else if (/^[1-9]$/.test(key) && names[key - 1]) {
        actions[key] = () => this.listenTo(names[key - 1]);
      }
      if (!actions[key]) return;
      event.preventDefault();
      actions[key]();
    });
  },
};
