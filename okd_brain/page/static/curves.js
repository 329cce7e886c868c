// Curves of training: a chart for each kind of number, all runs in each.
// runs.js calls OKD.follow, again and again while a run is at work.
"use strict";

const DASHES = [[], [9, 4], [2, 4], [9, 3, 2, 3], [16, 5], [5, 2]];
const DOTTED = [2, 3];
const CAPTIONS = {
  "Validation": "Means over the validation utterances; dotted: unprocessed.",
  "Losses": "A mean over the updates of each epoch, or over validation.",
  "Error of the discriminator": "Squared error of the normalised score, by what was judged.",
  "Fidelity": "Whether the estimate of the score moves as the metric does when outputs are edited.",
  "Distance between generators": "Mean squared difference of their spectra of validation utterances, as mimicry has them.",
  "Gradients": "Norm before clipping, a mean over the updates of each epoch.",
  "Time": "Seconds of each epoch, by kind of work.",
};

class Training {
  constructor(page) {
    this.page = page;
    this.chosen = {}; // group -> chart
    this.hidden = new Set(); // lines
    this.left = new Set(); // experiments that are not drawn
    this.plots = {};
    options($("across"), [["epochs", "epochs"], ["updates", "updates of a generator"], ["hours", "hours"]]);
    $("across").onchange = () => this.draw();
    page.onWidth($("curves"), () => this.draw());
  }

  update({ runs, unprocessed, higher_is_better }) {
    Object.assign(this, { runs, unprocessed, better: higher_is_better });
    this.experiments = [...new Set(runs.map(r => r.experiment))];
    this.groups = {};
    for (const { curves } of runs) {
      for (const [group, charts] of Object.entries(curves)) {
        for (const [chart, lines] of Object.entries(charts)) {
          const known = ((this.groups[group] ??= {})[chart] ??= []);
          known.push(...Object.keys(lines).filter(name => !known.includes(name)));
        }
      }
    }
    const order = Object.keys(CAPTIONS);
    const names = Object.keys(this.groups).sort((a, b) => order.indexOf(a) - order.indexOf(b));
    this.groups = Object.fromEntries(names.map(name => [name, this.groups[name]]));
    $("training").hidden = $("to-training").hidden = !runs.length;
    const shape = JSON.stringify([this.groups, runs.map(r => r.name)]);
    if (shape !== this.shape) this.build();
    this.shape = shape;
    this.draw();
  }

  // What a run or a line looks like: experiments differ by colour if there are
  // several, by dashes the lines within them.
  look(run, line, lines) {
    if (this.unprocessed.includes(line)) return { stroke: COLOURS[0], dash: DOTTED };
    const learnt = lines.filter(name => !this.unprocessed.includes(name));
    const at = learnt.indexOf(line), several = this.experiments.length > 1;
    const paint = n => COLOURS[1 + n % (COLOURS.length - 1)];
    return several
      ? { stroke: run ? paint(this.experiments.indexOf(run.experiment)) : null, dash: DASHES[at % DASHES.length] }
      : { stroke: this.page.colours?.[line] ?? paint(at), dash: [] };
  }

  build() {
    const several = this.experiments.length > 1;
    $("experiments").replaceChildren(...(several ? this.experiments : []).map(name => {
      const box = element("input", { type: "checkbox", checked: !this.left.has(name) });
      box.onchange = () => {
        this.left[box.checked ? "delete" : "add"](name);
        this.draw();
      };
      return element("label", {}, box, this.dot(this.runs.find(r => r.experiment === name)), name);
    }));
    $("curves").replaceChildren(...Object.entries(this.groups).map(([group, charts]) => {
      const names = Object.keys(charts);
      if (!names.includes(this.chosen[group])) this.chosen[group] = names[0];
      const head = element("div", { className: "controls" }, element("h3", { textContent: group }));
      if (names.length > 1) {
        const select = element("select", { ariaLabel: `${group}: which` });
        options(select, names, this.chosen[group]);
        select.onchange = () => {
          this.chosen[group] = select.value;
          this.draw();
        };
        head.append(select);
      }
      const plot = element("div", { className: "plot" });
      plot.setAttribute("role", "img");
      const key = element("div", { className: "key" });
      key.setAttribute("role", "group");
      const figure = element("figure", {}, head, plot, key, element("figcaption", { textContent: CAPTIONS[group] }));
      figure.dataset.group = group;
      return figure;
    }));
  }

  dot(run) {
    const dot = element("span", { className: "dot", hidden: this.experiments.length < 2 });
    dot.style.background = this.look(run, "", []).stroke;
    return dot;
  }

  get shown() { return this.runs.filter(run => !this.left.has(run.experiment)); }

  draw() {
    if (!this.runs) return;
    this.drawTable();
    for (const figure of $("curves").children) this.drawChart(figure, figure.dataset.group);
  }

