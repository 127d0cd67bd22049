import type { IncomingMessage, ServerResponse } from "node:http";
import { InvalidInput, TooLarge, Unavailable, UnsupportedMediaType } from "@medvault/contracts";
import { abandonBody, hasBody } from "../limits/body-limit.ts";
import { BodyTimeout } from "../limits/limit.errors.ts";
import { ClientGone } from "../proxy/proxy.errors.ts";
import { checkShape } from "./json-shape.ts";

/** JSON in UTF-8 alone: a charset that the service reads differently would hide what it holds. */
const JSON_TYPE = /^application\/(?:[a-z0-9.-]{1,60}\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
/** For all bodies that are being read together; each has its own limit besides. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

let heldBytes = 0;

export interface JsonBody {
  /** As they came: these are passed on. */
  bytes: Buffer;
  value: unknown;
}

/**
 * Reads a request's JSON body whole, since a part of it says nothing about the rest, and checks its
 * shape; null when there is none. Throws UnsupportedMediaType for another type, TooLarge beyond
 * `maxBytes`, InvalidInput for bytes that are no UTF-8 or no JSON and for what `checkShape`
 * refuses, BodyTimeout for a body that stops coming, ClientGone when its client has gone away.
 */
export async function readJson(
  req: IncomingMessage,
  res: ServerResponse,
  maxBytes: number,
  idleTimeoutMs: number,
): Promise<JsonBody | null> {
  if (!hasBody(req, maxBytes)) return null;
  if (!JSON_TYPE.test(req.headers["content-type"] ?? "")) {
    abandonBody(req, res);
    throw new UnsupportedMediaType("Send application/json.");
  }
  let held = 0;
  res.once("close", () => {
    heldBytes -= held;
  });
  const hold = (bytes: number) => {
    held += bytes;
    heldBytes += bytes;
    if (held > maxBytes) throw new TooLarge();
    if (heldBytes > MAX_HELD_BYTES) throw new Unavailable();
  };
  try {
    const bytes = await wholeBody(req, idleTimeoutMs, hold);
    return bytes.length === 0 ? null : { bytes, value: parsed(bytes) };
  } catch (thrown) {
    if (!req.readableEnded) abandonBody(req, res);
    throw thrown;
  }
}

/** By events: a stream and an iterator in between cost more than the rest of a small body. */
function wholeBody(
  req: IncomingMessage,
  idleTimeoutMs: number,
  hold: (bytes: number) => void,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (req.destroyed) return reject(new ClientGone("the client went away"));
    const chunks: Buffer[] = [];
    const over = () => {
      clearTimeout(idle);
      req.off("data", onData).off("end", onEnd).off("close", onClose);
    };
    const fail = (error: unknown) => {
      over();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      idle.refresh();
      chunks.push(chunk);
      try {
        hold(chunk.length);
      } catch (error) {
        fail(error);
      }
    };
    const onEnd = () => {
      over();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
    };
    const onClose = () => fail(new ClientGone("the client went away"));
    const idle = setTimeout(() => fail(new BodyTimeout()), idleTimeoutMs).unref();
    req.on("data", onData).on("end", onEnd).on("close", onClose);
  });
}

function parsed(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new InvalidInput("The body is not valid UTF-8.");
  }
  checkShape(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidInput("The body is not valid JSON.");
  }
}
