/** Plays a live stream by the browser's own HLS, where there are no Media Source Extensions. */

import { UnplayableError } from "./buffer.js";

const NO_METADATA = 0;

export class NativePlayback {
  #video;
  #url;
  #settle = () => {};

  /**
   * @param {HTMLVideoElement} video
   * @param {string} url the multivariant playlist
   */
  constructor(video, url) {
    this.#video = video;
    this.#url = url;
  }

  /**
   * Plays until the broadcast has ended or `close` is called.
   *
   * @throws {UnplayableError} the browser has no HLS either
   * @throws {Error} the browser gave up; a new playback may go on
   */
  async run() {
    const video = this.#video;
    if (!video.canPlayType("application/vnd.apple.mpegurl")) {
      throw new UnplayableError(
        "It has neither Media Source Extensions nor HLS of its own. Any current browser has.",
      );
    }
    const over = new Promise((resolve, reject) => {
      this.#settle = resolve;
      video.onended = resolve;
      video.onerror = () => reject(new Error(video.error?.message ?? "the browser gave up"));
    });
    video.src = this.#url;
    video.play().catch(() => {});
    try {
      await over;
    } finally {
      video.onended = null;
      video.onerror = null;
    }
  }

  /** Stops, and leaves the video without media. */
  close() {
    this.#settle();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  /** Seconds from the encoder to the picture that is shown, or null where that is not known. */
  get latency() {
    const video = this.#video;
    // The date of time 0, from EXT-X-PROGRAM-DATE-TIME; only Safari's engine tells it.
    const start = video.getStartDate?.().getTime() ?? Number.NaN;
    if (video.readyState === NO_METADATA || Number.isNaN(start)) return null;
    return (Date.now() - start) / 1000 - video.currentTime;
  }

  /** The browser keeps it to itself. */
  get mediaUrl() {
    return null;
  }

  /** Nothing to learn from a stall: the browser decides where to play. */
  noteStall() {}
}
