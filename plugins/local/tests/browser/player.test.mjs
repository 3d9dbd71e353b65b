// What the player page's modules compute, without a browser.  Run by test_player_modules.py.

import assert from "node:assert/strict";
import test from "node:test";

import { Follower } from "../../headend_local/player/follower.js";
import { Backoff } from "../../headend_local/player/net.js";
import { EncoderClock, Pace } from "../../headend_local/player/pace.js";
import {
  PlaylistError,
  edgeDate,
  nextPosition,
  readMaster,
  readMedia,
} from "../../headend_local/player/playlist.js";
import { wordsFor } from "../../headend_local/player/words.js";

const BASE = "http://server:8935/live/abc/media.m3u8?v=1";

/**
 * Writes a low-latency playlist of two-second segments with four parts each.  `segments` are media
 * sequence numbers; `unfinished` is how many parts the one after them has so far.
 */
function playlistText(segments, { unfinished = 0, ended = false, partsFrom = 0, breaks = [] } = {}) {
  const lines = [
    "#EXTM3U",
    "#EXT-X-VERSION:9",
    "#EXT-X-TARGETDURATION:2",
    ...(ended
      ? []
      : [
          "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.50000",
          "#EXT-X-PART-INF:PART-TARGET=0.50000",
        ]),
    `#EXT-X-MEDIA-SEQUENCE:${segments[0]}`,
    "#EXT-X-DISCONTINUITY-SEQUENCE:3",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    '#EXT-X-MAP:URI="t-init0.mp4?v=1"',
  ];
  const parts = (msn, count) => {
    for (let part = 0; part < count; part += 1) {
      const independent = part === 0 ? ",INDEPENDENT=YES" : "";
      lines.push(`#EXT-X-PART:DURATION=0.50000,URI="t-${msn}.${part}.m4s?v=1"${independent}`);
    }
  };
  const head = (msn) => {
    if (breaks.includes(msn)) {
      lines.push("#EXT-X-DISCONTINUITY", `#EXT-X-MAP:URI="t-init${msn}.mp4?v=1"`);
    }
    const date = new Date(Date.UTC(2026, 0, 1) + msn * 2000).toISOString();
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${date}`);
  };
  for (const msn of segments) {
    head(msn);
    if (!ended && msn >= partsFrom) parts(msn, 4);
    lines.push("#EXTINF:2.00000,", `t-${msn}.m4s?v=1`);
  }
  if (unfinished > 0) {
    head(segments.at(-1) + 1);
    parts(segments.at(-1) + 1, unfinished);
  }
  if (ended) lines.push("#EXT-X-ENDLIST");
  else lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="t-next.m4s?v=1"`);
  return `${lines.join("\n")}\n`;
}

const playlist = (...args) => readMedia(playlistText(...args), BASE);

/** Loads all that is new and returns the names, without token. */
function load(follower, from) {
  const { pieces, joined } = follower.next(from);
  for (const piece of pieces) follower.loaded(piece);
  return { names: pieces.map(({ uri }) => /t-(.*)\.m4s/.exec(uri)[1]), joined, pieces };
}

// ---------------------------------------------------------------------- playlists

test("a multivariant playlist leads to its media playlist, token and all", () => {
  const text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="a,b"\nmedia.m3u8?v=xyz\n';
  const url = readMaster(text, "http://server:8935/live/abc/index.m3u8");
  assert.equal(url, "http://server:8935/live/abc/media.m3u8?v=xyz");
});

test("what is no playlist is refused", () => {
  for (const text of ["", "<html></html>", '{"error": {}}']) {
    assert.throws(() => readMaster(text, BASE), PlaylistError);
    assert.throws(() => readMedia(text, BASE), PlaylistError);
  }
  assert.throws(() => readMedia("#EXTM3U\n", BASE), PlaylistError);
  assert.throws(() => readMaster("#EXTM3U\n", BASE), PlaylistError);
});

