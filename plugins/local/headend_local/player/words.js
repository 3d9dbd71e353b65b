/** What the page says: every situation it can be in, in words. */

const INTERRUPTED = {
  tone: "wait",
  headline: "Interrupted",
  detail: "Waiting for the encoder to come back. The picture then goes on by itself.",
};

const BY_STATE = {
  missing: {
    tone: "off",
    headline: "There is no such live stream",
    detail: "Check the address of this page. A live stream that has ended for good is gone, too.",
  },
  disabled: {
    tone: "off",
    headline: "Switched off",
    detail: "This live stream is disabled. The picture comes back here once it is enabled again.",
  },
  idle: {
    tone: "off",
    headline: "Nothing is being pushed",
    detail: "The picture starts here by itself as soon as an encoder pushes to this live stream.",
    howTo: true,
  },
  connecting: {
    tone: "wait",
    headline: "Connecting",
    detail: "An encoder has connected. The picture starts in a few seconds.",
  },
  interrupted: INTERRUPTED,
  ended: {
    tone: "off",
    headline: "Ended",
    detail: "This live stream has ended. Nothing more comes here.",
  },
};

const BY_PHASE = {
  empty: { tone: "wait", headline: "Live", detail: "Loading the picture." },
  playing: { tone: "live", headline: "Live", detail: "" },
  dry: {
    tone: "wait",
    headline: "Buffering",
    detail: "The video comes in more slowly than it plays. It goes on in a moment.",
  },
  paused: { tone: "live", headline: "Paused", detail: "It goes on with what is live then." },
  over: { tone: "wait", headline: "Live", detail: "Loading the picture." },
};

const UNREACHABLE = {
  tone: "bad",
  headline: "The server cannot be reached",
  detail: "Trying again by itself.",
};

const STOPPED = {
  tone: "off",
  headline: "The broadcast has stopped",
  detail: "If it goes on, the picture comes back here by itself.",
};

/**
 * Returns what to say.
 *
 * @param {{
 *   state: ?string, message: ?string, reachable: boolean, unplayable: ?string,
 *   phase: "empty"|"playing"|"dry"|"paused"|"over",
 * }} situation `state` and `message` are the server's (`missing` where it knows no such live
 *   stream, null before its first answer); `unplayable` is why this browser cannot play it;
 *   `phase` is what the video does: it has nothing yet, plays, ran out, is paused, came to its end
 * @returns {{tone: "live"|"wait"|"off"|"bad", headline: string, detail: string, howTo: boolean}}
 */
export function wordsFor({ state, message, reachable, unplayable, phase }) {
  return { howTo: false, ...choose({ state, message, reachable, unplayable, phase }) };
}

function choose({ state, message, reachable, unplayable, phase }) {
  if (unplayable) {
    return { tone: "bad", headline: "This browser cannot play the video", detail: unplayable };
  }
  if (!reachable) return UNREACHABLE;
  if (state === null) {
    return { tone: "wait", headline: "One moment", detail: "Asking the server what is on." };
  }
  // What has been broadcast is shown to its end before anything is said about the end.
  const showing = phase === "playing" || phase === "paused";
  if (state === "live" || (showing && ["ended", "missing", "idle"].includes(state))) {
    return BY_PHASE[phase];
  }
  if (state === "idle" && phase !== "empty") return STOPPED;
  if (state === "missing" && phase !== "empty") return BY_STATE.ended;
  return BY_STATE[state] ?? { tone: "wait", headline: state, detail: message ?? "" };
}
