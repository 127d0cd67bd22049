// A log behind a gateway, read with fetch: bounded in bytes and time, and trusted in nothing.
import { HASH_BYTES, joined, printable, textOf } from "./bytes.mjs";
import { TILE_WIDTH, tilePath } from "./tree.mjs";
import { NotChecked } from "./verify.mjs";

/** @typedef {import("./arrivals.mjs").Gap} Gap */
/** @typedef {import("./entry.mjs").BodyLine} BodyLine */
/** @typedef {import("./verify.mjs").Source} Source */

const MAX_NOTE_BYTES = 64 * 1024;
const MAX_COMPLETENESS_BYTES = 8 * 1024 * 1024;
const MAX_LINE_BYTES = 1024 * 1024;
/** The longest between two pieces of an answer. */
const IDLE_MS = 60_000;
const MAX_TRIES = 6;
const MAX_WAIT_SECONDS = 65;

/**
 * @param {object} options
 * @param {string} options.url of the gateway
 * @param {() => Promise<string>} options.token asked before each request, since tokens run out
 * @param {boolean} [options.bodies] whether to ask for bodies at all
 * @param {(words: string) => void} [options.say] what is waited for
 */
export function httpSource({ url, token, bodies = true, say = () => {} }) {
  const base = url.replace(/\/+$/, "");
  const ask = (/** @type {string} */ path) => answerTo(`${base}/v1/audit/${path}`, token, say);
  let size = 0;
  /** @param {"log" | "store"} of */
  const hashes = (of) => {
    const stream = follow((from) => ask(`hashes?of=${of}&from=${from}&to=${size}`));
    return (/** @type {number} */ from, /** @type {number} */ to) => stream(from, (to - from) * HASH_BYTES);
  };
  /** @type {Source} */
  const source = {
    checkpoint: async () => {
      const note = textOf(await wholeOf(await ask("checkpoint"), MAX_NOTE_BYTES)) ?? "";
      size = Number(/^[^\n]*\n(\d{1,16})\n/.exec(note)?.[1] ?? 0);
      return note;
    },
    log: hashes("log"),
    store: hashes("store"),
    async tile(level, index, width) {
      const answer = await ask(tilePath(level, index, width)).catch(nullWhenMissing);
      return answer && (await wholeOf(answer, TILE_WIDTH * HASH_BYTES));
    },
    async gaps() {
      const answer = await ask("completeness").catch(nullWhenRefused);
      return answer && gapsIn(textOf(await wholeOf(answer, MAX_COMPLETENESS_BYTES)) ?? "");
    },
  };
  if (!bodies) return { source, readable: async () => false };
  /** Whether the token may read bodies: they are asked for once. */
  const readable = async () => {
    const answer = await ask("bodies?from=0&to=0").catch(nullWhenRefused);
    if (answer === null) return false;
    await answer.body?.cancel();
    source.bodies = linesOf((from) => ask(`bodies?from=${from}&to=${size}`));
    return true;
  };
  return { source, readable };
}

/** An answer that is no 200. */
class Refused extends NotChecked {
  /** @param {number} status @param {string} url */
  constructor(status, url) {
    super(`${printable(new URL(url).pathname)} was answered with ${status}${HINTS[status] ?? ""}`);
    this.status = status;
  }
}

/** @type {Record<number, string>} */
const HINTS = {
  401: ": the token is missing, false or over (it is good for 5 minutes; a file that is renewed is read again)",
  403: ": the token's account may not read this",
  404: ": is this the gateway, and does it know the whole-log verification?",
};

/** @param {unknown} error */
function nullWhenMissing(error) {
  if (error instanceof Refused && (error.status === 404 || error.status === 500)) return null;
  throw error;
}

/** @param {unknown} error */
function nullWhenRefused(error) {
  if (error instanceof Refused && (error.status === 403 || error.status === 404)) return null;
  throw error;
}

/**
 * One answer with status 200; waits where it is asked to. Redirections are not followed: a token
 * goes to whom it
 * was meant for.
 * @param {string} url
 * @param {() => Promise<string>} token
 * @param {(words: string) => void} say
 */
