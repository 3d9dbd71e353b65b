/** The player page: asks the server what is going on, plays it, and says so. */

import { UnplayableError } from "./buffer.js";
import { LivePlayback, NothingToPlayError } from "./live.js";
import { NativePlayback } from "./native.js";
import { Backoff, load, sleep } from "./net.js";
import { Pace } from "./pace.js";
import { wordsFor } from "./words.js";

/** Seconds from one question about the status to the next, and how long an answer may take. */
const STATUS_EVERY = 2;
const STATUS_WITHIN = 5;

/** Seconds from one look at the video to the next, and without a picture until that is told. */
const LOOK_EVERY = 0.25;
const DRY_AFTER = 0.75;

const NOT_FOUND = 404;

const element = (id) => document.getElementById(id);
const video = element("video");

/** What `wordsFor` wants to know, and how many are watching. */
const situation = {
  state: null,
  message: null,
  reachable: true,
  unplayable: null,
  phase: "empty",
  viewers: null,
};

let playback = null;
let isOver = false;

// ---------------------------------------------------------------------- what is going on

async function askStatus() {
  try {
    const status = await load("status.json", { as: "json", seconds: STATUS_WITHIN });
    situation.state = status.state;
    situation.message = status.message;
    situation.viewers = status.viewer_count;
    situation.reachable = true;
  } catch (error) {
    situation.viewers = null;
    situation.reachable = error.status !== 0;
    if (error.status === NOT_FOUND) situation.state = "missing";
  }
  show();
}

async function keepAsking() {
  for (;;) {
    await askStatus();
    await sleep(STATUS_EVERY);
  }
}

// ---------------------------------------------------------------------- playing

async function keepPlaying() {
  const pace = new Pace();
  const backoff = new Backoff();
  while (!situation.unplayable) {
    while (situation.state !== "live") await sleep(LOOK_EVERY);
    playback?.close();
    playback = createPlayback(pace, playback?.mediaUrl ?? null);
    isOver = false;
    const beganAt = performance.now();
    try {
      await playback.run();
      isOver = true;
    } catch (error) {
      if (error instanceof UnplayableError) situation.unplayable = error.message;
      else if (!(error instanceof NothingToPlayError)) console.warn("begins anew:", error.message);
    }
    if (performance.now() - beganAt > 10_000) backoff.reset();
    await askStatus();
    await sleep(backoff.next());
  }
}

function createPlayback(pace, mediaUrl) {
  if (!("MediaSource" in window)) {
    // Apple's players take low-latency playlists over HTTP/2 only, which there is with TLS only.
    const name = location.protocol === "https:" ? "index.m3u8" : "plain.m3u8";
    return new NativePlayback(video, new URL(name, location.href).href);
  }
  return new LivePlayback(video, new URL("index.m3u8", location.href).href, {
    pace,
    mediaUrl,
    onTrouble: askStatus,
    onDry: async () => {
      await askStatus();
      if (situation.reachable && situation.state === "live") playback.noteStall();
    },
  });
}

// ---------------------------------------------------------------------- what is to be seen

let dryAt = null;

function phase() {
  if (isOver || video.ended) return "over";
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return "empty";
  if (video.paused) return "paused";
  const dry = video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
  dryAt = dry ? dryAt ?? performance.now() : null;
  return dry && performance.now() - dryAt > DRY_AFTER * 1000 ? "dry" : "playing";
}

function show() {
  situation.phase = phase();
  const { tone, headline, detail, howTo } = wordsFor(situation);
  const isShown = situation.phase === "playing" || situation.phase === "paused";
  document.body.dataset.tone = tone;
  document.body.dataset.phase = situation.phase;
  write("headline", headline);
  write("detail", detail);
  write("cover", isShown && tone !== "off" ? "" : headline);
  element("unmute").hidden = !(video.muted && situation.phase === "playing");
  if (howTo) explainPush();
  element("how-to").hidden = !howTo;
}

function showFigures() {
  const { phase, viewers } = situation;
  const latency = phase === "playing" ? playback.latency : null;
  write("latency", latency === null ? "–" : `${Math.max(latency, 0).toFixed(1)} s`);
  write("viewers", viewers === null ? "–" : String(viewers));
  write("resolution", video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : "–");
}

/** Changes a text only where it is another: screen readers read out every change. */
function write(id, text) {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

let explained = false;

async function explainPush() {
  if (explained) return;
  explained = true;
  const id = decodeURIComponent(location.pathname.split("/").at(-2));
  write("key-command", `headend show ${id} --show-key`);
  try {
    const server = await load("/identity", { as: "json", seconds: STATUS_WITHIN });
    write("push-url", `rtmp://${location.hostname}:${server.rtmp_port}/live`);
  } catch {
    explained = false;
  }
}

// ---------------------------------------------------------------------- beginning

element("unmute").addEventListener("click", () => {
  video.muted = false;
  if (video.volume === 0) video.volume = 1;
  video.focus();
  show();
});
for (const name of ["playing", "pause", "waiting", "ended", "volumechange", "resize"]) {
  video.addEventListener(name, show);
}
video.addEventListener("playing", askStatus);
setInterval(show, LOOK_EVERY * 1000);
setInterval(showFigures, 1000);
keepAsking();
keepPlaying();
