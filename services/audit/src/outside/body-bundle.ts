const ID_BYTES = 16;
const LENGTH_BYTES = 4;
const HEADER_BYTES = ID_BYTES + LENGTH_BYTES;

/** A sealed body as it is kept outside Postgres; its place is its position in the bundles. */
export interface OutsideBody {
  readonly id: string;
  readonly sealed: Buffer;
}

/** A bundle's records: 16 bytes of event id, uint32 big-endian length, sealed body. */
export function encodeBodies(bodies: readonly OutsideBody[]): Buffer {
  return Buffer.concat(
    bodies.flatMap(({ id, sealed }) => {
      const header = Buffer.alloc(HEADER_BYTES);
      header.write(id.replaceAll("-", ""), 0, ID_BYTES, "hex");
      header.writeUInt32BE(sealed.length, ID_BYTES);
      return [header, sealed];
    }),
  );
}

/** The whole records of a bundle and their bytes; what follows is the torn end of a write. */
export function decodeBodies(bytes: Buffer): { bodies: OutsideBody[]; wholeBytes: number } {
  const bodies: OutsideBody[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length) {
    const end = at + HEADER_BYTES + bytes.readUInt32BE(at + ID_BYTES);
    if (end > bytes.length) break;
    const hex = bytes.toString("hex", at, at + ID_BYTES);
    const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    bodies.push({ id, sealed: bytes.subarray(at + HEADER_BYTES, end) });
    at = end;
  }
  return { bodies, wholeBytes: at };
}