test("a media playlist is read with its parts, dates and periods", () => {
  const read = playlist([7, 8], { unfinished: 2, breaks: [8] });
  assert.equal(read.targetDuration, 2);
  assert.equal(read.holdBack, 1.5);
  assert.equal(read.canBlock, true);
  assert.equal(read.ended, false);
  const [first, second, last] = read.segments;
  assert.deepEqual([first.msn, first.period, first.whole, first.duration], [7, 3, true, 2]);
  assert.equal(first.init, "http://server:8935/live/abc/t-init0.mp4?v=1");
  assert.equal(first.parts.length, 4);
  assert.deepEqual([second.period, second.init.endsWith("t-init8.mp4?v=1")], [4, true]);
  assert.deepEqual([last.msn, last.whole, last.uri, last.duration], [9, false, null, 1]);
  assert.deepEqual(last.parts.map(({ independent }) => independent), [true, false]);
  assert.equal(edgeDate(read), Date.UTC(2026, 0, 1) + 19_000);
  assert.deepEqual(nextPosition(read), { msn: 9, part: 2 });
});

test("behind a whole segment the first part of the next one is due", () => {
  assert.deepEqual(nextPosition(playlist([7, 8])), { msn: 9, part: 0 });
});

test("a playlist without parts is held back from as RFC 8216 says", () => {
  const read = playlist([7, 8, 9], { ended: true });
  assert.equal(read.partTarget, null);
  assert.equal(read.holdBack, 6);
});

// ---------------------------------------------------------------------- what to load next

test("it joins at the last place to begin that is at least the hold-back from the end", () => {
  assert.deepEqual(load(new Follower(), playlist([7, 8], { unfinished: 2 })).names, [
    "8",
    "9.0",
    "9.1",
  ]);
  assert.deepEqual(load(new Follower(), playlist([7, 8], { unfinished: 3 })).names, [
    "9.0",
    "9.1",
    "9.2",
  ]);
});

test("it joins at the beginning of a playlist that is shorter than the hold-back", () => {
  assert.deepEqual(load(new Follower(), playlist([0, 1], { ended: true })).names, ["0", "1"]);
});

test("part by part, nothing is left out and nothing comes twice", () => {
  const follower = new Follower();
  const loaded = [];
  for (let edge = 4 * 3; edge < 4 * 9; edge += 1) {
    const whole = Math.floor(edge / 4);
    const from = playlist([whole - 2, whole - 1], { unfinished: edge % 4 });
    loaded.push(...load(follower, from).names);
  }
  const [start, ...rest] = loaded;
  assert.equal(start, "2");
  const expected = [];
  for (let edge = 4 * 3; edge < 4 * 9 - 1; edge += 1) {
    expected.push(`${Math.floor(edge / 4)}.${edge % 4}`);
  }
  assert.deepEqual(rest, expected);
});

test("what failed to load is given again", () => {
  const follower = new Follower();
  const from = playlist([7, 8], { unfinished: 3 });
  const { pieces } = follower.next(from);
  follower.loaded(pieces[0]);
  assert.deepEqual(load(follower, from).names, ["9.1", "9.2"]);
});

test("a segment of which no parts are listed any more is completed by the whole of it", () => {
  const follower = new Follower();
  load(follower, playlist([7, 8], { unfinished: 3 }));
  const { names, pieces } = load(follower, playlist([7, 8, 9], { ended: true }));
  assert.deepEqual(names, ["9"]);
  assert.equal(pieces[0].added, 0.5);
});

test("a segment that was loaded in parts to its end is not loaded again", () => {
  const follower = new Follower();
  load(follower, playlist([7, 8], { unfinished: 3 }));
  load(follower, playlist([8, 9]));
  assert.deepEqual(load(follower, playlist([8, 9], { ended: true })).names, []);
});

test("who fell out of the window joins anew, as does who meets another server's playlist", () => {
  for (const other of [playlist([20, 21], { unfinished: 3 }), playlist([0, 1], { unfinished: 3 })]) {
    const follower = new Follower();
    assert.equal(load(follower, playlist([7, 8], { unfinished: 3 })).joined, true);
    assert.equal(load(follower, playlist([7, 8], { unfinished: 4 })).joined, false);
    assert.equal(load(follower, other).joined, true);
  }
});

test("pieces carry their dates and their period", () => {
  const follower = new Follower();
  const { pieces } = load(follower, playlist([7, 8], { unfinished: 3, breaks: [9] }));
  const start = Date.UTC(2026, 0, 1) + 18_000;
  assert.deepEqual(pieces.map(({ date }) => date - start), [0, 500, 1000]);
  assert.deepEqual(new Set(pieces.map(({ period }) => period)), new Set([4]));
});

