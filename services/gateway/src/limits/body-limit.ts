import type { IncomingMessage, ServerResponse } from "node:http";
import { Transform } from "node:stream";
import { compressedBody, InvalidInput, TooLarge } from "@medvault/contracts";
import { BodyTimeout } from "./limit.errors.ts";

const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE"]);

/**
 * Whether a body comes with the request. Throws TooLarge for a declared length beyond the limit,
 * InvalidInput for a body where the method has none, and UnsupportedMediaType for a compressed one,
 * whose real size nobody knows.
 */
export function hasBody(req: IncomingMessage, maxBytes: number): boolean {
  const declared = req.headers["content-length"];
  const chunked = req.headers["transfer-encoding"] !== undefined;
  if (!chunked && (declared === undefined || Number(declared) === 0)) return false;
  if (BODILESS.has(req.method ?? "")) throw new InvalidInput("This method takes no body.");
  if (declared !== undefined && Number(declared) > maxBytes) throw new TooLarge();
  const encoding = req.headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") throw compressedBody();
  return true;
}

/**
 * The request's body as a stream; null when there is none. The stream fails with TooLarge beyond
 * `maxBytes`, and with BodyTimeout when the service waits for more and nothing comes for
 * `idleTimeoutMs`. Throws what `hasBody` throws.
 */
export function boundedBody(req: IncomingMessage, maxBytes: number, idleTimeoutMs: number): Transform | null {
  if (!hasBody(req, maxBytes)) return null;
  let bytes = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      idle.refresh();
      if (bytes > maxBytes) done(new TooLarge());
      else done(null, chunk);
    },
  });
  // A service that is slower than its client is not the client's fault.
  const idle = setTimeout(() => {
    if (bounded.writableNeedDrain) idle.refresh();
    else bounded.destroy(new BodyTimeout());
  }, idleTimeoutMs).unref();
  bounded.once("close", () => clearTimeout(idle)).once("finish", () => clearTimeout(idle));
  // Not pipeline(): it would destroy the request, and its connection, which the refusal needs.
  req.pipe(bounded);
  req.once("aborted", () => bounded.destroy(new Error("the client went away")));
  return bounded;
}

/** Does not wait for the rest of a body: the connection ends with the answer. */
export function abandonBody(req: IncomingMessage, res: ServerResponse): void {
  if (!res.headersSent) res.setHeader("Connection", "close");
  req.unpipe();
  req.resume();
}
