import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { InvalidInput, UnsupportedMediaType } from "@medvault/contracts";
import busboy from "busboy";
import { UploadTooLarge } from "./file.errors.ts";
import { decodedName } from "./file-name.ts";

const MAX_FILES = 10;
const MAX_FIELDS = 8;
const MAX_FIELD_BYTES = 256;
/** Room for boundaries, part headers and fields beside the files themselves. */
const OVERHEAD_BYTES = 1024 * 1024;
/** How long the rest of a refused request is read, so that the client gets to see the answer. */
const DRAIN_MS = 10_000;

export interface FilePart {
  /** As the client wrote it, path and all. */
  name: string;
  /** text/plain, too, for a part that declares none (RFC 7578, 4.4). */
  declaredType: string;
  bytes: Readable;
}

export interface MultipartHandlers {
  /** Called in the order of the parts; may throw to refuse the request. */
  field(name: string, value: string): void;
  /** Consumes the part. `signal` aborts when another part fails or the client goes away. */
  file(part: FilePart, signal: AbortSignal): Promise<void>;
}

/**
 * Reads a multipart/form-data body part by part, without holding it. Resolves when every part was
 * handled. After the first failure it aborts and awaits the other parts, reads the rest of the body
 * (up to the limit and 10 s, or the sending client never sees the answer), and throws: what a
 * handler threw, `InvalidInput` (malformed or cut, or more than 10 files), `UploadTooLarge` (longer
 * than ten files of `maxFileBytes`) or `UnsupportedMediaType`.
 */
export async function readMultipart(
  req: IncomingMessage,
  maxFileBytes: number,
  handlers: MultipartHandlers,
): Promise<void> {
  const maxBytes = MAX_FILES * maxFileBytes + OVERHEAD_BYTES;
  const parts: Promise<void>[] = [];
  const abort = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const form = createParser(req);
      const guard =
        <A extends unknown[]>(work: (...args: A) => void) =>
        (...args: A) => {
          try {
            work(...args);
          } catch (error) {
            reject(error);
          }
        };
      let received = 0;
      req.on("data", (chunk: Buffer) => {
        received += chunk.length;
        if (received > maxBytes) reject(new UploadTooLarge());
      });
      req.once("close", () => {
        if (!req.complete) reject(new InvalidInput("The upload was cut off."));
      });
      form.on(
        "field",
        guard((name, value, info) => {
          if (info.valueTruncated) throw fault(name, "is too long");
          handlers.field(name, value);
        }),
      );
      form.on("file", (field, bytes, info) => {
        bytes.on("error", () => {}); // an aborted part; its reader has the error too
        if (field !== "files" || !info.filename) {
          bytes.resume();
          return reject(fault("files", "is the one field for files, and each has a name"));
        }
        const name = decodedName(info.filename);
        const part = handlers.file({ name, declaredType: info.mimeType, bytes }, abort.signal);
        parts.push(part);
        part.catch(reject);
      });
      form.on("filesLimit", () => reject(fault("files", `are at most ${MAX_FILES}`)));
      form.on("fieldsLimit", () => reject(fault("", "has too many fields")));
      form.on("error", () => reject(new InvalidInput("The multipart body is malformed or cut short.")));
      form.on("close", () => Promise.all(parts).then(() => resolve(), reject));
      abort.signal.addEventListener("abort", () => {
        req.unpipe(form);
        form.destroy();
      });
      req.pipe(form);
    });
  } catch (error) {
    abort.abort();
    await Promise.allSettled(parts);
    await drain(req, maxBytes);
    throw error;
  }
}

function createParser(req: IncomingMessage): busboy.Busboy {
  if (!/^multipart\/form-data\s*;/i.test(req.headers["content-type"] ?? "")) {
    throw new UnsupportedMediaType("Send multipart/form-data.");
  }
  try {
    return busboy({
      headers: req.headers,
      defParamCharset: "latin1", // a character a byte, for `decodedName`
      limits: {
        files: MAX_FILES,
        fields: MAX_FIELDS,
        fieldSize: MAX_FIELD_BYTES,
        fieldNameSize: 64,
        parts: MAX_FILES + MAX_FIELDS + 1,
        headerPairs: 20,
      },
    });
  } catch {
    throw new InvalidInput("The multipart body has no usable boundary.");
  }
}

function fault(path: string, message: string): InvalidInput {
  return new InvalidInput(undefined, [{ path, message }]);
}

/** Reads on until the end, `maxBytes` more or 10 s, whichever is first. Never throws. */
async function drain(req: IncomingMessage, maxBytes: number): Promise<void> {
  if (req.readableEnded || req.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, DRAIN_MS);
  let left = maxBytes;
  req.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) resolve();
  });
  req.once("end", resolve).once("close", resolve).once("error", resolve).resume();
  await promise;
  clearTimeout(timer);
  if (left < 0) req.pause();
}