async function answerTo(url, token, say) {
  for (let tries = 1; ; tries += 1) {
    const given = await token();
    const headers = given === "" ? {} : { authorization: `Bearer ${given}` };
    const answer = await fetch(url, {
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(3_600_000),
    }).catch((error) => {
      throw new NotChecked(
        `${printable(new URL(url).origin)} gives no answer (${printable(causeOf(error))})`,
      );
    });
    if (answer.status === 200) return answer;
    await answer.body?.cancel().catch(() => {});
    const isBusy = answer.status === 429 || answer.status === 503;
    if (!isBusy || tries >= MAX_TRIES) throw new Refused(answer.status, url);
    const seconds = Math.min(
      MAX_WAIT_SECONDS,
      Math.max(1, Number(answer.headers.get("retry-after")) || 2 ** tries),
    );
    say(`the gateway asks to wait ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  }
}

/** @param {any} error */
const causeOf = (error) => error?.cause?.code ?? error?.cause?.message ?? error?.message ?? error;

/**
 * The pieces of an answer; throws where none comes for too long.
 * @param {Response} answer
 */
async function* piecesOf(answer) {
  const reader = answer.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      let timer;
      const late = new Promise((_resolve, reject) => {
        timer = setTimeout(() => reject(new NotChecked("an answer stood still for a minute")), IDLE_MS);
      });
      const { done, value } = await Promise.race([
        reader.read(),
        /** @type {Promise<never>} */ (late),
      ]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * @param {Response} answer
 * @param {number} most bytes
 */
async function wholeOf(answer, most) {
  const parts = [];
  let length = 0;
  for await (const piece of piecesOf(answer)) {
    length += piece.length;
    if (length > most) throw new NotChecked("an answer is larger than what was asked for can be");
    parts.push(piece);
  }
  return joined(...parts);
}

/**
 * Reads a stream of 32 bytes an entry in its order, and goes on behind where it broke off.
 * @param {(from: number) => Promise<Response>} open
 */
function follow(open) {
  /** @type {AsyncGenerator<Uint8Array> | null} */
  let pieces = null;
  let rest = new Uint8Array(0);
  let at = -1;
  /** @param {number} from @param {number} bytes */
  return async (from, bytes) => {
    if (from !== at) {
      await pieces?.return(undefined);
      [pieces, rest] = [null, new Uint8Array(0)];
    }
    let breaks = 0;
    while (rest.length < bytes) {
      const inside = rest.length % HASH_BYTES;
      pieces ??= piecesOf(await open(from + (rest.length - inside) / HASH_BYTES));
      const next = await pieces.next().catch(() => ({ done: true, value: undefined }));
      if (!next.done && next.value) rest = joined(rest, next.value);
      else {
        breaks += 1;
        if (breaks >= MAX_TRIES)
          throw new NotChecked(`the entries from ${from} on broke off, again and again`);
        rest = rest.slice(0, rest.length - (rest.length % HASH_BYTES));
        pieces = null;
      }
    }
    const wanted = rest.subarray(0, bytes);
    rest = rest.slice(bytes);
    at = from + bytes / HASH_BYTES;
    return wanted;
  };
}

/**
 * Reads lines of JSON with an index each, in its order.
 * @param {(from: number) => Promise<Response>} open
 */
function linesOf(open) {
  /** @type {AsyncGenerator<BodyLine> | null} */
  let lines = null;
  /** @type {BodyLine | null} */
  let ahead = null;
  let at = -1;
  /** @param {number} from @param {number} to */
  return async (from, to) => {
    if (from !== at || lines === null) {
      await lines?.return(undefined);
      [lines, ahead] = [bodyLines(await open(from)), null];
    }
    const found = [];
    for (;;) {
      if (ahead === null) {
        const { done, value } = await lines.next();
        if (done) break;
        ahead = value;
      }
      if (ahead.index >= to) break;
      if (ahead.index >= from) found.push(ahead);
      ahead = null;
    }
    at = to;
    return found;
  };
}

/**
 * The last line says how many there were, so that an answer cut short is not taken for a log
 * without bodies.
 * @param {Response} answer
 * @returns {AsyncGenerator<BodyLine>}
 */
async function* bodyLines(answer) {
  let [last, count] = [-1, 0];
  for await (const text of textLines(answer)) {
    const line = parsed(text);
    if (line?.end === true && line.count === count) return;
    if (!Number.isSafeInteger(line?.index) || line.index <= last)
      throw new NotChecked("the bodies are not in the order of the log");
    [last, count] = [line.index, count + 1];
    yield line;
  }
  throw new NotChecked("the bodies broke off before their end");
}

/** @param {Response} answer */
async function* textLines(answer) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of piecesOf(answer)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE_BYTES) throw new NotChecked("a line is larger than an entry can be");
    yield* lines;
  }
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @param {string} text
 * @returns {Gap[]}
 */
function gapsIn(text) {
  const items = parsed(text)?.items;
  if (!Array.isArray(items)) throw new NotChecked("the completeness is no list");
  return items.flatMap((item) => {
    const { producer, epoch, gaps } = item ?? {};
    if (typeof producer !== "string" || !Number.isSafeInteger(epoch) || !Array.isArray(gaps))
      throw new NotChecked("the completeness is no list of producers");
    return gaps.map((gap) => ({ producer, epoch, from: Number(gap?.from), to: Number(gap?.to) }));
  });
}
