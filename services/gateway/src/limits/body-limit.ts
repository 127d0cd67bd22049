import type { IncomingMessage } from "node:http";
import { Transform } from "node:stream";
import { InvalidInput, TooLarge, UnsupportedMediaType } from "@medvault/contracts";
import { BodyStandstill } from "./limit.errors.ts";

const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE"]);

/**
 * The request's body as a stream that fails with TooLarge beyond `maxBytes`, and with BodyStandstill when nothing of it
 * comes for `standstillMs` although it is waited for; null when there is none. Throws
 * TooLarge at once for a declared length beyond it, InvalidInput for a body where the method has none, and
 * UnsupportedMediaType for a compressed one, whose real size nobody knows.
 */
export function boundedBody(req: IncomingMessage, maxBytes: number, standstillMs: number): Transform | null {
  const declared = req.headers["content-length"];
  const chunked = req.headers["transfer-encoding"] !== undefined;
  if (!chunked && (declared === undefined || Number(declared) === 0)) return null;
  if (BODILESS.has(req.method ?? "")) throw new InvalidInput("This method takes no body.");
  if (declared !== undefined && Number(declared) > maxBytes) throw new TooLarge();
  const encoding = req.headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") throw new UnsupportedMediaType();
  let bytes = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      standstill.refresh();
      if (bytes > maxBytes) done(new TooLarge());
      else done(null, chunk);
    },
  });
  // A service that is slower than its client is not the client's fault.
  const standstill = setTimeout(() => {
    if (bounded.writableNeedDrain) standstill.refresh();
    else bounded.destroy(new BodyStandstill());
  }, standstillMs).unref();
  bounded.once("close", () => clearTimeout(standstill)).once("finish", () => clearTimeout(standstill));
  // Not pipeline(): that would destroy the request, and with it the connection the refusal is to be sent on.
  req.pipe(bounded);
  req.once("aborted", () => bounded.destroy(new Error("the client went away")));
  return bounded;
}