  // The table says in numbers what the chart of validation draws.
  drawTable() {
    const metric = this.chosen.Validation, sign = this.better[metric] === false ? -1 : 1;
    const head = ["run", "where it is", "generator", `${metric ?? "validation"}, last`, "best", "in epoch", "unprocessed"];
    const rows = this.runs.flatMap(run => {
      const lines = run.curves.Validation?.[metric] ?? {};
      const before = this.unprocessed.flatMap(name => lines[name] ?? []).filter(v => v != null).at(-1);
      const names = Object.keys(lines).filter(name => !this.unprocessed.includes(name));
      const listed = names.length ? names : [null];
      return listed.map((name, n) => {
        const values = (lines[name] ?? []).map((v, i) => [v, run.epochs[i]]).filter(([v]) => v != null);
        const best = values.reduce((a, b) => a && (a[0] - b[0]) * sign >= 0 ? a : b, null);
        const cell = content => element("td", { textContent: content });
        const whole = { rowSpan: listed.length };
        return element("tr", {}, ...(n ? [] : [
          element("th", { scope: "row", ...whole }, this.dot(run), run.name),
          element("td", { className: "text", textContent: run.state, ...whole }),
        ]),
          element("td", { className: "text", textContent: name ?? "–" }),
          cell(text(values.at(-1)?.[0])), cell(text(best?.[0])), cell(best?.[1] ?? "–"), cell(text(before)));
      });
    });
    $("runs-table").replaceChildren(
      element("thead", {}, element("tr", {}, ...head.map((h, n) => element("th", {
        scope: "col", textContent: h, className: n === 1 || n === 2 ? "text" : "",
      })))),
      element("tbody", {}, ...rows));
  }

  drawChart(figure, group) {
    const chart = this.chosen[group], lines = this.groups[group][chart];
    const plot = figure.querySelector(".plot"), across = $("across").value;
    const tables = [], series = [{}], points = [];
    for (const run of this.shown) {
      for (const line of lines) {
        const values = run.curves[group]?.[chart]?.[line];
        if (!values || this.hidden.has(line)) continue;
        const at = new Map(); // of two values at one place, the later
        values.forEach((y, i) => {
          const x = run[across][i];
          if (x != null && y != null && (group !== "Gradients" || y > 0)) at.set(x, { at: [x, y], run, line, epoch: run.epochs[i] });
        });
        if (!at.size) continue;
        points.push(...at.values());
        tables.push([[...at.keys()], [...at.values()].map(p => p.at[1])]);
        series.push({ label: `${run.name}, ${line}`, width: 2, spanGaps: true, ...this.look(run, line, lines) });
      }
    }
    this.drawKey(figure.querySelector(".key"), lines, group);
    plot.setAttribute("aria-label", `Curves of ${group.toLowerCase()}, ${chart}: ${series.length - 1}`);
    this.plots[group]?.destroy();
    delete this.plots[group];
    if (!points.length) return void plot.replaceChildren("Nothing to draw yet.");
    const ends = this.shown.flatMap(run => run[across]).filter(x => x != null);
    const [first, last] = [Math.min, Math.max].map(of => ends.reduce((a, x) => of(a, x)));
    this.plots[group] = this.page.plot(plot, {
      labels: [$("across").selectedOptions[0].textContent],
      scales: { x: { time: false, range: [first, last > first ? last : first + 1] }, y: group === "Gradients" ? { distr: 3 } : {} },
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      series,
      hooks: { draw: [u => this.drawStages(u, across)] },
    }, uPlot.join(tables));
    this.page.hover(this.plots[group], plot, points,
      p => `${p.run.name}, ${p.line}: ${p.at[1]} in epoch ${p.epoch}`);
  }

  drawKey(key, lines, group) {
    key.setAttribute("aria-label", `Lines of ${group.toLowerCase()}`);
    key.replaceChildren(...lines.map(line => {
      const box = element("input", { type: "checkbox", checked: !this.hidden.has(line) });
      box.dataset.line = line;
      box.onchange = () => {
        this.hidden[box.checked ? "delete" : "add"](line);
        this.draw();
        $("curves").querySelector(`[data-group="${CSS.escape(group)}"] [data-line="${CSS.escape(line)}"]`).focus();
      };
      const { stroke, dash } = this.look(null, line, lines);
      const swatch = element("canvas", { width: 56, height: 8, className: "swatch" });
      const context = swatch.getContext("2d");
      context.strokeStyle = stroke ?? this.page.colour("--ink");
      context.lineWidth = 4;
      context.setLineDash(dash.map(n => 2 * n));
      context.moveTo(0, 4);
      context.lineTo(56, 4);
      context.stroke();
      return element("label", {}, box, swatch, line);
    }));
  }

  // Where the stages of the first run begin, if all runs are of its experiment.
  drawStages(u, across) {
    const [run] = this.shown;
    if (this.experiments.length > 1 || run.stages.length < 2) return;
    const { ctx } = u, { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = this.page.colour("--faint");
    ctx.lineWidth = devicePixelRatio;
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.setLineDash([4, 4]);
    run.stages.forEach(([index, stage], n) => {
      const x = u.valToPos(run[across][index] ?? 0, "x", true);
      ctx.textAlign = x > left + 0.8 * width ? "right" : "left";
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      const gap = (ctx.textAlign === "left" ? 4 : -4) * devicePixelRatio;
      ctx.fillText(stage, x + gap, top + 2 + 14 * n * devicePixelRatio);
    });
    ctx.restore();
  }
}
