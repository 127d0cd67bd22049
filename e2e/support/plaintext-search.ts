import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";

/** The encodings in which a text may lie readable in a file. */
export function encodings(marker: string): Map<string, Buffer> {
  const raw = Buffer.from(marker, "utf8");
  const forms = new Map<string, Buffer>([
    ["raw", raw],
    ["lower case", Buffer.from(marker.toLowerCase(), "utf8")],
    ["upper case", Buffer.from(marker.toUpperCase(), "utf8")],
    ["hex", Buffer.from(raw.toString("hex"))],
    ["HEX", Buffer.from(raw.toString("hex").toUpperCase())],
    ["utf16le", Buffer.from(marker, "utf16le")],
    ["utf16be", Buffer.from(marker, "utf16le").swap16()],
  ]);
  // Inside a longer text base64 falls in one of three alignments; only the characters that depend
  // on the marker alone can be looked for.
  for (const shift of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(shift), raw]);
    const whole = Math.floor(padded.length / 3) * 3;
    const from = shift === 0 ? 0 : 4;
    forms.set(`base64 +${shift}`, Buffer.from(padded.subarray(0, whole).toString("base64").slice(from)));
    forms.set(
      `base64url +${shift}`,
      Buffer.from(padded.subarray(0, whole).toString("base64url").slice(from)),
    );
  }
  return forms;
}

export interface Finding {
  file: string;
  marker: string;
  form: string;
}

interface Needle {
  marker: string;
  form: string;
  bytes: Buffer;
}

/** Every file under `roots` with a marker in any encoding, and how many bytes were read. */
export async function search(
  roots: string[],
  markers: string[],
): Promise<{ findings: Finding[]; files: number; bytes: number }> {
  const needles = markers.flatMap((marker) =>
    [...encodings(marker)].map(([form, bytes]): Needle => ({ marker, form, bytes })),
  );
  const finder = finderOf(needles);
  const overlap = Math.max(...needles.map((needle) => needle.bytes.length)) - 1;
  const findings: Finding[] = [];
  let files = 0;
  let bytes = 0;
  for (const root of roots) {
    for (const file of await filesBelow(root)) {
      files++;
      let rest: Buffer = Buffer.alloc(0);
      try {
        for await (const chunk of createReadStream(file, { highWaterMark: 4 * 1024 * 1024 })) {
          bytes += (chunk as Buffer).length;
          const window = Buffer.concat([rest, chunk as Buffer]);
          for (const { marker, form } of finder(window)) findings.push({ file, marker, form });
          rest = window.subarray(Math.max(0, window.length - overlap));
        }
      } catch (error) {
        if (!isGone(error)) throw error; // a running server may have removed the file
      }
    }
  }
  return { findings, files, bytes };
}

/** Finds all needles in one pass, by their first three bytes: a pass for each takes minutes. */
function finderOf(needles: Needle[]): (window: Buffer) => Needle[] {
  const byStart = Map.groupBy(needles, ({ bytes }) => bytes.readUIntBE(0, 3));
  const starts = new Uint8Array(2 ** 24);
  for (const start of byStart.keys()) starts[start] = 1;
  return (window) => {
    const found: Needle[] = [];
    let start = window.length < 3 ? 0 : window.readUInt16BE(0);
    for (let at = 2; at < window.length; at++) {
      start = ((start & 0xffff) << 8) | (window[at] ?? 0);
      if (starts[start] !== 1) continue;
      for (const needle of byStart.get(start) ?? []) {
        if (window.subarray(at - 2, at - 2 + needle.bytes.length).equals(needle.bytes)) found.push(needle);
      }
    }
    return found;
  };
}

async function filesBelow(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) found.push(path.join(entry.parentPath, entry.name));
  }
  if ((await stat(root)).isDirectory() && found.length === 0) throw new Error(`nothing to search in ${root}`);
  return found;
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
