// MedicoIO's own seal: AES-256-CFB8 under a key that follows from the row's id, without a check.
import { createDecipheriv, createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { inflateSync } from "node:zlib";
import { UsageError } from "../lib/command.ts";
import { pythonCharacters } from "./python-random.ts";
import { type Cell, Refused, SourceRefused, type SourceRow } from "./row.ts";
import { MAX_UNIT_CHARS } from "./unit.ts";

/** What MedicoIO keeps in `site.sqite`. */
export interface SiteSettings {
  readonly key: string;
  readonly isHashed: boolean;
  readonly hashOf: Readonly<Record<string, string>>;
  readonly layers: number;
  readonly layerHash: string;
}

const SEED_CHARS = 128;
/** Of so many cells one must open, or the settings are another site's. */
const TRIED_CELLS = 100;
const HASHES: Readonly<Record<string, string>> = {
  ...{ md5: "md5", sha1: "sha1", sha256: "sha256", sha384: "sha384", sha512: "sha512" },
  ...{ sha3_224: "sha3-224", sha3_256: "sha3-256", sha3_384: "sha3-384", sha3_512: "sha3-512" },
};
/** Tables that are opened, by the setting that names their cipher. */
const CIPHERS = {
  user_details: "user_detail_encryption",
  consultations: "consultations_encryption",
} as const;

/** Reads `site.sqite`; what it does not say is as MedicoIO has it at first. Throws UsageError. */
export function readSite(file: string): SiteSettings {
  let settings: Map<string, string>;
  try {
    const database = new DatabaseSync(file, { readOnly: true });
    const rows = database.prepare("select key, value from unnamed").all() as {
      key: string;
      value: Uint8Array;
    }[];
    database.close();
    settings = new Map(rows.map(({ key, value }) => [key, unpickled(Buffer.from(value)) ?? ""]));
  } catch {
    throw new UsageError(`${file} is no site.sqite of MedicoIO.`);
  }
  const key = settings.get("encryption_key");
  if (!key) throw new UsageError(`${file} holds no encryption_key.`);
  for (const name of Object.values(CIPHERS))
    if ((settings.get(name) ?? "aes") !== "aes")
      throw new UsageError(`${file} says ${settings.get(name)} for ${name}; this tool opens aes alone.`);
  return {
    key,
    isHashed: (settings.get("encryption_keyiv") ?? "hashing") === "hashing",
    hashOf: {
      user_details: settings.get("userbase_hash") ?? "sha256",
      consultations: settings.get("database_hash") ?? "sha1",
    },
    layers: Number(settings.get("hashing_layers") ?? 1),
    layerHash: settings.get("layer_algo") ?? "sha3_512",
  };
}

/** A text or a small number that Python's pickle wrote; null: something else. */
function unpickled(bytes: Buffer): string | null {
  const at = bytes[0] === 0x80 ? (bytes[2] === 0x95 ? 11 : 2) : 0;
  const [code, size = 0] = bytes.subarray(at, at + 2);
  if (code === 0x8c) return bytes.toString("utf8", at + 2, at + 2 + size); // SHORT_BINUNICODE
  if (code === 0x58) return bytes.toString("utf8", at + 5, at + 5 + bytes.readUInt32LE(at + 1)); // BINUNICODE
  return code === 0x4b ? String(size) : null; // BININT1
}

/** Opens the cells of MedicoIO's tables; plain texts and Fernet tokens stay as they are. */
export class SiteOpener {
  readonly #site: SiteSettings;
  #opened = 0;
  #refused = 0;

  constructor(site: SiteSettings) {
    this.#site = site;
  }

  get opened(): number {
    return this.#opened;
  }

  /** The row with its cells opened, or with a fault. Throws SourceRefused where none ever opens. */
  open(row: SourceRow): SourceRow {
    if (row.fault || !Object.hasOwn(CIPHERS, row.table)) return row;
    const id = row.cells[row.columns.indexOf("id")];
    const keys = this.#keysOf(row.table, id === null || id === undefined ? "" : id.toString());
    try {
      const cells = row.cells.map((cell) => (isSealed(cell) ? this.#text(cell, keys) : cell));
      return { ...row, cells };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { ...row, fault: error };
    }
  }

  /** Throws SourceRefused where cells were tried and not one opened. */
  requireRight(): void {
    if (this.#opened === 0 && this.#refused > 0) throw wrongSite(this.#refused);
  }

  #text(cell: Buffer, { key, iv }: Keys): Buffer {
    const prefix = Buffer.from(`${this.#site.key}_`);
    try {
      const sealed = inflateSync(cell, { maxOutputLength: MAX_UNIT_CHARS });
      const decipher = createDecipheriv("aes-256-cfb8", key, iv);
      const plain = Buffer.concat([decipher.update(sealed), decipher.final()]);
      if (!plain.subarray(0, prefix.length).equals(prefix)) throw new Error("another key");
      this.#opened++;
      return plain.subarray(prefix.length);
    } catch {
      this.#refused++;
      if (this.#opened === 0 && this.#refused >= TRIED_CELLS) throw wrongSite(this.#refused);
      throw new Refused("bad_cell", "has a cell that was changed, or sealed by another site");
    }
  }

  #keysOf(table: string, id: string): Keys {
    const { key, isHashed, hashOf } = this.#site;
    const seed = pythonCharacters(`${id}_${table}_${key}`, SEED_CHARS);
    const sorted = [...seed]
      .sort()
      .join("")
      .slice(SEED_CHARS / 2);
    const back = (text: string) => [...text].reverse().join("");
    const hash = (text: string) => this.#hash(text, hashOf[table] ?? "");
    const [long, short] = isHashed
      ? [hash(sorted + back(seed) + sorted), hash(back(seed) + seed + back(sorted))]
      : [seed, sorted];
    return { key: Buffer.from(long).subarray(0, 32), iv: Buffer.from(short).subarray(0, 16) };
  }

  #hash(text: string, name: string): string {
    let hashed = hexOf(text, name);
    for (let layer = 0; layer < this.#site.layers; layer++) hashed = hexOf(hashed, this.#site.layerHash);
    return hashed;
  }
}

interface Keys {
  readonly key: Buffer;
  readonly iv: Buffer;
}

const hexOf = (text: string, name: string): string =>
  createHash(HASHES[name] ?? "sha256")
    .update(text)
    .digest("hex");

/** As zlib begins a stream: what is sealed is compressed. */
const isSealed = (cell: Cell): cell is Buffer => Buffer.isBuffer(cell) && cell[0] === 0x78 && cell.length > 8;

const wrongSite = (tried: number): SourceRefused =>
  new SourceRefused(
    `site.sqite is of another site: of the first ${tried} sealed cells not one opens. Nothing was stored.`,
  );
