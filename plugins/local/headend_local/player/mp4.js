/**
 * What has to be known of fragmented MP4 before it goes to the browser: which codecs an init
 * segment announces, and when a fragment begins. Box layouts are those of ISO/IEC 14496-12.
 */

/**
 * Reads an init segment.
 *
 * @param {Uint8Array} bytes
 * @returns {{mimeType: string, kinds: string, timescales: Map<number, number>}} the type to give
 *   to Media Source Extensions; which kinds of track there are, in a form to compare; the ticks
 *   to the second of each track id.
 */
export function readInit(bytes) {
  const codecs = [];
  const timescales = new Map();
  let kinds = "";
  for (const track of boxes(only(view(bytes), "moov"), "trak")) {
    const media = only(track, "mdia");
    timescales.set(idOf(only(track, "tkhd")), timescaleOf(only(media, "mdhd")));
    const table = only(only(media, "minf"), "stbl");
    // Eight bytes of version, flags and entry count come before the sample entries.
    const entries = part(only(table, "stsd"), 8);
    for (const entry of boxes(entries, "avc1")) {
      const [, profile, compatibility, level] = octets(only(part(entry, 78), "avcC"));
      codecs.push(`avc1.${[profile, compatibility, level].map(hex).join("")}`);
      kinds += "v";
    }
    for (const entry of boxes(entries, "mp4a")) {
      codecs.push(`mp4a.40.${audioObjectType(octets(only(part(entry, 28), "esds")))}`);
      kinds += "a";
    }
  }
  const type = kinds.includes("v") ? "video/mp4" : "audio/mp4";
  return { mimeType: `${type}; codecs="${codecs.join(", ")}"`, kinds, timescales };
}

/**
 * Returns when the earliest sample of a fragment is decoded, in seconds of its own timeline, or
 * null where it holds no samples.
 */
export function fragmentStart(bytes, timescales) {
  let start = null;
  for (const fragment of boxes(view(bytes), "moof")) {
    for (const track of boxes(fragment, "traf")) {
      const timescale = timescales.get(only(track, "tfhd").getUint32(4));
      const decodeTime = only(track, "tfdt");
      const ticks =
        decodeTime.getUint8(0) === 1 ? Number(decodeTime.getBigUint64(4)) : decodeTime.getUint32(4);
      start = Math.min(start ?? Infinity, ticks / timescale);
    }
    if (start !== null) break;
  }
  return start;
}

function* boxes(data, kind) {
  let offset = 0;
  while (offset + 8 <= data.byteLength) {
    const size = data.getUint32(offset);
    if (size < 8 || offset + size > data.byteLength) return;
    if (kindAt(data, offset + 4) === kind) yield part(data, offset + 8, offset + size);
    offset += size;
  }
}

function only(data, kind) {
  for (const box of boxes(data, kind)) return box;
  throw new Error(`the MP4 data has no ${kind} box where there must be one`);
}

function kindAt(data, offset) {
  return String.fromCharCode(...octets(part(data, offset, offset + 4)));
}

function idOf(header) {
  return header.getUint32(header.getUint8(0) === 1 ? 20 : 12);
}

function timescaleOf(header) {
  return header.getUint32(header.getUint8(0) === 1 ? 20 : 12);
}

/** Finds the AudioSpecificConfig in an elementary stream descriptor (ISO/IEC 14496-1, 7.2.6). */
function audioObjectType(descriptor) {
  let offset = 4;
  const open = (tag) => {
    if (descriptor[offset] !== tag) throw new Error("the MP4 data has no audio configuration");
    do offset += 1;
    while (descriptor[offset] & 0x80);
    offset += 1;
  };
  open(3);
  offset += 3;
  open(4);
  offset += 13;
  open(5);
  const type = descriptor[offset] >> 3;
  return type === 31 ? 32 + ((descriptor[offset] & 7) << 3 | descriptor[offset + 1] >> 5) : type;
}

function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function part(data, start, end = data.byteLength) {
  return new DataView(data.buffer, data.byteOffset + start, end - start);
}

function octets(data) {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function hex(octet) {
  return octet.toString(16).padStart(2, "0");
}
