/**
 * Reads the HLS playlists of this server: RFC 8216, and draft-pantos-hls-rfc8216bis for parts.
 *
 * Times are seconds, dates are milliseconds since 1970. Tags that it does not know are skipped, as
 * section 6.3.1 of the RFC asks of clients.
 */

export class PlaylistError extends Error {}

/** Returns the absolute URL of the first media playlist that a multivariant playlist names. */
export function readMaster(text, base) {
  const lines = linesOf(text);
  const variant = lines.findIndex((line) => line.startsWith("#EXT-X-STREAM-INF:"));
  const uri = lines.slice(variant + 1).find((line) => !line.startsWith("#"));
  if (variant < 0 || !uri) throw new PlaylistError("the multivariant playlist names no variant");
  return new URL(uri, base).href;
}

/**
 * Reads a media playlist.
 *
 * The answer's `segments` are in order; the last one may be unfinished (`whole` is false, `uri` is
 * null) and then consists of the parts that exist so far. Between two discontinuities lies a
 * `period`, which has a number.
 *
 * @param {string} text
 * @param {string} base the URL it came from
 */
export function readMedia(text, base) {
  const playlist = {
    targetDuration: 0,
    partTarget: null,
    holdBack: null,
    canBlock: false,
    independentSegments: false,
    ended: false,
    segments: [],
  };
  let msn = 0;
  let period = 0;
  let partHoldBack = null;
  let init = null;
  let date = null;
  let parts = [];
  let duration = 0;

  const begin = (whole, uri, length) => {
    const segment = { msn, period, init, date, duration: length, whole, uri, parts };
    playlist.segments.push(segment);
    msn += 1;
    date = date === null ? null : date + length * 1000;
    parts = [];
  };

  for (const line of linesOf(text)) {
    const [, tag, value] = /^(#EXT[A-Z0-9-]*):?(.*)$/.exec(line) ?? [null, null, ""];
    switch (tag) {
      case "#EXT-X-TARGETDURATION":
        playlist.targetDuration = Number(value);
        break;
      case "#EXT-X-SERVER-CONTROL": {
        const control = attributes(value);
        playlist.canBlock = control["CAN-BLOCK-RELOAD"] === "YES";
        playlist.holdBack = number(control["HOLD-BACK"]);
        partHoldBack = number(control["PART-HOLD-BACK"]);
        break;
      }
      case "#EXT-X-PART-INF":
        playlist.partTarget = number(attributes(value)["PART-TARGET"]);
        break;
      case "#EXT-X-MEDIA-SEQUENCE":
        msn = Number(value);
        break;
      case "#EXT-X-DISCONTINUITY-SEQUENCE":
        period = Number(value);
        break;
      case "#EXT-X-INDEPENDENT-SEGMENTS":
        playlist.independentSegments = true;
        break;
      case "#EXT-X-DISCONTINUITY":
        period += 1;
        break;
      case "#EXT-X-MAP":
        init = new URL(attributes(value).URI, base).href;
        break;
      case "#EXT-X-PROGRAM-DATE-TIME":
        date = Date.parse(value);
        break;
      case "#EXT-X-PART": {
        const part = attributes(value);
        parts.push({
          uri: new URL(part.URI, base).href,
          duration: Number(part.DURATION),
          independent: part.INDEPENDENT === "YES",
        });
        break;
      }
      case "#EXTINF":
        duration = Number.parseFloat(value);
        break;
      case "#EXT-X-ENDLIST":
        playlist.ended = true;
        break;
      case null:
        begin(true, new URL(line, base).href, duration);
        break;
    }
  }
  if (parts.length > 0) {
    begin(false, null, parts.reduce((sum, part) => sum + part.duration, 0));
  }
  if (!(playlist.targetDuration > 0)) throw new PlaylistError("this is no media playlist");
  if (playlist.partTarget !== null) {
    playlist.holdBack = partHoldBack ?? 3 * playlist.partTarget;
  } else {
    playlist.holdBack ??= 3 * playlist.targetDuration;
  }
  return playlist;
}

/** Returns media sequence number and part index of what this playlist will list next. */
export function nextPosition({ segments }) {
  const last = segments.at(-1);
  if (!last) return { msn: 0, part: 0 };
  return last.whole ? { msn: last.msn + 1, part: 0 } : { msn: last.msn, part: last.parts.length };
}

/** Returns the date of the end of a playlist, or null where it gives no dates. */
export function edgeDate({ segments }) {
  const last = segments.at(-1);
  return last?.date == null ? null : last.date + last.duration * 1000;
}

function linesOf(text) {
  const lines = text.split(/\r?\n/).filter((line) => line !== "");
  if (lines[0] !== "#EXTM3U") throw new PlaylistError("this is no HLS playlist");
  return lines.filter((line) => !line.startsWith("#") || line.startsWith("#EXT"));
}

function attributes(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^",]*)/g)) {
    found[name] = value.replaceAll('"', "");
  }
  return found;
}

function number(text) {
  return text === undefined ? null : Number(text);
}
