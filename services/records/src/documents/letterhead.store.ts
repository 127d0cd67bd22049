import { closeSync, openSync, readSync } from "node:fs";

const MAX_LOGO_BYTES = 512 * 1024;
const MAX_LOGO_PIXELS = 2_000;
const PNG = Buffer.from("89504e470d0a1a0a", "hex");

/** A clinic's logo: a PNG or JPEG of bounded size. Throws TypeError for anything else. */
export function readLogo(file: string): Uint8Array {
  const bytes = Buffer.alloc(MAX_LOGO_BYTES + 1);
  const opened = openSync(file, "r");
  let length = 0;
  try {
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(opened, bytes, length, bytes.length - length, null);
  } finally {
    closeSync(opened);
  }
  if (length > MAX_LOGO_BYTES) throw new TypeError(`must have ${MAX_LOGO_BYTES / 1024} KiB at most`);
  const logo = bytes.subarray(0, length);
  const size = logo.subarray(0, PNG.length).equals(PNG) ? pngSize(logo) : jpegSize(logo);
  if (!size) throw new TypeError("must be a PNG or JPEG image");
  if (size.some((side) => side < 1 || side > MAX_LOGO_PIXELS))
    throw new TypeError(`must have ${MAX_LOGO_PIXELS} pixels a side at most`);
  return new Uint8Array(logo);
}

type Size = readonly [width: number, height: number];

function pngSize(png: Buffer): Size | null {
  return png.length < 33 ? null : [png.readUInt32BE(16), png.readUInt32BE(20)];
}

/** From the first frame of a JPEG. */
function jpegSize(jpeg: Buffer): Size | null {
  if (jpeg.length < 4 || jpeg.readUInt16BE(0) !== 0xffd8) return null;
  for (let at = 2; at + 9 < jpeg.length && jpeg[at] === 0xff; at += 2 + jpeg.readUInt16BE(at + 2)) {
    const marker = jpeg[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return [jpeg.readUInt16BE(at + 7), jpeg.readUInt16BE(at + 5)];
  }
  return null;
}
