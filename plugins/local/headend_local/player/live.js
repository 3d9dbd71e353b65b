/** Plays a live stream by Media Source Extensions, close to its encoder, until it ends. */

import { MediaBuffer } from "./buffer.js";
import { Follower } from "./follower.js";
import { Backoff, LoadError, load, sleep } from "./net.js";
import { EncoderClock, Pace } from "./pace.js";
import { edgeDate, nextPosition, readMaster, readMedia } from "./playlist.js";

/** Seconds that a request may take beyond the time that the server may hold it back. */
const PATIENCE = 8;

/** Seconds that are loaded ahead of a paused video. */
const LONGEST_AHEAD = 30;

/** Seconds between two looks at the playhead, and how many looks without progress are a standstill. */
const LOOK_EVERY = 0.2;
const STANDSTILL = 8;

/** Seconds of media to which the playhead counts as having run dry. */
const DRY = 0.1;

/** Seconds of lag that are not worth a faster playback. */
const TOLERANCE = 0.15;

const NOT_FOUND = 404;

/** There is nothing to play at the moment: no playlist, or only that of a broadcast gone by. */
export class NothingToPlayError extends Error {}

export class LivePlayback {
  #video;
  #masterUrl;
  #onTrouble;
  #onDry;
  #ender = new AbortController();
  #buffer;
  #follower = new Follower();
  #pace;
  #clock = new EncoderClock();
  #mediaUrl;
  #playlist = null;
  #init = { uri: null, bytes: null };
  /** Loaded pieces that wait to be appended, and the seconds that they add. */
  #held = [];
  #heldSeconds = 0;
  /** Where on the timeline the playlist ends, and when that was so in seconds. */
  #edge = 0;
  #edgeAt = 0;
  #joining = true;
  #started = false;
  #lastTime = 0;
  #looksWithoutProgress = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {string} masterUrl the multivariant playlist
   * @param {{
   *   pace: Pace, mediaUrl: ?string, onTrouble: () => void, onDry: () => void
   * }} options `pace` and `mediaUrl` outlive one playback: the first has learnt what the network
   *   gives, the second names this viewer, who would be counted twice otherwise; `onTrouble` is
   *   called when a request has failed, `onDry` when the video has run out of media
   */
  constructor(video, masterUrl, { pace, mediaUrl, onTrouble, onDry }) {
    this.#video = video;
    this.#masterUrl = masterUrl;
    this.#pace = pace;
    this.#mediaUrl = mediaUrl;
    this.#onTrouble = onTrouble;
    this.#onDry = onDry;
  }

  /**
   * Plays until the broadcast has ended and all of it was shown, or `close` is called.
   *
   * @throws {NothingToPlayError} there is no playlist (any more), or it ended before we came
   * @throws {Error} the browser cannot go on with this buffer; a new playback can
   */
  async run() {
    const { signal } = this.#ender;
    await this.#open();
    const looking = setInterval(() => this.#look(), LOOK_EVERY * 1000);
    const waiting = () => this.#noteWaiting();
    this.#video.addEventListener("waiting", waiting);
    try {
      await this.#follow(signal);
      await this.#playOut(signal);
    } finally {
      clearInterval(looking);
      this.#video.removeEventListener("waiting", waiting);
      this.#video.playbackRate = 1;
    }
  }

  /** Stops, and leaves the video without media. */
  close() {
    this.#ender.abort();
    this.#buffer?.close();
  }

  /** The media playlist, or null while it is not known. */
  get mediaUrl() {
    return this.#mediaUrl;
  }

  /** Seconds from the encoder to the picture that is shown, or null where that is not known. */
  get latency() {
    const date = this.#buffer?.dateAt(this.#video.currentTime) ?? null;
    return date === null ? null : this.#clock.secondsSince(date, Date.now());
  }

  /** Notes that the media ran out although the encoder was sending. */
  noteStall() {
    this.#pace.stalled(seconds());
  }

  async #open() {
    if (this.#mediaUrl === null) {
      const text = await this.#load(this.#masterUrl, "text").catch(nothingIfMissing);
      this.#mediaUrl = readMaster(text, this.#masterUrl);
    }
    this.#playlist = await this.#loadPlaylist(this.#mediaUrl);
    if (this.#playlist.ended) throw new NothingToPlayError("the broadcast has ended");
    this.#buffer = new MediaBuffer(this.#video);
  }

  async #follow(signal) {
    const backoff = new Backoff();
    let failed = false;
    while (!signal.aborted) {
      try {
        if (failed) this.#playlist = await this.#loadPlaylist(this.#mediaUrl);
        failed = false;
        if (await this.#take(this.#playlist)) return;
        await this.#waitForRoom();
        this.#playlist = await this.#reload(this.#playlist);
        backoff.reset();
      } catch (error) {
        if (!(error instanceof LoadError)) throw error;
        if (signal.aborted) return;
        failed = true;
        this.#onTrouble();
        // What has left the server is in no newer playlist either; there is no way on from here.
        if (error.status === NOT_FOUND) this.#follower.rejoin();
        await sleep(backoff.next(), signal);
      }
    }
  }

  /** Lets the video come to its end, unless somebody has paused it. */
  async #playOut(signal) {
    while (!signal.aborted && !this.#video.ended && !this.#video.paused) {
      await sleep(LOOK_EVERY, signal);
    }
  }