// ---------------------------------------------------------------------- pace

test("near its target the video plays at its own rate", () => {
  const pace = new Pace();
  assert.deepEqual(pace.decide(1.55, 1.5, 0.15, 0), { rate: 1, jump: false });
});

test("behind its target it plays a little faster until it is there", () => {
  const pace = new Pace();
  const { rate } = pace.decide(2.5, 1.5, 0.15, 0);
  assert.ok(rate > 1.05 && rate <= 1.1);
  assert.ok(pace.decide(1.6, 1.5, 0.15, 1).rate > 1);
  assert.equal(pace.decide(1.5, 1.5, 0.15, 2).rate, 1);
  assert.equal(pace.decide(1.6, 1.5, 0.15, 3).rate, 1);
});

test("far behind its target it jumps", () => {
  assert.equal(new Pace().decide(30, 1.5, 0.15, 0).jump, true);
});

test("every stall makes it keep more distance, and calm takes that back", () => {
  const pace = new Pace();
  pace.stalled(0);
  assert.equal(pace.target(1.5), 2);
  for (let stall = 0; stall < 100; stall += 1) pace.stalled(stall);
  const most = pace.target(1.5);
  assert.ok(most <= 5);
  pace.decide(most, 1.5, 0.15, 1000);
  assert.equal(pace.target(1.5), most - 0.5);
  for (let minute = 0; minute < 100; minute += 1) pace.decide(most, 1.5, 0.15, 1000 + minute * 61);
  assert.equal(pace.target(1.5), 1.5);
});

test("with a right clock, latency is what the clock says", () => {
  const clock = new EncoderClock();
  clock.note(100_100, 100_000);
  assert.equal(clock.secondsSince(99_000, 100_600), 1.6);
});

test("with a clock that is an hour off, latency is still right", () => {
  for (const off of [3_600_000, -3_600_000]) {
    const clock = new EncoderClock();
    clock.note(100_000 + off, 100_000);
    assert.equal(clock.secondsSince(99_000, 100_500 + off), 1.5);
  }
});

test("failures are waited for longer and longer, within bounds, until it works again", () => {
  const backoff = new Backoff();
  const waits = Array.from({ length: 10 }, () => backoff.next());
  assert.ok(waits[0] <= 0.5 && waits.every((wait) => wait > 0.3 && wait <= 4));
  assert.ok(waits.at(-1) >= 3);
  backoff.reset();
  assert.ok(backoff.next() <= 0.5);
});

// ---------------------------------------------------------------------- words

const situation = {
  state: "live",
  message: null,
  reachable: true,
  unplayable: null,
  phase: "playing",
};
const words = (changes) => wordsFor({ ...situation, ...changes });

test("every situation has words of its own", () => {
  const states = ["idle", "connecting", "live", "interrupted", "ended", "disabled", "missing"];
  const all = states.map((state) => words({ state, phase: "empty" }));
  for (const { tone, headline, detail } of all) {
    assert.ok(["live", "wait", "off", "bad"].includes(tone));
    assert.ok(headline.length > 3 && detail.length > 10);
  }
  assert.equal(new Set(all.map(({ headline }) => headline)).size, states.length);
});

test("only where nothing is pushed does it say how to push", () => {
  assert.equal(words({ state: "idle", phase: "empty" }).howTo, true);
  assert.equal(words({}).howTo, false);
});

test("what was broadcast is shown to its end before the end is announced", () => {
  assert.equal(words({ state: "ended" }).headline, "Live");
  assert.equal(words({ state: "ended", phase: "over" }).headline, "Ended");
  assert.equal(words({ state: "missing", phase: "over" }).headline, "Ended");
  assert.equal(words({ state: "idle", phase: "dry" }).headline, "The broadcast has stopped");
});

test("trouble of the network or the browser goes before what the server said last", () => {
  assert.equal(words({ reachable: false }).headline, "The server cannot be reached");
  const said = words({ unplayable: "It has no H.264." });
  assert.deepEqual([said.tone, said.detail], ["bad", "It has no H.264."]);
});

test("a state that the page does not know is told in the server's words", () => {
  const said = words({ state: "error", message: "The disk is full." });
  assert.equal(said.detail, "The disk is full.");
});
