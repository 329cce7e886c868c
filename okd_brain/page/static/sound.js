// Sound: all systems of an utterance play at once, in step to the sample, and
// one of them is heard. WaveSurfer draws; it does not play.
"use strict";

const FFT_SIZE = 512, RANGE_DB = 30;

class Player {
  constructor(onTime, onState) {
    this.buffers = {};
    this.onTime = onTime;
    this.onState = onState;
    this.offset = 0;
    this.nodes = null;
    this.heard = null;
    this.loop = false;
  }

  // Sounds are decoded at their own rate, so that pictures end at half of it.
  // It plays only after the user has done something.
  async load(sounds, sampleRate) {
    this.stop(0);
    this.context ??= new AudioContext({ sampleRate });
    const entries = await Promise.all(Object.entries(sounds).map(async ([name, text]) => {
      const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
      return [name, await this.context.decodeAudioData(bytes.buffer)];
    }));
    this.buffers = Object.fromEntries(entries);
  }

  get duration() {
    return Math.max(0, ...Object.values(this.buffers).map(b => b.duration));
  }

  get playing() { return this.nodes !== null; }

  get time() {
    if (!this.playing) return this.offset;
    const time = this.offset + this.context.currentTime - this.began;
    return this.loop ? time % this.duration : Math.min(time, this.duration);
  }

  hear(name) {
    this.heard = name;
    if (!this.nodes) return;
    for (const [other, { gain }] of Object.entries(this.nodes)) {
      // 5 ms: a jump would click.
      gain.gain.setTargetAtTime(other === name ? 1 : 0, this.context.currentTime, 0.005);
    }
  }

  async play() {
    if (this.playing || !this.duration) return;
    await this.context.resume();
    if (this.offset >= this.duration - 0.01) this.offset = 0;
    const when = this.context.currentTime + 0.02;
    this.nodes = {};
    for (const [name, buffer] of Object.entries(this.buffers)) {
      const source = this.context.createBufferSource();
      const gain = this.context.createGain();
      gain.gain.value = name === this.heard ? 1 : 0;
      source.buffer = buffer;
      source.loop = this.loop;
      source.connect(gain).connect(this.context.destination);
      source.start(when, this.offset);
      this.nodes[name] = { source, gain };
    }
    this.began = when;
    this.onState(true);
    const tick = () => {
      if (!this.playing) return;
      if (!this.loop && this.time >= this.duration) {
        this.stop(0);
        return;
      }
      this.onTime(this.time);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  stop(at = this.time) {
    if (this.nodes) {
      for (const { source } of Object.values(this.nodes)) source.stop();
      this.nodes = null;
      this.onState(false);
    }
    this.offset = at;
    this.onTime(at);
  }

  toggle() { return this.playing ? this.stop() : this.play(); }

  async seek(time) {
    const goesOn = this.playing;
    this.stop(Math.min(Math.max(0, time), this.duration));
    if (goesOn) await this.play();
  }
}

// Levels in dB of Hann windows with half overlap: [frames][bins].
function levels(samples) {
  const half = FFT_SIZE / 2, frames = [];
  const window_ = Float32Array.from({ length: FFT_SIZE }, (_, n) =>
    0.5 - 0.5 * Math.cos(2 * Math.PI * n / FFT_SIZE));
  const real = new Float32Array(FFT_SIZE), imag = new Float32Array(FFT_SIZE);
  for (let start = 0; start + FFT_SIZE <= samples.length; start += half) {
    for (let n = 0; n < FFT_SIZE; n++) {
      real[n] = samples[start + n] * window_[n];
      imag[n] = 0;
    }
    fft(real, imag);
    frames.push(Float32Array.from({ length: half }, (_, k) =>
      10 * Math.log10(real[k] ** 2 + imag[k] ** 2 + 1e-6)));
  }
  return frames;
}

// In place, radix 2 (Cooley and Tukey 1965).
function fft(real, imag) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imag[i], imag[j]] = [imag[j], imag[i]];
    }
  }
  for (let length = 2; length <= size; length *= 2) {
    const angle = -2 * Math.PI / length;
    for (let start = 0; start < size; start += length) {
      for (let k = 0; k < length / 2; k++) {
        const c = Math.cos(angle * k), s = Math.sin(angle * k);
        const a = start + k, b = a + length / 2;
        const r = real[b] * c - imag[b] * s, i = real[b] * s + imag[b] * c;
        real[b] = real[a] - r;
        imag[b] = imag[a] - i;
        real[a] += r;
        imag[a] += i;
      }
    }
  }
}

// Draw by how much one sound exceeds another: red more, blue less.
function drawDifference(canvas, one, other) {
  const a = levels(one), b = levels(other);
  const frames = Math.min(a.length, b.length), bins = FFT_SIZE / 2;
  canvas.width = Math.max(1, frames);
  canvas.height = bins;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, bins);
  for (let x = 0; x < frames; x++) {
    for (let k = 0; k < bins; k++) {
      const share = Math.max(-1, Math.min(1, (a[x][k] - b[x][k]) / RANGE_DB));
      const at = 4 * ((bins - 1 - k) * canvas.width + x), size = Math.abs(share);
      const colour = share > 0 ? [224, 73, 59] : [59, 111, 224];
      for (let c = 0; c < 3; c++) image.data[at + c] = 17 + size * (colour[c] - 17);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

class Pictures {
  constructor(container, onSeek) {
    this.container = container;
    container.addEventListener("click", event => {
      const box = container.getBoundingClientRect();
      onSeek((event.clientX - box.left) / box.width);
    });
  }

  show(buffer, colours) {
    this.surfer?.destroy();
    const phone = window.innerWidth < 640;
    this.surfer = WaveSurfer.create({
      container: this.container,
      height: phone ? 70 : 110,
      waveColor: colours.wave,
      progressColor: colours.wave,
      cursorWidth: 0,
      interact: false,
      hideScrollbar: true,
      maxPeak: 1,
      peaks: [buffer.getChannelData(0)],
      duration: buffer.duration,
      plugins: [WaveSurfer.Spectrogram.create({
        height: phone ? 150 : 210,
        labels: false,
        fftSamples: FFT_SIZE,
        scale: "linear",
        frequencyMax: buffer.sampleRate / 2,
        gainDB: 20,
        rangeDB: 80,
        colorMap: "roseus",
        useWebWorker: false,
      })],
    });
  }
}
