/** Decides what to load next: from where to join, and how to go on from one playlist to the next. */

/** How much of a segment may be missing, in seconds, for it to count as loaded in parts. */
const ROUNDING = 0.02;

/**
 * Follows a media playlist from the place where it joined, without leaving anything out.
 *
 * A piece is a segment or a part: `{uri, init, period, date, duration, after}`. Once it is loaded,
 * `loaded(piece)` moves on behind it; what is not reported as loaded is given again.
 */
export class Follower {
  #cursor = null;

  /** Join anew with the next playlist. */
  rejoin() {
    this.#cursor = null;
  }

  /**
   * Returns the pieces of a playlist that have not been loaded yet, in order, and whether they
   * continue what was loaded before (`joined` is false) or begin elsewhere.
   */
  next(playlist) {
    const joined = this.#cursor === null || this.#isLost(playlist);
    let cursor = joined ? joinAt(playlist) : this.#cursor;
    const pieces = [];
    for (const segment of playlist.segments) {
      if (segment.msn !== cursor.msn) continue;
      for (const piece of piecesFrom(segment, cursor)) {
        pieces.push(piece);
        cursor = piece.after;
      }
      if (segment.whole) cursor = { msn: segment.msn + 1, part: 0, seconds: 0 };
    }
    if (pieces.length === 0) this.#cursor = cursor;
    else pieces.at(-1).after = cursor;
    return { pieces, joined };
  }

  /** Notes that a piece was loaded. */
  loaded(piece) {
    this.#cursor = piece.after;
  }

  /** Whether the playlist has slid past the cursor, or was begun anew by another server. */
  #isLost({ segments }) {
    const { msn } = this.#cursor;
    return segments.length > 0 && (msn < segments[0].msn || msn > segments.at(-1).msn + 1);
  }
}

function* piecesFrom(segment, { part, seconds }) {
  const { init, period, msn } = segment;
  const missing = segment.duration - seconds;
  if (segment.whole && (part === 0 || (segment.parts.length < part && missing > ROUNDING))) {
    // Also where parts of it were loaded and are not listed any more: what comes twice replaces
    // itself.
    yield {
      uri: segment.uri,
      init,
      period,
      date: segment.date,
      duration: segment.duration,
      added: missing,
      after: { msn: msn + 1, part: 0, seconds: 0 },
    };
    return;
  }
  let offset = 0;
  for (const [index, { uri, duration }] of segment.parts.entries()) {
    if (index >= part) {
      seconds += duration;
      yield {
        uri,
        init,
        period,
        date: segment.date === null ? null : segment.date + offset * 1000,
        duration,
        added: duration,
        after: { msn, part: index + 1, seconds },
      };
    }
    offset += duration;
  }
}

/**
 * Chooses where to join: the last place at which decoding can begin that is at least the hold-back
 * away from the end (draft-pantos-hls-rfc8216bis, PART-HOLD-BACK and HOLD-BACK).
 */
function joinAt(playlist) {
  const total = playlist.segments.reduce((sum, { duration }) => sum + duration, 0);
  const latest = total - playlist.holdBack;
  let chosen = { msn: playlist.segments[0]?.msn ?? 0, part: 0, seconds: 0 };
  let start = 0;
  for (const { msn, duration, parts, whole } of playlist.segments) {
    if (start > latest) break;
    if (whole && (playlist.independentSegments || parts.length === 0)) {
      chosen = { msn, part: 0, seconds: 0 };
    }
    let seconds = 0;
    for (const [part, { duration: length, independent }] of parts.entries()) {
      if (independent && start + seconds <= latest) chosen = { msn, part, seconds };
      seconds += length;
    }
    start += duration;
  }
  return chosen;
}
