/** How far behind the end of the playlist to play, and what to do about being elsewhere. */

/** Seconds of lag from which on nothing but a jump helps. */
const HOPELESS = 4;

/** The fastest that still sounds natural. */
const FASTEST = 1.1;

/** Seconds that a stall adds to the distance kept, how many at most, and how fast they go. */
const MARGIN_STEP = 0.5;
const LARGEST_MARGIN = 3;
const CALM = 60;

/**
 * Keeps the playhead at the hold-back, gently: a little faster where it lies behind, a jump where
 * it lies far behind. Every stall makes it keep half a second more, every calm minute half a second
 * less.
 */
export class Pace {
  #margin = 0;
  #changedAt = 0;
  #hurrying = false;

  /** Returns the distance to keep, in seconds, for a playlist with this hold-back. */
  target(holdBack) {
    return holdBack + this.#margin;
  }

  /** Notes that the media ran out although the encoder was sending. `now` is in seconds. */
  stalled(now) {
    this.#margin = Math.min(this.#margin + MARGIN_STEP, LARGEST_MARGIN);
    this.#changedAt = now;
  }

  /**
   * Returns the rate to play at, and whether to jump to the target instead.
   *
   * @param {number} distance from the playhead to the end of the playlist, in seconds
   * @param {number} holdBack as the playlist asks for
   * @param {number} tolerance seconds of lag that are let be; more than `distance` is uncertain by
   * @param {number} now in seconds
   */
  decide(distance, holdBack, tolerance, now) {
    if (this.#margin > 0 && now - this.#changedAt > CALM) {
      this.#margin -= MARGIN_STEP;
      this.#changedAt = now;
    }
    const lag = distance - this.target(holdBack);
    if (lag > Math.max(HOPELESS, holdBack)) {
      this.#hurrying = false;
      return { rate: 1, jump: true };
    }
    this.#hurrying = lag > (this.#hurrying ? 0.02 : tolerance);
    return { rate: this.#hurrying ? Math.min(1 + lag / 10, FASTEST) : 1, jump: false };
  }
}

/** Milliseconds between which the age of a playlist's end makes sense if both clocks are right. */
const YOUNGEST = -250;
const OLDEST = 2000;

/**
 * Tells how long ago something was at the encoder, even where this device's clock is wrong.
 *
 * The end of a playlist that has just changed was at the encoder a moment ago. If it seems to come
 * from the future, or from long ago every time, it is the clock that is off.
 */
export class EncoderClock {
  #age = Infinity;

  /** Notes that a playlist that has just changed ends at `edgeDate`; both in milliseconds. */
  note(now, edgeDate) {
    this.#age = Math.min(this.#age, now - edgeDate);
  }

  /** Returns how many seconds ago `date` was. */
  secondsSince(date, now) {
    const plausible = this.#age >= YOUNGEST && this.#age <= OLDEST;
    return (now - date - (plausible ? 0 : this.#age)) / 1000;
  }
}
