// The witness's door (C2SP tlog-witness): small requests, few at a time, nothing written before it
// lasts.
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { textOf } from "../bytes.mjs";
import { nodeEngine } from "../node/engine.mjs";
import { decide, originIn } from "./decision.mjs";
import { hashOf, openMemory } from "./store.mjs";

/** @typedef {import("./decision.mjs").KnownLog} KnownLog */
/** @typedef {import("./store.mjs").Signer} Signer */

const MAX_BODY_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 64;
const REQUEST_MS = 10_000;
/** Requests a second that are worked on; a burst of as many may wait. */
const PER_SECOND = 20;

/**
 * @param {object} options
 * @param {string} options.directory
 * @param {Signer} options.signer
 * @param {readonly KnownLog[]} options.logs
 * @param {{ cert: Buffer, key: Buffer } | null} options.tls
 * @param {(line: { origin: string | null, status: number, words: string }) => void} options.say
 * @param {() => number} [options.now] milliseconds since 1970
 */
export async function witnessServer({ directory, signer, logs, tls, say, now = Date.now }) {
  const memories = new Map(
    await Promise.all(
      logs.map(async (log) => {
        const memory = await openMemory(directory, log, signer.key);
        await memory.latest(); // a memory that cannot be read is no reason to begin again
        return /** @type {const} */ ([log.origin, memory]);
      }),
    ),
  );
  const byHash = new Map(
    await Promise.all(logs.map(async ({ origin }) => /** @type {const} */ ([await hashOf(origin), origin]))),
  );
  const limit = limiter(now);
  /** One after the other: what was seen last is read, held against, and written. */
  let queue = Promise.resolve();

  /** @param {string} body */
  async function cosign(body) {
    const origin = originIn(body);
    const memory = memories.get(origin ?? "");
    const state = memory && (await memory.latest());
    const decision = await decide(nodeEngine, body, logs, async () => state?.checkpoint ?? null);
    if (decision.isMisbehaviour) await memory?.keepEvidence(body);
    const { checkpoint, line } = decision;
    if (!memory || !state || !checkpoint || !line) return { origin, ...decision, answer: answerOf(decision) };
    const cosignature = signer.cosign(checkpoint.text, Math.floor(now() / 1_000));
    const isKept = await memory.remember(state.number, `${checkpoint.text}\n${line}\n${cosignature}`);
    if (isKept) return { origin, ...decision, answer: cosignature };
    return { origin, status: 503, words: "another process cosigns for this witness", answer: "" };
  }

  /**
   * @param {import("node:http").IncomingMessage} req
   * @param {import("node:http").ServerResponse} res
   */
  async function answer(req, res) {
    const url = req.url ?? "";
    const [, hash = ""] = /^\/([0-9a-f]{64})\/checkpoint$/.exec(url) ?? [];
    if (req.method === "GET" && byHash.has(hash)) {
      const state = await memories.get(byHash.get(hash) ?? "")?.latest();
      return end(res, state?.note ? 200 : 404, state?.note ?? "");
    }
    if (req.method !== "POST" || url !== "/add-checkpoint") return end(res, 404, "");
    if (!limit()) return end(res.setHeader("Retry-After", "1"), 429, "");
    const body = textOf(await bodyOf(req));
    if (body === null) return end(res, 400, "");
    const done = queue.then(() => cosign(body));
    queue = done.then(
      () => {},
      () => {},
    );
    const { origin, status, words, answer: text } = await done;
    say({ origin, status, words });
    if (status === 409) res.setHeader("Content-Type", "text/x.tlog.size");
    end(res, status, text);
  }

  /** @type {import("node:http").RequestListener} */
  const listener = (req, res) => {
    answer(req, res).catch((/** @type {Error} */ error) => {
      const isLarge = error instanceof TooLarge;
      if (!isLarge) say({ origin: null, status: 500, words: error.message });
      if (!res.headersSent) end(res, isLarge ? 413 : 500, "");
      req.destroy();
    });
  };
  const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, maxHeaderSize: 8_192 };
  const server = tls ? createTlsServer({ ...tls, ...limits }, listener) : createServer(limits, listener);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

class TooLarge extends Error {}

/** @param {import("node:http").IncomingMessage} req */
async function bodyOf(req) {
  const parts = [];
  let length = 0;
  for await (const part of req) {
    length += part.length;
    if (length > MAX_BODY_BYTES) throw new TooLarge();
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** @param {import("node:http").ServerResponse} res @param {number} status @param {string} text */
function end(res, status, text) {
  if (!res.hasHeader("Content-Type")) res.setHeader("Content-Type", "text/plain; charset=utf-8");
  res.writeHead(status).end(text);
}

/** @param {import("./decision.mjs").Decision} decision */
const answerOf = ({ status, words, latest }) => (status === 409 ? `${latest}\n` : `${words}\n`);

/** @param {() => number} now */
function limiter(now) {
  let [left, at] = [PER_SECOND, now()];
  return () => {
    left = Math.min(PER_SECOND, left + ((now() - at) / 1_000) * PER_SECOND);
    at = now();
    if (left < 1) return false;
    left -= 1;
    return true;
  };
}
