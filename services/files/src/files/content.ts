import { fileTypeFromBuffer } from "file-type";

/** Kept of a stream's beginning and end: enough for every signature and a zip's directory. */
const HEAD_BYTES = 64 * 1024;
const TAIL_BYTES = 256 * 1024;

interface Kind {
  contentType: string;
  /** Types a client may declare for it; `application/octet-stream` says nothing and fits all. */
  declared: readonly string[];
  /** May be shown in place by a browser. */
  inline: boolean;
  check: (sample: Sample) => Promise<boolean> | boolean;
}

/** The beginning, the end, and whether the whole looked like text. */
export interface Sample {
  head: Buffer;
  tail: Buffer;
  size: number;
  text: boolean;
}

const DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

const jpeg = image("image/jpeg", "image/jpg", "image/pjpeg");
const tiff: Kind = { ...image("image/tiff", "image/tif"), check: isTiff };

/** Everything that is stored, by the extension of its name. */
const KINDS: Readonly<Record<string, Kind>> = {
  pdf: { ...image("application/pdf"), check: ({ head }) => head.subarray(0, 5).equals(Buffer.from("%PDF-")) },
  png: { ...image("image/png"), check: hasSignature("image/png", "image/apng") },
  jpeg,
  jpg: jpeg,
  gif: image("image/gif"),
  webp: image("image/webp"),
  tiff,
  tif: tiff,
  docx: { contentType: DOCX, declared: [DOCX], inline: false, check: isDocx },
  dcm: { contentType: "application/dicom", declared: ["application/dicom"], inline: false, check: isDicom },
  txt: { contentType: "text/plain", declared: ["text/plain"], inline: false, check: isPlainText },
  csv: {
    contentType: "text/csv",
    // Windows browsers with Excel installed declare the third, older clients the fourth
    declared: ["text/csv", "text/plain", "application/vnd.ms-excel", "application/csv"],
    inline: false,
    check: isPlainText,
  },
};

/** The kind that an extension names, or null when such files are not stored. */
export function kindOf(extension: string): Kind | null {
  return Object.hasOwn(KINDS, extension) ? (KINDS[extension] ?? null) : null;
}

/** True when a type declared for a part fits the kind. */
export function declares(kind: Kind, declaredType: string): boolean {
  return declaredType === "application/octet-stream" || kind.declared.includes(declaredType.toLowerCase());
}

/** True when a stored content type may be shown in place. */
export function mayBeInline(contentType: string): boolean {
  return Object.values(KINDS).some((kind) => kind.inline && kind.contentType === contentType);
}

/** Collects a bounded sample of bytes that stream past. */
export class Sampler {
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #size = 0;
  #text = true;

  push(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#text) this.#text = !hasControlByte(chunk);
    if (this.#headBytes < HEAD_BYTES) {
      const part = chunk.subarray(0, HEAD_BYTES - this.#headBytes);
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    this.#tail.push(chunk);
    this.#tailBytes += chunk.length;
    while (this.#tailBytes - (this.#tail[0]?.length ?? 0) >= TAIL_BYTES) {
      this.#tailBytes -= this.#tail.shift()?.length ?? 0;
    }
  }

  sample(): Sample {
    const tail = Buffer.concat(this.#tail);
    return {
      head: Buffer.concat(this.#head),
      tail: tail.subarray(Math.max(0, tail.length - TAIL_BYTES)),
      size: this.#size,
      text: this.#text,
    };
  }
}

function image(contentType: string, ...alsoDeclared: string[]): Kind {
  return {
    contentType,
    declared: [contentType, ...alsoDeclared],
    inline: true,
    check: hasSignature(contentType),
  };
}

function hasSignature(...mimes: string[]): Kind["check"] {
  return async ({ head }) => mimes.includes((await fileTypeFromBuffer(head))?.mime ?? "");
}

/**
 * A TIFF header whose first directory lies inside the file. (file-type looks into that directory,
 * which writers put behind the pixels, out of a sample's reach.)
 */
function isTiff({ head, size }: Sample): boolean {
  if (head.length < 8) return false;
  const order = head.toString("latin1", 0, 2);
  const version = order === "II" ? head.readUInt16LE(2) : order === "MM" ? head.readUInt16BE(2) : 0;
  const directoryAt = order === "II" ? head.readUInt32LE(4) : head.readUInt32BE(4);
  return version === 42 && directoryAt >= 8 && directoryAt < size;
}

/**
 * Text of any superset of ASCII (UTF-8, Windows-1252 from older clinic software): no control bytes
 * but tab, line feed, form feed and carriage return, and no signature of another format.
 */
async function isPlainText({ head, text }: Sample): Promise<boolean> {
  return text && (await fileTypeFromBuffer(head)) === undefined;
}

function hasControlByte(chunk: Buffer): boolean {
  for (const byte of chunk) {
    if (byte < 0x20 ? byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 : byte === 0x7f) return true;
  }
  return false;
}

/**
 * DICOM part 10: "DICM" after a preamble of 128 bytes, then file meta group 0002. The preamble must
 * be the standard's zeros or TIFF header: anything else can be a program (CVE-2019-11687).
 */
function isDicom({ head }: Sample): boolean {
  const preamble = head.subarray(0, 128);
  const tiff = ["49492a00", "4d4d002a"].includes(preamble.subarray(0, 4).toString("hex"));
  return (
    (tiff || preamble.every((byte) => byte === 0)) &&
    head.subarray(128, 132).toString("latin1") === "DICM" &&
    head.subarray(132, 134).toString("hex") === "0200"
  );
}

/**
 * A zip that begins at byte 0, ends with its own directory, has a Word document's parts and no
 * macros. Local headers may have any order (LibreOffice: `[Content_Types].xml` last): not read.
 */
function isDocx({ head, tail, size }: Sample): boolean {
  if (head.subarray(0, 4).toString("hex") !== "504b0304") return false;
  const names = zipNames(tail, size);
  return (
    names?.includes("[Content_Types].xml") === true &&
    names.includes("word/document.xml") &&
    !names.some((name) => /(^|\/)vbaProject\.bin$/i.test(name))
  );
}

/** Names in the central directory (APPNOTE 4.3.12, 4.3.16); null unless whole and at the end. */
function zipNames(tail: Buffer, size: number): string[] | null {
  const end = tail.lastIndexOf("PK\u0005\u0006", undefined, "latin1");
  if (end < 0 || end + 22 > tail.length || end + 22 + tail.readUInt16LE(end + 20) !== tail.length)
    return null;
  const entries = tail.readUInt16LE(end + 10);
  const directoryBytes = tail.readUInt32LE(end + 12);
  const directoryAt = tail.readUInt32LE(end + 16);
  const tailAt = size - tail.length;
  if (directoryAt < tailAt || directoryAt + directoryBytes !== tailAt + end) return null;
  const names: string[] = [];
  let at = directoryAt - tailAt;
  for (let i = 0; i < entries; i++) {
    if (at + 46 > end || tail.readUInt32LE(at) !== 0x02014b50) return null;
    const nameBytes = tail.readUInt16LE(at + 28);
    names.push(tail.toString("utf8", at + 46, at + 46 + nameBytes));
    at += 46 + nameBytes + tail.readUInt16LE(at + 30) + tail.readUInt16LE(at + 32);
  }
  return at === end ? names : null;
}
