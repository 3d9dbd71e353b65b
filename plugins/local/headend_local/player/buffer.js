/** The media that the video element plays: one SourceBuffer, fed with one piece after another. */

import { fragmentStart, readInit } from "./mp4.js";

/** Seconds of played media that are kept, and that are kept when the browser has no more room. */
const KEPT_BEHIND = 15;
const KEPT_BEHIND_AT_LEAST = 1;

/** What the browser plays cannot go on like this; it can with a new buffer. */
export class BufferError extends Error {}

/** The browser cannot play this kind of video at all. */
export class UnplayableError extends Error {}

/**
 * Puts the periods of a live stream one after another on one timeline that begins at 0.
 *
 * Every period counts its own time from wherever it likes; where a period begins, its first
 * fragment tells by how much it has to be moved.
 */
export class MediaBuffer {
  #video;
  #source = new MediaSource();
  #url = URL.createObjectURL(this.#source);
  #target = null;
  #kinds = null;
  #mimeType = null;
  #timescales = null;
  #period = null;
  /** Where which date is on the timeline: `{start, end, date}`, in order. */
  #dates = [];

  constructor(video) {
    this.#video = video;
    video.src = this.#url;
  }

  /**
   * Appends a piece.
   *
   * @param {{init: string, period: number, date: ?number, duration: number}} piece
   * @param {Uint8Array} init the init segment that the piece names
   * @param {Uint8Array} bytes the piece itself
   */
  async append(piece, init, bytes) {
    const isNew = !this.continues(piece);
    const { mimeType, kinds, timescales } = isNew
      ? readInit(init)
      : { mimeType: this.#mimeType, kinds: this.#kinds, timescales: this.#timescales };
    const start = fragmentStart(bytes, timescales);
    if (start === null) return;
    if (isNew) {
      await this.#begin(mimeType, kinds, init, start);
      this.#period = periodOf(piece);
      this.#timescales = timescales;
    }
    await this.#appendBytes(bytes);
    if (piece.date !== null) {
      const at = start + this.#target.timestampOffset;
      this.#dates.push({ start: at, end: at + piece.duration, date: piece.date });
    }
    await this.#forget(KEPT_BEHIND);
  }

  /** Whether a piece belongs to the period that was appended last. */
  continues(piece) {
    return periodOf(piece) === this.#period;
  }

  /** Seconds at which the media ends, 0 while there is none. */
  get end() {
    const ranges = this.#target?.buffered;
    return ranges?.length ? ranges.end(ranges.length - 1) : 0;
  }

  /** Returns where the media begins that ends at `end`. */
  get lastStart() {
    const ranges = this.#target?.buffered;
    return ranges?.length ? ranges.start(ranges.length - 1) : 0;
  }

  /** Returns where media goes on after a gap at `time`, or null where there is none. */
  after(time) {
    const ranges = this.#target?.buffered;
    for (let index = 0; index < (ranges?.length ?? 0); index += 1) {
      if (ranges.start(index) > time) return ranges.start(index);
    }
    return null;
  }

  /** Whether `time` can be played. */
  has(time) {
    const ranges = this.#target?.buffered;
    for (let index = 0; index < (ranges?.length ?? 0); index += 1) {
      if (ranges.start(index) <= time && time < ranges.end(index)) return true;
    }
    return false;
  }

  /** Returns the date of a time on the timeline, or null where that is not known. */
  dateAt(time) {
    const found = this.#dates.findLast(({ start }) => start <= time);
    return found && time < found.end + 1 ? found.date + (time - found.start) * 1000 : null;
  }

  /** Says that nothing more comes, so that the video ends where the media does. */
  finish() {
    if (this.#source.readyState === "open") this.#source.endOfStream();
  }

  /** Lets go of everything. */
  close() {
    URL.revokeObjectURL(this.#url);
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  async #begin(mimeType, kinds, init, start) {
    if (this.#target === null) {
      if (!MediaSource.isTypeSupported(mimeType)) {
        throw new UnplayableError(`this browser does not play ${mimeType}`);
      }
      if (this.#source.readyState !== "open") await once(this.#source, "sourceopen");
      this.#target = this.#source.addSourceBuffer(mimeType);
    } else if (kinds !== this.#kinds) {
      // A SourceBuffer keeps the tracks that it began with (Media Source Extensions, 3.5.7).
      throw new BufferError("sound or picture has come or gone");
    } else if (mimeType !== this.#mimeType) {
      this.#target.changeType(mimeType);
    }
    this.#kinds = kinds;
    this.#mimeType = mimeType;
    await this.#appendBytes(init);
    this.#target.timestampOffset = this.end - start;
  }

  async #appendBytes(bytes) {
    try {
      await this.#change(() => this.#target.appendBuffer(bytes));
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      await this.#forget(KEPT_BEHIND_AT_LEAST);
      await this.#change(() => this.#target.appendBuffer(bytes));
    }
  }

  async #forget(kept) {
    const until = this.#video.currentTime - kept;
    const ranges = this.#target.buffered;
    // Not at every piece: taking away a little costs as much as taking away a lot.
    if (!ranges.length || until - ranges.start(0) < Math.min(kept, 5)) return;
    await this.#change(() => this.#target.remove(0, until));
    this.#dates = this.#dates.filter(({ end }) => end > until);
  }

  /** Starts a change of the SourceBuffer and waits until it is done. */
  async #change(start) {
    const target = this.#target;
    if (this.#video.error) throw new BufferError(this.#video.error.message);
    const done = new Promise((resolve, reject) => {
      target.onupdateend = resolve;
      target.onerror = () => reject(new BufferError("the browser cannot read the media"));
    });
    try {
      start();
    } catch (error) {
      if (error.name === "InvalidStateError") throw new BufferError(error.message);
      throw error;
    }
    await done;
  }
}

function periodOf({ period, init }) {
  return `${period} ${init}`;
}

function once(target, name) {
  return new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));
}
