import { createHash, randomBytes } from "node:crypto";
import { InvalidInput, NewFiles, newId } from "@medvault/contracts";
import { type ByteSource, fileContext, sealFile } from "@medvault/crypto";
import { type Caller, parse } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { kindAmong } from "./added-kinds.ts";
import type { Blob } from "./blob.store.ts";
import { DECLARED_TYPE, declares, ruleAgainst, type Sample, Sampler, unnamed } from "./content.ts";
import { ContentMismatch, FileTypeRefused, UploadTooLarge } from "./file.errors.ts";
import { prescriptionOf } from "./file.ts";
import { extensionOf, safeFileName } from "./file-name.ts";
import type { FilePart } from "./multipart.ts";
import type { Access } from "./records.client.ts";

const FILE_KEY_BYTES = 32;

/** A part that was received, sealed on disk and checked; no row points to it yet. */
export interface ReceivedFile {
  id: string;
  name: string;
  contentType: string;
  sizeBytes: number;
  sha256: string;
  fileKey: Buffer;
  blob: Blob;
}

type UploadContext = Pick<Context, "blobs" | "records" | "maxFileBytes" | "addedTypes">;

/**
 * One upload while it arrives: collects fields, receives parts into the blob store. It asks records
 * when it knows the patient: before the first byte is kept if fields come first, else at the end.
 */
export class Upload {
  readonly #context: UploadContext;
  readonly #caller: Caller;
  readonly #fields = new Map<string, string>();
  readonly #received: (ReceivedFile | undefined)[] = [];
  #asked: { target: NewFiles; answer: Promise<Access> } | null = null;

  constructor(context: UploadContext, caller: Caller) {
    this.#context = context;
    this.#caller = caller;
  }

  /** Throws `InvalidInput` for a field that comes twice; the rest is checked by `target`. */
  field(name: string, value: string): void {
    if (this.#fields.has(name)) throw new InvalidInput(undefined, [{ path: name, message: "comes twice" }]);
    this.#fields.set(name, value);
  }

  /**
   * Receives one part. Throws `FileTypeRefused`, `ContentMismatch`, `UploadTooLarge`,
   * `InvalidInput` for an unusable name, and what asking for access throws.
   */
  async file(part: FilePart, signal: AbortSignal): Promise<void> {
    const place = this.#received.push(undefined) - 1;
    const name = safeFileName(part.name);
    if (name === "") throw new InvalidInput(undefined, [{ path: "files", message: "has no usable name" }]);
    const path = `files.${place}`;
    const { addedTypes } = this.#context;
    const kind = kindAmong(addedTypes, extensionOf(name), part.declaredType);
    if (!kind) throw new FileTypeRefused({ path, ...ruleAgainst(extensionOf(name), [...addedTypes.keys()]) });
    if (!declares(kind, part.declaredType)) throw new ContentMismatch({ path, ...DECLARED_TYPE });
    if (this.#fields.has("patientId")) await this.#requireAccess();

    const id = newId();
    const fileKey = randomBytes(FILE_KEY_BYTES);
    const content = new PartContent(part.bytes, this.#context.maxFileBytes, signal);
    const blob = await this.#context.blobs.receive((to) =>
      sealFile(content, to, fileKey, fileContext("files", id)),
    );
    const { sizeBytes, sha256, sample } = content.result();
    this.#received[place] = { id, name, contentType: kind.contentType, sizeBytes, sha256, fileKey, blob };
    const rule = kind.broken(sample);
    if (rule) throw new (kind === unnamed ? FileTypeRefused : ContentMismatch)({ path, ...rule });
  }

  /** When all has arrived: the target, why it is allowed, and the files in their order. */
  async complete(): Promise<{ target: NewFiles; access: Access; files: ReceivedFile[] }> {
    const { target, access } = await this.#requireAccess();
    const files = this.#received.filter((file) => file !== undefined);
    if (files.length === 0)
      throw new InvalidInput(undefined, [{ path: "files", code: "required", message: "is needed" }]);
    return { target, access, files };
  }

  /** Removes what was received, temporary or kept. */
  async discard(): Promise<void> {
    await this.#context.blobs.discard(this.#received.flatMap((file) => (file ? [file.blob.name] : [])));
  }

  async #requireAccess(): Promise<{ target: NewFiles; access: Access }> {
    const target = parse(NewFiles, Object.fromEntries(this.#fields));
    if (
      this.#asked?.target.patientId !== target.patientId ||
      this.#asked.target.attachTo !== target.attachTo
    ) {
      const prescriptionId = prescriptionOf(target.attachTo);
      const answer = this.#context.records.requireAccess(this.#caller, {
        patientId: target.patientId,
        action: "write",
        ...(prescriptionId && { prescriptionId }),
      });
      this.#asked = { target, answer };
    }
    return { target, access: await this.#asked.answer };
  }
}

/** A part's plain bytes, measured and sampled; fails with `UploadTooLarge` past the limit. */
class PartContent implements ByteSource {
  readonly #pieces: AsyncIterator<Buffer>;
  readonly #maxBytes: number;
  readonly #signal: AbortSignal;
  readonly #hash = createHash("sha256");
  readonly #sampler = new Sampler();
  #bytes = 0;
  /** What of the last piece was not asked for yet. */
  #left: Buffer = Buffer.alloc(0);

  constructor(part: AsyncIterable<Buffer>, maxBytes: number, signal: AbortSignal) {
    this.#pieces = part[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
    this.#signal = signal;
  }

  async read(into: Buffer, at: number, length: number): Promise<{ bytesRead: number }> {
    if (this.#left.length === 0) this.#left = await this.#next();
    const bytesRead = this.#left.copy(into, at, 0, length);
    this.#left = this.#left.subarray(bytesRead);
    return { bytesRead };
  }

  /** The next piece; empty at the end. */
  async #next(): Promise<Buffer> {
    const { done, value: piece } = await this.#pieces.next();
    this.#signal.throwIfAborted();
    if (done) return Buffer.alloc(0);
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxBytes) throw new UploadTooLarge();
    this.#hash.update(piece);
    this.#sampler.push(piece);
    return piece;
  }

  result(): { sizeBytes: number; sha256: string; sample: Sample } {
    return { sizeBytes: this.#bytes, sha256: this.#hash.digest("hex"), sample: this.#sampler.sample() };
  }
}
