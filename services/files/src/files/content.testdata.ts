/** Small files made for tests: each the smallest of its kind. */

export const PDF = Buffer.from(
  "%PDF-1.4\n%\u00e2\u00e3\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n" +
    "trailer<</Root 1 0 R>>\n%%EOF\n",
  "latin1",
);

export const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

export const GIF = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");

/** Header, directory at byte 8 with no entries. */
export const TIFF = Buffer.from("49492a0008000000000000000000", "hex");

/** The same with the longer offsets of a BigTIFF. */
export const BIG_TIFF = Buffer.from(`49492b00080000001000000000000000${"00".repeat(16)}`, "hex");

/** Start, JFIF segment, end: no picture, but whole. */
export const JPEG = Buffer.from("ffd8ffe000104a46494600010100000100010000ffd9", "hex");

/** The header of a phone's photo. */
export const HEIC = Buffer.from("000000186674797068656963000000006d69663168656963", "hex");

/** Two elements of a data set, (0008,0005) and (0008,0060), without a preamble. */
export const BARE_DICOM = Buffer.from("0800050043530a0049534f5f49522031303008006000435302004354", "hex");

/** Preamble, "DICM", and the length element of group 0002. */
export function dicom(preamble = Buffer.alloc(128)): Buffer {
  return Buffer.concat([preamble, Buffer.from("DICM"), Buffer.from("02000000554c040000000000", "hex")]);
}

/** A stored (uncompressed) zip with empty members of these names. */
export function zip(names: string[]): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let at = 0;
  for (const name of names) {
    const bytes = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(bytes.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(bytes.length, 28);
    entry.writeUInt32LE(at, 42);
    locals.push(local, bytes);
    entries.push(entry, bytes);
    at += local.length + bytes.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(names.length, 8);
  end.writeUInt16LE(names.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}

export function docx(more: string[] = []): Buffer {
  return zip(["_rels/.rels", "word/document.xml", ...more, "[Content_Types].xml"]);
}