  /** Loads what is new in a playlist; returns whether that was the end. */
  async #take(playlist) {
    const { pieces, joined } = this.#follower.next(playlist);
    if (joined) {
      this.#joining = true;
      this.#held = [];
      this.#heldSeconds = 0;
    }
    let missing = pieces.reduce((sum, { added }) => sum + added, 0);
    this.#setEdge(missing);
    for (const piece of pieces) {
      await this.#hold(piece);
      missing -= piece.added;
      if (!this.#joining && this.#isEnough()) await this.#appendHeld(missing);
    }
    if (this.#joining || playlist.ended) await this.#appendHeld(missing);
    if (this.#joining) this.#startPlaying();
    if (playlist.ended) this.#buffer.finish();
    return playlist.ended;
  }

  async #hold(piece) {
    if (this.#init.uri !== piece.init) {
      this.#init = { uri: piece.init, bytes: await this.#load(piece.init, "bytes") };
    }
    const init = this.#init.bytes;
    this.#held.push({ piece, init, bytes: await this.#load(piece.uri, "bytes") });
    this.#heldSeconds += piece.added;
    this.#follower.loaded(piece);
  }

  /**
   * Whether to append what is held. Where the video has run dry, or is about to because the encoder
   * was away, it would play one piece and run dry again at once: there it gets as much as it is
   * meant to have.
   */
  #isEnough() {
    const ahead = this.#buffer.end - this.#video.currentTime;
    if (ahead > DRY && this.#buffer.continues(this.#held[0].piece)) return true;
    return ahead + this.#heldSeconds > this.#pace.target(this.#playlist.holdBack) - DRY;
  }

  async #appendHeld(missing) {
    for (const { piece, init, bytes } of this.#held) await this.#buffer.append(piece, init, bytes);
    this.#held = [];
    this.#heldSeconds = 0;
    this.#setEdge(missing, this.#edgeAt);
  }

  #setEdge(missing, at = seconds()) {
    this.#edge = (this.#buffer?.end ?? 0) + this.#heldSeconds + missing;
    this.#edgeAt = at;
  }

  #startPlaying() {
    if (this.#buffer.end === 0) return;
    this.#joining = false;
    this.#seekToLive();
    // It is muted or the page has been clicked on; else the controls are there to start it.
    if (!this.#started) this.#video.play().catch(() => {});
    this.#started = true;
  }

  #seekToLive() {
    const wanted = this.#buffer.end - this.#pace.target(this.#playlist.holdBack);
    this.#video.currentTime = Math.max(wanted, this.#buffer.lastStart);
    this.#looksWithoutProgress = 0;
  }

