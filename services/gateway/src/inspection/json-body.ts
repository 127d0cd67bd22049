import type { IncomingMessage, ServerResponse } from "node:http";
import { InvalidInput, TooLarge, Unavailable, UnsupportedMediaType } from "@medvault/contracts";
import { abandonBody, boundedBody } from "../limits/body-limit.ts";
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
  const stream = boundedBody(req, maxBytes, idleTimeoutMs);
  if (!stream) return null;
  if (!JSON_TYPE.test(req.headers["content-type"] ?? "")) {
    stream.destroy();
    abandonBody(req, res);
    throw new UnsupportedMediaType("Send application/json.");
  }
  const chunks: Buffer[] = [];
  let held = 0;
  res.once("close", () => {
    heldBytes -= held;
  });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      held += chunk.length;
      heldBytes += chunk.length;
      if (heldBytes > MAX_HELD_BYTES) throw new Unavailable();
      chunks.push(chunk);
    }
  } catch (thrown) {
    abandonBody(req, res);
    if (thrown instanceof TooLarge || thrown instanceof Unavailable) throw thrown;
    throw req.destroyed || req.errored ? new ClientGone("the client went away") : thrown;
  }
  const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, held);
  return bytes.length === 0 ? null : { bytes, value: parsed(bytes) };
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