  /** Waits while so much lies ahead of a paused video that loading more would waste memory. */
  async #waitForRoom() {
    const { signal } = this.#ender;
    while (this.#buffer.end - this.#video.currentTime > LONGEST_AHEAD && !signal.aborted) {
      await sleep(LOOK_EVERY, signal);
    }
  }

  /** Loads the media playlist again, when it has changed if the server can wait for that. */
  async #reload(playlist) {
    const { signal } = this.#ender;
    const url = new URL(this.#mediaUrl);
    if (playlist.canBlock && playlist.partTarget !== null) {
      const { msn, part } = nextPosition(playlist);
      url.searchParams.set("_HLS_msn", msn);
      url.searchParams.set("_HLS_part", part);
    } else {
      await sleep(playlist.targetDuration / 2, signal);
    }
    const asked = seconds();
    const news = await this.#loadPlaylist(url.href, 3 * playlist.targetDuration);
    const { msn, part } = nextPosition(playlist);
    const now = nextPosition(news);
    const changed = news.ended || now.msn !== msn || now.part !== part;
    const date = edgeDate(news);
    if (changed && date !== null) this.#clock.note(Date.now(), date);
    // A server that answers at once with nothing new must not be asked in a tight loop.
    if (!changed && seconds() - asked < LOOK_EVERY) await sleep(playlist.targetDuration / 4, signal);
    return news;
  }

  async #loadPlaylist(url, held = 0) {
    const text = await this.#load(url, "text", held).catch(nothingIfMissing);
    return readMedia(text, url);
  }

  #load(url, as, held = 0) {
    return load(url, { as, seconds: held + PATIENCE, signal: this.#ender.signal });
  }

  /** Looks where the playhead is, and moves it along where it should not be there. */
  #look() {
    const video = this.#video;
    if (this.#joining || video.paused || video.seeking || video.ended) return;
    const now = seconds();
    const { partTarget, targetDuration, holdBack } = this.#playlist;
    // Between two playlists the edge moves on unseen.
    const unseen = Math.min(now - this.#edgeAt, partTarget ?? targetDuration);
    const distance = this.#edge + unseen - video.currentTime;
    // Without blocking reloads it is known only roughly when the edge moved.
    const tolerance = partTarget === null ? targetDuration : TOLERANCE;
    const { rate, jump } = this.#pace.decide(distance, holdBack, tolerance, now);
    video.playbackRate = rate;
    if (jump) this.#jump();
    else this.#unstick();
  }

  #noteWaiting() {
    const ahead = this.#buffer.end - this.#video.currentTime;
    const dry = ahead < 2 * DRY && this.#held.length === 0;
    if (dry && !this.#joining && !this.#video.seeking) this.#onDry();
  }

  #jump() {
    const wanted = this.#buffer.end - this.#pace.target(this.#playlist.holdBack);
    if (this.#buffer.has(wanted) && wanted > this.#video.currentTime) this.#seekToLive();
    else this.#follower.rejoin();
  }

  #unstick() {
    const { currentTime } = this.#video;
    const stands = currentTime === this.#lastTime;
    this.#lastTime = currentTime;
    this.#looksWithoutProgress = stands ? this.#looksWithoutProgress + 1 : 0;
    if (this.#looksWithoutProgress < 2) return;
    const next = this.#buffer.after(currentTime);
    if (next !== null && !this.#buffer.has(currentTime + DRY)) {
      this.#video.currentTime = next;
    } else if (this.#looksWithoutProgress >= STANDSTILL && this.#buffer.has(currentTime + 2 * DRY)) {
      // Decoders get stuck at damaged frames; a small step gets them going.
      this.#video.currentTime = currentTime + DRY;
      this.#looksWithoutProgress = 0;
    }
  }
}

function nothingIfMissing(error) {
  if (error.status === NOT_FOUND) throw new NothingToPlayError(error.message);
  throw error;
}

function seconds() {
  return performance.now() / 1000;
}
